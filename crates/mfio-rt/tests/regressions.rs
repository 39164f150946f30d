//! Faults of the past, each under the name of the behaviour that must not happen again.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::ffi::CString;
use std::fs::File as StdFile;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::asleep::spawn_watched;
use common::*;
use mfio::backend::{IoBackend, IoBackendExt};
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::Packet;
use mfio::traits::{BlockingIo, IoRead, IoWrite, forward};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{Builder, DriverKind, File, NativeRt, leaked_operations};

/// Builders of all drivers that can be had.
fn builders() -> impl Iterator<Item = Builder> {
    DRIVERS
        .iter()
        .filter(|kind| runtime(**kind).is_some())
        .map(|kind| NativeRt::builder().require(*kind))
}

/// A pipe's reading end, and its writing end.
fn pipe() -> (OwnedFd, StdFile) {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    // SAFETY: just made, and nobody else's.
    let [reader, writer] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    (reader, StdFile::from(writer))
}

/// Polls once and submits what that sent.
fn start<F: Future + Unpin>(rt: &NativeRt, future: &mut F) -> Poll<F::Output> {
    rt.block_on(async { Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) })
}

/// Time for threads, and a turn.
fn settle(rt: &NativeRt) {
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(20));
        rt.block_on(async {});
    }
}

#[test]
fn a_patience_without_end_is_none_that_overflows() {
    for builder in builders() {
        drop(builder.shutdown_patience(Duration::MAX).build().unwrap());
    }
}

/// A wait that the kernel refuses would be a loop that never waits.
#[test]
fn a_wait_without_end_waits() {
    let Some(rt) = runtime(DriverKind::IoUring) else {
        return;
    };
    settle(&rt);
    let (sender, receiver) = std::sync::mpsc::channel();
    let (other, over) = (rt.clone(), Arc::new(AtomicBool::new(false)));
    let woken = over.clone();
    let (waiter, watched) = spawn_watched(move || {
        let handle = other.polling_handle().unwrap();
        // A process that is stopped and goes on ends a wait, too, though not as often as this.
        for _ in 0..1000 {
            other.wait(&handle, Some(Duration::MAX));
            if woken.load(Ordering::SeqCst) {
                break;
            }
        }
        sender.send(()).unwrap();
    });
    watched.until_asleep();
    assert!(receiver.try_recv().is_err(), "it did not wait");
    over.store(true, Ordering::SeqCst);
    rt.polling_handle().unwrap().waker.wake();
    within("the wait ends", move || waiter.join().unwrap());
}

#[test]
fn reading_some_of_a_stream_takes_what_is_there() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, mut writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        for text in ["hello", "you"] {
            writer.write_all(text.as_bytes()).unwrap();
            let file = file.clone();
            let (result, bytes) = within("it returns", move || {
                file.block_on(file.read_buf_at(vec![0; 64], 0))
            });
            assert_eq!(&bytes[..result.unwrap()], text.as_bytes());
        }
    }
}

/// As many reads that never end as there is room for, all of them given up.
#[test]
fn reads_that_nobody_waits_for_block_nobody() {
    for builder in builders() {
        let rt = builder.queue_depth(8).threads(4).build().unwrap();
        let (reader, _writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        for _ in 0..8 {
            let mut read = file.read_packet_at(Packet::new([0; 1]), 0);
            assert!(start(&rt, &mut read).is_pending());
            settle(&rt);
        }
        within("others get on", move || {
            rt.block_on(rt.open_read("/dev/null")).map(drop)
        })
        .unwrap();
    }
}

/// Threads that wait for streams are wanted before those streams are given up.
#[test]
fn reads_that_are_given_up_later_block_nobody() {
    let rt = NativeRt::builder().require(DriverKind::Threads).threads(2);
    let rt = rt.build().unwrap();
    let (reader, _writer) = pipe();
    let file = File::from_owned_fd(&rt, reader);
    let mut reads: Vec<_> = (0..2)
        .map(|_| file.read_packet_at(Packet::new([0; 1]), 0))
        .collect();
    for read in &mut reads {
        assert!(start(&rt, read).is_pending());
    }
    settle(&rt);
    let mut open = rt.open_read("/dev/null");
    assert!(start(&rt, &mut open).is_pending());
    settle(&rt);
    drop(reads);
    within("others get on", move || rt.block_on(open).map(drop)).unwrap();
}

/// It may have taken something that was on its way, but nothing more.
#[test]
fn a_read_that_nobody_waits_for_stops_taking() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, mut writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        let mut read = file.read_packet_at(Packet::new([0; 64]), 0);
        assert!(start(&rt, &mut read).is_pending());
        settle(&rt);
        drop(read);
        for _ in 0..3 {
            writer.write_all(b"line").unwrap();
            settle(&rt);
        }
        let line = within("a line is left", move || {
            file.block_on(file.read_value_at::<[u8; 4]>(0))
        });
        assert_eq!(&line.unwrap(), b"line");
    }
}

/// The table fills up while an operation is half done: what was taken in is carried on all the
/// same.
#[test]
fn what_was_taken_in_is_not_refused_half_way() {
    let Some(_) = runtime(DriverKind::IoUring) else {
        return;
    };
    let builder = NativeRt::builder().require(DriverKind::IoUring);
    let rt = builder.max_in_flight(2).build().unwrap();
    let (sink, writer) = pipe();
    let writer = File::from_std(&rt, writer);
    let (other, mut feed) = pipe();
    let other = File::from_owned_fd(&rt, other);
    let (never, _open) = pipe();
    let never = File::from_owned_fd(&rt, never);
    // The waker of the first to end fills the table, in the middle of the turn that finds the other
    // half done.
    let fills = Arc::new(Does::new(move || {
        for _ in 0..2 {
            let (in_flight, view) = Packet::new([0; 1]).start::<Read>();
            never.send_io(0, view);
            std::mem::forget(in_flight);
        }
    }));
    let mut first = other.read_packet_at(Packet::new([0; 1]), 0);
    let polled = Pin::new(&mut first).poll(&mut Context::from_waker(&Waker::from(fills)));
    assert!(polled.is_pending());
    let bytes: Vec<u8> = (0..1 << 20).map(byte_at).collect();
    // The pipe takes the first of it at once.
    let (write, view) = Packet::new(bytes).start::<Write>();
    writer.send_io(0, view);
    feed.write_all(b"x").unwrap();
    settle(&rt);
    let received = std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        StdFile::from(sink).read_exact(&mut bytes).map(|()| bytes)
    });
    let ended = within("it is written", move || rt.block_on(write));
    assert_eq!(ended.outcome.first_error(), None);
    let received = within("it arrives", move || received.join().unwrap());
    assert_bytes(&received.unwrap(), 0);
}

/// Runs something when it is woken.
struct Does(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Does {
    fn new(what: impl FnOnce() + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::new(what))))
    }
}

impl Wake for Does {
    fn wake(self: Arc<Self>) {
        let what = self.0.lock().unwrap().take();
        if let Some(what) = what {
            what();
        }
    }
}

/// A read that is done where it is sent holds up its sender.
#[test]
fn a_large_read_is_not_done_where_it_is_sent() {
    let dir = Dir::new();
    for path in [
        dir.path("large"),
        format!("/dev/shm/mfio-rt-large-{}", std::process::id()).into(),
    ] {
        let Ok(file) = StdFile::create(&path) else {
            continue;
        };
        file.set_len(1 << 20).unwrap();
        for builder in builders() {
            let rt = builder.build().unwrap();
            let file = File::from_std(&rt, StdFile::open(&path).unwrap());
            for _ in 0..4 {
                let (in_flight, view) = Packet::new(vec![1; 1 << 20]).start::<Read>();
                let kind = rt.report().chosen();
                // Within `block_on` nobody else drives.
                let ended = rt.block_on(async {
                    file.send_io(0, view);
                    assert!(
                        kind == DriverKind::Threads || !in_flight.is_ended(),
                        "it was done where it was sent"
                    );
                    in_flight.await
                });
                assert_eq!(ended.outcome.first_error(), None);
            }
        }
        std::fs::remove_file(&path).unwrap();
    }
}

/// The last handle goes on a thread of the pool, within the end of an operation.
#[test]
fn the_last_handle_dropped_by_a_waker_does_not_wait_for_itself() {
    let rt = NativeRt::builder().require(DriverKind::Threads);
    let rt = rt.shutdown_patience(Duration::MAX).build().unwrap();
    let (reader, mut writer) = pipe();
    let file = File::from_owned_fd(&rt, reader);
    let (mut in_flight, view) = Packet::new([0; 1]).start::<Read>();
    file.send_io(0, view);
    let (sender, receiver) = std::sync::mpsc::channel();
    let drops = Arc::new(Does::new(move || {
        drop((file, rt));
        sender.send(()).unwrap();
    }));
    let polled = Pin::new(&mut in_flight).poll(&mut Context::from_waker(&Waker::from(drops)));
    assert!(polled.is_pending());
    let leaked = leaked_operations();
    writer.write_all(b"x").unwrap();
    receiver
        .recv_timeout(PATIENCE)
        .expect("it does not wait for itself");
    assert_eq!(leaked_operations(), leaked);
}

#[test]
fn a_descriptor_that_does_not_block_is_waited_for() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, mut writer) = pipe();
        // SAFETY: takes numbers only; the descriptor is open.
        let set = unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        assert_eq!(set, 0);
        let file = File::from_owned_fd(&rt, reader);
        let mut read = Box::pin(file.read_value_at::<u8>(0));
        assert!(start(&rt, &mut read).is_pending());
        settle(&rt);
        assert!(start(&rt, &mut read).is_pending());
        writer.write_all(b"x").unwrap();
        assert_eq!(rt.block_on(read).unwrap(), b'x');
    }
}

/// Blocking calls wait, as asynchronous ones do.
#[test]
fn a_descriptor_that_does_not_block_is_waited_for_by_blocking_calls() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, writer) = pipe();
        for fd in [reader.as_raw_fd(), writer.as_raw_fd()] {
            // SAFETY: takes numbers only; the descriptors are open.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
            // SAFETY: as above.
            let set = unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) };
            assert_eq!(set, 0);
        }
        let (from, to) = (
            File::from_owned_fd(&rt, reader),
            File::from_owned_fd(&rt, writer.into()),
        );
        // More than a pipe holds.
        let sent: Vec<u8> = (0..1 << 18).map(|i| (i % 251) as u8).collect();
        let (expected, len) = (sent.clone(), sent.len());
        let got = within("a pipe that does not block", move || {
            let read = std::thread::spawn(move || {
                let mut got = vec![0; len];
                let mut at = 0;
                while at < len {
                    at += from.blocking().read_at(&mut got[at..], 0)?;
                }
                Ok::<_, mfio::error::Error>(got)
            });
            to.blocking().write_all_at(&sent, 0)?;
            read.join().unwrap()
        });
        assert!(got.unwrap() == expected);
    }
}

#[test]
fn what_a_stream_has_given_is_not_lost_by_a_vector_with_room_for_more() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, mut writer) = pipe();
        let file = File::from_owned_fd(&rt, reader);
        writer.write_all(b"hello").unwrap();
        assert_eq!(rt.block_on(file.read_vec_at(0, 64)).unwrap(), b"hello");
        drop(writer);
        assert_eq!(rt.block_on(file.read_vec_at(0, 64)).unwrap(), b"");
    }
}

/// Chunks keep their order where positions do not give it: in pipes, and at the end of files.
#[test]
fn hazard_chunks_that_overtake_each_other() {
    const LEN: usize = 4 << 20;
    let dir = Dir::new();
    let path = dir.file("from", LEN);
    let bytes = std::fs::read(&path).unwrap();
    let produce = |at: &mut usize, chunk: &mut [u8]| {
        chunk.copy_from_slice(&bytes[*at..][..chunk.len()]);
        *at += chunk.len();
    };
    for builder in builders() {
        let rt = builder.build().unwrap();
        let from = rt.block_on(rt.open_read(&path)).unwrap();
        let (reader, writer) = pipe();
        let to = File::from_owned_fd(&rt, writer.into());
        let drain = std::thread::spawn(move || {
            let mut all = Vec::new();
            StdFile::from(reader).read_to_end(&mut all).unwrap();
            all
        });
        rt.block_on(forward(&from, 0, &to, 0, LEN as u64)).unwrap();
        let mut at = 0;
        let write = to.write_with_at(0, LEN as u64, |chunk: &mut [u8]| produce(&mut at, chunk));
        assert_eq!(rt.block_on(write).unwrap(), LEN as u64);
        drop(to);
        assert!(drain.join().unwrap() == [&bytes[..], &bytes].concat());

        let (reader, mut writer) = pipe();
        let source = File::from_owned_fd(&rt, reader);
        let copy = dir.path("copy");
        let options = OpenOptions::new().append(true).create(true).truncate(false);
        let to = rt.block_on(rt.open(&copy, &options)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                writer.write_all(&bytes).unwrap();
                drop(writer);
            });
            let all = forward(&source, 0, &to, 0, u64::MAX).to_end();
            assert_eq!(rt.block_on(all).unwrap(), LEN as u64);
        });
        rt.block_on(forward(&from, 0, &to, 0, LEN as u64)).unwrap();
        assert!(std::fs::read(&copy).unwrap() == [&bytes[..], &bytes].concat());
        std::fs::remove_file(&copy).unwrap();
    }
}

/// An object without positions takes any position that a request names.
#[test]
fn a_stream_ignores_positions_that_no_file_has() {
    for builder in builders() {
        let rt = builder.build().unwrap();
        let (reader, writer) = pipe();
        let (from, to) = (
            File::from_owned_fd(&rt, reader),
            File::from_owned_fd(&rt, writer.into()),
        );
        // More than a pipe holds, so that the rest is sent on.
        let sent = vec![7; 1 << 18];
        let mut write = Box::pin(to.write_all_at(&sent, u64::MAX - 1));
        assert!(start(&rt, &mut write).is_pending());
        let mut got = 0;
        while got < sent.len() {
            got += rt
                .block_on(from.read_at(&mut [0; 1 << 16], u64::MAX))
                .unwrap();
        }
        rt.block_on(write).unwrap();
    }
}

/// A FIFO that nobody else has opened yet.
fn fifo(dir: &Dir, name: &str) -> PathBuf {
    let path = dir.path(name);
    let bytes = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a C string that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(bytes.as_ptr(), 0o600) }, 0);
    path
}

/// Opening a FIFO to write waits for a reader, also where the path is in the system's caches; and
/// waits for nobody where that is what was asked for.
#[test]
fn a_fifo_is_not_opened_before_somebody_reads() {
    let dir = Dir::new();
    for (number, builder) in builders().enumerate() {
        let rt = builder.build().unwrap();
        let path = fifo(&dir, &format!("written{number}"));
        let options = OpenOptions::new().write(true);
        let at_once = options.custom_flags(libc::O_NONBLOCK);
        let error = rt.block_on(rt.open(&path, &at_once)).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENXIO));

        let mut opened = rt.open(&path, &options);
        assert!(start(&rt, &mut opened).is_pending());
        settle(&rt);
        assert!(start(&rt, &mut opened).is_pending());
        let reader = std::thread::spawn(move || std::fs::read(path));
        let file = within("a FIFO that is read", move || {
            let rt = rt;
            let file = rt.block_on(opened)?;
            file.block_on(file.write_all_at(b"for you", 0))
        });
        file.unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), b"for you");
    }
}

/// A FIFO that has had no writer yet is not at its end.
#[test]
fn a_fifo_has_not_ended_before_somebody_writes() {
    let dir = Dir::new();
    for (number, builder) in builders().enumerate() {
        let rt = builder.build().unwrap();
        let path = fifo(&dir, &format!("read{number}"));
        let from = path.clone();
        let (reader, watched) = spawn_watched(move || {
            // Some drivers wait for the writer here.
            let file = rt.block_on(rt.open_read(from))?;
            let mut bytes = [0; 8];
            let first = file.blocking().read_at(&mut bytes, 0)?;
            let then = file.blocking().read_at(&mut [0], 0)?;
            Ok::<_, mfio::error::Error>((bytes[..first].to_vec(), then))
        });
        watched.until_asleep();
        std::thread::spawn(move || std::fs::write(path, b"at last"));
        let read = within("a FIFO", move || reader.join().unwrap());
        assert_eq!(read.unwrap(), (b"at last".to_vec(), 0));
    }
}

/// A stream's reader goes with its runtime, though it never ends by itself.
#[test]
fn a_read_of_a_stream_does_not_outlast_its_runtime() {
    let rt = NativeRt::builder().require(DriverKind::Threads);
    let rt = rt.shutdown_patience(Duration::MAX).build().unwrap();
    let (reader, _writer) = pipe();
    let file = File::from_owned_fd(&rt, reader);
    let (mut in_flight, view) = Packet::new([0; 1]).start::<Read>();
    file.send_io(0, view);
    assert!(start(&rt, &mut in_flight).is_pending());
    settle(&rt);
    let leaked = leaked_operations();
    within("the runtime ends", move || drop((file, rt)));
    assert_eq!(leaked_operations(), leaked);
    eventually("it has ended", || in_flight.is_ended());
}

/// The payload of a waker's panic may itself panic when it is dropped.
#[test]
fn a_panic_that_panics_stays_with_its_waker() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("the payload of a waker's panic");
        }
    }
    let rt = NativeRt::builder().require(DriverKind::Threads).threads(1);
    let rt = rt.build().unwrap();
    let waker = Waker::from(Arc::new(Does::new(|| std::panic::panic_any(Panics))));
    let mut open = rt.open_read("/dev/null");
    assert!(
        Pin::new(&mut open)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    within("the thread goes on", move || {
        rt.block_on(rt.open_read("/dev/null")).map(drop)
    })
    .unwrap();
}
