//! The turn: one word that says who may poll the backend, and who must next.
//!
//! Every transition is a single read-modify-write of this word, and no fences are used: whoever publishes something for
//! others (a queued operation, a registered waker) does so before its transition, and whoever acts on a transition sees it.
//!
//! Invariants
//!
//! * **T1** HELD is set by exactly one party at a time and cleared only by that party. Who set it may touch the backend.
//! * **T2** When EVENT is set while HELD, the holder sees it before it lets go: [`Turn::release`] and [`Turn::begin_wait`]
//!   compare-exchange against the very word that carries it. When it is set on a free turn, [`Turn::signal`] tells the one
//!   who set it to notify the watchers.
//! * **T3** Who parks for want of the turn sets WANTED after having queued itself, and looks at HELD in the same operation;
//!   who clears HELD sees WANTED in the same operation and promotes somebody.
//! * **T4** Once FINISHED, PANICKED or CLOSED is set, no one takes the turn any more. CLOSED on a free turn gives the
//!   backend to the closer, on a held one to the holder, who drops it instead of letting go.

use crate::sync::atomic::{AtomicU32, Ordering::AcqRel, Ordering::Acquire};

const HELD: u32 = 1 << 0;
/// The holder is a thread that waits for the handle or on its parker; only a bell makes it look.
const WAITING: u32 = 1 << 1;
/// The backend is to be polled.
const EVENT: u32 = 1 << 2;
/// A thread has queued itself for the turn.
const WANTED: u32 = 1 << 3;
const FINISHED: u32 = 1 << 4;
const PANICKED: u32 = 1 << 5;
const CLOSED: u32 = 1 << 6;
/// The holder is a raw handle: it polls when its owner pleases, or never.
const RAW: u32 = 1 << 7;
const DEAD: u32 = FINISHED | PANICKED | CLOSED;

#[derive(Debug)]
pub(crate) struct Turn(AtomicU32);

/// What the one who signalled has to do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// Nothing: somebody knows already, or the holder will see it.
    Seen,
    /// Ring the bell of the thread that waits with the turn.
    Ring,
    /// Notify the watchers: the turn is free.
    Notify,
}

/// What a reactor's readiness finds.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Take the turn.
    Free,
    /// Somebody has it, and will see to it.
    Held,
    /// Nobody may take it any more.
    Dead,
}

/// Why the turn was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Held,
    Finished,
    Panicked,
    Closed,
}

#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// Still held: an event came; it has been consumed, poll again.
    Again,
    /// Let go. `wanted`: promote a thread. `event`: one is pending, notify the watchers.
    Free { wanted: bool, event: bool },
    /// Still held, for good: the container is gone, drop the backend.
    Closed,
}

impl Turn {
    #[cfg(not(mfio_loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[cfg(mfio_loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Sets EVENT.
    pub(crate) fn signal(&self) -> Signalled {
        let before = self.0.fetch_or(EVENT, AcqRel);
        if before & (EVENT | DEAD) != 0 {
            Signalled::Seen
        } else if before & WAITING != 0 {
            Signalled::Ring
        } else if before & HELD != 0 {
            Signalled::Seen
        } else {
            Signalled::Notify
        }
    }

    /// Takes the turn and consumes EVENT.
    pub(crate) fn try_take(&self) -> Result<(), Refused> {
        self.take(0, HELD).map(|_| ())
    }

    /// Takes the turn for a raw handle, and consumes EVENT.
    pub(crate) fn try_take_raw(&self) -> Result<(), Refused> {
        self.take(0, HELD | RAW).map(|_| ())
    }

    /// Whether a raw handle holds the turn.
    pub(crate) fn is_raw(&self) -> bool {
        self.0.load(Acquire) & RAW != 0
    }

    /// Takes the turn and consumes EVENT, if there is an event; `Ok(false)` when there is none.
    pub(crate) fn try_take_for_event(&self) -> Result<bool, Refused> {
        self.take(EVENT, HELD)
    }

    fn take(&self, only_if: u32, hold: u32) -> Result<bool, Refused> {
        let mut word = self.0.load(Acquire);
        loop {
            if word & DEAD != 0 {
                return Err(dead(word));
            }
            if word & only_if != only_if {
                return Ok(false);
            }
            if word & HELD != 0 {
                return Err(Refused::Held);
            }
            match self
                .0
                .compare_exchange_weak(word, (word | hold) & !EVENT, AcqRel, Acquire)
            {
                Ok(_) => return Ok(true),
                Err(now) => word = now,
            }
        }
    }

    /// Lets go, unless an event is pending and `rerun` is set.
    pub(crate) fn release(&self, rerun: bool) -> Released {
        let mut word = self.0.load(Acquire);
        loop {
            let (new, outcome) = if word & CLOSED != 0 {
                return Released::Closed;
            } else if rerun && word & EVENT != 0 {
                (word & !EVENT, Released::Again)
            } else {
                let free = Released::Free {
                    wanted: word & WANTED != 0,
                    event: word & EVENT != 0 && word & DEAD == 0,
                };
                (word & !(HELD | WAITING | WANTED | RAW), free)
            };
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    /// The holder is about to wait; `false`: an event came (consumed), poll first.
    #[must_use]
    pub(crate) fn begin_wait(&self) -> bool {
        let mut word = self.0.load(Acquire);
        loop {
            let (new, waits) = match word & EVENT {
                0 => (word | WAITING, true),
                _ => (word & !EVENT, false),
            };
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return waits,
                Err(now) => word = now,
            }
        }
    }

    /// The holder is back and will poll: events up to here are consumed.
    pub(crate) fn end_wait(&self) {
        self.0.fetch_and(!(WAITING | EVENT), AcqRel);
    }

    /// A queued thread wants the turn; `true` when it is still held and may be slept for.
    #[must_use]
    pub(crate) fn want(&self) -> bool {
        let before = self.0.fetch_or(WANTED, AcqRel);
        before & HELD != 0 && before & DEAD == 0
    }

    /// After having registered: whether an event is pending on a turn that nobody holds, or nothing will ever come.
    #[must_use]
    pub(crate) fn look(&self) -> bool {
        let word = self.0.fetch_or(0, AcqRel);
        word & DEAD != 0 || (word & EVENT != 0 && word & HELD == 0)
    }

    /// A reactor says that the handle is ready: sets EVENT, unless a thread waits for the same handle with the turn and
    /// sees it itself.
    pub(crate) fn ready(&self) -> Ready {
        let mut word = self.0.load(Acquire);
        loop {
            let (new, outcome) = match word {
                _ if word & DEAD != 0 => return Ready::Dead,
                _ if word & WAITING != 0 => (word, Ready::Held),
                _ if word & HELD != 0 => (word | EVENT, Ready::Held),
                _ => (word | EVENT, Ready::Free),
            };
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    /// After having left something for the holder to do when it lets go: whether there still is a holder.
    #[must_use]
    pub(crate) fn still_held(&self) -> bool {
        self.0.fetch_or(0, AcqRel) & HELD != 0
    }

    /// Whether a thread waits with the turn, or a raw handle holds it: both see to what is left when they let go.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.0.load(Acquire) & (WAITING | RAW) != 0
    }

    /// Whether there is an event to run for. A hint: misses nothing that happened before on this thread.
    pub(crate) fn has_event(&self) -> bool {
        self.0.load(Acquire) & EVENT != 0
    }

    /// The holder says that the backend completed.
    pub(crate) fn finish(&self) {
        self.0.fetch_or(FINISHED, AcqRel);
    }

    /// The holder says that the backend panicked.
    pub(crate) fn panicked(&self) {
        self.0.fetch_or(PANICKED, AcqRel);
    }

    /// The container goes away; `true` when the backend is the caller's to drop.
    #[must_use]
    pub(crate) fn close(&self) -> bool {
        self.0.fetch_or(CLOSED, AcqRel) & HELD == 0
    }

    /// `Err` when the backend cannot be used any more.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let word = self.0.load(Acquire);
        if word & DEAD != 0 {
            Err(dead(word))
        } else {
            Ok(())
        }
    }
}

fn dead(word: u32) -> Refused {
    if word & PANICKED != 0 {
        Refused::Panicked
    } else if word & FINISHED != 0 {
        Refused::Finished
    } else {
        Refused::Closed
    }
}

#[cfg(all(test, mfio_loom))]
mod models;
