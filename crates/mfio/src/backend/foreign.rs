//! [`ForeignLoop`]: a backend in an event loop of another library.

use super::drive::{Progress, When, explain};
use super::ext::IoBackendExt;
use super::io_backend::{IoBackend, polling_handle_of};
use super::polling::{DefaultHandle, Pollable, PollingHandle};
use super::shared_backend::SharedBackend;
use super::waiters::{TaskWaiter, Waiters};
use crate::sync::atomic::{AtomicBool, Ordering};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Waker};
use core::time::Duration;

/// A backend driven by a foreign event loop: a descriptor to watch, a time-out to obey, and a tick
/// that never blocks.
///
/// The loop calls [`tick`](Self::tick) when the handle is ready, when the time-out has passed, and
/// when the waker that it gave was woken. Futures of the object may be awaited anywhere meanwhile.
///
/// # Futures that the loop polls itself
///
/// Poll them with the waker of [`handle`](Self::handle), which makes the handle ready, or with the
/// waker that was given to [`with_waker`](Self::with_waker). A tick drains the handle. If the
/// handle's waker was woken since the tick before, or within this one (a tick completes
/// operations), the tick leaves the handle ready when it returns [`Tick::Idle`]. So the loop does
/// not sleep before it has polled its futures again, whether it polls them before or after the
/// tick.
///
/// Threads and reactors that drive the same backend drain the handle too, perhaps before the loop
/// has seen that it was ready. Where there are any, give the loop a waker with a descriptor of its
/// own, and poll futures with that.
///
/// # Waits that end early
///
/// On Linux, `epoll_wait` and `poll` may fail with `EINTR` although no signal was delivered:
/// io_uring finishes some of its work on the thread that submitted it, and interrupts the wait of
/// that thread to do so. Wait again: the handle is ready then if an operation has completed. The
/// example `foreign_epoll` of `mfio-rt` is such a loop.
///
/// # Examples
///
/// ```
/// # #[cfg(unix)] {
/// use mfio::backend::{ForeignLoop, IoBackendExt, Tick};
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
///
/// let memory = Memory::new(vec![7; 16]);
/// let mut event_loop = ForeignLoop::with_waker(&memory, Waker::noop().clone());
/// let mut read = pin!(memory.read_value_at::<u8>(3));
/// let mut cx = Context::from_waker(Waker::noop());
/// let value = loop {
///     if let Poll::Ready(value) = read.as_mut().poll(&mut cx) {
///         break value.unwrap();
///     }
///     while event_loop.tick() == Tick::Again {}
///     // … here the loop sleeps, at most for `event_loop.next_timeout()` …
/// };
/// assert_eq!(value, 7);
/// # }
/// ```
pub struct ForeignLoop<'a, B: ?Sized, Handle: Pollable = DefaultHandle> {
    backend: &'a B,
    handle: Option<PollingHandle<'a, Handle>>,
    /// The waker of the loop's futures, if there is a handle.
    futures: Option<Arc<FuturesWaker>>,
    /// The handle is to be made ready before the loop sleeps.
    wake_due: bool,
    waker: Waker,
    // Dropped before the count below, on which it relies.
    waiter: Option<TaskWaiter<'a>>,
    _at_handle: Option<AtHandle<'a>>,
}

/// Counts a loop that is woken by way of the handle: every event makes the handle ready.
struct AtHandle<'a>(&'a Waiters);

impl<'a> AtHandle<'a> {
    fn new(waiters: &'a Waiters, handle: &Waker) -> Self {
        waiters.set_handle_waker(handle);
        waiters.add_at_handle();
        Self(waiters)
    }
}

impl Drop for AtHandle<'_> {
    fn drop(&mut self) {
        self.0.remove_at_handle();
    }
}

/// The handle's waker as the loop's futures have it: records that they are to be polled, before it
/// makes the handle ready.
///
/// The backend's own signals go by the waker behind it, so they are not recorded.
struct FuturesWaker {
    woken: AtomicBool,
    handle: Waker,
}

impl Wake for FuturesWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: the tick that takes the mark has the loop poll the future that was woken.
        self.woken.store(true, Ordering::Release);
        self.handle.wake_by_ref();
    }
}

/// The result of [`ForeignLoop::tick`].
#[must_use]
#[doc(alias = "Turned")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Nothing is left to do until the handle is ready, the time-out passes or the waker is woken.
    /// The handle may be ready already, if a future of the loop is to be polled.
    Idle,
    /// There is more to do already: tick again, after the other work of the loop.
    Again,
}

impl<'a, B: IoBackend<Handle> + ?Sized, Handle: Pollable> ForeignLoop<'a, B, Handle> {
    /// Drives a backend that exports a handle: making the handle ready is how the loop is woken.
    ///
    /// # Panics
    ///
    /// When the backend exports none; [`with_waker`](Self::with_waker) takes a way to wake the
    /// loop.
    pub fn new(backend: &'a B) -> Self {
        let Some(handle) = polling_handle_of(backend) else {
            panic!(
                "this backend has no polling handle: give a way to wake the loop with \
                 `ForeignLoop::with_waker`"
            );
        };
        let waker = handle.waker.clone();
        Self::with_waker(backend, waker)
    }

    /// Drives any backend. `waker` makes the loop call [`tick`](Self::tick) soon.
    pub fn with_waker(backend: &'a B, waker: Waker) -> Self {
        let mut handle = polling_handle_of(backend);
        let sharing = backend.shared().map(SharedBackend::sharing);
        let at_handle = match (sharing, &handle) {
            (Some(sharing), Some(handle)) if handle.waker.will_wake(&waker) => {
                Some(AtHandle::new(sharing.waiters(), &handle.waker))
            }
            _ => None,
        };
        let futures = handle.as_mut().map(|handle| {
            let futures = Arc::new(FuturesWaker {
                woken: AtomicBool::new(false),
                handle: handle.waker.clone(),
            });
            handle.waker = Waker::from(futures.clone());
            futures
        });
        let mut waiter = sharing.map(|sharing| TaskWaiter::new(sharing.waiters()));
        if let (Some(sharing), Some(waiter)) = (sharing, &mut waiter) {
            // From here on events wake the loop; for those before, it is woken now.
            waiter.wait(&Context::from_waker(&waker));
            if sharing.waiters().drive_lock().recheck() {
                waker.wake_by_ref();
            }
        }
        Self {
            backend,
            handle,
            futures,
            wake_due: false,
            waker,
            waiter,
            _at_handle: at_handle,
        }
    }

    /// Returns the handle to watch, with its interests, which may change with every tick, and with
    /// a waker for futures that the loop polls.
    pub fn handle(&self) -> Option<&PollingHandle<'a, Handle>> {
        self.handle.as_ref()
    }

    /// Returns the longest time that the loop may sleep. `None`: until the handle or the waker
    /// wakes it.
    #[doc(alias = "next_deadline")]
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.backend.shared() {
            Some(shared) => shared.next_timeout(),
            None => self.backend.next_timeout(),
        }
    }

    /// Polls the backend, a bounded number of times, without blocking.
    ///
    /// # Panics
    ///
    /// When the backend has completed or panicked; when it is exclusive and held by another party.
    #[doc(alias = "turn")]
    pub fn tick(&mut self) -> Tick {
        let tick = self.drive();
        if let Some(futures) = &self.futures {
            self.wake_due |= futures.woken.swap(false, Ordering::AcqRel);
            if tick == Tick::Idle && core::mem::take(&mut self.wake_due) {
                futures.handle.wake_by_ref();
            }
        }
        tick
    }

    fn drive(&mut self) -> Tick {
        let mut cx = Context::from_waker(&self.waker);
        let (Some(sharing), Some(waiter)) = (
            self.backend.shared().map(SharedBackend::sharing),
            &mut self.waiter,
        ) else {
            let (both, _) = self.backend.with_backend(pending::<()>());
            let _ = pin!(both).poll(&mut cx);
            return Tick::Idle;
        };
        let waiters = sharing.waiters();
        // A wake of the handle before the tick has made the loop look. A wake within it is
        // repeated, as it may come from a clone of the handle's waker that woke a future.
        let consumed = waiters.wakes_consumed.load(Ordering::Relaxed);
        let progress = sharing.drive(When::Woken);
        self.wake_due |= waiters.wakes_consumed.load(Ordering::Relaxed) != consumed;
        waiter.wait(&cx);
        match progress {
            Progress::Dead(why) => panic!("{}", explain(why)),
            Progress::NotPolled | Progress::Idle if !waiters.drive_lock().recheck() => Tick::Idle,
            Progress::NotPolled | Progress::Idle | Progress::BudgetSpent => Tick::Again,
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
