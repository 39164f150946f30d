//! A batch in flight, and one that has ended.

use super::Batch;
use super::items::Items;
use crate::error::{Cause, ErrorKind};
use crate::io::{Direction, Position};
use crate::packet::buffer::Buffer;
use crate::packet::ended::Ended;
use crate::packet::in_flight::InFlight;
use crate::packet::outcome::Outcome;

/// A batch in flight.
#[derive(Debug)]
pub(crate) struct InFlightBatch<B: Buffer, P: Position, D: Direction> {
    pub(crate) in_flight: InFlight<Items<B, P>, D>,
    pub(super) total: usize,
    pub(super) unfilled: Option<usize>,
}

impl<B: Buffer, P: Position, D: Direction> InFlightBatch<B, P, D> {
    pub(crate) fn ended(&self, ended: Ended<Items<B, P>>) -> EndedBatch<B, P> {
        EndedBatch {
            batch: Batch {
                packet: ended.packet,
                total: self.total,
                unfilled: self.unfilled,
            },
            outcome: ended.outcome,
            reads: D::READS,
        }
    }
}

/// A batch whose operation has ended, and the outcome.
#[must_use]
#[derive(Debug)]
pub struct EndedBatch<B: Buffer, P: Position = u64> {
    /// The batch, to be used again or taken apart.
    pub batch: Batch<B, P>,
    /// The result of the operation, range by range, as if the buffers were contiguous.
    pub outcome: Outcome,
    reads: bool,
}

impl<B: Buffer, P: Position> EndedBatch<B, P> {
    /// Returns the outcome of one buffer, with offsets within it. A buffer without bytes succeeds,
    /// unless it was to be read into and has a capacity: reads fill the length.
    ///
    /// # Panics
    /// If there is no buffer number `index`.
    pub fn outcome_of(&self, index: usize) -> Outcome {
        match self.rejected(index) {
            Some(cause) => Outcome::prefix(0, 0, cause),
            None => self.outcome.part(self.batch.range(index)),
        }
    }

    /// Returns the cause if the buffer was to be read into, and has a capacity but no length.
    fn rejected(&self, index: usize) -> Option<Cause> {
        let rejected = self.reads && self.batch.items()[index].has_only_capacity();
        rejected.then_some(ErrorKind::InvalidInput.into())
    }

    /// Returns the first failure of each buffer, in order; see [`outcome_of`](Self::outcome_of) for
    /// those without bytes. Takes time by the number of buffers and of failures.
    pub fn results(&self) -> impl Iterator<Item = Result<(), Cause>> + '_ {
        let mut failures = self.outcome.failures().peekable();
        (0..self.batch.len()).map(move |index| {
            let range = self.batch.range(index);
            if let Some(cause) = self.rejected(index) {
                return Err(cause);
            }
            while failures
                .next_if(|f| f.offset + f.len <= range.start)
                .is_some()
            {}
            match failures.peek() {
                Some(failed) if failed.offset < range.end && !range.is_empty() => Err(failed.cause),
                _ => Ok(()),
            }
        })
    }
}
