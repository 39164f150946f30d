//! Looking for operations that no task waits for, at a bounded cost for each flush.

use super::Queue;
use crate::native::op::Op;

/// Operations that may never end are looked at once in so many flushes per so many of them.
pub(super) const SWEPT_PER_FLUSH: usize = 8;

impl Queue {
    /// Has those cancelled that may never end and that nobody waits for: they would keep their places on the ring, and
    /// take what comes from others. How many are looked at is bounded by how many were added, and by flushes.
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

    /// Has the next flush look at all that nobody may want any more.
    #[cold]
    pub(in super::super) fn sweep_next(&mut self) {
        (self.unswept, self.unsifted) = (self.lingering.len(), self.waiting.len());
    }

    /// Takes out operations that wait for room and that nobody wants any more, at a bounded cost for each flush.
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
