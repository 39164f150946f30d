//! [`Ended`]: the output of an operation.

use super::block::Packet;
use super::buffer::Buffer;
use super::outcome::Outcome;
use crate::error::Cause;
use core::fmt;

/// A packet whose operation has ended, and the outcome.
#[must_use]
pub struct Ended<B: Buffer> {
    /// The packet, to be used again or taken apart.
    pub packet: Packet<B>,
    /// The result of the operation, range by range.
    pub outcome: Outcome,
}

impl<B: Buffer> Ended<B> {
    /// Returns the buffer, and the cause of the failure with the lowest offset, if there was one.
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
