//! The drive lock: one word that says which party may poll the backend, and which one must next.
//!
//! Every transition is a single read-modify-write of this word, and no fences are used. A party
//! publishes what it has for others (a queued operation, a registered waker) before its transition;
//! a party that acts on a transition sees it.
//!
//! Invariants
//!
//! * **L1** LOCKED is set by exactly one party at a time, the *holder*, and cleared only by it.
//!   Only the holder touches the backend.
//! * **L2** When SIGNALLED is set while LOCKED, the holder sees it before it unlocks:
//!   [`DriveLock::unlock`] and [`DriveLock::begin_park`] compare-exchange against the very word
//!   that carries it. When it is set on a free lock, [`DriveLock::signal`] tells the caller to wake
//!   the waiters.
//! * **L3** A thread that parks for want of the lock sets CONTENDED after it has queued itself, and
//!   looks at LOCKED in the same operation. The holder clears LOCKED and sees CONTENDED in the same
//!   operation, and wakes a queued thread.
//! * **L4** Once FINISHED, PANICKED or CLOSED is set, no party can lock. CLOSED on a free lock
//!   gives the backend to the closing party; on a held one to the holder, which drops it instead of
//!   unlocking.

use crate::sync::atomic::{AtomicU32, Ordering::AcqRel, Ordering::Acquire};

const LOCKED: u32 = 1 << 0;
/// The holder is a thread that is parked on the handle or on its parker, or the owner of a
/// `BackendHandle` between its polls: it looks again only when it is unparked.
const HOLDER_PARKED: u32 = 1 << 1;
/// The backend was signalled since its last poll began, so it must be polled.
const SIGNALLED: u32 = 1 << 2;
/// A thread has queued itself for the lock.
const CONTENDED: u32 = 1 << 3;
const FINISHED: u32 = 1 << 4;
const PANICKED: u32 = 1 << 5;
const CLOSED: u32 = 1 << 6;
/// The holder is a `BackendHandle`: the backend is polled when its owner pleases, or never.
const EXCLUSIVE: u32 = 1 << 7;
const DEAD: u32 = FINISHED | PANICKED | CLOSED;

#[derive(Debug)]
pub(crate) struct DriveLock(AtomicU32);

/// The next step of the party that signalled.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalAction {
    /// Nothing: the signal was pending before, or the holder will see it.
    Nothing,
    /// Unpark the holder, which sleeps with the lock, or may.
    UnparkHolder,
    /// Wake the waiters: the lock is free.
    WakeWaiters,
}

/// The state that a reactor's readiness event finds.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandleReady {
    /// The lock is free: take it.
    Free,
    /// The holder will see to the signal.
    Locked,
    /// The backend cannot be polled any more.
    Dead,
}

/// The reason why the lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockError {
    Locked,
    Finished,
    Panicked,
    Closed,
}

#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unlocked {
    /// Still locked: a signal came. It has been consumed; poll again.
    Rerun,
    /// Free. `contended`: wake a queued thread. `signalled`: a signal is pending, wake the waiters.
    Free { contended: bool, signalled: bool },
    /// Still locked, for good: the container is gone, drop the backend.
    Closed,
}

impl DriveLock {
    #[cfg(not(mfio_loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[cfg(mfio_loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Sets SIGNALLED, and returns what the caller must do about it (L2).
    pub(crate) fn signal(&self) -> SignalAction {
        let before = self.0.fetch_or(SIGNALLED, AcqRel);
        if before & (SIGNALLED | DEAD) != 0 {
            SignalAction::Nothing
        } else if before & HOLDER_PARKED != 0 {
            SignalAction::UnparkHolder
        } else if before & LOCKED != 0 {
            SignalAction::Nothing
        } else {
            SignalAction::WakeWaiters
        }
    }

    /// Locks and consumes SIGNALLED.
    pub(crate) fn try_lock(&self) -> Result<(), LockError> {
        self.lock_if(0, LOCKED).map(|_| ())
    }

    /// Locks for a `BackendHandle`, and consumes SIGNALLED. Its owner polls when it pleases, so it
    /// counts as parked, unless it says otherwise.
    pub(crate) fn try_lock_exclusive(&self) -> Result<(), LockError> {
        self.lock_if(0, LOCKED | EXCLUSIVE | HOLDER_PARKED)
            .map(|_| ())
    }

    /// Returns whether a `BackendHandle` holds the lock.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.0.load(Acquire) & EXCLUSIVE != 0
    }

    /// Locks and consumes SIGNALLED if there is a signal. Returns `Ok(false)` when there is none.
    pub(crate) fn try_lock_if_signalled(&self) -> Result<bool, LockError> {
        self.lock_if(SIGNALLED, LOCKED)
    }

    fn lock_if(&self, required: u32, set: u32) -> Result<bool, LockError> {
        let mut word = self.0.load(Acquire);
        loop {
            if word & DEAD != 0 {
                return Err(dead(word));
            }
            if word & required != required {
                return Ok(false);
            }
            if word & LOCKED != 0 {
                return Err(LockError::Locked);
            }
            match self
                .0
                .compare_exchange_weak(word, (word | set) & !SIGNALLED, AcqRel, Acquire)
            {
                Ok(_) => return Ok(true),
                Err(now) => word = now,
            }
        }
    }

    /// Unlocks, unless a signal is pending and `rerun` is set.
    pub(crate) fn unlock(&self, rerun: bool) -> Unlocked {
        let mut word = self.0.load(Acquire);
        loop {
            let (new, outcome) = if word & CLOSED != 0 {
                return Unlocked::Closed;
            } else if rerun && word & SIGNALLED != 0 {
                (word & !SIGNALLED, Unlocked::Rerun)
            } else {
                let free = Unlocked::Free {
                    contended: word & CONTENDED != 0,
                    signalled: word & SIGNALLED != 0 && word & DEAD == 0,
                };
                (
                    word & !(LOCKED | HOLDER_PARKED | CONTENDED | EXCLUSIVE),
                    free,
                )
            };
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    /// Announces that the holder is about to park. Returns `false` when a signal came, which is
    /// consumed: poll first.
    #[must_use]
    pub(crate) fn begin_park(&self) -> bool {
        let mut word = self.0.load(Acquire);
        loop {
            let (new, parks) = match word & SIGNALLED {
                0 => (word | HOLDER_PARKED, true),
                _ => (word & !SIGNALLED, false),
            };
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return parks,
                Err(now) => word = now,
            }
        }
    }

    /// Announces that the holder is back and will poll: signals up to here are consumed.
    pub(crate) fn end_park(&self) {
        self.0.fetch_and(!(HOLDER_PARKED | SIGNALLED), AcqRel);
    }

    /// Consumes the signals so far: the owner of a `BackendHandle` is about to poll.
    pub(crate) fn consume_signal(&self) {
        self.0.fetch_and(!SIGNALLED, AcqRel);
    }

    /// Marks that a thread is queued for the lock. Returns whether a holder is there to wake that
    /// thread (L3).
    #[must_use]
    pub(crate) fn contend(&self) -> bool {
        let before = self.0.fetch_or(CONTENDED, AcqRel);
        before & LOCKED != 0 && before & DEAD == 0
    }

    /// Looks again after a waiter has registered. Returns whether it must act instead of waiting:
    /// a signal is pending on a free lock, or the backend is dead.
    #[must_use]
    pub(crate) fn recheck(&self) -> bool {
        let word = self.0.fetch_or(0, AcqRel);
        word & DEAD != 0 || (word & SIGNALLED != 0 && word & LOCKED == 0)
    }

    /// Records a reactor's readiness event: sets SIGNALLED, unless the holder is parked on the same
    /// handle and sees it itself.
    pub(crate) fn handle_ready(&self) -> HandleReady {
        let mut word = self.0.load(Acquire);
        loop {
            let (new, outcome) = match word {
                _ if word & DEAD != 0 => return HandleReady::Dead,
                _ if word & HOLDER_PARKED != 0 => (word, HandleReady::Locked),
                _ if word & LOCKED != 0 => (word | SIGNALLED, HandleReady::Locked),
                _ => (word | SIGNALLED, HandleReady::Free),
            };
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    /// Returns whether there still is a holder. For a party that has left something to do for the
    /// time of the unlock: a read-modify-write, so that one of the two sees the other.
    #[must_use]
    pub(crate) fn still_locked(&self) -> bool {
        self.0.fetch_or(0, AcqRel) & LOCKED != 0
    }

    /// Returns whether the holder is a parked thread or a `BackendHandle`: both see to what is left
    /// when they unlock.
    pub(crate) fn has_lasting_holder(&self) -> bool {
        self.0.load(Acquire) & (HOLDER_PARKED | EXCLUSIVE) != 0
    }

    /// Returns whether a signal is pending. A hint: it misses nothing that happened before on this
    /// thread.
    pub(crate) fn is_signalled(&self) -> bool {
        self.0.load(Acquire) & SIGNALLED != 0
    }

    /// Records that the backend completed. Called by the holder.
    pub(crate) fn set_finished(&self) {
        self.0.fetch_or(FINISHED, AcqRel);
    }

    /// Records that the backend panicked. Called by the holder.
    pub(crate) fn set_panicked(&self) {
        self.0.fetch_or(PANICKED, AcqRel);
    }

    /// Closes the lock for good. Returns whether the backend is the caller's to drop (L4).
    #[must_use]
    pub(crate) fn close(&self) -> bool {
        self.0.fetch_or(CLOSED, AcqRel) & LOCKED == 0
    }

    /// Returns an error when the backend cannot be polled any more.
    pub(crate) fn check(&self) -> Result<(), LockError> {
        self.needs_poll().map(drop)
    }

    /// Returns whether a signal is pending, or an error when the backend cannot be polled any more.
    pub(crate) fn needs_poll(&self) -> Result<bool, LockError> {
        let word = self.0.load(Acquire);
        if word & DEAD != 0 {
            Err(dead(word))
        } else {
            Ok(word & SIGNALLED != 0)
        }
    }
}

fn dead(word: u32) -> LockError {
    if word & PANICKED != 0 {
        LockError::Panicked
    } else if word & FINISHED != 0 {
        LockError::Finished
    } else {
        LockError::Closed
    }
}

#[cfg(all(test, mfio_loom))]
mod models;
