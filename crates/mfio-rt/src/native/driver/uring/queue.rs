//! The operations that wait for the ring, and those on it.
//!
//! The table bounds the operations that the driver works on: those on the ring, and those lined up
//! for the next flush. Operations beyond that wait behind the table. They move up as soon as an
//! entry leaves the table, under the same lock. So an operation waits only while the table is full;
//! a submission needs to look at the table only, and keeps the order.

mod entry;
mod sweep;
mod teardown;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::thread::{self, ThreadId};

use mfio::error::{Cause, ErrorKind};

use self::entry::Entry;
use super::ring::Completion;
use crate::native::driver::contract::Submitted;
use crate::native::driver::waiting::Waiting;
use crate::native::op::Op;
use crate::native::sys::Errno;
use crate::native::table::{Key, Table};

pub(super) const EXITED_CANCEL: i32 = -libc::ECANCELED;
pub(super) const EXITED_FAULT: i32 = -libc::EFAULT;
/// Stands for a cancel of ours. No system call returns this.
pub(super) const CANCELLED_BY_US: i32 = i32::MIN;

/// Operations looked at for each flush, on average.
const SWEPT_PER_FLUSH: usize = 8;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) table: Table<Entry>,
    /// Operations that are not on the ring yet, in order. At most half of the keys are stale.
    pub(super) pending: VecDeque<Key>,
    /// The number of stale keys: their operations were cancelled.
    stale: usize,
    /// Operations for which the table has no room. Empty, unless it is full.
    waiting: Waiting,
    /// Flushes since `waiting` was swept.
    unsifted: usize,
    /// Operations that are to be cancelled.
    pub(super) cancels: Vec<Key>,
    /// Operations on the ring that may never end by themselves, and some that have ended since.
    lingering: Vec<Key>,
    /// Flushes since `lingering` was swept.
    unswept: usize,
    /// The length of `lingering` at which it is swept in any case.
    sweep_at: usize,
    /// A thread for each operation that it took out of the table and may put back.
    unsettled: Vec<ThreadId>,
    /// Operations that the kernel has, or will find on the submission queue.
    pub(super) on_ring: usize,
    depth: usize,
    pub(super) wake_armed: bool,
    pub(super) closed: bool,
    /// The time for operations that are not optional is up, too.
    over: bool,
    /// The driver has ended: nothing is flushed any more.
    ended: bool,
    /// The error for which the kernel takes no more entries.
    failed: Option<Errno>,
    /// The exits of submitting threads, when they were last counted.
    pub(super) exits: u32,
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
            unsettled: Vec::new(),
            on_ring: 0,
            depth,
            wake_armed: false,
            closed: false,
            over: false,
            ended: false,
            failed: None,
            exits: 0,
        }
    }

    /// Returns why operations are rejected, if they are.
    fn rejection(&self) -> Option<Cause> {
        match self.failed {
            _ if self.closed => Some(ErrorKind::BackendGone.into()),
            failed => failed.map(Cause::from_errno),
        }
    }

    /// Accepts an operation, or returns it: with the reason why it is rejected, or with `None` if
    /// there is no room.
    #[inline]
    pub(super) fn submit(&mut self, op: Op) -> Result<Submitted, (Op, Option<Cause>)> {
        if let Some(cause) = self.rejection() {
            return Err((op, Some(cause)));
        }
        match self.table.insert(Entry::new(op)) {
            Ok(key) => {
                // The next flush sweeps a ring that is full of operations that may never end.
                let stuck = self.is_full() && !self.lingering.is_empty();
                let signal = self.pending.is_empty() || stuck;
                self.pending.push_back(key);
                Ok(Submitted { key, signal })
            }
            Err(entry) => Err((entry.op, None)),
        }
    }

    /// Queues an operation until there is room. May return abandoned operations.
    #[cold]
    pub(super) fn wait_for_room(&mut self, mut op: Op) -> (Submitted, Vec<Op>) {
        if let Op::Metadata(request) = &mut op {
            request.lose_key();
        }
        // The next flush sweeps slots that may never become free.
        let signal = self.waiting.is_empty() || !self.lingering.is_empty();
        let given_up = match self.waiting.push(op) {
            true => self.waiting.sweep(),
            false => Vec::new(),
        };
        let key = Key::NONE;
        (Submitted { key, signal }, given_up)
    }

    /// Moves waiting operations into the table, as far as there is room.
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

    /// Puts the rest of an operation back into its place. During the shutdown that is rejected,
    /// unless the operation is not optional and there is time left.
    pub(super) fn put_back(&mut self, op: Op) -> Result<(), (Op, Cause)> {
        let flushed = !self.over && !self.ended && self.failed.is_none();
        let finishes = flushed && !op.is_optional();
        if let Some(cause) = self.rejection().filter(|_| !finishes) {
            return Err((op, cause));
        }
        let key = self.table.put_back(Entry::new(op));
        self.pending.push_back(key);
        Ok(())
    }

    /// Requests the early end of an operation. Returns it if the kernel does not have it.
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

    /// Takes the pending operation if it is the only one, there is nothing else to submit, and
    /// `wanted` agrees.
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

    /// Returns the next operation for the ring, given the number of entries `pushed` before its
    /// own. Abandoned operations are moved to `given_up`.
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
        if let Op::Metadata(request) = &mut entry.op {
            request.sent(self.exits);
        }
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

    /// Takes the operation of a terminal completion out of the table.
    pub(super) fn take(&mut self, completion: Completion, done: &mut Vec<(Op, i32)>) {
        let Some(mut entry) = self.table.remove(Key::from_raw(completion.user_data)) else {
            return;
        };
        self.on_ring -= 1;
        let asked = entry.is_cancelled() || (self.closed && entry.op.is_optional());
        let ended_early =
            matches!(completion.result, EXITED_CANCEL) || completion.result == -libc::EINTR;
        let runs_once = matches!(&entry.op, Op::Metadata(request) if request.runs_once());
        let result = if asked && ended_early && !runs_once {
            CANCELLED_BY_US
        } else {
            completion.result
        };
        if let Op::Metadata(request) = &mut entry.op
            && matches!(result, EXITED_CANCEL | EXITED_FAULT)
            && !asked
        {
            request.ended(self.exits);
        }
        if may_go_on(&entry.op, result) {
            self.unsettled.push(thread::current().id());
        }
        done.push((entry.op, result));
    }

    /// Notes that this thread has ended or put back an operation that [`may_go_on`].
    pub(super) fn settled(&mut self) {
        let this = thread::current().id();
        let taken = self.unsettled.iter().position(|thread| *thread == this);
        taken.map(|at| self.unsettled.swap_remove(at));
    }

    /// Returns the error for which the kernel takes no more entries.
    pub(super) fn failure(&self) -> Option<Errno> {
        self.failed
    }
}

/// Whether the shutdown carries the operation on after this result.
#[inline]
pub(super) fn may_go_on(op: &Op, result: i32) -> bool {
    !op.is_optional()
        && match result {
            CANCELLED_BY_US => false,
            EXITED_CANCEL | EXITED_FAULT => true,
            result => op.goes_on(u64::try_from(result).map_err(|_| -result)),
        }
}
