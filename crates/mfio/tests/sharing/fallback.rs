//! A backend with a fallback thread, whose operations nobody drives.

use super::fixture::{Echo, panic_message, within_a_minute};
use mfio::backend::{
    DynBackend, Integration, IoBackend, IoBackendExt, SharedBackend, Sharing,
    integrations::null::Null,
};
use mfio::error::{Cause, ErrorKind};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// An executor that knows nothing of the backend.
fn stranger<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}

#[test]
fn a_backend_with_a_fallback_thread_needs_no_driver() {
    let echo = Echo::with_fallback();
    assert_eq!(stranger(echo.add(1, 100)), 101);
    assert_eq!(echo.block_on(echo.add(1, 100)), 101);
    assert_eq!(stranger(echo.add(1, 100)), 101);
}

fn take_turns(echo: &Echo) {
    std::thread::scope(|threads| {
        for n in 0..4 {
            threads.spawn(move || {
                for round in 0..50 {
                    let sum = match (n + round) % 2 {
                        0 => stranger(echo.add(n, 3)),
                        _ => echo.block_on(echo.add(n, 3)),
                    };
                    assert_eq!(sum, n + 3);
                }
            });
        }
    });
}

#[test]
fn the_fallback_thread_and_other_drivers_alternate() {
    take_turns(&Echo::with_fallback());
}

/// They make the handle ready and drain it again, while the thread is about to see that.
#[test]
fn events_reach_the_fallback_thread_though_other_drivers_drain_its_handle() {
    within_a_minute("drained", || {
        (0..40).for_each(|_| take_turns(&Echo::with_fallback()));
    });
}

#[test]
fn a_backend_that_dies_on_the_fallback_thread_is_refused_afterwards() {
    let echo = Echo::with_fallback();
    assert_eq!(stranger(echo.add_one(1)), 2);
    echo.kill();
    let dies = || catch_unwind(AssertUnwindSafe(|| echo.block_on(echo.add_one(1))));
    let message = panic_message(dies().unwrap_err());
    assert!(
        message.contains("panicked") || message.contains("told to die"),
        "{message}"
    );
    assert!(dies().is_err());
}

#[test]
fn a_container_that_goes_ends_its_fallback_thread() {
    let echo = Echo::with_fallback();
    let handle = echo.polling_handle().map(|handle| handle.handle);
    assert!(handle.is_some());
    assert_eq!(stranger(echo.add_one(1)), 2);
    let alive = echo.alive();
    drop(echo);
    while alive.upgrade().is_some() {
        std::thread::yield_now();
    }
}

/// An object whose operations are refused where nobody drives.
struct Refusing(SharedBackend);

impl Refusing {
    fn new() -> Self {
        Self(
            SharedBackend::builder(pending())
                .refuse_without_driver()
                .build(),
        )
    }
}

impl IoBackend for Refusing {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.0)
    }
}

#[test]
fn operations_without_a_driver_are_refused_where_that_is_wanted() {
    let object = Refusing::new();
    let sharing = object.0.sharing().clone();
    let refused = || sharing.attend().unwrap_err().kind() == ErrorKind::NotDriven;
    assert!(refused());
    let inside = object.block_on(async { sharing.attend() });
    assert_eq!(inside, Ok(()));
    assert!(refused());
    let object = Arc::new(object);
    let drive = Null::drive(object.clone());
    assert_eq!(sharing.attend(), Ok(()), "it was made, and will be polled");
    drop(drive);
    assert!(refused());
    let mut both = pin!(Null::run_with(object, async |_: &Arc<Refusing>| {
        let attended = sharing.attend();
        std::future::pending::<()>().await;
        attended
    }));
    assert_eq!(
        both.as_mut().poll(&mut Context::from_waker(Waker::noop())),
        Poll::Pending
    );
    assert_eq!(sharing.attend(), Ok(()), "its task waits for events");
}

/// A waker that sends an operation when it is dropped, as the last reference to a task may.
struct SendsAtItsEnd(Sharing, Sender<Result<(), Cause>>);

impl Wake for SendsAtItsEnd {
    fn wake(self: Arc<Self>) {}
}

impl Drop for SendsAtItsEnd {
    fn drop(&mut self) {
        self.1.send(self.0.attend()).unwrap();
    }
}

#[test]
fn a_task_that_has_left_drives_nothing_that_its_waker_sends() {
    let object = Refusing::new();
    let (attended, outcome) = channel();
    let waker = SendsAtItsEnd(object.0.sharing().clone(), attended);
    let waker = Waker::from(Arc::new(waker));
    let (task, _) = object.share_with_backend(pending::<()>());
    let mut task = Box::pin(task);
    assert!(
        task.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(waker);
    assert!(outcome.try_recv().is_err(), "the task keeps its waker");
    drop(task);
    assert_eq!(
        outcome.recv().unwrap().unwrap_err().kind(),
        ErrorKind::NotDriven
    );
}

/// A waker that has so many tasks join, on whatever thread wakes it.
struct Joins(Arc<Echo>, usize, Sender<()>);

impl Wake for Joins {
    fn wake(self: Arc<Self>) {
        for _ in 0..self.1 {
            let (task, _) = self.0.share_with_backend(pending::<()>());
            let polled = pin!(task).poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        self.2.send(()).unwrap();
    }
}

/// More than a pipe has room for, each of whom asks the thread to leave, which is busy.
#[test]
fn tasks_that_join_while_the_fallback_thread_is_busy_wait_for_nothing() {
    let echo = Arc::new(Echo::with_fallback());
    let (joined, all) = channel();
    let waker = Waker::from(Arc::new(Joins(echo.clone(), 70_000, joined)));
    let sum = echo.clone();
    let mut sum = Box::pin(async move { sum.add_one(1).await });
    // Held back, so that the thread finds the waker.
    echo.hold(true);
    let polled = sum.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    echo.hold(false);
    all.recv_timeout(Duration::from_secs(60))
        .expect("tasks join in time");
    assert_eq!(stranger(sum), 2);
}
