//! Whether a transfer must be complete, or may be short.

use crate::error::{Cause, ErrorKind};
use crate::io::{Direction, Position};
use crate::packet::Outcome;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Whole {}
    impl Sealed for super::Prefix {}
}

/// The completeness of a transfer: all bytes ([`Whole`]), or a prefix ([`Prefix`]).
pub trait Completeness: sealed::Sealed {
    /// The output on success.
    type Output;

    /// Returns the number of bytes from the start that count.
    ///
    /// # Errors
    /// The failure with the lowest offset, if none count.
    fn judge<D: Direction>(outcome: &Outcome) -> Result<usize, Cause>;

    /// Whether `done` of `len` bytes are enough to return.
    fn enough(done: usize, len: usize) -> bool;

    /// Returns the output for `good` bytes.
    fn output(good: usize) -> Self::Output;
}

/// Every byte must succeed; the output is `()`.
#[derive(Debug)]
pub enum Whole {}

/// The first byte must succeed; the output is the number of bytes from the start that did without a
/// gap. A read at end of file returns 0.
#[derive(Debug)]
pub enum Prefix {}

impl Completeness for Whole {
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

impl Completeness for Prefix {
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

/// Returns the number of bytes received if the read continues with another request: a stream ends a
/// request with the bytes available. `None` if it does not continue, or if no more than `done`
/// bytes have arrived.
#[inline]
pub(super) fn goes_on<P: Position>(outcome: &Outcome, done: usize) -> Option<usize> {
    if !P::SEQUENTIAL || outcome.first_error()?.kind() != ErrorKind::WouldBlock {
        return None;
    }
    Some(outcome.good_prefix()).filter(|good| *good > done)
}
