//! Runtimes driven by somebody else's event loop.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;
#[path = "../examples/foreign_epoll.rs"]
mod foreign_epoll;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use common::{Dir, byte_at, runtimes};
use mfio::backend::{ForeignLoop, Tick};
use mfio::traits::IoRead;

#[test]
fn an_epoll_loop_reads_files_beside_its_timer() {
    let dir = Dir::new();
    let lens = [0, 1, 100_000, 1_000_000];
    let paths = lens.map(|len| dir.file(&len.to_string(), len));
    for rt in runtimes() {
        let ran = foreign_epoll::epoll::run(&rt, &paths, Duration::from_millis(1)).unwrap();
        assert!(ran.ticks > 0);
        let sum = |len: usize| {
            (0..len as u64)
                .map(|at| u64::from(byte_at(at)))
                .sum::<u64>()
        };
        let expected = lens.map(|len| (len as u64, sum(len)));
        assert_eq!(ran.files, expected);
    }
}

/// The loop polls its futures before the turn, with the waker of the handle, and watches nothing
/// but that handle. Each operation may end within the turn that sends it.
#[test]
fn a_loop_that_only_watches_the_handle_does_not_sleep_over_futures_that_a_tick_ends() {
    let dir = Dir::new();
    let path = dir.file("file", 1 << 20);
    for rt in runtimes() {
        // Threads have no handle: their loops have a waker of their own.
        if rt.report().chosen() == mfio_rt::native::DriverKind::Threads {
            continue;
        }
        let mut driver = ForeignLoop::new(&rt);
        let waker = driver.handle().unwrap().waker.clone();
        let mut cx = Context::from_waker(&waker);
        let mut reads = pin!(async {
            let file = rt.open_read(&path).await?;
            for at in (0..1 << 20).step_by(4096) {
                assert_eq!(file.read_value_at::<u8>(at).await?, byte_at(at));
            }
            file.close().await
        });
        loop {
            if let Poll::Ready(read) = reads.as_mut().poll(&mut cx) {
                break read.unwrap();
            }
            while driver.tick() == Tick::Again {}
            sleep(driver.handle().unwrap().handle);
        }
    }
}

/// Waits for the handle, for a minute at most.
fn sleep(fd: i32) {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry, of an open descriptor.
    let ready = unsafe { libc::poll(&mut poll, 1, 60_000) };
    assert_ne!(ready, 0, "the loop sleeps, and nothing will ever wake it");
}
