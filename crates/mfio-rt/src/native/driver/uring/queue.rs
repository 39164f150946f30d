//! What waits for the ring, and what is on it.
//!
//! The table bounds what the driver works on: what is on the ring, and what is lined up for the next flush. Operations
//! beyond that wait behind it. They move up as soon as an entry leaves the table, under the same lock, so that an operation
//! waits only while the table is full; hence a submission needs to look at the table only, and keeps the order.

use std::collections::VecDeque;

use mfio::error::{Cause, ErrorKind};

use super::ring::Completion;
use crate::native::driver::Submitted;
use crate::native::driver::waiting::Waiting;
use crate::native::op::Op;
use crate::native::sys::Errno;
use crate::native::table::{Key, Table};

pub(super) const DISTURBED_CANCEL: i32 = -libc::ECANCELED;
pub(super) const DISTURBED_FAULT: i32 = -libc::EFAULT;
/// No system call gives this.
pub(super) const TAKEN_BACK: i32 = i32::MIN;

/// Operations that may never end are looked at once in so many flushes per so many of them.
const SWEPT_PER_FLUSH: usize = 8;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) table: Table<Entry>,
    /// Operations that are not on the ring yet, in order. At most half of them are stale.
    pub(super) pending: VecDeque<Key>,
    /// How many of those were cancelled, and name nothing any more.
    stale: usize,
    /// Operations for which the table has no room. None, unless it is full.
    waiting: Waiting,
    /// Flushes since those were looked through.
    unsifted: usize,
    /// Operations that are to be cancelled.
    pub(super) cancels: Vec<Key>,
    /// Operations on the ring that may never end by themselves, and some that have ended since.
    lingering: Vec<Key>,
    /// Flushes since those were looked at.
    unswept: usize,
    /// How many there may be before they are looked at in any case.
    sweep_at: usize,
    /// Operations that the kernel has, or will find on its queue.
    pub(super) on_ring: usize,
    depth: usize,
    pub(super) wake_armed: bool,
    pub(super) closed: bool,
    /// The driver has waited long enough for what it owes: that is given up too.
    over: bool,
    /// The driver has ended: nothing is flushed any more.
    ended: bool,
    /// The kernel takes nothing any more, for this reason.
    failed: Option<Errno>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) op: Op,
    /// CANCELLED, ON_RING and, with the latter, how many submission entries were pushed before its own.
    state: u64,
}

/// Its early end was asked for.
const CANCELLED: u64 = 1;
const ON_RING: u64 = 2;
const PUSHED_SHIFT: u32 = 2;

impl Entry {
    fn new(op: Op) -> Self {
        Self { op, state: 0 }
    }

    #[inline]
    fn push(&mut self, pushed_before: u64) {
        self.state |= ON_RING | pushed_before << PUSHED_SHIFT;
    }

    fn cancel(&mut self) {
        self.state |= CANCELLED;
    }

    #[inline]
    fn is_cancelled(&self) -> bool {
        self.state & CANCELLED != 0
    }

    fn is_on_ring(&self) -> bool {
        self.state & ON_RING != 0
    }

    /// Whether the kernel does not have it, when it has taken so many entries.
    fn is_untaken(&self, taken: u64) -> bool {
        self.is_on_ring() && self.state >> PUSHED_SHIFT >= taken
    }
}

impl Queue {
    pub(super) fn new(limit: usize, depth: usize) -> Self {
        Self {
            table: Table::new(limit),
            pending: VecDeque::new(),
            stale: 0,
            waiting: Waiting::new(),
            unsifted: 0,
            cancels: Vec::new(),
            lingering: Vec::new(),
            unswept: 0,
            sweep_at: SWEPT_PER_FLUSH,
            on_ring: 0,
            depth,
            wake_armed: false,
            closed: false,
            over: false,
            ended: false,
            failed: None,
        }
    }

    /// Why nothing is taken in.
    fn refusal(&self) -> Option<Cause> {
        match self.failed {
            _ if self.closed => Some(ErrorKind::BackendGone.into()),
            failed => failed.map(Cause::from_errno),
        }
    }

    /// Takes an operation in, or gives it back: for a reason, or (`None`) for want of room.
    #[inline]
    pub(super) fn submit(&mut self, op: Op) -> Result<Submitted, (Op, Option<Cause>)> {
        if let Some(cause) = self.refusal() {
            return Err((op, Some(cause)));
        }
        match self.table.insert(Entry::new(op)) {
            Ok(key) => {
                // A ring full of what may never end is looked through: somebody wants a place.
                let stuck = self.is_full() && !self.lingering.is_empty();
                let signal = self.pending.is_empty() || stuck;
                self.pending.push_back(key);
                Ok(Submitted { key, signal })
            }
            Err(entry) => Err((entry.op, None)),
        }
    }

    /// Has an operation wait for room. Others that are not wanted any more may come back.
    #[cold]
    pub(super) fn wait_for_room(&mut self, mut op: Op) -> (Submitted, Vec<Op>) {
        if let Op::Metadata(request) = &mut op {
            request.lose_key();
        }
        // Places that may never become free are looked through.
        let signal = self.waiting.is_empty() || !self.lingering.is_empty();
        let given_up = match self.waiting.push(op) {
            true => self.waiting.sweep(),
            false => Vec::new(),
        };
        let key = Key::NONE;
        (Submitted { key, signal }, given_up)
    }

    /// Gives the room that has become free to those that wait for it.
    #[inline]
    pub(super) fn admit(&mut self) {
        if !self.waiting.is_empty() {
            self.admit_waiting();
        }
    }

    #[cold]
    fn admit_waiting(&mut self) {
        while self.table.has_room()
            && let Some(op) = self.waiting.pop()
        {
            let key = self.table.put_back(Entry::new(op));
            self.pending.push_back(key);
        }
    }

    /// What is left of an operation keeps the place that it was given; while the driver ends too, if it is owed.
    pub(super) fn put_back(&mut self, op: Op) -> Result<(), (Op, Cause)> {
        let flushed = !self.over && !self.ended && self.failed.is_none();
        let finishes = flushed && !op.is_optional();
        if let Some(cause) = self.refusal().filter(|_| !finishes) {
            return Err((op, cause));
        }
        let key = self.table.put_back(Entry::new(op));
        self.pending.push_back(key);
        Ok(())
    }

    /// Asks for the early end of an operation. One that the kernel does not know of comes back.
    pub(super) fn cancel(&mut self, key: Key) -> Option<Op> {
        let entry = self.table.get_mut(key)?;
        if entry.is_on_ring() {
            entry.cancel();
            self.cancels.push(key);
            return None;
        }
        let entry = self.table.remove(key)?;
        self.stale += 1;
        if self.stale * 2 > self.pending.len() {
            let table = &mut self.table;
            self.pending.retain(|key| table.get_mut(*key).is_some());
            self.stale = 0;
        }
        self.admit();
        Some(entry.op)
    }

    /// The only pending operation, if it is alone, nothing else is to be handed over, and it is as wanted.
    pub(super) fn take_alone(&mut self, wanted: impl FnOnce(&Op) -> bool) -> Option<Op> {
        let key = *self.pending.front()?;
        let alone = self.pending.len() == 1
            && self.cancels.is_empty()
            && self.wake_armed
            && self.waiting.is_empty();
        if !alone
            || !self
                .table
                .get_mut(key)
                .is_some_and(|entry| wanted(&entry.op))
        {
            return None;
        }
        self.pending.clear();
        self.table.remove(key).map(|entry| entry.op)
    }

    /// The next operation for the ring, before whose entry so many were pushed; what nobody waits for is put into
    /// `given_up` instead.
    #[inline]
    pub(super) fn next(&mut self, given_up: &mut Vec<Op>, pushed: u64) -> Option<(Key, &mut Op)> {
        let key = loop {
            if self.is_full() {
                return None;
            }
            let Some(key) = self.pending.pop_front() else {
                self.admit();
                if self.pending.is_empty() {
                    return None;
                }
                continue;
            };
            match self.table.get_mut(key) {
                None => self.stale -= 1,
                Some(entry) if entry.op.is_abandoned() => {
                    given_up.extend(self.table.remove(key).map(|entry| entry.op));
                }
                Some(_) => break key,
            }
        };
        self.on_ring += 1;
        let entry = self.table.get_mut(key)?;
        entry.push(pushed);
        if entry.op.may_linger() {
            self.lingering.push(key);
        }
        Some((key, &mut entry.op))
    }

    /// Whether the kernel has as many operations as it may have.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.on_ring >= self.depth
    }

    /// Has those cancelled that may never end and that nobody waits for: they would keep their places on the ring, and
    /// take what comes from others. How many are looked at is bounded by how many were added, and by flushes.
    pub(super) fn sweep(&mut self) {
        let count = self.lingering.len();
        self.unswept += 1;
        if self.unswept * SWEPT_PER_FLUSH < count && count < self.sweep_at {
            return;
        }
        self.unswept = 0;
        let (table, cancels) = (&mut self.table, &mut self.cancels);
        self.lingering.retain(|key| match table.get_mut(*key) {
            Some(entry) if !entry.is_cancelled() && entry.op.is_abandoned() => {
                entry.cancel();
                cancels.push(*key);
                false
            }
            entry => entry.is_some(),
        });
        self.sweep_at = (self.lingering.len() * 2).max(SWEPT_PER_FLUSH);
    }

    /// Has the next flush look at all that nobody may want any more.
    #[cold]
    pub(super) fn sweep_next(&mut self) {
        (self.unswept, self.unsifted) = (self.lingering.len(), self.waiting.len());
    }

    /// Takes out operations that wait for room and that nobody wants any more, at a bounded cost for each flush.
    #[inline]
    pub(super) fn sift(&mut self, given_up: &mut Vec<Op>) {
        if self.waiting.is_empty() {
            return;
        }
        self.unsifted += 1;
        if self.unsifted * SWEPT_PER_FLUSH >= self.waiting.len() {
            self.unsifted = 0;
            given_up.append(&mut self.waiting.sweep());
        }
    }

    /// Takes in a terminal completion.
    pub(super) fn take(&mut self, completion: Completion, done: &mut Vec<(Op, i32)>) {
        let Some(entry) = self.table.remove(Key::from_raw(completion.user_data)) else {
            return;
        };
        self.on_ring -= 1;
        let asked = entry.is_cancelled() || (self.closed && entry.op.is_optional());
        let ended_early =
            matches!(completion.result, DISTURBED_CANCEL) || completion.result == -libc::EINTR;
        let runs_once = matches!(&entry.op, Op::Metadata(request) if request.runs_once());
        let result = if asked && ended_early && !runs_once {
            TAKEN_BACK
        } else {
            completion.result
        };
        done.push((entry.op, result));
    }

    /// Takes nothing in any more. What is optional ends: it comes back where the kernel does not know of it, and is to be
    /// cancelled otherwise. What is owed goes on.
    pub(super) fn close(&mut self) -> Vec<Op> {
        self.closed = true;
        self.end(Op::is_optional)
    }

    /// Gives up what is owed, too.
    pub(super) fn give_up(&mut self) -> Vec<Op> {
        self.over = true;
        self.end(|_| true)
    }

    /// Ends the operations that are chosen. Those that the kernel does not know of come back.
    fn end(&mut self, chosen: impl Fn(&Op) -> bool) -> Vec<Op> {
        let mut unsent = Vec::new();
        let table = &mut self.table;
        self.stale = 0;
        self.pending.retain(|key| match table.get_mut(*key) {
            Some(entry) if chosen(&entry.op) => {
                unsent.extend(table.remove(*key).map(|entry| entry.op));
                false
            }
            entry => entry.is_some(),
        });
        self.cancels = self.table.keys().collect();
        let table = &mut self.table;
        self.cancels.retain(|key| match table.get_mut(*key) {
            Some(entry) if entry.is_on_ring() && chosen(&entry.op) => {
                entry.cancel();
                true
            }
            _ => false,
        });
        unsent.append(&mut self.waiting.take_out(chosen));
        self.admit();
        unsent
    }

    /// How much has not ended. Nothing, or `at_last`: the driver ends here.
    pub(super) fn unfinished(&mut self, at_last: bool) -> usize {
        // On a ring that takes nothing the poll for wake-ups cannot be ended. It ends with the ring, and writes nowhere.
        let waking = self.wake_armed && self.failed.is_none();
        let open = self.table.len() + usize::from(waking);
        self.ended |= open == 0 || at_last;
        open
    }

    /// Whether owed operations are given up, too.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The kernel takes nothing any more, after so many entries. What it does not have comes back. What it has stays where
    /// it is until it ends: its memory must not go.
    pub(super) fn fail(&mut self, errno: Errno, taken: u64) -> Vec<Op> {
        self.failed.get_or_insert(errno);
        self.stale = 0;
        let table = &mut self.table;
        let untaken: Vec<_> = table.keys().collect();
        let untaken = untaken.into_iter().filter(|key| {
            let entry = table.get_mut(*key);
            entry.is_some_and(|entry| entry.is_untaken(taken))
        });
        let untaken: Vec<_> = untaken.collect();
        self.on_ring -= untaken.len();
        let all = untaken.into_iter().chain(self.pending.drain(..));
        let ops = all.filter_map(|key| table.remove(key).map(|entry| entry.op));
        ops.chain(self.waiting.take_out(|_| true)).collect()
    }

    /// Why the kernel takes nothing any more, if so.
    pub(super) fn failure(&self) -> Option<Errno> {
        self.failed
    }
}

#[cfg(test)]
mod tests;
