//! A future and a backend, held exclusively, polled together.

use super::container::BackendHandle;
use super::drive::{Rounds, explain};
use super::drive_lock::LockError;
use super::reentry::DriveScope;
use super::wake_flags::{Entered, Leave, abandon, consume_wake, enter_round, leave_round};
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::AtomicU8;
use core::task::{Context, Poll};
use pin_project_lite::pin_project;

pin_project! {
    /// A future that drives a backend along with itself. It holds the backend until it is dropped.
    ///
    /// [`IoBackendExt::with_backend`](super::IoBackendExt::with_backend) makes it. A round polls
    /// the user's future, then the backend, then nested backends. Rounds repeat while wakes are
    /// recorded in the wake flags, up to a limit; then the future wakes itself and yields to the
    /// executor.
    ///
    /// When the user's future is ready, the backend is polled once more before the output is
    /// returned, so that operations that it sent are submitted.
    ///
    /// # Cancel safety
    ///
    /// Dropping it releases the backend.
    ///
    /// # Panics
    ///
    /// The poll panics when the backend completes before the user's future.
    pub struct WithBackend<'a, Backend: ?Sized, Fut: ?Sized> {
        backend: BackendHandle<'a, Backend>,
        wake_flags: Option<Arc<AtomicU8>>,
        #[pin]
        future: Fut,
    }
}

impl<'a, Backend: ?Sized, Fut> WithBackend<'a, Backend, Fut> {
    pub(crate) fn new(backend: BackendHandle<'a, Backend>, future: Fut) -> Self {
        Self {
            wake_flags: backend.wake_flags(),
            backend,
            future,
        }
    }
}

impl<Backend, Fut> Future for WithBackend<'_, Backend, Fut>
where
    Backend: Future<Output = ()> + ?Sized,
    Fut: Future + ?Sized,
{
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_rounds(cx, &mut Rounds::new())
    }
}

impl<Backend, Fut> WithBackend<'_, Backend, Fut>
where
    Backend: Future<Output = ()> + ?Sized,
    Fut: Future + ?Sized,
{
    /// Polls until nothing is left to do, or `rounds` are spent; then the future wakes itself.
    pub(crate) fn poll_rounds(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        rounds: &mut Rounds,
    ) -> Poll<Fut::Output> {
        let this = self.project();
        let backend = this.backend;
        let mut future = this.future;
        if let Err(dead) = backend.check_layers() {
            panic!("{}", explain(dead));
        }
        let _polling = DriveScope::poll(backend.id());
        backend.awake_layers();
        let mut round = Round::enter(this.wake_flags.as_deref());
        while !rounds.are_spent() {
            rounds.spend();
            let output = future.as_mut().poll(cx);
            let finished = backend.poll_layers(cx);
            if output.is_ready() {
                return output;
            }
            if finished {
                panic!("{}", explain(LockError::Finished));
            }
            if !round.leave_or_repeat() {
                backend.sleep_layers(cx);
                return Poll::Pending;
            }
        }
        // With the round over and its wake consumed, so that this one reaches the descriptor.
        drop(round);
        if let Some(flags) = this.wake_flags {
            let _ = consume_wake(&**flags);
        }
        backend.sleep_layers(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A round, in which wakes are only recorded. Its end, unwinding included, clears its own bit of
/// the wake flags only.
struct Round<'a>(Option<(&'a AtomicU8, Entered)>);

impl<'a> Round<'a> {
    fn enter(flags: Option<&'a AtomicU8>) -> Self {
        Self(flags.map(|byte| (byte, enter_round(byte))))
    }

    /// Ends the round if no wake was recorded. Returns whether it goes on.
    fn leave_or_repeat(&mut self) -> bool {
        self.0
            .as_mut()
            .is_some_and(|(byte, entered)| leave_round(*byte, entered) == Leave::NextRound)
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        if let Some((byte, entered)) = &mut self.0 {
            // A wake recorded meanwhile stays in the byte: the next holder of the backend begins
            // with a round.
            let _ = abandon(*byte, entered);
        }
    }
}

impl<Backend: ?Sized, Fut: ?Sized> fmt::Debug for WithBackend<'_, Backend, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithBackend")
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}
