//! Somebody else's event loop.

use super::cell::{Ask, Ran, explain};
use super::io_backend::{IoBackend, IoBackendExt};
use super::polling::{DefaultHandle, Pollable, PollingHandle};
use super::shared::TaskSeat;
use core::fmt;
use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Waker};
use core::time::Duration;

/// A backend driven by an event loop that is not ours: a descriptor to watch, a deadline to obey, and a turn that never blocks.
///
/// The loop calls [`turn`](Self::turn) when the handle is ready, when the deadline has passed, and when the waker it gave was
/// woken. Futures of the object may be awaited anywhere meanwhile.
///
/// ```
/// # #[cfg(unix)] {
/// use mfio::backend::{ForeignLoop, IoBackendExt, Turned};
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
///
/// let memory = Memory::new(vec![7; 16]);
/// let mut driver = ForeignLoop::with_waker(&memory, Waker::noop().clone());
/// let mut read = pin!(memory.read::<u8>(3));
/// let mut cx = Context::from_waker(Waker::noop());
/// let value = loop {
///     if let Poll::Ready(value) = read.as_mut().poll(&mut cx) {
///         break value.unwrap();
///     }
///     while driver.turn() == Turned::Again {}
///     // … here the loop sleeps, at most for `driver.next_deadline()` …
/// };
/// assert_eq!(value, 7);
/// # }
/// ```
pub struct ForeignLoop<'a, B: ?Sized, Handle: Pollable = DefaultHandle> {
    backend: &'a B,
    handle: Option<PollingHandle<'a, Handle>>,
    waker: Waker,
    seat: Option<TaskSeat<'a>>,
}

/// What came of a [`ForeignLoop::turn`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// Nothing is left to do until the handle is ready, the deadline passes or the waker is woken.
    Idle,
    /// There is more to do already: take another turn, after whatever else the loop has to do.
    Again,
}

impl<'a, B: IoBackend<Handle> + ?Sized, Handle: Pollable> ForeignLoop<'a, B, Handle> {
    /// Drives a backend that exports a handle: making the handle ready is how the loop is woken.
    ///
    /// # Panics
    ///
    /// When the backend exports none; [`with_waker`](Self::with_waker) takes a way to wake the loop.
    pub fn new(backend: &'a B) -> Self {
        let Some(handle) = backend.polling_handle() else {
            panic!(
                "this backend has no polling handle: give a way to wake the loop with `ForeignLoop::with_waker`"
            );
        };
        let waker = handle.waker.clone();
        Self::with_waker(backend, waker)
    }

    /// Drives any backend. `waker` makes the loop call [`turn`](Self::turn) soon.
    pub fn with_waker(backend: &'a B, waker: Waker) -> Self {
        let mut this = Self {
            backend,
            handle: backend.polling_handle(),
            waker,
            seat: backend.sharing().map(TaskSeat::new),
        };
        if let (Some(sharing), Some(seat)) = (backend.sharing(), &mut this.seat) {
            // From here on the loop is woken; for what happened before, it is woken now.
            seat.sit(&Context::from_waker(&this.waker));
            if sharing.hub().turn.look() {
                this.waker.wake_by_ref();
            }
        }
        this
    }

    /// What to watch, with which interests. The interests may change with every turn.
    pub fn handle(&self) -> Option<&PollingHandle<'a, Handle>> {
        self.handle.as_ref()
    }

    /// How long the loop may sleep. `None`: until the handle or the waker wakes it.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.backend.next_deadline()
    }

    /// Polls the backend, a bounded number of times, without blocking.
    ///
    /// # Panics
    ///
    /// When the backend has completed or panicked; when it is exclusive and held by somebody else.
    pub fn turn(&mut self) -> Turned {
        let mut cx = Context::from_waker(&self.waker);
        let (Some(sharing), Some(seat)) = (self.backend.sharing(), &mut self.seat) else {
            let (both, _) = self.backend.with_backend(pending::<()>());
            let _ = pin!(both).poll(&mut cx);
            return Turned::Idle;
        };
        let ran = sharing.runner().run(Ask::Always);
        seat.sit(&cx);
        match ran {
            Ran::Dead(why) => panic!("{}", explain(why)),
            Ran::Idle if !sharing.hub().turn.look() => Turned::Idle,
            Ran::Idle | Ran::Again => Turned::Again,
        }
    }
}

impl<B: ?Sized, Handle: Pollable> fmt::Debug for ForeignLoop<'_, B, Handle> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignLoop")
            .field("waker", &self.waker)
            .finish_non_exhaustive()
    }
}
