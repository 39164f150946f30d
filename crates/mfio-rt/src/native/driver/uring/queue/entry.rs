//! An operation in the table.

use crate::native::op::Op;

#[derive(Debug)]
pub(in super::super) struct Entry {
    pub(in super::super) op: Op,
    /// CANCELLED, ON_RING and, with the latter, the number of entries that were pushed before its
    /// own.
    state: u64,
}

/// Its early end was requested.
const CANCELLED: u64 = 1;
const ON_RING: u64 = 2;
const PUSHED_SHIFT: u32 = 2;

impl Entry {
    #[inline]
    pub(super) fn new(op: Op) -> Self {
        Self { op, state: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, pushed_before: u64) {
        self.state |= ON_RING | pushed_before << PUSHED_SHIFT;
    }

    #[inline]
    pub(super) fn cancel(&mut self) {
        self.state |= CANCELLED;
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.state & CANCELLED != 0
    }

    #[inline]
    pub(super) fn is_on_ring(&self) -> bool {
        self.state & ON_RING != 0
    }

    /// Whether its entry is not among the first `taken` ones, those that the kernel has read.
    pub(super) fn is_untaken(&self, taken: u64) -> bool {
        self.is_on_ring() && self.state >> PUSHED_SHIFT >= taken
    }
}
