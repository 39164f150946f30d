//! Hazards of operations that are cancelled, abandoned, interrupted or outlived.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::fs::File as StdFile;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use common::asleep::spawn_watched;
use common::*;
use mfio::backend::IoBackendExt;
use mfio::error::{Error, ErrorKind};
use mfio::packet::{Buffer, Packet, ReadBuffer, WriteBuffer};
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{DriverKind, File, NativeRt, leaked_operations};

/// For tests that look at what the whole process has.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file whose reads never end by themselves: 8 bytes at a time, once somebody has written to it.
fn never() -> (OwnedFd, StdFile) {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: just made, and nobody else's.
    let reader = unsafe { OwnedFd::from_raw_fd(fd) };
    let writer = StdFile::from(reader.try_clone().unwrap());
    (reader, writer)
}

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

/// Polls once and submits what that sent.
fn start<F: Future + Unpin>(rt: &NativeRt, future: &mut F) -> Poll<F::Output> {
    rt.block_on(async { std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) })
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
    drop(rt);
    assert_eq!(freed.load(Ordering::SeqCst), 20, "memory was not freed");
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

/// The kernel cancels what a thread had submitted when that thread ends.
#[test]
fn a_submitter_that_exits_takes_no_operation_with_it() {
    for rt in runtimes() {
        let (reader, mut writer) = never();
        let file = File::from_owned_fd(&rt, reader);
        let mut read = {
            let (rt, file) = (rt.clone(), file.clone());
            let (submit, submitter) = spawn_watched(move || {
                let (mut in_flight, view) = Packet::new([0; 8]).start::<mfio::io::Read>();
                mfio::io::PacketIo::send_io(&file, 0, view);
                assert!(start(&rt, &mut in_flight).is_pending());
                in_flight
            });
            let read = submit.join().unwrap();
            submitter.until_gone();
            read
        };
        assert!(
            start(&rt, &mut read).is_pending(),
            "it ended with its submitter"
        );
        writer.write_all(&9_u64.to_ne_bytes()).unwrap();
        let ended = within("the read ends", move || rt.block_on(read));
        assert_eq!(ended.outcome.first_error(), None);
        assert_eq!(ended.packet.into_buffer(), 9_u64.to_ne_bytes());
    }
}

/// The poll through which wake-ups come was submitted by the thread that made the runtime.
#[test]
fn a_builder_that_exits_takes_no_wake_ups_with_it() {
    for kind in DRIVERS {
        let Some(rt) = std::thread::spawn(|| runtime(*kind)).join().unwrap() else {
            continue;
        };
        wake_ups_arrive(&rt);
    }
}

#[test]
fn a_thread_that_waits_hears_of_what_others_send() {
    runtimes().for_each(|rt| wake_ups_arrive(&rt));
}

/// One thread waits for something that does not come, with the turn; another one's reads go through
/// it.
fn wake_ups_arrive(rt: &NativeRt) {
    let dir = Dir::new();
    let (reader, mut writer) = never();
    let stuck = File::from_owned_fd(rt, reader);
    let (waiter, watched) = {
        let rt = rt.clone();
        spawn_watched(move || rt.block_on(async { stuck.read_value_at::<u64>(0).await }))
    };
    watched.until_asleep();
    let options = OpenOptions::new().read(true).write(true).create(true);
    let (other, path) = (rt.clone(), dir.path("other"));
    within("the other thread's operations end", move || {
        let file = other.block_on(other.open(path, &options)).unwrap();
        for n in 0..50_u64 {
            other.block_on(file.write_value_at(&n, n * 8)).unwrap();
            assert_eq!(other.block_on(file.read_value_at::<u64>(n * 8)).unwrap(), n);
        }
    });
    writer.write_all(&3_u64.to_ne_bytes()).unwrap();
    assert_eq!(
        within("the waiter ends", move || waiter.join().unwrap()).unwrap(),
        3
    );
}

fn is_gone<T>(polled: &Poll<Result<T, Error>>) -> bool {
    matches!(polled, Poll::Ready(Err(error)) if error.kind() == ErrorKind::BackendGone)
}

/// The child shares memory and descriptors with its parent, and must leave both alone.
#[test]
fn a_forked_child_touches_nothing() {
    let dir = Dir::new();
    let path = dir.file("forked", 100);
    for rt in runtimes() {
        let (reader, mut writer) = never();
        let stuck = File::from_owned_fd(&rt, reader);
        let file = rt.block_on(rt.open_read(&path)).unwrap();
        let (mut pending, view) = Packet::new([0; 8]).start::<mfio::io::Read>();
        mfio::io::PacketIo::send_io(&stuck, 0, view);
        assert!(start(&rt, &mut pending).is_pending());
        let second = rt.clone();
        // SAFETY: the child touches memory and descriptors of its own only, and leaves with
        // `_exit`.
        match unsafe { libc::fork() } {
            0 => {
                let mut noop = Context::from_waker(Waker::noop());
                let mut bytes = [0; 10];
                let mut read = Box::pin(file.read_exact_at(&mut bytes, 0));
                let refused = is_gone(&read.as_mut().poll(&mut noop));
                drop(read);
                let mut len = file.len();
                let also = is_gone(&std::pin::Pin::new(&mut len).poll(&mut noop));
                drop((len, pending, stuck, file, second, rt));
                // SAFETY: ends the child.
                unsafe { libc::_exit(if refused && also { 0 } else { 9 }) }
            }
            child => {
                assert!(child > 0);
                let mut status = 0;
                // SAFETY: `status` is as large as the call wants.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                assert!(
                    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
                    "the child ended with {status:#x}"
                );
            }
        }
        assert!(
            start(&rt, &mut pending).is_pending(),
            "the child ended an operation of its parent"
        );
        writer.write_all(&5_u64.to_ne_bytes()).unwrap();
        let ended = {
            let rt = rt.clone();
            within("the parent goes on", move || rt.block_on(pending))
        };
        assert_eq!(ended.packet.into_buffer(), 5_u64.to_ne_bytes());
        rt.block_on(file.read_value_at::<[u8; 64]>(0)).unwrap();
    }
}

/// More than the kernel takes at a time waits for room, in order, and all of it is done.
#[test]
fn waiting_for_room_is_asynchronous() {
    if runtime(DriverKind::IoUring).is_none() {
        return;
    }
    for executor in EXECUTORS {
        println!("{executor:?}");
        let small = NativeRt::builder()
            .require(DriverKind::IoUring)
            .queue_depth(1);
        let rt = small.build().unwrap();
        let (reader, mut writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        // One by one, so that the ring is full most of the time.
        let source = std::thread::spawn(move || {
            for n in 0..20_u64 {
                std::thread::sleep(Duration::from_millis(2));
                writer.write_all(&n.to_ne_bytes()).unwrap();
            }
        });
        let executor = *executor;
        let sum = within("all reads are done", move || {
            let reads = (0..20).map(|_| read_number(file.clone())).collect();
            executor.run(&rt, Box::pin(sum(reads)))
        });
        source.join().unwrap();
        assert_eq!(sum, (0..20).sum());
    }
}

async fn read_number(file: File) -> u64 {
    file.read_value_at::<u64>(0).await.unwrap()
}

/// Awaits all at once, and adds up what comes.
async fn sum<F: Future<Output = u64> + Send>(futures: Vec<F>) -> u64 {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut sum = 0;
    std::future::poll_fn(move |cx| {
        futures.retain_mut(|future| match future.as_mut().poll(cx) {
            Poll::Ready(n) => {
                sum += n;
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() {
            Poll::Ready(sum)
        } else {
            Poll::Pending
        }
    })
    .await
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

/// A pipe's reading end, to be used by a runtime, and its writing end.
fn pipe() -> (OwnedFd, StdFile) {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    // SAFETY: just made, and nobody else's.
    let [reader, writer] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    (reader, StdFile::from(writer))
}

/// The system may take less than it was given; what is left is given again.
#[test]
fn a_short_transfer_goes_on() {
    for rt in runtimes() {
        let (mut reader, writer) = stream_to_read();
        let file = File::from_std(&rt, writer);
        let bytes: Vec<u8> = (0..1 << 20).map(byte_at).collect();
        let received = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).map(|_| all)
        });
        let (result, bytes) = within("all of it is written", move || {
            rt.block_on(file.write_all_buf_at(bytes, 0))
        });
        result.unwrap();
        let received = within("all of it arrives", move || received.join().unwrap()).unwrap();
        assert_eq!(received.len(), bytes.len());
        assert!(received == bytes, "it arrives in order");
    }
}

/// A pipe's writing end, to be used by a runtime, and its reading end.
fn stream_to_read() -> (StdFile, StdFile) {
    let (reader, writer) = pipe();
    (StdFile::from(reader), writer)
}

/// A file that the ring has registered would stay open when its descriptor closes. The lock tells:
/// it goes when the file is closed everywhere.
#[test]
fn a_file_that_is_used_often_closes_all_the_same() {
    let dir = Dir::new();
    let path = dir.file("locked", 100);
    for rt in runtimes() {
        let open = || {
            let options = StdFile::options().read(true).write(true).open(&path);
            options.unwrap()
        };
        let locked = open();
        locked.lock().unwrap();
        let file = File::from_std(&rt, locked);
        for n in 0..1000_u64 {
            rt.block_on(file.write_value_at(&7_u8, n % 8)).unwrap();
        }
        assert!(
            open().try_lock().is_err(),
            "it is locked as long as it is open"
        );
        drop(file);
        eventually("it is closed", || open().try_lock().is_ok());
    }
}

/// The end of an operation is told after the operation has given the file back.
#[test]
fn who_hears_of_the_end_finds_the_file_free() {
    for rt in runtimes() {
        let (mut reader, mut writer) = pipe();
        for n in 0..3000_u32 {
            let file = File::from_owned_fd(&rt, reader);
            writer.write_all(&n.to_ne_bytes()).unwrap();
            assert_eq!(rt.block_on(file.read_value_at::<u32>(0)).unwrap(), n);
            rt.block_on(file.len()).unwrap();
            reader = file.into_owned_fd().expect("nobody uses the file any more");
        }
    }
}

/// Eight tasks of tokio, four threads in `block_on` and two tasks of smol, all on one file.
/// `scripts/soak.sh` does so for longer.
#[test]
fn everybody_at_once() {
    let reads: u64 = std::env::var("MFIO_READS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(14_000);
    let dir = Dir::new();
    let path = dir.file("shared", 1 << 20);
    for rt in runtimes() {
        let file = rt.block_on(rt.open_read(&path)).unwrap();
        let share = reads / 14;
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for seed in 0..4 {
                let (rt, file) = (&rt, file.clone());
                scope.spawn(move || rt.block_on(read_at_random(file, seed, share)));
            }
            let (rt, file) = (&rt, file.clone());
            let shared = file.clone();
            scope.spawn(move || {
                let tasks = (4..12)
                    .map(|seed| read_at_random(shared.clone(), seed, share))
                    .collect::<Vec<_>>();
                Executor::TokioDrive.run(
                    rt,
                    Box::pin(async move {
                        let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    }),
                );
            });
            scope.spawn(move || {
                let tasks = (12..14)
                    .map(|seed| read_at_random(file.clone(), seed, share))
                    .collect::<Vec<_>>();
                Executor::SmolDrive.run(
                    rt,
                    Box::pin(async move {
                        let tasks: Vec<_> = tasks.into_iter().map(smol::spawn).collect();
                        for task in tasks {
                            task.await;
                        }
                    }),
                );
            });
        });
        println!(
            "{}: {} reads in {:?}",
            rt.report().chosen(),
            share * 14,
            begin.elapsed()
        );
    }
}

async fn read_at_random(file: File, seed: u64, reads: u64) {
    let mut numbers = Numbers::new(seed);
    let mut packet = Packet::new([0; 64]);
    for n in 0..reads {
        let pos = numbers.below((1 << 20) - 64);
        match n % 3 {
            0 => {
                let mut bytes = [0; 64];
                file.read_exact_at(&mut bytes, pos).await.unwrap();
                assert_bytes(&bytes, pos);
            }
            _ => {
                let ended = file.read_packet_at(packet, pos).await;
                assert_eq!(ended.outcome.first_error(), None);
                packet = ended.packet;
                assert_bytes(packet.buffer(), pos);
            }
        }
        // Three in flight, of which two are given up.
        if numbers.below(3) == 0 {
            let mut given_up = (
                file.read_exact_buf_at(vec![0; 64], pos),
                file.read_exact_buf_at(vec![0; 100], 0),
            );
            let mut cx = Context::from_waker(Waker::noop());
            let _ = std::pin::Pin::new(&mut given_up.0).poll(&mut cx);
            let _ = std::pin::Pin::new(&mut given_up.1).poll(&mut cx);
        }
    }
}
