//! The heap block of a container: the backend, and the turn that guards it.
//!
//! Invariants
//!
//! * **C1** The cell of the backend is touched only by who holds the turn (T1), by `&mut` access to the block, or by the
//!   container's drop where [`Turn::close`](super::turn::Turn::close) said that nobody holds it (T4).
//! * **C2** The backend is polled only while it is neither finished nor panicked: [`Turn::try_take`](super::turn::Turn::try_take) refuses otherwise, and a
//!   holder that saw either lets go at once.

#![allow(unsafe_code)]

use super::polling::PollingFlags;
use super::reentry::Blocked;
use super::seats::Hub;
use super::turn::{Refused, Released, Signalled};
use super::wake_flags::consume_wake;
use crate::sync::atomic::Ordering;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::AtomicU8;
use core::task::{Context, Poll, Waker};

/// Rounds of the backend in one go before others get their chance.
pub(crate) const ROUNDS: u32 = 16;

/// Runs for a watch that cannot be armed, because its handle is ready again each time. What is left after them is stranded until
/// the next driver comes, so they are many; a reactor that fires whether or not its handle is ready must still not keep us.
const LEFT_OVER_ROUNDS: u32 = 4096;

pub(crate) struct Core<B: ?Sized> {
    pub(crate) hub: Arc<Hub>,
    /// Of the hub; made once, for every round.
    waker: Waker,
    /// Poll the backend after each poll of a user's future, signalled or not.
    pub(crate) eager: bool,
    pub(crate) wake_flags: Option<Arc<AtomicU8>>,
    /// The interests of the handle, where the backend changes them as it goes.
    pub(crate) interests: Option<Arc<PollingFlags>>,
    backend: UnsafeCell<Option<Pin<Box<B>>>>,
}

// SAFETY: by C1 references to the backend are exclusive, so sharing the block hands the backend from thread to thread, which
// `B: Send` allows. Everything else in it is Sync.
unsafe impl<B: ?Sized + Send> Sync for Core<B> {}
// SAFETY: as above; nothing in the block is tied to a thread where `B: Send`.
unsafe impl<B: ?Sized + Send> Send for Core<B> {}

impl<B: ?Sized> Core<B> {
    pub(crate) fn new(backend: Pin<Box<B>>) -> Self {
        let hub = Arc::new(Hub::new());
        Self {
            waker: Waker::from(hub.clone()),
            hub,
            eager: true,
            wake_flags: None,
            interests: None,
            backend: UnsafeCell::new(Some(backend)),
        }
    }

    /// The backend, for as long as the turn is held.
    ///
    /// # Safety
    ///
    /// The caller holds the turn for as long as the reference lives and makes no second reference (C1).
    #[allow(clippy::mut_from_ref, reason = "the turn makes it exclusive")]
    pub(crate) unsafe fn backend(&self) -> Option<Pin<&mut B>> {
        // SAFETY: C1, as the caller promises.
        unsafe { &mut *self.backend.get() }
            .as_mut()
            .map(Pin::as_mut)
    }

    /// Takes the backend out, to drop it.
    ///
    /// # Safety
    ///
    /// The caller holds the turn, or `Turn::close` returned `true` to it.
    unsafe fn take_backend(&self) -> Option<Pin<Box<B>>> {
        // SAFETY: C1, as the caller promises.
        unsafe { &mut *self.backend.get() }.take()
    }

    /// The container goes away.
    pub(crate) fn close(&self) {
        let backend = match self.hub.turn.close() {
            // SAFETY: `close` returned `true`.
            true => unsafe { self.take_backend() },
            false => None,
        };
        self.hub.attendance.close();
        // Tasks and threads that wait by way of a `Sharing` that outlived the container must see
        // it, also where the backend panics when it is dropped.
        self.hub.notify_all();
        drop(backend);
    }

    /// After the turn was let go: who is next.
    fn released(&self, outcome: Released) {
        match outcome {
            Released::Free { wanted, event } => {
                if wanted {
                    self.hub.promote_one();
                }
                if event {
                    self.hub.notify();
                }
                self.hub.rearm(self.interests.is_some());
            }
            // SAFETY: the turn is still held, for good, by the caller (T4).
            Released::Closed => drop(unsafe { self.take_backend() }),
            Released::Again => unreachable!("only asked for with rerun"),
        }
    }

    /// Lets go of a turn held by a raw handle, which polled the backend with a waker of its own: others must poll it again.
    pub(crate) fn release_raw(&self) {
        // A wake that was only recorded becomes the event: the flag would keep the bell from the descriptor.
        if let Some(flags) = &self.wake_flags {
            let _ = consume_wake(&**flags);
        }
        let _ = self.hub.turn.signal();
        self.let_go_of_turn();
    }

    /// Lets go of the turn, which the caller holds.
    fn let_go_of_turn(&self) {
        self.released(self.hub.turn.release(false));
        if self.hub.turn.check().is_err() {
            self.hub.notify_all();
        }
        self.hub.run_left_over();
    }
}

/// Polls a backend and records that it completed or panicked, whichever happens. The caller holds the turn of `hub`.
pub(crate) fn poll_recorded<B>(hub: &Hub, backend: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<()>
where
    B: Future<Output = ()> + ?Sized,
{
    struct Panicked<'a>(&'a Hub);
    impl Drop for Panicked<'_> {
        fn drop(&mut self) {
            self.0.turn.panicked();
        }
    }
    let guard = Panicked(hub);
    let polled = backend.poll(cx);
    core::mem::forget(guard);
    if polled.is_ready() {
        hub.turn.finish();
    }
    polled
}

/// What came of asking for a run.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// There was no reason to run.
    Unneeded,
    /// Nothing is left to do, or the holder of the turn will do it.
    Idle,
    /// The bound was reached with an event pending. Watchers have been told; a task wakes itself.
    Again,
    /// The backend cannot be used any more.
    Dead(Refused),
}

/// When to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Always,
    IfSignalled,
}

/// A block whose backend can be run by whoever waits, its type erased.
pub(crate) trait Runner: Send + Sync {
    fn hub(&self) -> &Arc<Hub>;
    fn eager(&self) -> bool;
    /// Takes the turn, polls the backend until it has nothing to do (bounded), lets go.
    fn run(&self, ask: Ask) -> Ran;
    /// Polls the backend once with the turn held. The same as within `run`, for a thread that waits with the turn.
    ///
    /// # Safety
    ///
    /// The caller holds the turn.
    unsafe fn poll_once(&self);
    /// Lets go of the turn and tells who is next.
    ///
    /// # Safety
    ///
    /// The caller holds the turn, and holds it no more afterwards.
    unsafe fn let_go(&self);
    /// Consumes a wake of the descriptor, before and after the poll that answers it.
    fn consume_wake(&self) -> bool;
    /// The interests of the handle, where they change.
    fn interests(&self) -> Option<&Arc<PollingFlags>>;
}

impl<B: Future<Output = ()> + Send + ?Sized> Runner for Core<B> {
    fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    fn eager(&self) -> bool {
        self.eager
    }

    fn run(&self, ask: Ask) -> Ran {
        let mut ran = self.run_once(ask);
        for _ in 0..LEFT_OVER_ROUNDS {
            // A watch that could not be armed tells nobody of the event that it left.
            if matches!(ran, Ran::Dead(_)) || !self.hub.is_left_over() {
                break;
            }
            ran = self.run_once(Ask::IfSignalled);
        }
        ran
    }

    unsafe fn poll_once(&self) {
        let _ = self.consume_wake();
        // SAFETY: the caller holds the turn (C1), and the reference ends with this call.
        let Some(backend) = (unsafe { self.backend() }) else {
            return;
        };
        let _polling = Blocked::polling(self.hub.id());
        let mut cx = Context::from_waker(&self.waker);
        let _ = poll_recorded(&self.hub, backend, &mut cx);
        // A wake during the round may have been swallowed with what the backend drained.
        if self.consume_wake() {
            let _ = self.hub.turn.signal();
        }
    }

    unsafe fn let_go(&self) {
        self.let_go_of_turn();
    }

    fn consume_wake(&self) -> bool {
        let flags = self.wake_flags.as_ref();
        let woken = flags.is_some_and(|flags| consume_wake(&**flags));
        if woken {
            self.hub.swallowed.store(true, Ordering::Relaxed);
        }
        woken
    }

    fn interests(&self) -> Option<&Arc<PollingFlags>> {
        self.interests.as_ref()
    }
}

impl<B: Future<Output = ()> + Send + ?Sized> Core<B> {
    /// Takes the turn, polls the backend, lets go.
    fn run_once(&self, ask: Ask) -> Ran {
        match self.take(ask) {
            Ok(true) => {}
            Ok(false) => return Ran::Unneeded,
            Err(Refused::Held) => return Ran::Idle,
            Err(dead) => return Ran::Dead(dead),
        }
        // SAFETY: `take` returned `true`.
        let mut turn = unsafe { Held::of(self) };
        for round in 1..=ROUNDS {
            turn.poll_once();
            match self
                .hub
                .turn
                .release(round < ROUNDS && self.hub.turn.check().is_ok())
            {
                Released::Again => {}
                outcome => {
                    turn.forget();
                    self.released(outcome);
                    if let Err(dead) = self.hub.turn.check() {
                        self.hub.notify_all();
                        return Ran::Dead(dead);
                    }
                    return match outcome {
                        Released::Free { event: true, .. } => Ran::Again,
                        _ => Ran::Idle,
                    };
                }
            }
        }
        unreachable!("the last round releases")
    }

    fn take(&self, ask: Ask) -> Result<bool, Refused> {
        let turn = &self.hub.turn;
        if ask == Ask::IfSignalled {
            return if turn.has_event() {
                turn.try_take_for_event()
            } else {
                turn.check().map(|()| false)
            };
        }
        loop {
            match turn.try_take() {
                Ok(()) => return Ok(true),
                Err(Refused::Held) => match turn.signal() {
                    // The event may be an old one, which its holder has passed on by letting go meanwhile.
                    Signalled::Seen if turn.still_held() => return Ok(false),
                    Signalled::Seen => {}
                    Signalled::Ring => {
                        self.hub.ring();
                        return Ok(false);
                    }
                    // It was let go in between.
                    Signalled::Notify => {}
                },
                Err(dead) => return Err(dead),
            }
        }
    }
}

/// The turn, held; let go when dropped, unwinding included.
pub(crate) struct Held<'a>(Option<&'a dyn Runner>);

impl<'a> Held<'a> {
    /// # Safety
    ///
    /// The caller has just taken the turn of `runner` and gives it up to this guard.
    unsafe fn of(runner: &'a dyn Runner) -> Self {
        Self(Some(runner))
    }

    /// Takes the turn.
    pub(crate) fn take(runner: &'a dyn Runner) -> Result<Self, Refused> {
        runner.hub().turn.try_take()?;
        // SAFETY: taken just now.
        Ok(unsafe { Self::of(runner) })
    }

    pub(crate) fn poll_once(&mut self) {
        if let Some(runner) = self.0 {
            // SAFETY: this guard is the turn.
            unsafe { runner.poll_once() }
        }
    }

    /// The turn has been let go by other means.
    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(runner) = self.0.take() {
            // SAFETY: this guard is the turn, and it ends here.
            unsafe { runner.let_go() }
        }
    }
}

impl<B: ?Sized> fmt::Debug for Core<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for dyn Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("hub", self.hub())
            .finish_non_exhaustive()
    }
}

/// Why a backend cannot be used, for panics.
pub(crate) fn explain(refused: Refused) -> &'static str {
    match refused {
        Refused::Held => {
            "this backend is acquired already: a backend is held by one handle at a time \
             (share it through `IoBackend::sharing`, or drop the other handle first)"
        }
        Refused::Finished => {
            "the backend has completed and cannot be used any more: a backend must run for as long as its object lives"
        }
        Refused::Panicked => "the backend has panicked and cannot be used any more",
        Refused::Closed => "the backend's container is gone",
    }
}
