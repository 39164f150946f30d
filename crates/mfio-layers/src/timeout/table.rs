//! The state of one direction of a [`Timeout`](super::Timeout): the requests that wait, by
//! deadline, and idle ones. Nothing here runs code of an object or a waker.

use super::limits::TimeoutLimits;
use alloc::vec::Vec;
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};
use mfio::io::Direction;
use mfio::packet::View;

/// A request of the layer, with its memory and its slot.
pub(super) trait Own {
    /// Returns the size of its memory in bytes.
    fn size(&self) -> usize;
    /// Returns its slot in the table, which is its own as long as it exists.
    fn slot(&self) -> usize;
}

/// Requests up to this size have small buffers, and are copied under the lock of the table.
pub(super) const SMALL: usize = 4096;
/// How many idle requests of each size are kept.
const KEPT: usize = 64;
/// Requests with larger buffers are not kept.
pub(super) const LARGE: usize = 1 << 20;
/// As an index: none.
const NONE: usize = usize::MAX;
/// As a deadline: not known yet.
const UNTIMED: Duration = Duration::MAX;

pub(super) struct Table<D: Direction, O> {
    /// Each slot belongs to one request, idle ones included, or is `vacant`.
    slots: Vec<Slot<D>>,
    vacant: Vec<usize>,
    /// How many requests the object has.
    under_way: usize,
    /// The slots of requests that wait, by deadline, in a list through the slots. All wait equally
    /// long, so that new ones go to the end.
    first: usize,
    last: usize,
    // A coarse clock of the system (CLOCK_MONOTONIC_COARSE) would replace the next four fields, but
    // a `Clock` of the user's need not have one. For that the list would have to stay.
    /// The first of the slots at the end of the list whose deadline is not known yet.
    untimed: usize,
    /// The clock is armed to ring within the slack, which gives new requests their deadline.
    ticking: bool,
    /// How often the clock was read for all that had begun.
    ticks: u64,
    /// The number of the newest request.
    newest: u64,
    overdue: usize,
    timed_out: u64,
    /// How many requests found no room.
    refused: u64,
    /// Idle requests.
    small: Vec<O>,
    large: Vec<O>,
}

struct Slot<D: Direction> {
    /// `None` where the request is idle or overdue.
    view: Option<View<D>>,
    number: u64,
    due: Duration,
    before: usize,
    after: usize,
}

impl<D: Direction, O> Default for Table<D, O> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            under_way: 0,
            first: NONE,
            last: NONE,
            untimed: NONE,
            ticking: false,
            ticks: 0,
            newest: 0,
            overdue: 0,
            timed_out: 0,
            refused: 0,
            small: Vec::new(),
            large: Vec::new(),
        }
    }
}

impl<D: Direction, O: Own> Table<D, O> {
    /// Takes an idle request of at least `len` bytes. Where there is none, the caller
    /// [makes](Self::begin_new) one.
    #[inline]
    pub(super) fn take(&mut self, len: usize, limits: &TimeoutLimits) -> Result<Option<O>, Cause> {
        if self.under_way >= limits.requests || self.overdue >= limits.overdue {
            self.refused += 1;
            return Err(ErrorKind::LimitReached.into());
        }
        let idle = match len {
            0..=SMALL => &mut self.small,
            _ => &mut self.large,
        };
        let own = idle.pop_if(|own| own.size() >= len);
        self.under_way += usize::from(own.is_some());
        Ok(own)
    }

    /// Begins a request that is new, and returns its slot.
    pub(super) fn begin_new(&mut self) -> usize {
        self.under_way += 1;
        self.vacant.pop().unwrap_or_else(|| self.grow())
    }

    fn grow(&mut self) -> usize {
        self.slots.push(Slot {
            view: None,
            number: 0,
            due: UNTIMED,
            before: NONE,
            after: NONE,
        });
        self.slots.len() - 1
    }

    /// Begins to wait for a request. Returns its number where the caller has to read the clock for
    /// it, as no ring will.
    #[inline]
    pub(super) fn wait(&mut self, slot: usize, view: View<D>, slack: Duration) -> Option<u64> {
        self.newest += 1;
        let number = self.newest;
        let before = core::mem::replace(&mut self.last, slot);
        let waiting = &mut self.slots[slot];
        waiting.view = Some(view);
        waiting.number = number;
        waiting.due = UNTIMED;
        waiting.before = before;
        waiting.after = NONE;
        match self.slots.get_mut(before) {
            Some(before) => before.after = slot,
            None => self.first = slot,
        }
        if self.untimed == NONE {
            self.untimed = slot;
        }
        (slack.is_zero() || !self.ticking).then_some(number)
    }

    /// Sets the deadline of the requests up to number `newest` that have none yet.
    pub(super) fn time(&mut self, newest: u64, due: Duration) {
        let first = self.untimed;
        while let Some(slot) = self.slots.get_mut(self.untimed) {
            if slot.number > newest {
                break;
            }
            slot.due = due;
            self.untimed = slot.after;
        }
        // An older request may have a later deadline, as its thread read the clock later. It would
        // hold up the others in the list.
        let mut at = self.slots.get(first).map_or(self.last, |slot| slot.before);
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.number <= newest {
                if slot.due <= due {
                    return;
                }
                slot.due = due;
            }
            at = slot.before;
        }
    }

    /// Returns how often the clock was read for all: a number for [`armed`](Self::armed).
    pub(super) fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Notes that the clock is armed to ring within the slack, so that new requests need not read
    /// it; unless it has rung since there were so many ticks.
    pub(super) fn armed(&mut self, ticks: u64) {
        self.ticking |= self.ticks == ticks;
    }

    /// Notes that the time was `now` after request `newest` had begun. Returns when the clock is to
    /// ring next, if a request waits.
    pub(super) fn tick(
        &mut self,
        newest: u64,
        due: Duration,
        now: Duration,
        slack: Duration,
    ) -> Option<Duration> {
        self.time(newest, due);
        self.ticks += 1;
        self.ticking = !slack.is_zero() && self.untimed != NONE;
        let first = self.slots.get(self.first)?.due;
        if self.ticking {
            return Some(first.min(now.saturating_add(slack)));
        }
        // The thread of a request without a deadline is about to read the clock.
        Some(first).filter(|due| *due != UNTIMED)
    }

    /// Returns the number of the newest request.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Ends a request of the object, which the caller then [keeps](Self::keep). Returns the view
    /// that waits for it; `None` where it was overdue.
    #[inline]
    pub(super) fn end(&mut self, slot: usize) -> Option<View<D>> {
        self.under_way -= 1;
        let view = self.unlink(slot);
        if view.is_none() {
            self.overdue -= 1;
        }
        view
    }

    /// Frees the slot of a request that is dropped.
    pub(super) fn vacate(&mut self, slot: usize) {
        self.vacant.push(slot);
    }

    /// Takes out the view of a request whose deadline has passed, if there is one.
    pub(super) fn expire(&mut self, now: Duration) -> Option<View<D>> {
        let due = self.slots.get(self.first)?.due;
        if due > now || due == UNTIMED {
            return None;
        }
        self.timed_out += 1;
        self.abandon()
    }

    /// Whether the initiator waits for the request of this slot.
    pub(super) fn is_wanted(&self, slot: usize) -> bool {
        let view = self.slots.get(slot).and_then(|slot| slot.view.as_ref());
        view.is_some_and(|view| !view.is_abandoned())
    }

    /// Takes out the view that has waited longest. Its request is overdue from then on.
    pub(super) fn abandon(&mut self) -> Option<View<D>> {
        let view = self.unlink(self.first)?;
        self.overdue += 1;
        Some(view)
    }

    /// Keeps an idle request. Returns it where there are enough.
    #[inline]
    pub(super) fn keep(&mut self, own: O) -> Option<O> {
        let (idle, limit) = match own.size() {
            0..=SMALL => (&mut self.small, KEPT),
            size if size <= LARGE => (&mut self.large, KEPT),
            _ => (&mut self.large, 0),
        };
        if idle.len() >= limit {
            self.vacate(own.slot());
            return Some(own);
        }
        idle.push(own);
        None
    }

    pub(super) fn overdue(&self) -> usize {
        self.overdue
    }

    pub(super) fn timed_out(&self) -> u64 {
        self.timed_out
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    #[inline]
    fn unlink(&mut self, slot: usize) -> Option<View<D>> {
        let found = self.slots.get_mut(slot)?;
        let view = found.view.take()?;
        let Slot { before, after, .. } = *found;
        if self.untimed == slot {
            self.untimed = after;
        }
        match self.slots.get_mut(before) {
            Some(other) => other.after = after,
            None => self.first = after,
        }
        match self.slots.get_mut(after) {
            Some(other) => other.before = before,
            None => self.last = before,
        }
        Some(view)
    }
}
