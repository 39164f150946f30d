//! [`Splitter`]: a view that is split into many parts, one after another.
//!
//! Invariants are those of [`header`](super::header) and [`view`](super::view); in addition
//! 1. Besides the view that is left, a splitter has `reserved` units of COUNT: for views that it
//!    will make, or to give back while it still has the view.
#![allow(unsafe_code)]

use super::view::View;
use crate::io::Direction;
use core::fmt;
use core::mem::ManuallyDrop;

/// Number of parts that are counted in advance, after the first ones.
const MAX_RESERVED: usize = 32;

/// Splits a view into many parts, from the front: cheaper than [`View::split_at`] for each, as
/// parts are counted in advance.
///
/// The rest fails when the splitter is dropped.
///
/// ```
/// use mfio::io::Read;
/// use mfio::packet::Packet;
///
/// let (in_flight, view) = Packet::new([0u8; 100]).start::<Read>();
/// let mut splitter = view.splitter();
/// for part in 0..9 {
///     let mut part_view = splitter.take(10);
///     part_view.bytes_mut().fill(part);
///     part_view.done();
/// }
/// let mut last = splitter.into_rest();
/// assert_eq!((last.offset(), last.len()), (90, 10));
/// last.bytes_mut().fill(9);
/// last.done();
/// let ended = in_flight.try_end().expect("every part has ended");
/// assert!(ended.outcome.is_success());
/// assert_eq!(ended.packet.buffer()[85..95], [8, 8, 8, 8, 8, 9, 9, 9, 9, 9]);
/// ```
#[must_use = "a splitter that is dropped fails what is left"]
pub struct Splitter<D: Direction> {
    rest: ManuallyDrop<View<D>>,
    reserved: usize,
    /// Number of units to reserve next. The first one alone, as most views are split in two.
    next: usize,
}

impl<D: Direction> View<D> {
    /// Splits the range into many parts, one after another: cheaper than
    /// [`split_at`](Self::split_at) for each.
    #[inline]
    pub fn splitter(self) -> Splitter<D> {
        Splitter::new(self)
    }
}

impl<D: Direction> Splitter<D> {
    #[inline]
    fn new(view: View<D>) -> Self {
        Self {
            rest: ManuallyDrop::new(view),
            reserved: 0,
            next: 1,
        }
    }

    /// Returns the number of bytes left.
    #[inline]
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Returns whether no bytes are left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Splits the first `len` bytes off. Allocates nothing.
    ///
    /// # Panics
    /// As [`View::split_at`].
    #[inline]
    pub fn take(&mut self, len: usize) -> View<D> {
        if self.reserved == 0 {
            self.rest.reserve(self.next);
            self.reserved = self.next;
            self.next = (self.next * 8).min(MAX_RESERVED);
        }
        // SAFETY: one of the reserved units goes to the part (invariant 1). `take_front` panics
        // before anything is done, or gives the part's bytes up.
        let part = unsafe { self.rest.take_front(len) };
        self.reserved -= 1;
        part
    }

    /// Returns the rest as one view.
    #[inline]
    pub fn into_rest(self) -> View<D> {
        let mut this = ManuallyDrop::new(self);
        this.give_back();
        // SAFETY: the splitter is not dropped, and its view is not used any more.
        unsafe { ManuallyDrop::take(&mut this.rest) }
    }

    #[inline]
    fn give_back(&mut self) {
        if self.reserved != 0 {
            self.rest.give_back(self.reserved);
        }
    }
}

impl<D: Direction> Drop for Splitter<D> {
    fn drop(&mut self) {
        self.give_back();
        // SAFETY: dropped once, here, and not used any more.
        unsafe { ManuallyDrop::drop(&mut self.rest) }
    }
}

impl<D: Direction> fmt::Debug for Splitter<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splitter")
            .field("rest", &*self.rest)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::io::Read;
    use crate::packet::Packet;
    use alloc::vec;
    use alloc::vec::Vec;

    /// Returns the failures of a packet of `len` bytes, of which `parts` parts were taken one by
    /// one; `rest` takes the splitter.
    fn split(len: usize, parts: usize, rest: impl FnOnce(Splitter<Read>)) -> Vec<(usize, usize)> {
        let (in_flight, view) = Packet::new(vec![0u8; len]).start::<Read>();
        let mut splitter = view.splitter();
        let parts: Vec<_> = (0..parts).map(|_| splitter.take(1)).collect();
        rest(splitter);
        assert!(parts.is_empty() || !in_flight.is_ended());
        for (n, part) in parts.into_iter().enumerate() {
            assert_eq!((part.offset(), part.len()), (n, 1));
            part.done();
        }
        let ended = in_flight.try_end().expect("nothing is left");
        let failures = ended.outcome.failures().map(|f| (f.offset, f.len));
        failures.collect()
    }

    #[test]
    fn whatever_is_reserved_everything_ends_once_every_part_has() {
        for parts in 0..100 {
            let len = 100;
            assert_eq!(split(len, parts, |left| left.into_rest().done()), []);
            let failed = split(len, parts, drop);
            assert_eq!(failed, [(parts, len - parts)], "a dropped splitter fails");
        }
        assert_eq!(split(40, 40, |left| left.into_rest().done()), []);
        assert_eq!(split(40, 40, drop), [], "an empty rest fails nothing");
    }

    #[test]
    fn a_part_beyond_the_end_panics_and_counts_nothing() {
        let failed = split(10, 3, |mut left| {
            let beyond = std::panic::AssertUnwindSafe(|| drop(left.take(8)));
            assert!(std::panic::catch_unwind(beyond).is_err());
            left.into_rest().fail(ErrorKind::Busy);
        });
        assert_eq!(failed, [(3, 7)]);
    }
}
