//! What of a failed request is asked for once more, so that it fails only the ranges whose own bytes failed.
//!
//! A driver may end a request at the first byte that fails, or as a whole. So of the ranges that were merged, one may have
//! failed for a byte that it does not want. The wanted bytes are cut where ranges begin and end; each piece that failed
//! before it was its turn is read by itself, into its old place. Pieces do not overlap, so that no range overwrites what
//! another one has, and there are at most two for each range.

use super::{Piece, Place, Ranges};
use crate::io::Address;
use crate::packet::Outcome;
use alloc::vec::Vec;

impl<P: Address> Ranges<P> {
    /// Makes a list of the pieces to be read once more. Says whether there are any.
    #[cold]
    pub(super) fn plan_again(&mut self, outcome: &Outcome) -> bool {
        let mut again = Vec::new();
        let mut edges = self.edges();
        edges.sort_unstable();
        let mut open = 0isize;
        for pair in edges.windows(2) {
            let [(at, change), (end, _)] = *pair else {
                continue;
            };
            open += change;
            if open > 0 && at < end {
                again.extend(self.blamed_for_others(outcome, at, end));
            }
        }
        self.pieces = again;
        !self.pieces.is_empty()
    }

    /// Where in memory ranges begin (1) and end (-1), in units that may be sent.
    fn edges(&self) -> Vec<(usize, isize)> {
        let unit = self.unit();
        let mut edges = Vec::with_capacity(self.order.len() * 2);
        for &index in &self.order {
            let wanted = &self.wanted[index];
            if let Place::Memory(at) = wanted.place {
                let end = (at + wanted.len).next_multiple_of(unit);
                edges.extend([(at - at % unit, 1), (end, -1)]);
            }
        }
        edges
    }

    /// A piece of memory, where it failed and may have done so for bytes of others.
    fn blamed_for_others(&self, outcome: &Outcome, at: usize, end: usize) -> Option<Piece> {
        let failed = outcome.failure_within(at..end)?;
        // What succeeded up to a byte of its own failed there.
        if failed.offset > at {
            return None;
        }
        let behind = self.pieces.partition_point(|request| request.offset <= at);
        let request = self.pieces.get(behind.checked_sub(1)?)?;
        let piece = Piece {
            offset: at,
            len: end.min(request.offset + request.len) - at,
            start: request.start + (at - request.offset) as u64,
        };
        (piece != *request).then_some(piece)
    }
}
