//! Looking for abandoned operations, at a bounded cost for each flush.

use super::{Queue, SWEPT_PER_FLUSH};
use crate::native::op::Op;

impl Queue {
    /// Cancels operations on the ring that may never end and were abandoned: they would keep their
    /// slots, and take bytes of a stream from other readers. The number of operations looked at is
    /// bounded by the number of additions and of flushes.
    pub(in super::super) fn sweep(&mut self) {
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

    /// Makes the next flush look at every operation that may have been abandoned.
    #[cold]
    pub(in super::super) fn sweep_next(&mut self) {
        (self.unswept, self.unsifted) = (self.lingering.len(), self.waiting.len());
    }

    /// Takes out abandoned operations that wait for room.
    #[inline]
    pub(in super::super) fn sift(&mut self, given_up: &mut Vec<Op>) {
        if self.waiting.is_empty() {
            return;
        }
        self.unsifted += 1;
        if self.unsifted * SWEPT_PER_FLUSH >= self.waiting.len() {
            self.unsifted = 0;
            given_up.append(&mut self.waiting.sweep());
        }
    }
}
