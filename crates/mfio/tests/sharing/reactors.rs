//! What a registration with a reactor does to the descriptor, and what its errors become.

#![allow(unsafe_code)]

use crate::fixture::{Echo, Handle, panic_message, within_a_minute};
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::integrations::{Integration, ReactorError, Registration};
use mfio::backend::*;
use std::sync::Arc;
use std::task::{Context, Poll};

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
