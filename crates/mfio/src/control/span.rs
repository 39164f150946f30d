//! [`Span`]: a range of positions.

use core::ops::{Range, RangeFrom, RangeFull, RangeTo};

/// A range of bytes of an object. Its end is at most `u64::MAX`, so arithmetic on it cannot
/// overflow.
///
/// ```
/// use mfio::control::Span;
///
/// let span = Span::from(4096..12_288);
/// assert_eq!((span.start(), span.len(), span.end()), (4096, 8192, 12_288));
/// assert_eq!(Span::new(u64::MAX, 1), None, "the end has no position");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    start: u64,
    len: u64,
}

impl Span {
    /// Creates a range of `len` bytes. `None` if its end is beyond `u64::MAX`.
    pub const fn new(start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(_) => Some(Self { start, len }),
            None => None,
        }
    }

    /// Returns the position of the first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Returns the number of bytes.
    pub const fn len(self) -> u64 {
        self.len
    }

    /// Returns the position after the last byte.
    pub const fn end(self) -> u64 {
        self.start + self.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Returns the part below `end`, which is empty if there is none.
    #[must_use]
    pub fn until(self, end: u64) -> Self {
        Self::of(self.start, self.end().min(end))
    }

    /// Returns the part from `start` on, which is empty if there is none.
    #[must_use]
    pub fn starting_at(self, start: u64) -> Self {
        Self::of(self.start.max(start), self.end())
    }

    /// A reversed range is empty.
    const fn of(start: u64, end: u64) -> Self {
        let len = end.saturating_sub(start);
        Self { start, len }
    }
}

impl From<Range<u64>> for Span {
    /// A reversed range is empty.
    fn from(range: Range<u64>) -> Self {
        Self::of(range.start, range.end)
    }
}

impl From<RangeFrom<u64>> for Span {
    fn from(range: RangeFrom<u64>) -> Self {
        Self::of(range.start, u64::MAX)
    }
}

impl From<RangeTo<u64>> for Span {
    fn from(range: RangeTo<u64>) -> Self {
        Self::of(0, range.end)
    }
}

impl From<RangeFull> for Span {
    fn from(_: RangeFull) -> Self {
        Self::of(0, u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "it is tested")]
    fn every_range_is_a_span_and_its_end_is_a_position() {
        assert_eq!(Span::from(5..3), Span::new(5, 0).unwrap());
        assert_eq!(Span::from(..).end(), u64::MAX);
        assert_eq!(Span::from(7..).start(), 7);
        assert_eq!(Span::from(..9).len(), 9);
        assert_eq!(Span::new(1, u64::MAX), None);
        assert_eq!(Span::new(u64::MAX, 0).map(Span::end), Some(u64::MAX));
    }

    #[test]
    fn parts_are_clipped() {
        let span = Span::from(10..20);
        assert_eq!(span.until(15), Span::from(10..15));
        assert_eq!(span.until(30), span);
        assert!(span.until(3).is_empty());
        assert_eq!(span.starting_at(12), Span::from(12..20));
        assert!(span.starting_at(25).is_empty());
    }
}
