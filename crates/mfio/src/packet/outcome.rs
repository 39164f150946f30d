//! [`Outcome`]: the ranges of a packet that succeeded and failed.

use super::failures::{FailedRange, FailedRanges};
use crate::error::{Cause, ErrorKind};
use alloc::vec::Vec;
use core::ops::Range;

/// The result of an operation, range by range.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(super) len: usize,
    pub(super) failed: FailedRanges,
}

impl Outcome {
    /// Makes the outcome of `len` bytes of which the first `good` succeeded, and the rest failed.
    pub(crate) fn prefix(len: usize, good: usize, cause: Cause) -> Self {
        let rest = FailedRange {
            offset: good,
            len: len - good,
            cause,
        };
        Self {
            len,
            failed: FailedRanges::One(rest),
        }
    }

    /// Makes the outcome of `len` bytes that all succeeded.
    #[inline]
    pub(super) fn success(len: usize) -> Self {
        Self {
            len,
            failed: FailedRanges::None,
        }
    }

    /// Returns whether every byte succeeded. A request without bytes succeeded if none of its views
    /// failed.
    #[inline]
    pub fn is_success(&self) -> bool {
        matches!(self.failed, FailedRanges::None)
    }

    /// Returns the length of the operation in bytes, failed ones included: that of the first view,
    /// not the number of bytes moved (see [`good_prefix`](Self::good_prefix)), nor that of the
    /// buffer if a [prefix](super::Packet::start_prefix) was started.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "an outcome is no collection")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns the failed ranges by offset; neighbours with the same cause are one.
    pub fn failures(&self) -> impl ExactSizeIterator<Item = FailedRange> + '_ {
        self.failed.as_slice().iter().copied()
    }

    /// Returns the outcome of one range, with offsets within it. Bytes beyond the end of this
    /// outcome have failed with [`ErrorKind::Dropped`].
    ///
    /// Allocates only if several ranges of the part failed. Takes time by the number of those, and
    /// by the logarithm of the number of all failures.
    pub fn part(&self, range: Range<usize>) -> Outcome {
        let len = range.end.saturating_sub(range.start);
        let all = self.failed.as_slice();
        let first = all.partition_point(|failed| failed.offset + failed.len <= range.start);
        let touching = all[first..]
            .iter()
            .take_while(|failed| failed.offset < range.end);
        let clipped = touching.filter_map(|failed| {
            let start = failed.offset.max(range.start);
            let end = (failed.offset + failed.len).min(range.end);
            (start < end).then(|| FailedRange {
                offset: start - range.start,
                len: end - start,
                cause: failed.cause,
            })
        });
        let known = self.len.clamp(range.start, range.start + len) - range.start;
        let unknown = (known < len).then(|| FailedRange {
            offset: known,
            len: len - known,
            cause: Cause::new(ErrorKind::Dropped),
        });
        let mut failed = clipped.chain(unknown).peekable();
        let failed = match (failed.next(), failed.peek()) {
            (None, _) => FailedRanges::None,
            (Some(only), None) => FailedRanges::One(only),
            (Some(first), Some(_)) => {
                let all: Vec<_> = core::iter::once(first).chain(failed).collect();
                FailedRanges::Many(all.into_boxed_slice())
            }
        };
        Self { len, failed }
    }

    /// Returns the first failure that touches a range which is not empty, clipped to it, with its
    /// offset in the packet. Takes time by the logarithm of the number of failures.
    pub(crate) fn failure_within(&self, range: Range<usize>) -> Option<FailedRange> {
        let failed = self.failed.as_slice();
        let first = failed.partition_point(|f| f.offset + f.len <= range.start);
        let failed = failed.get(first).filter(|f| f.offset < range.end)?;
        let offset = failed.offset.max(range.start);
        Some(FailedRange {
            offset,
            len: (failed.offset + failed.len).min(range.end) - offset,
            cause: failed.cause,
        })
    }

    /// Returns the number of bytes from the start that succeeded without a gap.
    #[inline]
    pub fn good_prefix(&self) -> usize {
        self.failed
            .as_slice()
            .first()
            .map_or(self.len, |r| r.offset)
    }

    /// Returns the cause of the failure with the lowest offset.
    #[inline]
    pub fn first_error(&self) -> Option<Cause> {
        self.failed.as_slice().first().map(|r| r.cause)
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;
    use crate::io::Read;
    use crate::packet::Packet;
    use alloc::vec;

    /// Of `len` bytes, those in the ranges `failed` failed.
    fn outcome(len: usize, failed: &[(usize, usize)]) -> Outcome {
        let (in_flight, view) = Packet::new(vec![0u8; len]).start::<Read>();
        let mut rest = view;
        for &(start, end) in failed {
            let at = start - rest.offset();
            let (good, tail) = rest.split_at(at);
            let (bad, tail) = tail.split_at(end - start);
            good.done();
            bad.fail(ErrorKind::Busy);
            rest = tail;
        }
        rest.done();
        let Ok(ended) = in_flight.try_end() else {
            panic!("every view has ended");
        };
        ended.outcome
    }

    fn resolved(len: usize, by: &Outcome) -> Outcome {
        let (in_flight, view) = Packet::new(vec![0u8; len]).start::<Read>();
        view.resolve(by);
        in_flight.try_end().expect("resolved").outcome
    }

    #[test]
    fn a_view_ends_as_an_outcome_says() {
        for failed in [&[][..], &[(0, 8)], &[(0, 1)], &[(7, 8)], &[(1, 3), (5, 6)]] {
            let learned = outcome(8, failed);
            let told = resolved(8, &learned);
            assert!(told.failures().eq(learned.failures()), "{failed:?}");
        }
        let empty = outcome(0, &[]);
        assert!(resolved(0, &empty).is_success());
    }

    #[test]
    fn ranges_that_an_outcome_omits_have_failed() {
        for known in 0..8 {
            let told = resolved(8, &outcome(known, &[]));
            assert_eq!(told.good_prefix(), known);
            assert_eq!(told.first_error(), Some(ErrorKind::Dropped.into()));
        }
        let longer = outcome(8, &[(6, 8)]);
        assert!(resolved(5, &longer).is_success());
        assert_eq!(resolved(7, &longer).good_prefix(), 6);
    }

    #[test]
    fn an_empty_request_that_failed_fails_an_empty_view() {
        let (in_flight, view) = Packet::new([0u8; 0]).start::<Read>();
        view.fail(ErrorKind::Busy);
        let learned = in_flight.try_end().expect("it has ended").outcome;
        assert!(!resolved(0, &learned).is_success());
    }

    #[test]
    fn a_part_of_an_outcome() {
        let all = outcome(10, &[(1, 3), (5, 6), (8, 10)]);
        assert!(all.part(3..5).is_success());
        let part = all.part(2..6);
        let ranges: Vec<_> = part.failures().map(|r| (r.offset, r.len)).collect();
        assert_eq!(ranges, [(0, 1), (3, 1)]);
        assert_eq!(part.len(), 4);
        let beyond = all.part(9..12);
        let kinds: Vec<_> = beyond.failures().map(|r| r.cause.kind()).collect();
        assert_eq!(kinds, [ErrorKind::Busy, ErrorKind::Dropped]);
        assert_eq!(all.part(20..22).good_prefix(), 0);
        assert_eq!(all.part(4..4).len(), 0);
    }
}
