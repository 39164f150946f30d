//! Who waits for an answer, and until when: the state of a [`Timeout`](super::Timeout), and nothing that runs code of others.

use crate::ways::AnyView;
use alloc::vec::Vec;
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};
use mfio::packet::AlignedBuf;

/// What a [`Timeout`](super::Timeout) may have under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutLimits {
    /// How many bytes a request has at most that is sent to the object; longer ones are split. 0 is as 1. Where the object
    /// asks for an alignment, a multiple of that.
    pub chunk: usize,
    /// How many requests the object has at most, overdue ones included. What exceeds that fails with `LimitReached`.
    pub requests: usize,
    /// How many of those may be overdue. While there are so many, new ones fail with `LimitReached`.
    pub overdue: usize,
}

impl Default for TimeoutLimits {
    /// 64 KiB; 4096 requests; 256 overdue ones.
    fn default() -> Self {
        Self {
            chunk: 65_536,
            requests: 4096,
            overdue: 256,
        }
    }
}

/// Requests up to this size have smaller buffers.
const SMALL: usize = 4096;
/// How many idle buffers are kept of each size.
const KEPT: usize = 64;
/// As an index: none.
const NONE: usize = usize::MAX;

#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Slots whose initiators wait, by time: all wait equally long. Linked through the slots, so that each leaves at once.
    first: Option<usize>,
    last: Option<usize>,
    overdue: usize,
    timed_out: u64,
    small: Vec<AlignedBuf>,
    large: Vec<AlignedBuf>,
}

struct Slot {
    /// `None`: no longer waited for.
    view: Option<AnyView>,
    due: Duration,
    before: usize,
    after: usize,
}

impl Table {
    /// A slot and a buffer for a request of `len` bytes, which is not waited for yet.
    pub(super) fn reserve(
        &mut self,
        len: usize,
        limits: &TimeoutLimits,
    ) -> Result<(usize, AlignedBuf), Cause> {
        let used = self.slots.len() - self.free.len();
        if used >= limits.requests || self.overdue >= limits.overdue {
            return Err(ErrorKind::LimitReached.into());
        }
        let (shelf, size) = match len {
            0..=SMALL => (&mut self.small, SMALL),
            _ => (&mut self.large, limits.chunk),
        };
        let buffer = match shelf.pop() {
            Some(buffer) => buffer,
            None => AlignedBuf::try_with_alignment(size, SMALL)?,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                view: None,
                due: Duration::ZERO,
                before: NONE,
                after: NONE,
            });
            self.slots.len() - 1
        });
        Ok((slot, buffer))
    }

    /// From now on somebody waits. Says whether nobody did before.
    pub(super) fn wait(&mut self, slot: usize, view: AnyView, due: Duration) -> bool {
        let last = self.last.replace(slot);
        self.slots[slot] = Slot {
            view: Some(view),
            due,
            before: last.unwrap_or(NONE),
            after: NONE,
        };
        match last {
            Some(last) => self.slots[last].after = slot,
            None => self.first = Some(slot),
        }
        last.is_none()
    }

    /// The object has ended a request: the slot is free. Returns who waited for it; `None` where it was overdue.
    pub(super) fn end(&mut self, slot: usize) -> Option<AnyView> {
        let view = self.unlink(slot);
        if view.is_none() {
            self.overdue -= 1;
        }
        self.free.push(slot);
        view
    }

    /// Takes out who has waited until `now`. Otherwise says when the next one has.
    pub(super) fn expire(&mut self, now: Duration) -> Result<AnyView, Option<Duration>> {
        let first = self.first.ok_or(None)?;
        let due = self.slots[first].due;
        if due > now {
            return Err(Some(due));
        }
        self.overdue += 1;
        self.timed_out += 1;
        self.unlink(first).ok_or(Some(due))
    }

    /// The layer goes: takes out one after another who waits.
    pub(super) fn abandon(&mut self) -> Option<AnyView> {
        let first = self.first?;
        self.overdue += 1;
        self.unlink(first)
    }

    pub(super) fn keep(&mut self, buffer: AlignedBuf) {
        let shelf = match buffer.len() {
            0..=SMALL => &mut self.small,
            _ => &mut self.large,
        };
        if shelf.len() < KEPT {
            shelf.push(buffer);
        }
    }

    pub(super) fn overdue(&self) -> usize {
        self.overdue
    }

    pub(super) fn timed_out(&self) -> u64 {
        self.timed_out
    }

    fn unlink(&mut self, slot: usize) -> Option<AnyView> {
        let view = self.slots[slot].view.take()?;
        let Slot { before, after, .. } = self.slots[slot];
        match self.slots.get_mut(before) {
            Some(other) => other.after = after,
            None => self.first = (after != NONE).then_some(after),
        }
        match self.slots.get_mut(after) {
            Some(other) => other.before = before,
            None => self.last = (before != NONE).then_some(before),
        }
        Some(view)
    }
}
