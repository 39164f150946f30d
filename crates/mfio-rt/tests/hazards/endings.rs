//! Operations that are cancelled, or outlived by the kernel.
#![allow(unsafe_code)]

use std::fs::File as StdFile;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{alone, never, start};
use crate::common::*;
use crate::streams::stream_to_read;
use mfio::backend::{IoBackend, IoBackendExt};
use mfio::error::ErrorKind;
use mfio::packet::{Buffer, Packet, ReadBuffer, WriteBuffer};
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::native::{DriverKind, File, NativeRt, leaked_operations};

/// Memory that says when it was given back.
struct Watched {
    bytes: Box<[u8; 8]>,
    freed: Arc<AtomicUsize>,
}

struct WatchedParts {
    bytes: *mut [u8; 8],
    freed: Arc<AtomicUsize>,
}

// SAFETY: the region lives in the heap, and only `from_parts` gives it back.
unsafe impl Buffer for Watched {
    type Parts = WatchedParts;

    fn into_parts(self) -> WatchedParts {
        let this = std::mem::ManuallyDrop::new(self);
        WatchedParts {
            bytes: this.bytes.as_ptr().cast_mut().cast(),
            // SAFETY: read once; `this` is not dropped, nor used again.
            freed: unsafe { std::ptr::read(&this.freed) },
        }
    }

    unsafe fn from_parts(parts: WatchedParts) -> Self {
        // SAFETY: the pointer came from a box, in `into_parts`.
        let bytes = unsafe { Box::from_raw(parts.bytes) };
        Self {
            bytes,
            freed: parts.freed,
        }
    }

    unsafe fn region(parts: *mut WatchedParts) -> (*mut u8, usize) {
        // SAFETY: our caller's promise.
        (unsafe { (*parts).bytes }.cast(), 8)
    }
}

// SAFETY: plain bytes.
unsafe impl ReadBuffer for Watched {}
// SAFETY: plain bytes, all of them initialised.
unsafe impl WriteBuffer for Watched {}
// SAFETY: the raw pointer stands for a box of bytes.
unsafe impl Send for WatchedParts {}

impl Drop for Watched {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::SeqCst);
    }
}

/// The kernel must have let go of the memory before it is freed: a read that is still there would
/// eat what is written after the shutdown.
#[test]
fn shutdown_ends_reads_before_it_frees_their_memory() {
    let _alone = alone();
    let Some(rt) = runtime(DriverKind::IoUring) else {
        return;
    };
    let leaked = leaked_operations();
    let freed = Arc::new(AtomicUsize::new(0));
    let (reader, mut writer) = never();
    let file = File::from_owned_fd(&rt, reader);
    let watched = || Watched {
        bytes: Box::new([0; 8]),
        freed: freed.clone(),
    };
    let mut reads: Vec<_> = (0..20)
        .map(|_| Box::pin(file.read_packet_at(Packet::new(watched()), 0)))
        .collect();
    for read in &mut reads {
        assert!(start(&rt, read).is_pending());
    }
    // Nobody can cancel the reads that are given up while this is held.
    let held = rt.get_backend();
    reads.truncate(10);
    assert_eq!(
        freed.load(Ordering::SeqCst),
        0,
        "memory was freed under the kernel's hands"
    );
    drop(reads);
    drop(file);
    assert_eq!(
        freed.load(Ordering::SeqCst),
        0,
        "memory was freed under the kernel's hands"
    );
    drop(held);
    drop(rt);
    // The fallback thread may have the last of them in hand, after the kernel let go of it.
    eventually("all memory is freed", || freed.load(Ordering::SeqCst) == 20);
    assert_eq!(leaked_operations(), leaked);
    writer.write_all(&7_u64.to_ne_bytes()).unwrap();
    let mut bytes = [0; 8];
    writer.read_exact(&mut bytes).unwrap();
    assert_eq!(u64::from_ne_bytes(bytes), 7, "a read was still there");
}

/// Futures that outlive their runtime end with an error.
#[test]
fn what_is_in_flight_when_the_runtime_ends_fails() {
    let _alone = alone();
    let Some(rt) = runtime(DriverKind::IoUring) else {
        return;
    };
    let (reader, _writer) = never();
    let file = File::from_owned_fd(&rt, reader);
    let (mut in_flight, view) = Packet::new([0; 8]).start::<mfio::io::Read>();
    mfio::io::PacketIo::send_io(&file, 0, view);
    assert!(start(&rt, &mut in_flight).is_pending());
    drop((file, rt));
    let ended = in_flight.try_end().expect("it ended with the runtime");
    assert_eq!(
        ended.outcome.first_error().unwrap().kind(),
        ErrorKind::Cancelled
    );
}

/// A blocking call cannot be ended: it is left alone, with its memory, and counted. What it holds
/// up has a thread of its own for a last try, which is held up as well here.
#[test]
fn what_cannot_be_ended_is_leaked_and_counted() {
    let _alone = alone();
    let leaked = leaked_operations();
    let freed = Arc::new(AtomicUsize::new(0));
    let patience = Duration::from_millis(50);
    let rt = NativeRt::builder()
        .require(DriverKind::Threads)
        .threads(1)
        .shutdown_patience(patience)
        .build()
        .unwrap();
    let (mut reader, writer) = full_pipe();
    let number = writer.as_raw_fd();
    let file = File::from_std(&rt, writer);
    let watched = || Watched {
        bytes: Box::new([0; 8]),
        freed: freed.clone(),
    };
    let write = || file.write_packet_at(Packet::new(watched()), 0);
    let (mut stuck, mut tried, mut queued) = (write(), write(), write());
    assert!(start(&rt, &mut stuck).is_pending());
    wait_for_a_write(number);
    assert!(start(&rt, &mut tried).is_pending());
    assert!(start(&rt, &mut queued).is_pending());
    drop((stuck, tried, queued));
    drop(file);
    within("the runtime does not wait for them", move || drop(rt));
    assert_eq!(leaked_operations(), leaked + 2);
    assert_eq!(
        freed.load(Ordering::SeqCst),
        1,
        "the queued one, and only that, is freed"
    );
    reader.read_exact(&mut [0; 4096 + 8]).unwrap();
    eventually("the stuck threads give their memory back", || {
        freed.load(Ordering::SeqCst) == 3
    });
}

/// A pipe that takes nothing more: the next write blocks until somebody reads.
fn full_pipe() -> (StdFile, StdFile) {
    let (reader, mut writer) = stream_to_read();
    // SAFETY: takes numbers only; the descriptor is open.
    let size = unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
    assert_eq!(size, 4096);
    writer.write_all(&[0; 4096]).unwrap();
    (reader, writer)
}

/// Whether a thread of this process is within write(2) on this descriptor.
fn is_written_to(fd: RawFd) -> bool {
    // The number of the call, and then its arguments.
    let write = format!("{} {fd:#x} ", libc::SYS_write);
    let threads = std::fs::read_dir("/proc/self/task").expect("/proc");
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("syscall")).ok())
        .any(|call| call.starts_with(&write))
}

/// Waits until one is. Where the system does not tell, it has had its time afterwards.
fn wait_for_a_write(fd: RawFd) {
    match std::fs::read_to_string("/proc/thread-self/syscall") {
        Ok(_) => eventually("a thread writes", || is_written_to(fd)),
        Err(_) => std::thread::sleep(Duration::from_secs(5)),
    }
}

/// The open of a pipe may wait for the other end. Given up, it must leave no descriptor behind,
/// whichever way it ends.
#[test]
fn a_cancelled_open_leaves_no_descriptor() {
    let _alone = alone();
    let dir = Dir::new();
    for rt in runtimes() {
        let path = dir.fifo(rt.report().chosen().name());
        let ours = || {
            descriptors()
                .into_iter()
                .filter(|(_, name)| *name == path.display().to_string())
                .count()
        };
        let mut open = rt.open_read(&path);
        assert!(start(&rt, &mut open).is_pending());
        std::thread::sleep(Duration::from_millis(50));
        drop(open);
        rt.block_on(async {});
        std::thread::sleep(Duration::from_millis(50));
        rt.block_on(async {});
        // Where the call is still blocked, this lets it succeed.
        let other_end = std::fs::OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path);
        drop(other_end);
        std::thread::sleep(Duration::from_millis(50));
        eventually("no descriptor is left", || {
            rt.block_on(async {});
            ours() == 0
        });
    }
}
