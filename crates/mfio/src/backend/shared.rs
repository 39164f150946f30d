//! Tasks on a shared backend: one state machine, whatever the executor.
//!
//! A poll runs the user's future first, without the turn; then the turn, if there is reason to; then, still pending, it makes
//! sure that somebody will notice the next event, and looks once more.

use super::attendance::Present;
use super::cell::{Ask, ROUNDS, Ran, explain};
use super::reentry::Inside;
use super::sharing::Sharing;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use pin_project_lite::pin_project;

/// Polls `future`, then the backend, then `sit`s down to wait.
///
/// # Panics
///
/// When the backend has completed or panicked and the future is not ready.
pub(crate) fn poll_shared<F: Future + ?Sized>(
    sharing: &Sharing,
    ask: Ask,
    seated: bool,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
    mut sit: impl FnMut(&mut Context<'_>),
) -> Poll<F::Output> {
    let mut attends = (!seated).then(|| Attends::new(sharing));
    let output = future.poll(cx);
    let mut ran = sharing.runner().run(ask);
    if output.is_ready() {
        if ran == Ran::Again {
            // What was sent may have come behind the bounded run; it must not wait for a driver that never comes.
            sharing.run_owed();
        }
        return output;
    }
    for _ in 0..ROUNDS {
        match ran {
            Ran::Unneeded | Ran::Idle => {}
            Ran::Again => break,
            Ran::Dead(why) => panic!("{}", explain(why)),
        }
        sit(cx);
        // It has a seat now, at which senders see it.
        drop(attends.take());
        if !sharing.hub().turn.look() {
            return Poll::Pending;
        }
        ran = sharing.runner().run(Ask::IfSignalled);
    }
    // The backend keeps waking itself: let the executor do something else in between.
    sit(cx);
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// A poll of a task that has no seat yet: a sender within it need not look for a driver (A1).
struct Attends<'a> {
    inside: Option<Inside>,
    sharing: &'a Sharing,
    _present: Present<'a>,
}

impl<'a> Attends<'a> {
    fn new(sharing: &'a Sharing) -> Self {
        Self {
            inside: Some(Inside::enter(sharing.hub().id())),
            sharing,
            _present: Present::new(sharing.hub()),
        }
    }
}

impl Drop for Attends<'_> {
    fn drop(&mut self) {
        self.inside = None;
        self.sharing.hub().left();
    }
}

/// A waiting task's place among those that an event wakes; given up when dropped.
#[derive(Debug)]
pub(crate) struct TaskSeat<'a> {
    sharing: &'a Sharing,
    at: Option<usize>,
}

impl<'a> TaskSeat<'a> {
    pub(crate) fn new(sharing: &'a Sharing) -> Self {
        Self { sharing, at: None }
    }

    pub(crate) fn sit(&mut self, cx: &Context<'_>) {
        let hub = self.sharing.hub();
        let at = *self.at.get_or_insert_with(|| hub.seat_task());
        hub.arm_task(at, cx.waker());
    }
}

impl Drop for TaskSeat<'_> {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            self.sharing.hub().unseat_task(at);
        }
    }
}

pin_project! {
    /// A future that drives a shared backend along with itself, holding the backend only within a poll.
    ///
    /// Made by [`IoBackendExt::share_with_backend`](super::IoBackendExt::share_with_backend). Cancel safe: dropping it stalls
    /// nobody, and what its future sent goes on.
    ///
    /// # Panics
    ///
    /// The poll panics when the backend has completed or panicked and the user's future is not ready.
    pub struct SharedWithBackend<'a, F: ?Sized> {
        sharing: &'a Sharing,
        seat: TaskSeat<'a>,
        #[pin]
        future: F,
    }
}

impl<'a, F> SharedWithBackend<'a, F> {
    pub(crate) fn unwatched(sharing: &'a Sharing, future: F) -> Self {
        Self {
            sharing,
            seat: TaskSeat::new(sharing),
            future,
        }
    }
}

impl<F: Future + ?Sized> Future for SharedWithBackend<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let seat = this.seat;
        // Being polled may be the only way in which the handle's readiness is told, so the turn is always run.
        let seated = seat.at.is_some();
        poll_shared(this.sharing, Ask::Always, seated, this.future, cx, |cx| {
            seat.sit(cx)
        })
    }
}

impl<F: ?Sized> fmt::Debug for SharedWithBackend<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWithBackend")
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}
