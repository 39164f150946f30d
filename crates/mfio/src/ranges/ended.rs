//! Results of ranges.

use super::{RangeMemory, Ranges};
use crate::error::{Cause, Error};
use crate::io::{Address, Direction, Operation, PacketIo, Read};
use crate::packet::Outcome;
use core::fmt;

/// The results of ranges: the bytes of each, or its failure.
#[must_use]
pub struct EndedRanges<P: Address = u64> {
    ranges: Ranges<P>,
    outcome: Option<Outcome>,
    context: Option<ErrorTemplate>,
}

/// The context of the object, for errors.
pub(super) struct ErrorTemplate {
    /// An error that names the object and the driver.
    template: Error,
    /// Advice on the first failure.
    help: Option<(Cause, &'static str)>,
}

impl ErrorTemplate {
    /// Returns the context, or `None` if nothing failed.
    pub(super) fn of<P, Io>(io: &Io, ranges: &Ranges<P>, failed: Option<&Outcome>) -> Option<Self>
    where
        P: Address,
        Io: PacketIo<Read, P> + ?Sized,
    {
        let by_range = ranges.wanted.iter().find_map(|wanted| match wanted.place {
            RangeMemory::Refused(cause) => Some(cause),
            RangeMemory::Alone { failed, .. } => failed.map(|(_, cause)| cause),
            _ => None,
        });
        let cause = by_range.or_else(|| failed.and_then(Outcome::first_error))?;
        Some(Self {
            template: Error::new(cause, Read::VERB).identity(io.identity()),
            help: io.explain(Operation::Read, cause).map(|help| (cause, help)),
        })
    }

    fn error(&self, cause: Cause, offset: u64, len: usize) -> Error {
        let error = self
            .template
            .clone()
            .with_cause(cause)
            .offset(offset)
            .len(len as u64);
        match self.help {
            Some((explained, help)) if explained == cause => error.help(help),
            _ => error,
        }
    }
}

impl<P: Address> EndedRanges<P> {
    pub(super) fn new(
        ranges: Ranges<P>,
        outcome: Option<Outcome>,
        context: Option<ErrorTemplate>,
    ) -> Self {
        Self {
            ranges,
            outcome,
            context,
        }
    }

    /// Returns the number of ranges.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are no ranges.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns the number of requests that were sent, without those for ranges read once more.
    pub fn requests(&self) -> usize {
        self.ranges
            .requests
            .iter()
            .filter(|request| request.offset.is_some())
            .count()
    }

    /// Returns the bytes of range `index`.
    ///
    /// # Errors
    /// The failure of the range, with the bytes before it: `UnexpectedEof` at end of file,
    /// `OutOfMemory` if memory is exhausted or [`Merge::memory`](super::Merge::memory) exceeded,
    /// `InvalidInput` if the range ends before it begins.
    ///
    /// # Panics
    /// If `index` is not less than [`len`](Self::len).
    pub fn get(&self, index: usize) -> Result<&[u8], RangeError<'_>> {
        let wanted = &self.ranges.wanted[index];
        let (good, cause) = match &wanted.place {
            RangeMemory::Empty => return Ok(&[]),
            RangeMemory::Exposed(exposed) => return Ok(exposed),
            RangeMemory::Refused(cause) => (&[][..], *cause),
            RangeMemory::Alone { at, failed: None } => return Ok(self.memory(*at, wanted.len)),
            RangeMemory::Alone {
                at,
                failed: Some((good, cause)),
            } => (self.memory(*at, *good), *cause),
            RangeMemory::Memory(at) => {
                let bytes = self.memory(*at, wanted.len);
                let outcome = self.outcome.as_ref();
                match outcome.and_then(|o| o.failure_within(*at..at + wanted.len)) {
                    None => return Ok(bytes),
                    Some(failed) => (&bytes[..failed.offset - at], failed.cause),
                }
            }
            RangeMemory::Unplanned | RangeMemory::Request(_) => {
                unreachable!("ranges that were read were placed")
            }
        };
        let context = self.context.as_ref().expect("something failed");
        let error = context.error(cause, wanted.start, wanted.len);
        Err(RangeError { good, error })
    }

    /// Iterates over the results of all ranges, in the order of the list.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<&[u8], RangeError<'_>>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Returns an empty list with the memory of this one.
    pub fn into_ranges(self) -> Ranges<P> {
        let mut ranges = self.ranges;
        ranges.clear();
        ranges
    }

    fn memory(&self, at: usize, len: usize) -> &[u8] {
        let packet = self.ranges.packet.as_ref().expect("it has ended");
        &packet.buffer()[at..at + len]
    }
}

impl<P: Address> fmt::Debug for EndedRanges<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedRanges")
            .field("len", &self.len())
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

/// The failure of a range, and the bytes before it.
#[derive(Clone, Debug)]
pub struct RangeError<'a> {
    /// The bytes read from the start of the range without a gap.
    pub good: &'a [u8],
    /// The failure.
    pub error: Error,
}

impl fmt::Display for RangeError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl core::error::Error for RangeError<'_> {}

impl From<RangeError<'_>> for Error {
    /// Drops the bytes.
    fn from(error: RangeError<'_>) -> Self {
        error.error
    }
}
