//! Tasks that wait for a runtime, and have nothing to do with an operation, are not woken for it.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use common::{DRIVERS, Dir, runtime};
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::{Integration, IoBackendExt, Null};
use mfio::io::{PacketIo, Read};
use mfio::packet::Packet;
use mfio_rt::native::{DriverKind, NativeRt};

const IDLE: usize = 100;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task that drives the runtime in the way of an executor, and waits for nothing.
fn idle(rt: &NativeRt) -> Task {
    let rt = rt.clone();
    match rt.report().chosen() {
        DriverKind::Threads => Box::pin(Null::run_with(rt, async |_: &NativeRt| pending().await)),
        _ => Box::pin(AsyncIo::run_with(rt, async |_: &NativeRt| pending().await)),
    }
}

/// Runs `work` on each driver beside many idle tasks, and fails if one of those is woken.
/// Keeps the result of `work` until the runtime has ended.
fn beside_idle_tasks<T>(work: impl Fn(&NativeRt) -> T) {
    for kind in DRIVERS {
        if runtime(*kind).is_none() {
            continue;
        }
        let builder = NativeRt::builder().require(*kind).max_in_flight(4);
        let rt = builder.threads(2).queue_depth(4).build().unwrap();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let mut tasks: Vec<_> = (0..IDLE).map(|_| idle(&rt)).collect();
        for task in &mut tasks {
            assert!(task.as_mut().poll(&mut cx).is_pending());
        }
        let kept = work(&rt);
        let woken = count.0.load(Ordering::SeqCst);
        assert_eq!(woken, 0, "wakes of tasks that have nothing to do, {kind}");
        drop((tasks, rt));
        drop(kept);
    }
}

#[test]
fn operations_beyond_the_capacity_wake_no_idle_task() {
    let dir = Dir::new();
    let path = dir.file("file", 4096);
    beside_idle_tasks(|rt| {
        let file = rt.block_on(rt.open_read(&path)).unwrap();
        let reads: Vec<_> = (0..200)
            .map(|at| {
                let (in_flight, view) = Packet::new([0; 8]).start::<Read>();
                file.send_io(at, view);
                in_flight
            })
            .collect();
        rt.block_on(async {
            for read in reads {
                // Done or refused: neither is the business of the idle ones.
                let _ = read.await;
            }
        });
    });
}

#[test]
fn an_abandoned_operation_wakes_no_idle_task() {
    let dir = Dir::new();
    let fifo = dir.fifo("fifo");
    beside_idle_tasks(|rt| {
        for _ in 0..3 {
            // Nobody writes: the open waits, and is given up.
            let mut open = Box::pin(rt.open_read(&fifo));
            rt.block_on(poll_fn(|cx| {
                assert!(open.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            }));
            drop(open);
        }
        // Lets go of threads that are within an open, or will be.
        let mut both = std::fs::OpenOptions::new();
        both.read(true).write(true).open(&fifo)
    });
}
