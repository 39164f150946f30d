//! Faults of the past, each under the name of the behaviour that must not happen again.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod fifos;
mod streams;

use std::fs::File as StdFile;
use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::asleep::spawn_watched;
use common::*;
use mfio::backend::{IoBackend, IoBackendExt};
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::Packet;
use mfio::traits::IoRead;
use mfio_rt::native::{Builder, DriverKind, File, NativeRt, leaked_operations};

/// Builders of all drivers that can be had.
fn builders() -> impl Iterator<Item = Builder> {
    DRIVERS
        .iter()
        .filter(|kind| runtime(**kind).is_some())
        .map(|kind| NativeRt::builder().require(*kind))
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
