//! What became of ranges.

use super::{Place, Ranges};
use crate::error::{Cause, Error};
use crate::io::{Address, Direction, PacketIo, Read};
use crate::packet::Outcome;
use core::fmt;

/// Ranges that were read: the bytes of each, or why they are not there.
#[must_use]
pub struct EndedRanges<P: Address = u64> {
    ranges: Ranges<P>,
    outcome: Option<Outcome>,
    context: Option<Context>,
}

/// What is known of the object, for errors.
pub(super) struct Context {
    /// An error that names the object and the driver.
    template: Error,
    /// What can be done about the first failure.
    help: Option<(Cause, &'static str)>,
}

impl Context {
    /// `None` where nothing failed.
    pub(super) fn of<P, Io>(io: &Io, ranges: &Ranges<P>, failed: Option<&Outcome>) -> Option<Self>
    where
        P: Address,
        Io: PacketIo<Read, P> + ?Sized,
    {
        let by_range = ranges.wanted.iter().find_map(|wanted| match wanted.place {
            Place::Refused(cause) => Some(cause),
            Place::Alone { failed, .. } => failed.map(|(_, cause)| cause),
            _ => None,
        });
        let cause = by_range.or_else(|| failed.and_then(Outcome::first_error))?;
        Some(Self {
            template: Error::new(cause, Read::VERB).identity(io.identity()),
            help: io.explain(cause).map(|help| (cause, help)),
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
        context: Option<Context>,
    ) -> Self {
        Self {
            ranges,
            outcome,
            context,
        }
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many requests were sent for them, those not counted that were tried once more.
    pub fn requests(&self) -> usize {
        self.ranges
            .requests
            .iter()
            .filter(|request| request.offset.is_some())
            .count()
    }

    /// The bytes of a range.
    ///
    /// # Errors
    /// Where not every byte could be read, with those before: `UnexpectedEof` at the end of the data, `OutOfMemory` where
    /// there is too little for it or [`Merge::memory`](super::Merge::memory) does not let it, `InvalidInput` where it ends
    /// before it begins.
    ///
    /// # Panics
    /// Where there is no range number `index`.
    pub fn get(&self, index: usize) -> Result<&[u8], RangeError<'_>> {
        let wanted = &self.ranges.wanted[index];
        let (good, cause) = match &wanted.place {
            Place::Empty => return Ok(&[]),
            Place::Exposed(exposed) => return Ok(exposed),
            Place::Refused(cause) => (&[][..], *cause),
            Place::Alone { at, failed: None } => return Ok(self.memory(*at, wanted.len)),
            Place::Alone {
                at,
                failed: Some((good, cause)),
            } => (self.memory(*at, *good), *cause),
            Place::Memory(at) => {
                let bytes = self.memory(*at, wanted.len);
                let outcome = self.outcome.as_ref();
                match outcome.and_then(|o| o.failure_within(*at..at + wanted.len)) {
                    None => return Ok(bytes),
                    Some(failed) => (&bytes[..failed.offset - at], failed.cause),
                }
            }
            Place::Unplanned | Place::Request(_) => {
                unreachable!("ranges that were read were placed")
            }
        };
        let context = self.context.as_ref().expect("something failed");
        let error = context.error(cause, wanted.start, wanted.len);
        Err(RangeError { good, error })
    }

    /// The results of all ranges, in the order in which these were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<&[u8], RangeError<'_>>> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// An empty list that keeps the memory, to be filled with the next ranges.
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

/// Why a range could not be read as a whole.
#[derive(Clone, Debug)]
pub struct RangeError<'a> {
    /// The bytes from its start that were read without a gap.
    pub good: &'a [u8],
    /// What failed.
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
