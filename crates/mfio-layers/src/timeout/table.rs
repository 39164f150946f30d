//! Who waits for an answer of one direction, and until when: the state of a [`Timeout`](super::Timeout), and nothing that runs
//! code of others.

use super::{Asked, Core, Mark, Memory, Own};
use crate::directions::DirectionExt;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};
use mfio::io::Alignment;
use mfio::packet::{AlignedBuf, Relay, View};

/// What a [`Timeout`](super::Timeout) may have under way. Bounds are for reads, and once more for writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutLimits {
    /// How many bytes a request has at most that is sent to the object; longer ones are split. 0 is as 1. Where the object
    /// asks for whole blocks ([`alignment`](mfio::io::PacketIo::alignment)), as many as that holds, and one at least.
    pub chunk: usize,
    /// How many requests the object has at most, overdue ones included. What exceeds that fails with `LimitReached`.
    pub requests: usize,
    /// How many of those may be overdue. While there are so many, new ones fail with `LimitReached`.
    pub overdue: usize,
    /// How much later than its time a request may time out; never before it. The clock is read once in so long, not for each
    /// request, and rings as often while there are requests. 0: it is read for each. More than the time is as much as that.
    pub slack: Duration,
}

impl Default for TimeoutLimits {
    /// 64 KiB; 4096 requests; 256 overdue ones; 5 ms.
    fn default() -> Self {
        Self {
            chunk: 65_536,
            requests: 4096,
            overdue: 256,
            slack: Duration::from_millis(5),
        }
    }
}

/// Requests up to this size have smaller buffers, and are copied while the table is locked.
pub(super) const SMALL: usize = 4096;
/// How many idle requests are kept of each size.
const KEPT: usize = 64;
/// Requests with larger buffers are not kept.
const LARGE: usize = 1 << 20;
/// As an index: none.
const NONE: usize = usize::MAX;
/// As a time: not known yet.
const UNTIMED: Duration = Duration::MAX;

pub(super) struct Table<D: DirectionExt> {
    /// Each belongs to one request, idle ones included, or is `vacant`.
    slots: Vec<Slot<D>>,
    vacant: Vec<usize>,
    /// How many requests the object has.
    under_way: usize,
    /// Slots whose initiators wait, by time: all wait equally long. Linked through the slots, so that each leaves at once.
    first: usize,
    last: usize,
    /// The first of those at the end of the list whose time is not known yet.
    untimed: usize,
    /// The clock will ring for those who come now.
    ticking: bool,
    ticks: u64,
    /// How many have begun to wait so far.
    newest: u64,
    overdue: usize,
    timed_out: u64,
    /// How many found no room.
    refused: u64,
    small: Vec<Own<D>>,
    large: Vec<Own<D>>,
}

struct Slot<D: DirectionExt> {
    /// `None`: no longer waited for.
    view: Option<View<D>>,
    number: u64,
    due: Duration,
    before: usize,
    after: usize,
}

impl<D: DirectionExt> Default for Table<D> {
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

impl<D: DirectionExt> Table<D> {
    /// A request of `len` bytes, whose slot is not waited for yet.
    #[inline]
    pub(super) fn take(
        &mut self,
        len: usize,
        alignment: Alignment,
        core: &Arc<Core>,
    ) -> Result<Own<D>, Cause> {
        let limits = &core.limits;
        if self.under_way >= limits.requests || self.overdue >= limits.overdue {
            self.refused += 1;
            return Err(ErrorKind::LimitReached.into());
        }
        let shelf = match len {
            0..=SMALL => &mut self.small,
            _ => &mut self.large,
        };
        let own = match shelf.pop_if(|own| own.len() >= len) {
            Some(own) => own,
            None => self.allocate(len, alignment, core)?,
        };
        self.under_way += 1;
        Ok(own)
    }

    #[cold]
    fn allocate(
        &mut self,
        len: usize,
        alignment: Alignment,
        core: &Arc<Core>,
    ) -> Result<Own<D>, Cause> {
        let size = match len {
            0..=SMALL => SMALL,
            _ => core.limits.chunk.min(LARGE).max(alignment.block()).max(len),
        };
        let memory = AlignedBuf::try_with_alignment(size, alignment.memory().max(SMALL))?;
        let slot = self.vacant.pop().unwrap_or_else(|| self.grow());
        let asked = Asked {
            core: None,
            slot,
            way: PhantomData,
        };
        let mark = Mark {
            core: Arc::downgrade(core),
            slot,
            way: PhantomData,
        };
        Ok(Relay::new(Memory::new(memory, mark), asked))
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

    /// From now on somebody waits. Where nobody will see to its time, returns the number by which the caller does.
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

    /// Says until when those wait who began up to `newest` and do not know it yet.
    pub(super) fn time(&mut self, newest: u64, due: Duration) {
        let first = self.untimed;
        while let Some(slot) = self.slots.get_mut(self.untimed) {
            if slot.number > newest {
                break;
            }
            slot.due = due;
            self.untimed = slot.after;
        }
        // Somebody who began before them may have looked at the clock later, and would hold them up.
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

    /// How often was looked at the clock for everybody: who arms it says so with this number.
    pub(super) fn ticks(&self) -> u64 {
        self.ticks
    }

    /// The clock is armed, to ring within the slack, unless it has rung since there were so many ticks: those who come now
    /// need not look at it.
    pub(super) fn armed(&mut self, ticks: u64) {
        self.ticking |= self.ticks == ticks;
    }

    /// It was `now` after `newest` began. Says when to look again, if somebody waits.
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
        // Who is not timed here is about to look at the clock.
        Some(first).filter(|due| *due != UNTIMED)
    }

    /// Who waits now has this number at most.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// The object has ended a request, which is to be [kept](Self::keep). Returns who waited for it; `None` where it was
    /// overdue.
    #[inline]
    pub(super) fn end(&mut self, slot: usize) -> Option<View<D>> {
        self.under_way -= 1;
        let view = self.unlink(slot);
        if view.is_none() {
            self.overdue -= 1;
        }
        view
    }

    /// The request of this slot has ended, and is dropped.
    pub(super) fn vacate(&mut self, slot: usize) {
        self.vacant.push(slot);
    }

    /// Takes out one who has waited until `now`, if there is one.
    pub(super) fn expire(&mut self, now: Duration) -> Option<View<D>> {
        let due = self.slots.get(self.first)?.due;
        if due > now || due == UNTIMED {
            return None;
        }
        self.timed_out += 1;
        self.abandon()
    }

    /// Whether somebody waits for the request of this slot.
    pub(super) fn is_wanted(&self, slot: usize) -> bool {
        let view = self.slots.get(slot).and_then(|slot| slot.view.as_ref());
        view.is_some_and(|view| !view.is_abandoned())
    }

    /// Takes out the one who has waited longest.
    pub(super) fn abandon(&mut self) -> Option<View<D>> {
        let view = self.unlink(self.first)?;
        self.overdue += 1;
        Some(view)
    }

    /// Keeps a request for later. Gives it back where there are enough.
    #[inline]
    pub(super) fn keep(&mut self, own: Own<D>) -> Option<Own<D>> {
        let shelf = match own.len() {
            0..=SMALL => &mut self.small,
            _ => &mut self.large,
        };
        if shelf.len() >= KEPT || own.len() > LARGE {
            self.vacate(own.state().slot);
            return Some(own);
        }
        shelf.push(own);
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
