//! The buffer of one direction of a cursor: one packet, used again and again.

use crate::error::Cause;
use crate::packet::{AlignedBuf, Packet};

/// The largest size of a buffer of a cursor, unless given to `with_capacity`: 64 KiB, which drivers
/// transfer inline.
pub const CAPACITY: usize = 65_536;

/// Smallest buffer in bytes: smaller ones are not worth the second allocation.
const LEAST: usize = 512;

/// The idle packet, if there is one, and the limit of its size.
#[derive(Debug)]
pub(super) struct Store {
    idle: Option<Packet<AlignedBuf>>,
    limit: usize,
}

impl Store {
    /// Creates a store for packets of at most `limit` bytes, or of one byte if that is zero.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            idle: None,
            limit: limit.max(1),
        }
    }

    /// Returns how many of `want` bytes a packet takes.
    pub(super) fn clip(&self, want: usize) -> usize {
        want.min(self.limit)
    }

    /// Takes a packet for `len` bytes, which were [clipped](Self::clip). Allocates if that is more
    /// than ever before.
    pub(super) fn take(&mut self, len: usize) -> Result<Packet<AlignedBuf>, Cause> {
        match self.idle.take_if(|packet| packet.len() >= len) {
            Some(packet) => Ok(packet),
            None => self.allocate(len),
        }
    }

    #[cold]
    fn allocate(&self, len: usize) -> Result<Packet<AlignedBuf>, Cause> {
        let len = len.max(LEAST).checked_next_power_of_two().unwrap_or(len);
        let memory = AlignedBuf::try_with_alignment(len.min(self.limit), 4096)?;
        Ok(Packet::new(memory))
    }

    /// Keeps a packet for the next time.
    pub(super) fn put(&mut self, packet: Packet<AlignedBuf>) {
        self.idle = Some(packet);
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_requested_size_only() {
        let mut store = Store::new(3000);
        for (want, len) in [
            (1, 512),
            (600, 1024),
            (10, 1024),
            (5000, 3000),
            (3000, 3000),
        ] {
            let packet = store.take(store.clip(want)).unwrap();
            assert_eq!(packet.len(), len, "for {want}");
            store.put(packet);
        }
        assert_eq!(Store::new(0).clip(7), 1);
        let cause = Store::new(usize::MAX).take(usize::MAX).unwrap_err();
        assert_eq!(cause.kind(), crate::error::ErrorKind::InvalidInput);
    }
}
