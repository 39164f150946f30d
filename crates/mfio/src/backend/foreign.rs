//! Somebody else's event loop.

use super::cell::{Ask, Ran, explain};
use super::io_backend::{IoBackend, IoBackendExt};
use super::polling::{DefaultHandle, Pollable, PollingHandle};
use super::seats::Hub;
use super::shared::TaskSeat;
use crate::sync::atomic::{AtomicBool, Ordering};
use alloc::sync::Arc;
use alloc::task::Wake;
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
/// # Futures that the loop polls itself
///
/// Poll them with the waker of [`handle`](Self::handle), which makes the loop look, or with the
/// waker that was given to [`with_waker`](Self::with_waker). A turn drains the handle. If the
/// handle's waker was woken since the turn before, or within this one (a turn ends operations), the
/// turn leaves the handle ready when it returns [`Turned::Idle`]. So the loop does not sleep before
/// it has polled its futures again, whether it polls them before or after the turn.
///
/// Threads and reactors that drive the same backend drain the handle too, maybe before the loop has
/// seen that it was ready. Where there are any, give the loop a waker with a descriptor of its own,
/// and poll futures with that.
///
/// # Waits that end early
///
/// On Linux, `epoll_wait` and `poll` may fail with `EINTR` although no signal was delivered.
/// io_uring finishes some of its work on the thread that submitted it, and interrupts the wait of
/// that thread to do so. Wait again: the handle is ready then, if an operation has ended. The
/// example `foreign_epoll` of `mfio-rt` is such a loop.
///
/// # Examples
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
/// let mut read = pin!(memory.read_value_at::<u8>(3));
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
    /// Where there is a handle: who woke it.
    noted: Option<Arc<Noted>>,
    /// The handle is to be made ready before the loop sleeps.
    owed: bool,
    waker: Waker,
    // Dropped first: the count must outlast no seat that counts on it.
    seat: Option<TaskSeat<'a>>,
    _watches_handle: Option<WatchesHandle<'a>>,
}

/// A loop that is woken by way of the handle: every event makes the handle ready.
struct WatchesHandle<'a>(&'a Hub);

impl<'a> WatchesHandle<'a> {
    fn new(hub: &'a Hub, bell: &Waker) -> Self {
        hub.set_handle_bell(bell);
        hub.count_handle_loop(true);
        Self(hub)
    }
}

impl Drop for WatchesHandle<'_> {
    fn drop(&mut self) {
        self.0.count_handle_loop(false);
    }
}

/// The handle's waker, as the loop's futures have it: notes that they are to be polled, before it
/// makes the handle ready.
///
/// The backend's own signals go by the waker behind it, so that they do not count.
struct Noted {
    woken: AtomicBool,
    bell: Waker,
}

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: the turn that takes the note has the loop poll what was woken.
        self.woken.store(true, Ordering::Release);
        self.bell.wake_by_ref();
    }
}

/// What came of a [`ForeignLoop::turn`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// Nothing is left to do until the handle is ready, the deadline passes or the waker is woken.
    /// The handle may be ready already, where a future of the loop's is to be polled.
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
        let mut handle = backend.polling_handle();
        let watches_handle = match (backend.sharing(), &handle) {
            (Some(sharing), Some(handle)) if handle.waker.will_wake(&waker) => {
                Some(WatchesHandle::new(sharing.hub(), &handle.waker))
            }
            _ => None,
        };
        let noted = handle.as_mut().map(|handle| {
            let noted = Arc::new(Noted {
                woken: AtomicBool::new(false),
                bell: handle.waker.clone(),
            });
            handle.waker = Waker::from(noted.clone());
            noted
        });
        let mut this = Self {
            backend,
            handle,
            noted,
            owed: false,
            waker,
            seat: backend.sharing().map(TaskSeat::new),
            _watches_handle: watches_handle,
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

    /// What to watch, with which interests, which may change with every turn; and a waker for
    /// futures that the loop polls.
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
        let turned = self.run();
        if let Some(noted) = &self.noted {
            self.owed |= noted.woken.swap(false, Ordering::AcqRel);
            if turned == Turned::Idle && core::mem::take(&mut self.owed) {
                noted.bell.wake_by_ref();
            }
        }
        turned
    }

    fn run(&mut self) -> Turned {
        let mut cx = Context::from_waker(&self.waker);
        let (Some(sharing), Some(seat)) = (self.backend.sharing(), &mut self.seat) else {
            let (both, _) = self.backend.with_backend(pending::<()>());
            let _ = pin!(both).poll(&mut cx);
            return Turned::Idle;
        };
        let (runner, swallowed) = (sharing.runner(), &sharing.hub().swallowed);
        // What woke the handle before the turn is not told again: it made the loop look. What the
        // backend's waker does within it is, in case that somebody else's copy of it woke a future.
        let _ = runner.consume_wake();
        swallowed.store(false, Ordering::Relaxed);
        let ran = runner.run(Ask::Always);
        self.owed |= swallowed.swap(false, Ordering::Relaxed);
        seat.sit(&cx);
        match ran {
            Ran::Dead(why) => panic!("{}", explain(why)),
            Ran::Unneeded | Ran::Idle if !sharing.hub().turn.look() => Turned::Idle,
            Ran::Unneeded | Ran::Idle | Ran::Again => Turned::Again,
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
