//! Whether a layer begins and ends where blocks of the object below do.
//!
//! A layer reports the alignment of what is below it, and splits requests where its parts end. So a request that keeps to the
//! alignment stays aligned only where each part begins and ends with a block. A layer that would not keep that is refused
//! when it is built: there is no alignment by which it could be used.

use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{Alignment, Direction};
use mfio::packet::{Outcome, View};

/// Ends that no object reaches: a part with such an end is not cut there.
const FAR: u64 = i64::MAX as u64;

/// Whether a part may begin, or end, at this address below.
pub(crate) fn is_edge(at: u64, alignment: Alignment) -> bool {
    alignment.excess(at) == 0
}

/// Whether a part may end at this address below.
pub(crate) fn is_end(at: u64, alignment: Alignment) -> bool {
    at >= FAR || is_edge(at, alignment)
}

/// Refuses a layer unless its parts are as they must be; `help` says how.
pub(crate) fn check(aligned: bool, operation: &'static str, help: &'static str) -> Result<()> {
    match aligned {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::InvalidInput, operation).help(help)),
    }
}

/// Gives `each` the parts of a request that succeeded and those that failed, in order, with their distances from its start.
/// What is to be asked for `again` is whole blocks, with bytes around the failed ones: less could not be aligned.
pub(crate) fn each_part<D: Direction>(
    view: View<D>,
    outcome: &Outcome,
    alignment: Alignment,
    again: impl Fn(Cause) -> bool,
    mut each: impl FnMut(View<D>, usize, Result<(), Cause>),
) {
    let (len, start) = (view.len(), view.offset());
    if alignment.block() == 1 || len == 0 {
        let parts = view.parts(outcome);
        return parts.for_each(|(part, result)| {
            let at = part.offset() - start;
            each(part, at, result);
        });
    }
    let (mut rest, mut at) = (view, 0);
    for failed in outcome.failures() {
        let (mut first, mut end) = (failed.offset, failed.offset + failed.len);
        if again(failed.cause) {
            first = alignment.round_down(first);
            end = alignment.round_up(end).min(len);
        }
        // An earlier one may have taken the front of it, or all.
        let first = first.max(at);
        if first >= end {
            continue;
        }
        let (good, tail) = rest.split_at(first - at);
        let (bad, tail) = tail.split_at(end - first);
        each(good, at, Ok(()));
        each(bad, first, Err(failed.cause));
        (rest, at) = (tail, end);
    }
    each(rest, at, Ok(()));
}
