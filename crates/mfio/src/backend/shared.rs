//! Tasks on a shared backend: one state machine for all executors.
//!
//! A poll polls the user's future first, without the drive lock; then it drives the backend, if
//! there is reason to. If the future is still pending, it registers the task for the next event,
//! and looks once more.

use super::attendance::Present;
use super::drive::{Progress, Rounds, When, explain};
use super::reentry::TaskPollScope;
use super::sharing::Sharing;
use super::waiters::TaskWaiter;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use pin_project_lite::pin_project;

/// Polls `future`, then drives the backend, then calls `wait` to register the task for the next
/// event.
///
/// # Panics
///
/// When the backend has completed or panicked and the future is not ready.
pub(crate) fn poll_shared<F: Future + ?Sized>(
    sharing: &Sharing,
    when: When,
    is_waiting: bool,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
    mut wait: impl FnMut(&mut Context<'_>),
) -> Poll<F::Output> {
    let mut first_poll = (!is_waiting).then(|| FirstPoll::new(sharing));
    let mut rounds = Rounds::new();
    let output = future.poll(cx);
    let mut progress = sharing.backend().drive(when, &mut rounds);
    if output.is_ready() {
        if progress == Progress::BudgetSpent {
            // An operation may have been queued after the last round; it must not wait for a driver
            // that never comes.
            sharing.drive_if_signalled();
        }
        return output;
    }
    loop {
        match progress {
            Progress::NotPolled | Progress::Idle => {}
            Progress::BudgetSpent => break wait(cx),
            Progress::Dead(why) => panic!("{}", explain(why)),
        }
        wait(cx);
        // It is registered now, so senders find it.
        drop(first_poll.take());
        if !sharing.waiters().drive_lock().recheck() {
            return Poll::Pending;
        }
        if rounds.are_spent() {
            break;
        }
        progress = sharing.backend().drive(When::IfSignalled, &mut rounds);
    }
    // The backend keeps waking itself: let the executor do something else in between.
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// A poll of a task that is not registered yet: a sender within it need not look for a driver (A1).
struct FirstPoll<'a> {
    scope: Option<TaskPollScope>,
    sharing: &'a Sharing,
    _present: Present<'a>,
}

impl<'a> FirstPoll<'a> {
    fn new(sharing: &'a Sharing) -> Self {
        Self {
            scope: Some(TaskPollScope::enter(sharing.waiters().id())),
            sharing,
            _present: Present::new(&sharing.waiters().attendance),
        }
    }
}

impl Drop for FirstPoll<'_> {
    fn drop(&mut self) {
        self.scope = None;
        self.sharing.waiters().attendance.driver_left();
    }
}

pin_project! {
    /// A future that drives a shared backend along with itself, holding the backend only within a
    /// poll.
    ///
    /// [`IoBackendExt::share_with_backend`](super::IoBackendExt::share_with_backend) makes it.
    ///
    /// # Cancel safety
    ///
    /// Dropping it stalls no other task, and operations that its future sent go on.
    ///
    /// # Panics
    ///
    /// The poll panics when the backend has completed or panicked and the user's future is not
    /// ready.
    pub struct SharedWithBackend<'a, F: ?Sized> {
        sharing: &'a Sharing,
        waiter: TaskWaiter<'a>,
        #[pin]
        future: F,
    }
}

impl<'a, F> SharedWithBackend<'a, F> {
    pub(crate) fn new(sharing: &'a Sharing, future: F) -> Self {
        Self {
            sharing,
            waiter: TaskWaiter::new(sharing.waiters()),
            future,
        }
    }
}

impl<F: Future + ?Sized> Future for SharedWithBackend<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let waiter = this.waiter;
        // Being polled may be the only way to learn that the handle is ready, so the backend is
        // always driven.
        let waits = waiter.is_waiting();
        poll_shared(this.sharing, When::Always, waits, this.future, cx, |cx| {
            waiter.wait(cx)
        })
    }
}

impl<F: ?Sized> fmt::Debug for SharedWithBackend<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWithBackend")
            .field("waiter", &self.waiter)
            .finish_non_exhaustive()
    }
}
