//! The failed ranges of a packet: collected while views end, then passed to the initiator in order.

use crate::error::{Cause, ErrorKind};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Number of ranges that are kept without allocating.
const INLINE: usize = 4;

/// A failed range of a packet, with the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedRange {
    /// Offset of the range in the packet.
    pub offset: usize,
    /// Length in bytes. 0 only for an empty request that failed, or a buffer without a length in a
    /// batch.
    pub len: usize,
    /// Cause of the failure.
    pub cause: Cause,
}

impl FailedRange {
    /// Merges `other` into this range if they touch and have the same cause. Returns whether they
    /// did.
    fn absorb(&mut self, other: FailedRange) -> bool {
        let touches =
            self.offset + self.len == other.offset || other.offset + other.len == self.offset;
        if !touches || self.cause != other.cause {
            return false;
        }
        self.offset = self.offset.min(other.offset);
        self.len += other.len;
        true
    }
}

/// Failed ranges in the order in which they came.
pub(super) struct Failures {
    inline: [FailedRange; INLINE],
    used: usize,
    more: Vec<FailedRange>,
}

impl Default for Failures {
    fn default() -> Self {
        let none = FailedRange {
            offset: 0,
            len: 0,
            cause: Cause::new(ErrorKind::Other),
        };
        Self {
            inline: [none; INLINE],
            used: 0,
            more: Vec::new(),
        }
    }
}

/// The failed ranges of an outcome: sorted, neighbours with the same cause merged.
#[derive(Clone, Debug, Default)]
pub(super) enum FailedRanges {
    #[default]
    None,
    One(FailedRange),
    Many(Box<[FailedRange]>),
}

impl FailedRanges {
    pub(super) fn as_slice(&self) -> &[FailedRange] {
        match self {
            FailedRanges::None => &[],
            FailedRanges::One(range) => core::slice::from_ref(range),
            FailedRanges::Many(ranges) => ranges,
        }
    }
}

impl Failures {
    /// Adds a range; ranges do not overlap. Merges it with a neighbour that has the same cause.
    ///
    /// An empty range is that of an empty request, which has no others: all but the first are
    /// ignored.
    pub(super) fn push(&mut self, range: FailedRange) {
        if range.len == 0 && self.used != 0 {
            return;
        }
        for old in &mut self.inline[..self.used] {
            if old.absorb(range) {
                return;
            }
        }
        if self.more.last_mut().is_some_and(|old| old.absorb(range)) {
            return;
        }
        if self.used < INLINE {
            self.inline[self.used] = range;
            self.used += 1;
        } else {
            self.more.push(range);
        }
    }

    /// Takes all ranges out; the capacity is kept.
    #[cold]
    pub(super) fn take(&mut self) -> FailedRanges {
        let used = core::mem::take(&mut self.used);
        if let (1, true) = (used, self.more.is_empty()) {
            return FailedRanges::One(self.inline[0]);
        }
        let mut all = Vec::with_capacity(used + self.more.len());
        all.extend_from_slice(&self.inline[..used]);
        all.append(&mut self.more);
        all.sort_unstable_by_key(|range| range.offset);
        all.dedup_by(|next, kept| kept.absorb(*next));
        match all[..] {
            [] => FailedRanges::None,
            [one] => FailedRanges::One(one),
            _ => FailedRanges::Many(all.into_boxed_slice()),
        }
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;

    fn range(offset: usize, len: usize, kind: ErrorKind) -> FailedRange {
        FailedRange {
            offset,
            len,
            cause: kind.into(),
        }
    }

    #[test]
    fn neighbours_merge_whatever_the_order() {
        let mut failures = Failures::default();
        for offset in [6, 0, 4, 2, 8] {
            failures.push(range(offset, 2, ErrorKind::Busy));
        }
        assert_eq!(failures.take().as_slice(), [range(0, 10, ErrorKind::Busy)]);
        assert_eq!(failures.take().as_slice(), []);
    }

    #[test]
    fn different_causes_stay_apart_and_many_ranges_are_sorted() {
        let mut failures = Failures::default();
        for i in (0..20).rev() {
            failures.push(range(i * 3, 2, ErrorKind::Busy));
        }
        failures.push(range(2, 1, ErrorKind::NotFound));
        let ranges = failures.take();
        let ranges = ranges.as_slice();
        assert_eq!(ranges.len(), 21);
        assert!(ranges.is_sorted_by_key(|r| r.offset));
        assert_eq!(ranges[1], range(2, 1, ErrorKind::NotFound));
    }
}
