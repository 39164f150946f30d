//! A lock of a file (`flock(2)`) belongs to the open file: it goes when nothing refers to that any
//! more.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::fs::File as StdFile;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use common::*;
use mfio::backend::IoBackendExt;
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::Packet;
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};

fn open(rt: &NativeRt, path: &Path) -> File {
    let options = OpenOptions::new().read(true).write(true);
    let file = rt.block_on(rt.open(path, &options)).unwrap();
    assert!(try_lock(&file), "nobody has it");
    assert!(!is_free(path));
    file
}

fn try_lock(file: impl AsFd) -> bool {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: takes numbers only; the descriptor is open.
    unsafe { libc::flock(fd, libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Whether another open of the file can have the lock.
fn is_free(path: &Path) -> bool {
    try_lock(StdFile::open(path).unwrap())
}

/// Nothing is in flight: the drop gives the lock back, with nothing to wait for.
#[test]
fn a_lock_goes_with_the_last_handle() {
    let dir = Dir::new();
    let path = dir.file("locked", 100);
    for rt in runtimes() {
        for uses in [0, 1, 10, 1000] {
            let file = open(&rt, &path);
            let clone = file.clone();
            for n in 0..uses {
                rt.block_on(file.write_value_at(&7_u8, n % 8)).unwrap();
                rt.block_on(clone.read_value_at::<u8>(n % 8)).unwrap();
            }
            drop(file);
            assert!(!is_free(&path), "a clone has it");
            drop(clone);
            assert!(
                is_free(&path),
                "after {uses} uses of {}",
                rt.report().chosen()
            );
        }
    }
}

/// The operation is not awaited, no other is sent, and only the runtime itself drives it.
#[test]
fn a_lock_is_released_though_operations_are_abandoned() {
    let dir = Dir::new();
    let path = dir.file("locked", 1 << 21);
    let mut cx = Context::from_waker(Waker::noop());
    for rt in runtimes() {
        for flushed in [false, true] {
            let file = open(&rt, &path);
            let (read, view) = Packet::new(vec![0; 1 << 20]).start::<Read>();
            file.send_io(0, view);
            let (write, view) = Packet::new([7; 10]).start::<Write>();
            file.send_io(0, view);
            let (mut len, mut sync) = (file.len(), file.sync_all());
            assert!(Pin::new(&mut len).poll(&mut cx).is_pending());
            assert!(Pin::new(&mut sync).poll(&mut cx).is_pending());
            if flushed {
                rt.block_on(async {});
            }
            drop((read, write, len, sync, file));
            eventually("the lock is free", || is_free(&path));
        }
    }
}

/// A thread that drives the runtime, for something else.
struct Drives {
    thread: std::thread::JoinHandle<()>,
    stop: std::io::PipeWriter,
}

impl Drives {
    fn new(rt: &NativeRt) -> Self {
        let (reader, stop) = std::io::pipe().unwrap();
        let file = File::from_owned_fd(rt, reader.into());
        let thread = std::thread::spawn(move || {
            let (ended, _) = file.block_on(file.read_exact_buf_at(vec![0], 0));
            assert!(ended.is_err());
        });
        Self { thread, stop }
    }

    fn stop(self) {
        drop(self.stop);
        self.thread.join().unwrap();
    }
}

/// A read that nobody waits for any more may never end by itself, and the driver waits for other
/// things: the drop of the file makes it let go.
#[test]
fn a_stream_closes_though_a_read_of_it_was_abandoned() {
    for rt in runtimes() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let driver = Drives::new(&rt);
        let stream = File::from_owned_fd(&rt, ours.into());
        let mut reads: Vec<_> = (0..2)
            .map(|_| stream.read_exact_buf_at(vec![0; 8], 0))
            .collect();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            reads
                .iter_mut()
                .all(|read| Pin::new(read).poll(&mut cx).is_pending())
        );
        // The driver has begun them when it has ended what was sent after them.
        let (mut begun, view) = Packet::new([0; 1]).start::<Read>();
        let (feed, mut fed) = std::io::pipe().unwrap();
        let feed = File::from_owned_fd(&rt, feed.into());
        feed.send_io(0, view);
        fed.write_all(b"x").unwrap();
        eventually("the driver is at work", || {
            Pin::new(&mut begun).poll(&mut cx).is_ready()
        });
        drop(reads);
        drop(stream);
        theirs
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        // (Completions interrupt calls of the thread that submitted; this goes on then.)
        let ended = (&theirs).read_to_end(&mut Vec::new());
        assert_eq!(ended.unwrap(), 0, "it is closed");
        driver.stop();
    }
}
