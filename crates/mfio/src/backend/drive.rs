//! Driving a shared backend: its interface [`ErasedBackend`], the held drive lock [`DriveGuard`],
//! and the budget of polls [`Rounds`].

#![allow(unsafe_code)]

use super::drive_lock::LockError;
use super::polling::PollingFlags;
use super::waiters::Waiters;
use alloc::sync::Arc;
use core::fmt;

/// The budget of backend polls in one go, so that other tasks and events get their chance: one
/// poll of a task, one event of a reactor, one tick of a foreign loop, one pass of the fallback
/// thread, or one poll of a future in `block_on`.
///
/// One more budget each, so still bounded, have: a future that is ready with a signal pending, the
/// drop of a [`BackendHandle`](super::BackendHandle) with a signal pending, and signals left with a
/// registration that cannot be armed (up to [`MAX_EXTRA_DRIVES`] of them).
///
/// Without a budget are threads in `block_on` that have no executor to be fair to: with the backend
/// held exclusively, they poll until no wake is recorded ([`Rounds::unlimited`]); parked with the
/// drive lock, they poll once after each wait.
#[derive(Debug)]
pub(crate) struct Rounds(u32);

impl Rounds {
    const BUDGET: u32 = 16;

    pub(crate) fn new() -> Self {
        Self(Self::BUDGET)
    }

    /// A budget for a thread that has no other task to be fair to.
    pub(crate) fn unlimited() -> Self {
        Self(u32::MAX)
    }

    /// Takes one round out of the budget.
    pub(crate) fn spend(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    pub(crate) fn are_spent(&self) -> bool {
        self.0 == 0
    }
}

/// Upper bound on further runs, of one budget each, for a registration that cannot be armed because
/// its handle is ready again each time. A signal that is left after them waits for the next driver,
/// so the bound is high; it exists for reactors that fire without a reason.
pub(crate) const MAX_EXTRA_DRIVES: u32 = 4096;

/// The result of [`ErasedBackend::drive`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The backend was not polled: no signal is pending, or the holder of the drive lock sees it.
    NotPolled,
    /// Nothing is left to do, or the holder of the drive lock will do it.
    Idle,
    /// The budget is spent with a signal pending. Waiters have been woken; a task wakes itself.
    BudgetSpent,
    /// The backend cannot be used any more.
    Dead(LockError),
}

/// The condition under which to drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// Always, because a wake of the handle has made the caller look: that wake is answered, and is
    /// not recorded in `Waiters::wakes_consumed`.
    Woken,
    /// If a signal is pending.
    IfSignalled,
}

/// The block of a shared backend, with its type erased: the operations of its drivers.
pub(crate) trait ErasedBackend: Send + Sync {
    fn waiters(&self) -> &Arc<Waiters>;
    /// Returns whether the backend is polled after each poll of a user's future, signalled or not.
    fn eager(&self) -> bool;
    /// Locks, polls the backend until it has nothing to do or `rounds` are spent, and unlocks.
    /// Polls at least once if it gets the lock; takes a round also if it does not.
    fn drive(&self, when: When, rounds: &mut Rounds) -> Progress;
    /// Polls the backend once with the drive lock held. `woken`: a wake that is found before the
    /// poll is the one that made the caller look.
    ///
    /// # Safety
    ///
    /// The caller holds the drive lock (L1).
    unsafe fn poll_once(&self, woken: bool);
    /// Unlocks, and wakes the parties that are next.
    ///
    /// # Safety
    ///
    /// The caller holds the drive lock (L1), and gives it up with this call.
    unsafe fn unlock(&self);
    /// Returns the interests of the handle, where the backend changes them as it goes.
    fn interests(&self) -> Option<&Arc<PollingFlags>>;
    /// Wakes everything that waits: the backend is dead.
    fn wake_all(&self);
}

/// The drive lock, held; unlocked when dropped, unwinding included.
pub(crate) struct DriveGuard<'a>(Option<&'a dyn ErasedBackend>);

impl<'a> DriveGuard<'a> {
    /// # Safety
    ///
    /// The caller holds the drive lock of `backend` (L1) and gives it up to this guard.
    pub(crate) unsafe fn of_locked(backend: &'a dyn ErasedBackend) -> Self {
        Self(Some(backend))
    }

    /// Locks the drive lock if it is free and the backend alive.
    pub(crate) fn try_lock(backend: &'a dyn ErasedBackend) -> Result<Self, LockError> {
        backend.waiters().drive_lock().try_lock()?;
        // SAFETY: locked just now (L1), and given to the guard.
        Ok(unsafe { Self::of_locked(backend) })
    }

    pub(crate) fn poll_once(&mut self, woken: bool) {
        if let Some(backend) = self.0 {
            // SAFETY: this guard holds the lock (L1): `of_locked` was given it, and only `disarm`
            // and the drop end that.
            unsafe { backend.poll_once(woken) }
        }
    }

    /// Ends the guard without unlocking: the lock was unlocked by other means.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for DriveGuard<'_> {
    fn drop(&mut self) {
        if let Some(backend) = self.0.take() {
            // SAFETY: this guard holds the lock (L1) and ends here; `take` keeps it from a second
            // unlock.
            unsafe { backend.unlock() }
        }
    }
}

impl fmt::Debug for dyn ErasedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErasedBackend")
            .field("waiters", self.waiters())
            .finish_non_exhaustive()
    }
}

/// Returns the message of the panic that reports why a backend cannot be used.
pub(crate) fn explain(error: LockError) -> &'static str {
    match error {
        LockError::Locked => {
            "this backend is acquired already: a backend is held by one handle at a time \
             (share it through `IoBackend::shared`, or drop the other handle first)"
        }
        LockError::Finished => {
            "the backend has completed and cannot be used any more: a backend must run for as long \
             as its object lives"
        }
        LockError::Panicked => "the backend has panicked and cannot be used any more",
        LockError::Closed => "the backend's container is gone",
    }
}
