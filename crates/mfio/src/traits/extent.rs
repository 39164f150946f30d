//! How much must succeed: everything, or something.

use crate::error::{Cause, ErrorKind};
use crate::io::{Direction, Position};
use crate::packet::Outcome;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Whole {}
    impl Sealed for super::Prefix {}
}

/// How much must succeed: [`Whole`] or [`Prefix`].
pub trait Extent: sealed::Sealed {
    /// What the user is told on success.
    type Output;

    /// How many bytes from the start count, or why none do.
    ///
    /// # Errors
    /// The failure with the lowest offset.
    fn judge<D: Direction>(outcome: &Outcome) -> Result<usize, Cause>;

    /// Whether `done` of `len` bytes are enough to return.
    fn enough(done: usize, len: usize) -> bool;

    /// Makes the output of that number.
    fn output(good: usize) -> Self::Output;
}

/// Every byte must succeed; the output is `()`.
#[derive(Debug)]
pub enum Whole {}

/// Something must succeed; the output is the number of bytes from the start that did without a gap.
/// The end of the data makes a read of 0.
#[derive(Debug)]
pub enum Prefix {}

impl Extent for Whole {
    type Output = ();

    #[inline]
    fn judge<D: Direction>(outcome: &Outcome) -> Result<usize, Cause> {
        match outcome.first_error() {
            None => Ok(outcome.len()),
            Some(cause) => Err(cause),
        }
    }

    #[inline]
    fn enough(done: usize, len: usize) -> bool {
        done == len
    }

    #[inline]
    fn output(_: usize) {}
}

impl Extent for Prefix {
    type Output = usize;

    #[inline]
    fn judge<D: Direction>(outcome: &Outcome) -> Result<usize, Cause> {
        match (outcome.good_prefix(), outcome.first_error()) {
            (0, Some(cause)) if D::READS && cause.kind() == ErrorKind::UnexpectedEof => Ok(0),
            (0, Some(cause)) => Err(cause),
            (n, _) => Ok(n),
        }
    }

    #[inline]
    fn enough(done: usize, len: usize) -> bool {
        done != 0 || len == 0
    }

    #[inline]
    fn output(good: usize) -> usize {
        good
    }
}

/// How many bytes from the start there are of a request that goes on with the others: a stream ends
/// one with what there is. `None` where it does not, or where no more came than `done`.
#[inline]
pub(super) fn goes_on<P: Position>(outcome: &Outcome, done: usize) -> Option<usize> {
    if !P::SEQUENTIAL || outcome.first_error()?.kind() != ErrorKind::WouldBlock {
        return None;
    }
    Some(outcome.good_prefix()).filter(|good| *good > done)
}
