//! Which tasks are polled, and how often.

use crate::fixture::{Echo, Handle, within_a_minute};
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
#[cfg(unix)]
use std::future::pending;
use std::future::{Future, poll_fn};
#[cfg(unix)]
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

struct Restless(SharedBackend);

impl IoBackend for Restless {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.0)
    }
}

#[test]
fn a_backend_that_keeps_waking_itself_lets_the_executor_run() {
    within_a_minute("restless backend", || {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let restless = Restless(SharedBackend::new(poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let driver = tokio::spawn(Null::drive(Arc::new(restless)));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            driver.abort();
        });
        assert!(
            polls.load(Ordering::Relaxed) >= 100,
            "and the backend runs all the same"
        );
    });
}

/// Counts polls of a task.
#[cfg(unix)]
struct Counted<F>(Pin<Box<F>>, Arc<AtomicUsize>);

#[cfg(unix)]
impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.as_mut().poll(cx)
    }
}

/// A hundred tasks wait on one descriptor; a completion wakes the task it belongs to, not the herd.
#[cfg(unix)]
#[test]
fn no_thundering_herd() {
    within_a_minute("herd", || {
        const IDLE: usize = 100;
        const TIMES: u64 = 500;
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let polls = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        for _ in 0..IDLE {
            let driven = Tokio::run_with(echo.clone(), async |_: &Arc<Echo>| pending::<()>().await);
            runtime.spawn(Counted(Box::pin(driven), polls.clone()));
        }
        let driven = Tokio::run_with(echo.clone(), async |io: &Arc<Echo>| io.add(0, TIMES).await);
        assert_eq!(runtime.block_on(driven), TIMES);
        let polls = polls.load(Ordering::Relaxed);
        assert!(
            polls <= 2 * IDLE,
            "{polls} polls of {IDLE} tasks that had nothing to do"
        );
    });
}

/// Signals that come together are served by one poll of the backend.
#[test]
fn operations_sent_together_go_together() {
    within_a_minute("batch", || {
        let echo = Echo::new(Handle::Descriptor);
        echo.hold(true);
        let before = echo.polls();
        echo.block_on(async {
            let mut sent: Vec<_> = (0..64).map(|n| Box::pin(echo.add_one(n))).collect();
            let mut cx = Context::from_waker(Waker::noop());
            for future in &mut sent {
                assert!(future.as_mut().poll(&mut cx).is_pending());
            }
        });
        assert!(
            echo.polls() - before <= 2,
            "{} polls",
            echo.polls() - before
        );
        echo.hold(false);
    });
}

#[cfg(unix)]
#[test]
fn futures_are_send_in_generic_code() {
    fn spawn<B: IoBackend<Backend = DynBackend> + Send + Sync + 'static>(
        runtime: &tokio::runtime::Runtime,
        io: Arc<B>,
    ) {
        runtime.spawn(Tokio::run_with(io.clone(), async |_: &Arc<B>| ()));
        runtime.spawn(Tokio::drive(io.clone()));
        runtime.spawn(Null::run_with(io, |_: &Arc<B>| std::future::ready(())));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    spawn(&runtime, Arc::new(Echo::new(Handle::Descriptor)));
}

#[test]
fn a_foreign_loop_drives_with_a_descriptor_and_ticks() {
    within_a_minute("foreign loop", || {
        let echo = Echo::new(Handle::Descriptor);
        let mut driver = ForeignLoop::new(&echo);
        let woken = Arc::new(Flag::default());
        let waker = Waker::from(woken.clone());
        let mut future = pin!(echo.add(0, 100));
        let sum = loop {
            if let Poll::Ready(sum) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                break sum;
            }
            while driver.tick() == Tick::Again {}
            while !woken.0.swap(false, Ordering::AcqRel) {
                let handle = driver.handle().unwrap();
                handle.handle.poll(handle.cur_flags);
                let _ = driver.tick();
            }
        };
        assert_eq!(sum, 100);
    });
}

#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn the_shared_form_of_with_backend() {
    within_a_minute("share_with_backend", || {
        let echo = Echo::new(Handle::None);
        let (first, handle) = echo.share_with_backend(echo.add(0, 100));
        assert!(handle.is_none());
        let (second, _) = echo.share_with_backend(echo.add(0, 100));
        let both = pollster::block_on(async { futures_util::join!(first, second) });
        assert_eq!(both, (100, 100));
    });
}
