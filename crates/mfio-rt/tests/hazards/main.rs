//! Hazards of operations that are cancelled, abandoned, interrupted or outlived.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod endings;
mod parties;
mod streams;

use std::fs::File as StdFile;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use common::*;
use mfio::backend::IoBackendExt;
use mfio::packet::Packet;
use mfio::traits::IoRead;
use mfio_rt::native::{File, NativeRt};

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

/// Polls once and submits what that sent.
fn start<F: Future + Unpin>(rt: &NativeRt, future: &mut F) -> Poll<F::Output> {
    rt.block_on(async { std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) })
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
