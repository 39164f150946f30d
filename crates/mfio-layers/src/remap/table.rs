//! The mappings of a [`Remap`](super::Remap), as numbers.

use crate::route::{Destination, last_good};
use core::fmt;
use core::ops::{Bound, RangeBounds, RangeInclusive};
use mfio::control::Span;
use mfio::error::ErrorKind;
use mfio::io::Address;
use rangemap::RangeInclusiveMap;
use rangemap::inclusive_map::Overlapping;

/// The distance from the addresses of a mapping to their targets. Neighbours with equal distances
/// continue each other, and the range map joins them. It has 128 bits and a sign: modulo 2^64,
/// mappings to the end and to the beginning of the address space would be joined.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shift(i128);

impl Shift {
    #[inline]
    fn between(at: u64, target: u64) -> Self {
        Self(i128::from(target) - i128::from(at))
    }

    /// Returns the target of an address. Within the mapping that is an address.
    #[inline]
    fn apply(self, at: u64) -> u64 {
        (i128::from(at) + self.0) as u64
    }
}

/// The mappings. Ranges are inclusive, because half-open ones cannot have the last address.
#[derive(Clone, Default)]
pub(super) struct Mappings(RangeInclusiveMap<u64, Shift>);

impl Mappings {
    /// Maps a range. The caller has checked that the target has enough addresses.
    pub(super) fn map(&mut self, range: RangeInclusive<u64>, target: u64) {
        let shift = Shift::between(*range.start(), target);
        self.0.insert(range, shift);
    }

    pub(super) fn unmap(&mut self, range: RangeInclusive<u64>) {
        self.0.remove(range);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RangeInclusive<u64>, u64)> {
        self.0
            .iter()
            .map(|(range, shift)| (range.clone(), shift.apply(*range.start())))
    }

    pub(super) fn target(&self, at: u64) -> Option<u64> {
        self.0.get(&at).map(|shift| shift.apply(at))
    }

    /// Returns the mapped parts of a range, each with its targets. A byte whose target is the last
    /// address is left out, because no range has it.
    pub(super) fn runs(&self, span: Span) -> impl Iterator<Item = (Span, Span)> {
        // An empty range overlaps nothing that is left of it.
        let last = span.end().saturating_sub(1).max(span.start());
        let ranges = self.0.overlapping(span.start()..=last);
        ranges.filter_map(move |(range, shift)| {
            let end = range.end().saturating_add(1).min(span.end());
            let start = span.start().max(*range.start());
            let target = shift.apply(start);
            let len = end.checked_sub(start)?.min(u64::MAX - target);
            Some((Span::new(start, len)?, Span::new(target, len)?))
        })
    }

    /// Returns the end of the mapped bytes from the start of a range on.
    pub(super) fn mapped_until(&self, span: Span) -> u64 {
        let mut end = span.start();
        for (run, _) in self.runs(span) {
            if run.start() != end {
                break;
            }
            end = run.end();
        }
        end
    }

    /// Returns the walk of a request that begins at this address.
    #[inline]
    pub(super) fn walk(&self, from: u64) -> MappingWalk<'_> {
        // To the end of the address space: the length of the request is not known here.
        MappingWalk {
            ranges: self.0.overlapping(from..=u64::MAX),
            current: None,
        }
    }
}

/// The walk of one request through the mappings. The first step is a look-up; the next ones
/// continue from there.
pub(super) struct MappingWalk<'m> {
    ranges: Overlapping<'m, u64, Shift, RangeInclusive<u64>>,
    /// The first and last address of the current mapping.
    current: Option<(u64, u64, Shift)>,
}

impl MappingWalk<'_> {
    /// Returns the destination of the bytes from `at` on. Addresses ascend.
    #[inline]
    pub(super) fn route<'a, Io, Q: Address>(
        &mut self,
        inner: &'a Io,
        at: u64,
        wanted: u64,
    ) -> Destination<'a, Io, Q> {
        if self.current.is_none_or(|(_, last, _)| last < at) {
            self.current = self
                .ranges
                .next()
                .map(|(range, shift)| (*range.start(), *range.end(), *shift));
        }
        match self.current {
            Some((first, last, shift)) if first <= at => {
                // Saturates where one mapping has all 2^64 addresses.
                Destination::of(inner, shift.apply(at), (last - at).saturating_add(1))
            }
            Some((first, ..)) => Destination::missing(ErrorKind::NotFound, first - at),
            None => Destination::missing(ErrorKind::NotFound, wanted),
        }
    }
}

impl fmt::Debug for Mappings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Converts a range to an inclusive one of numbers; `None` where it is empty.
pub(super) fn numbers<P: Address>(range: &impl RangeBounds<P>) -> Option<RangeInclusive<u64>> {
    let first = match range.start_bound() {
        Bound::Included(first) => first.to_u64(),
        Bound::Excluded(before) => before.to_u64().checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let last = match range.end_bound() {
        Bound::Included(last) => last.to_u64(),
        Bound::Excluded(behind) => behind.to_u64().checked_sub(1)?,
        Bound::Unbounded => last_address::<P>(),
    };
    (first <= last).then_some(first..=last)
}

/// Returns the last address of `P`.
fn last_address<P: Address>() -> u64 {
    let has = |at| P::from_u64(at).is_some();
    match has(u64::MAX) {
        true => u64::MAX,
        false => last_good(u64::MAX, has),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn entries(table: &Mappings) -> Vec<(RangeInclusive<u64>, u64)> {
        table.iter().collect()
    }

    #[test]
    fn ranges_of_every_kind_become_numbers() {
        assert_eq!(numbers(&(3u64..5)), Some(3..=4));
        assert_eq!(numbers(&(3u32..=5)), Some(3..=5));
        assert_eq!(numbers(&(7u32..)), Some(7..=u64::from(u32::MAX)));
        assert_eq!(numbers::<u64>(&(..)), Some(0..=u64::MAX));
        assert_eq!(numbers(&(..0u64)), None);
        assert_eq!(numbers(&(5u64..5)), None);
        #[expect(clippy::reversed_empty_ranges, reason = "it is one that is empty")]
        let reversed = 5u64..3;
        assert_eq!(numbers(&reversed), None);
        let beyond = (Bound::Excluded(u64::MAX), Bound::Unbounded);
        assert_eq!(numbers(&beyond), None);
    }

    #[test]
    fn neighbours_that_continue_each_other_are_one() {
        let mut table = Mappings::default();
        table.map(0..=9, 100);
        table.map(20..=29, 120);
        assert_eq!(entries(&table), [(0..=9, 100), (20..=29, 120)]);
        table.map(10..=19, 110);
        assert_eq!(entries(&table), [(0..=29, 100)]);
        table.map(5..=6, 0);
        assert_eq!(entries(&table), [(0..=4, 100), (5..=6, 0), (7..=29, 107)]);
        table.unmap(0..=6);
        assert_eq!(entries(&table), [(7..=29, 107)]);
        assert_eq!(
            [table.target(6), table.target(7), table.target(30)],
            [None, Some(107), None]
        );
    }

    #[test]
    fn runs_are_the_mapped_parts_of_a_range() {
        let mut table = Mappings::default();
        table.map(10..=19, 100);
        table.map(20..=29, 0);
        table.map(40..=49, u64::MAX - 9);
        let runs = |span: Span| {
            let runs = table.runs(span);
            runs.map(|(run, to)| (run.start(), run.len(), to.start()))
                .collect::<Vec<_>>()
        };
        assert_eq!(runs((5..25).into()), [(10, 10, 100), (20, 5, 0)]);
        assert_eq!(runs((12..15).into()), [(12, 3, 102)]);
        assert_eq!(
            runs((45..60).into()),
            [(45, 4, u64::MAX - 4)],
            "no range has the last byte"
        );
        assert_eq!(runs((30..40).into()), []);
        let until = |span: Span| table.mapped_until(span);
        assert_eq!([until((12..99).into()), until((12..25).into())], [30, 25]);
        assert_eq!([until((5..25).into()), until((40..50).into())], [5, 49]);
        table.map(0..=u64::MAX, 0);
        assert_eq!(table.mapped_until((3..).into()), u64::MAX);
    }

    #[test]
    fn the_end_of_the_target_is_not_continued_by_its_beginning() {
        let mut table = Mappings::default();
        table.map(0..=9, u64::MAX - 9);
        table.map(10..=19, 0);
        assert_eq!(entries(&table), [(0..=9, u64::MAX - 9), (10..=19, 0)]);
    }
}
