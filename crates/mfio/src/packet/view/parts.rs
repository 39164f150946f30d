//! [`Parts`]: a view split by an outcome.

use super::View;
use crate::error::{Cause, ErrorKind};
use crate::io::Direction;
use crate::packet::failures::FailedRange;
use crate::packet::outcome::Outcome;

/// The parts of a view by an outcome, see [`View::parts`](super::View::parts).
#[derive(Debug)]
pub struct Parts<'a, D: Direction> {
    rest: Option<View<D>>,
    /// Number of bytes of the view in the parts so far.
    at: usize,
    /// Length of the outcome.
    known: usize,
    failed: core::slice::Iter<'a, FailedRange>,
}

impl<D: Direction> View<D> {
    #[cold]
    pub(super) fn resolve_parts(self, outcome: &Outcome) {
        for (part, result) in self.parts(outcome) {
            match result {
                Ok(()) => part.done(),
                Err(cause) => part.fail(cause),
            }
        }
    }

    /// Splits the view into the ranges that succeeded and those that failed, in order, by an
    /// outcome of its bytes: a layer ends the good ones and retries the others. Bytes beyond the
    /// end of the outcome have failed with [`ErrorKind::Dropped`]. The rest of the iterator fails
    /// when it is dropped.
    pub fn parts(self, outcome: &Outcome) -> Parts<'_, D> {
        Parts::new(self, outcome)
    }
}

impl<'a, D: Direction> Parts<'a, D> {
    fn new(view: View<D>, outcome: &'a Outcome) -> Self {
        Self {
            rest: Some(view),
            at: 0,
            known: outcome.len,
            failed: outcome.failed.as_slice().iter(),
        }
    }

    /// Returns the length of the next part and its result; `left` bytes of the view are left.
    fn part(&mut self, left: usize) -> (usize, Result<(), Cause>) {
        match self.failed.as_slice().first() {
            Some(failed) if failed.offset <= self.at => {
                self.failed.next();
                (failed.len, Err(failed.cause))
            }
            Some(failed) => (failed.offset - self.at, Ok(())),
            None if self.at < self.known || left == 0 => (self.known - self.at, Ok(())),
            None => (left, Err(Cause::new(ErrorKind::Dropped))),
        }
    }
}

impl<D: Direction> Iterator for Parts<'_, D> {
    type Item = (View<D>, Result<(), Cause>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let (len, result) = self.part(rest.len());
        if len >= rest.len() {
            return Some((rest, result));
        }
        let (part, rest) = rest.split_at(len);
        self.at += len;
        self.rest = Some(rest);
        Some((part, result))
    }
}
