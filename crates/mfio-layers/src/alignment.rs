//! Checks that the parts of a layer begin and end where blocks of the objects below do; and the
//! results of blocks.
//!
//! A layer reports the alignment of the objects below, and splits requests where its parts end. So
//! an aligned request stays aligned only where each part begins and ends with a block. A layer
//! where that is not so is refused when it is built, as no request to it could be aligned.

use core::ops::Range;
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{Alignment, Direction};
use mfio::packet::{Outcome, View};

/// No object reaches this address, so a part may end behind it within a block.
const FAR: u64 = i64::MAX as u64;

/// Help for requests to a part of an object that does not begin and end with blocks.
pub(crate) const PART_CUT: &str = concat!(
    "the object below takes whole blocks only (`IoObject::alignment`), and the part of it that is ",
    "shown begins or ends within one, so no request can be aligned: choose multiples of the ",
    "block, as `aligned` asks for",
);

/// Whether a part may begin, or end, at this address below.
pub(crate) fn is_edge(at: u64, alignment: Alignment) -> bool {
    alignment.excess(at) == 0
}

/// Whether a part may end at this address below.
pub(crate) fn is_end(at: u64, alignment: Alignment) -> bool {
    at >= FAR || is_edge(at, alignment)
}

/// Refuses a layer whose parts are not aligned; `help` says how they have to be.
pub(crate) fn check(aligned: bool, operation: &'static str, help: &'static str) -> Result<()> {
    match aligned {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::InvalidInput, operation).help(help)),
    }
}

/// Explains a request that was refused because the parts of its layer are not aligned.
pub(crate) fn explain(
    cause: Cause,
    help: &'static str,
    aligned: impl FnOnce() -> bool,
) -> Option<&'static str> {
    (cause.kind() == ErrorKind::InvalidInput && !aligned()).then_some(help)
}

/// Returns the offset behind the last byte that a request has moved: the data of an object does not
/// end before.
#[cold]
pub(crate) fn end_of_data(outcome: &Outcome) -> usize {
    let (mut end, mut seen) = (0, 0);
    for failed in outcome.failures() {
        if failed.offset > seen {
            end = failed.offset;
        }
        seen = failed.offset + failed.len;
    }
    match seen < outcome.len() {
        true => outcome.len(),
        false => end,
    }
}

/// Returns the cause that a needed byte of a block could not be read with. All are needed but those
/// that will be `overwritten`. Where the data has an `end`, fills in zeros behind it.
#[cold]
pub(crate) fn needed_failure(
    block: &mut [u8],
    outcome: &Outcome,
    end: usize,
    overwritten: &Range<usize>,
) -> Option<Cause> {
    for failed in outcome.failures() {
        let behind = failed.offset + failed.len;
        let lost = match failed.cause.kind() {
            ErrorKind::UnexpectedEof => end.clamp(failed.offset, behind),
            _ => behind,
        };
        block[lost..behind].fill(0);
        let needed = failed.offset < overwritten.start || lost > overwritten.end;
        if failed.offset < lost && needed {
            return Some(failed.cause);
        }
    }
    None
}

/// Passes the parts of a request that succeeded or failed to `each`, in order, with their offsets
/// from its start. Failed parts that are to be read `again` are whole blocks, with the bytes around
/// the failed ones: less could not be aligned.
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
        // The part before may cover the front of it, or all.
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
