//! The effects of a registration with a reactor on the descriptor, and the fate of its errors.

#![allow(unsafe_code)]

use crate::fixture::{Echo, Handle, panic_message, within_a_minute};
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::integrations::{Integration, ReactorError, Registration};
use mfio::backend::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

fn status_flags(fd: i32) -> i32 {
    // SAFETY: a plain system call.
    unsafe { libc::fcntl(fd, libc::F_GETFL) }
}

#[test]
fn file_status_flags_are_left_alone() {
    within_a_minute("status flags", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let fd = echo.descriptor().unwrap();
        // SAFETY: a plain system call.
        unsafe { libc::fcntl(fd, libc::F_SETFL, 0) };
        let before = status_flags(fd);
        // Only registered, not driven: the fixture's backend would block on its descriptor now.
        let handle = echo.polling_handle().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let tokio = runtime.block_on(async { Tokio::register(&handle).unwrap() });
        let smol = AsyncIo::register(&handle).unwrap();
        assert_eq!(status_flags(fd), before);
        drop((tokio, smol));
        assert_eq!(status_flags(fd), before);
    });
}

/// Lowers the limit, so that a leak of one descriptor a round is seen soon.
fn open_files_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls are given a valid structure.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_cur.min(500);
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    limit.rlim_cur
}

/// Descriptors of registrations come and go with the tasks that wait.
#[test]
fn a_registration_ends_with_its_last_task() {
    within_a_minute("registrations end", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let driven = Tokio::run_with(echo.clone(), async |io: &Arc<Echo>| io.add(0, 3).await);
            runtime.block_on(driven)
        };
        // More rounds than this process may have descriptors.
        for _ in 0..open_files_limit() + 100 {
            assert_eq!(run(), 3);
        }
    });
}

#[test]
fn a_future_outside_of_tokio_says_so() {
    let echo = Echo::new(Handle::Descriptor);
    let outside = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pollster::block_on(Tokio::run_with(RefLink::new(&echo), async |io: &Echo| {
            io.add(0, 1).await
        }))
    }));
    let message = panic_message(outside.unwrap_err());
    assert!(message.contains("outside of a tokio runtime"), "{message}");
    assert_eq!(echo.block_on(echo.add(0, 5)), 5);
}

/// Fails at the second wait.
#[derive(Clone, Copy, Default)]
struct Failing;

struct FailsLater(std::sync::atomic::AtomicUsize);

impl Integration for Failing {
    fn register(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        Ok(Box::new(FailsLater(0.into())))
    }
}

impl Registration for FailsLater {
    fn is_current(&self) -> bool {
        true
    }

    fn poll_ready(&self, _: &PollingFlags, cx: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        if self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            let waker = cx.waker().clone();
            std::thread::spawn(move || waker.wake());
            return Poll::Pending;
        }
        Poll::Ready(Err(ReactorError::new("the reactor is on fire")))
    }
}

#[test]
fn an_error_of_the_reactor_is_reported_and_never_taken_for_pending() {
    within_a_minute("reactor error", || {
        let echo = Echo::new(Handle::Descriptor);
        echo.hold(true);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pollster::block_on(Failing::run_with(RefLink::new(&echo), async |io: &Echo| {
                io.add(0, 1).await
            }))
        }));
        assert_eq!(panic_message(failed.unwrap_err()), "the reactor is on fire");
        echo.hold(false);
        assert_eq!(echo.block_on(echo.add(0, 5)), 5);
    });
}

/// tokio's registration, counted; what `register` waits for beforehand is the test's.
struct Counted {
    inner: Box<dyn Registration>,
    live: &'static AtomicUsize,
}

impl Counted {
    fn register(
        handle: &PollingHandle<'_>,
        live: &'static AtomicUsize,
    ) -> Result<Box<dyn Registration>, ReactorError> {
        let inner = Tokio::register(handle)?;
        live.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Self { inner, live }))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Registration for Counted {
    fn is_current(&self) -> bool {
        self.inner.is_current()
    }

    fn poll_ready(
        &self,
        interests: &PollingFlags,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReactorError>> {
        self.inner.poll_ready(interests, cx)
    }
}

fn one_worker() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

type Task = std::pin::Pin<Box<dyn Future<Output = u64> + Send>>;

/// Polls a task once, within `runtime` but on a thread of its own.
fn begin(runtime: &tokio::runtime::Runtime, mut task: Task) -> thread::JoinHandle<Task> {
    let handle = runtime.handle().clone();
    thread::spawn(move || {
        let _within = handle.enter();
        let polled = task
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending();
        assert!(polled, "nothing was completed yet");
        task
    })
}

/// `register` returns once two threads are within it.
#[derive(Clone, Copy, Default)]
struct Together;

static TOGETHER: AtomicUsize = AtomicUsize::new(0);
static TOGETHER_MADE: AtomicUsize = AtomicUsize::new(0);

impl Integration for Together {
    fn register(handle: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        static BOTH: Barrier = Barrier::new(2);
        let made = Counted::register(handle, &TOGETHER)?;
        TOGETHER_MADE.fetch_add(1, Ordering::SeqCst);
        BOTH.wait();
        Ok(made)
    }
}

#[test]
fn two_tasks_that_join_one_reactor_at_once() {
    within_a_minute("two that join", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let task = || -> Task {
            let echo = echo.clone();
            Box::pin(Together::run_with(echo, async |io: &Arc<Echo>| {
                io.add(0, 200).await
            }))
        };
        let runtime = one_worker();
        echo.hold(true);
        let begun = [(); 2].map(|()| begin(&runtime, task()));
        let begun = begun.map(|thread| thread.join().unwrap());
        assert_eq!(TOGETHER_MADE.load(Ordering::SeqCst), 2);
        assert_eq!(
            TOGETHER.load(Ordering::SeqCst),
            1,
            "registrations, of one handle with one reactor"
        );
        echo.hold(false);
        for task in begun.map(|task| runtime.spawn(task)) {
            assert_eq!(runtime.block_on(task).unwrap(), 200);
        }
        assert_eq!(TOGETHER_MADE.load(Ordering::SeqCst), 2);
        assert_eq!(TOGETHER.load(Ordering::SeqCst), 0);
    });
}

/// The first registration fails, but only after a second one was made.
#[derive(Clone, Copy, Default)]
struct Unlucky;

static UNLUCKY: AtomicUsize = AtomicUsize::new(0);
static UNLUCKY_AGAIN: AtomicBool = AtomicBool::new(false);
static UNLUCKY_GATES: std::sync::Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>> =
    std::sync::Mutex::new(None);

impl Integration for Unlucky {
    fn register(handle: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        let gates = UNLUCKY_GATES.lock().unwrap().take();
        if let Some((within, proceed)) = gates {
            within.send(()).unwrap();
            proceed.recv().unwrap();
            return Err(ReactorError::new("there is no room for another one"));
        }
        assert!(!UNLUCKY_AGAIN.swap(true, Ordering::SeqCst), "a third one");
        Counted::register(handle, &UNLUCKY)
    }
}

#[test]
fn a_registration_that_fails_where_another_task_has_made_one() {
    within_a_minute("one that fails", || {
        let (within, is_within) = mpsc::channel();
        let (proceed, may_proceed) = mpsc::channel();
        *UNLUCKY_GATES.lock().unwrap() = Some((within, may_proceed));
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let task = || -> Task {
            let echo = echo.clone();
            Box::pin(Unlucky::run_with(echo, async |io: &Arc<Echo>| {
                io.add(0, 200).await
            }))
        };
        let runtime = one_worker();
        echo.hold(true);
        let unlucky = begin(&runtime, task());
        is_within.recv().unwrap();
        let lucky = begin(&runtime, task()).join().unwrap();
        proceed.send(()).unwrap();
        let unlucky = unlucky.join().expect("it joins the other one's watch");
        assert_eq!(UNLUCKY.load(Ordering::SeqCst), 1);
        echo.hold(false);
        for task in [lucky, unlucky].map(|task| runtime.spawn(task)) {
            assert_eq!(runtime.block_on(task).unwrap(), 200);
        }
        assert_eq!(UNLUCKY.load(Ordering::SeqCst), 0);
    });
}
