//! What the initiator learns when the last view has ended.

use super::block::Packet;
use super::buffer::Buffer;
use super::failures::Ranges;
use crate::error::Cause;
use core::fmt;

/// A range of a packet that failed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedRange {
    /// Where it begins in the packet.
    pub offset: usize,
    /// How long it is. 0 only where the whole request was empty, and failed.
    pub len: usize,
    /// Why.
    pub cause: Cause,
}

impl FailedRange {
    /// Takes `other` in where it touches this range and failed for the same reason.
    pub(super) fn absorb(&mut self, other: FailedRange) -> bool {
        let touches =
            self.offset + self.len == other.offset || other.offset + other.len == self.offset;
        if !touches || self.cause != other.cause {
            return false;
        }
        self.offset = self.offset.min(other.offset);
        self.len += other.len;
        true
    }
}

/// Which ranges of a packet succeeded.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(super) len: usize,
    pub(super) failed: Ranges,
}

impl Outcome {
    /// The first `good` of `len` bytes succeeded, the others did not.
    pub(crate) fn prefix(len: usize, good: usize, cause: Cause) -> Self {
        let rest = FailedRange {
            offset: good,
            len: len - good,
            cause,
        };
        Self {
            len,
            failed: Ranges::One(rest),
        }
    }

    /// Every byte succeeded. A request without any bytes succeeded where none of its views failed.
    #[inline]
    pub fn is_success(&self) -> bool {
        matches!(self.failed, Ranges::None)
    }

    /// How many bytes the operation was about, failed ones included: the length of the first view, not how many bytes
    /// were moved (see [`good_prefix`](Self::good_prefix)), nor that of the buffer where a
    /// [prefix](Packet::start_prefix) was started.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "an outcome is no collection")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The failed ranges by offset; neighbours that failed for the same reason are one.
    pub fn failures(&self) -> impl ExactSizeIterator<Item = FailedRange> + '_ {
        self.failed.as_slice().iter().copied()
    }

    /// How many bytes from the start succeeded without a gap.
    #[inline]
    pub fn good_prefix(&self) -> usize {
        self.failed
            .as_slice()
            .first()
            .map_or(self.len, |r| r.offset)
    }

    /// The failure with the lowest offset.
    #[inline]
    pub fn first_error(&self) -> Option<Cause> {
        self.failed.as_slice().first().map(|r| r.cause)
    }
}

/// A packet that came back, and what became of it.
#[must_use]
pub struct Ended<B: Buffer> {
    /// The packet, to be used again or taken apart.
    pub packet: Packet<B>,
    /// Which ranges succeeded.
    pub outcome: Outcome,
}

impl<B: Buffer> Ended<B> {
    /// The buffer, and the first failure if there was one.
    pub fn into_buffer(self) -> (Result<(), Cause>, B) {
        let result = self.outcome.first_error().map_or(Ok(()), Err);
        (result, self.packet.into_buffer())
    }
}

impl<B: Buffer> fmt::Debug for Ended<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("packet", &self.packet)
            .field("outcome", &self.outcome)
            .finish()
    }
}
