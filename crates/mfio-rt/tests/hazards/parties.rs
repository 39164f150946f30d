//! Threads and processes that come, go and wait.
#![allow(unsafe_code)]

use std::io::Write as _;
use std::task::{Context, Poll, Waker};

use super::{never, start};
use crate::common::asleep::spawn_watched;
use crate::common::*;
use mfio::backend::IoBackendExt;
use mfio::error::{Error, ErrorKind};
use mfio::packet::Packet;
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};

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
