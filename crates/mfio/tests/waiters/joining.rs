//! Joining and leaving take the same number of steps, however many tasks wait already.

use crate::common::must_end;
use crate::object::{Manual, Reactor, Waited};
use mfio::backend::*;
use mfio::cursor::Cursor;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

const FEW: usize = 4_000;
const MANY: usize = 16 * FEW;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The time of the processor that this thread took for `f`: other threads do not count.
#[allow(unsafe_code)]
fn cost(f: impl FnOnce()) -> Duration {
    fn now() -> Duration {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the call is given a valid structure.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    }
    let before = now();
    f();
    now() - before
}

/// Sixteen times as much may cost sixteen times as much, and not 256 times.
fn must_be_linear(work: impl Fn(usize)) {
    work(FEW);
    let few = (0..3).map(|_| cost(|| work(FEW))).min().unwrap();
    let many = cost(|| work(MANY));
    assert!(
        many < few * 16 * 5,
        "{FEW} cost {few:?}, {MANY} cost {many:?}"
    );
}

fn wait(n: usize, task: impl Fn() -> Task) -> Vec<Task> {
    let begin = |_| {
        let mut task = task();
        let polled = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        task
    };
    (0..n).map(begin).collect()
}

fn on_reactor(io: &Arc<Waited>) -> Task {
    Box::pin(Manual::run_with(io.clone(), async |_: &Arc<Waited>| {
        pending().await
    }))
}

#[test]
fn tasks_join_and_leave_a_reactor_in_constant_steps_each() {
    must_end(|| {
        must_be_linear(|n| {
            let io = Arc::new(Waited::with_handle());
            let reactor = Reactor::here();
            let tasks = wait(n, || on_reactor(&io));
            assert!(reactor.asked.load(Ordering::SeqCst) <= n);
            // The first that came goes first.
            tasks.into_iter().for_each(drop);
        });
    });
}

#[test]
fn tasks_without_a_reactor_join_and_leave_in_constant_steps_each() {
    must_end(|| {
        must_be_linear(|n| {
            let io = Arc::new(Waited::bare());
            let tasks = wait(n, || {
                let io = io.clone();
                Box::pin(async move { io.share_with_backend(pending()).0.await })
            });
            tasks.into_iter().for_each(drop);
        });
    });
}

#[test]
fn handles_of_a_cursor_come_and_go_in_constant_steps_each() {
    must_end(|| {
        must_be_linear(|n| {
            let first = Cursor::new(Waited::bare());
            let handles: Vec<_> = (0..n).map(|_| first.clone()).collect();
            handles.into_iter().for_each(drop);
        });
    });
}

/// For a figure: `cargo test --release -p mfio --test waiters how_long -- --ignored --nocapture`.
#[test]
#[ignore = "it measures"]
fn how_long_80_000_tasks_take_to_join_a_reactor() {
    let io = Arc::new(Waited::with_handle());
    let _reactor = Reactor::here();
    let mut tasks: Vec<_> = (0..80_000).map(|_| on_reactor(&io)).collect();
    let start = Instant::now();
    for task in &mut tasks {
        let polled = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
    }
    println!("80,000 tasks joined within {:?}", start.elapsed());
    let start = Instant::now();
    tasks.into_iter().for_each(drop);
    println!("and left within {:?}", start.elapsed());
}
