//! [`Frozen`]: immutable bytes as an object.

use super::clip::clip;
use crate::backend::{DynBackend, IoBackend, SharedBackend};
use crate::error::{Cause, ErrorKind, Result};
use crate::io::{Exposed, Identity, IoObject, PacketIo, Read};
use crate::packet::{PacketPool, PoolLimits, View};
use crate::traits::HasLen;
use alloc::vec::Vec;
use core::fmt;
use core::future::{self, Ready};

/// Immutable bytes as an object to read from: a static slice, an `Arc<[u8]>` or, with the feature
/// `bytes`, a `Bytes`.
///
/// Requests complete within [`send_io`](PacketIo::send_io), without a lock, so every future is
/// ready at its first poll. Calls that need no buffer of their own (`read_with_at`, `forward`) copy
/// nothing, because the memory is [exposed](PacketIo::expose).
///
/// It implements [`IoBackend`] for the blocking calls; its backend never has work.
///
/// ```
/// use mfio::memory::Frozen;
/// use mfio::traits::{BlockingIo, IoRead};
///
/// let io = Frozen::new(&b"hello, world"[..]);
/// assert_eq!(io.blocking().read_value_at::<[u8; 5]>(7)?, *b"world");
///
/// let mut sum = 0u32;
/// let add = |bytes: &[u8]| sum += bytes.iter().map(|&b| u32::from(b)).sum::<u32>();
/// io.blocking().read_with_at(0, 5, add)?;
/// assert_eq!(sum, 532);
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Frozen {
    bytes: Exposed,
    backend: SharedBackend,
    pool: PacketPool,
}

impl Frozen {
    /// Creates an object with these contents. Copies nothing.
    pub fn new(bytes: impl Into<Exposed>) -> Self {
        Self {
            bytes: bytes.into(),
            backend: SharedBackend::builder(future::pending())
                .on_signal_only()
                .build(),
            pool: PacketPool::new(PoolLimits::default()),
        }
    }

    /// Returns the contents. Copies nothing.
    pub fn bytes(&self) -> &Exposed {
        &self.bytes
    }

    /// Returns the length, in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl From<Vec<u8>> for Frozen {
    /// Copies the bytes once, into shared memory.
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(alloc::sync::Arc::<[u8]>::from(bytes))
    }
}

impl IoObject for Frozen {
    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        Some(&self.pool)
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            object: None,
            driver: Some("frozen memory"),
        }
    }
}

impl PacketIo<Read> for Frozen {
    #[inline]
    fn send_io(&self, pos: u64, mut view: View<Read>) {
        let from = clip(self.bytes.len(), pos, view.len());
        let good = from.len();
        view.bytes_mut()[..good].copy_from_slice(&self.bytes[from]);
        view.done_prefix(good, ErrorKind::UnexpectedEof);
    }

    fn expose(&self, pos: u64, len: usize) -> Option<Exposed> {
        let range = clip(self.bytes.len(), pos, len);
        (!range.is_empty()).then(|| self.bytes.slice(range))
    }

    fn transfer_blocking(&self, pos: u64, into: &mut [u8]) -> Option<Result<usize, Cause>> {
        let from = clip(self.bytes.len(), pos, into.len());
        let good = from.len();
        into[..good].copy_from_slice(&self.bytes[from]);
        Some(Ok(good))
    }
}

impl HasLen for Frozen {
    type Len = Ready<Result<u64>>;

    fn io_len(&self) -> Self::Len {
        future::ready(Ok(self.len() as u64))
    }
}

impl IoBackend for Frozen {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frozen")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;
    use crate::packet::Packet;

    #[test]
    fn requests_end_where_they_are_sent_and_know_the_end_of_the_data() {
        let io = Frozen::new(&b"0123456789"[..]);
        for (pos, good) in [(0, 4), (7, 3), (10, 0), (u64::MAX, 0)] {
            let (in_flight, view) = Packet::new([0; 4]).start::<Read>();
            io.send_io(pos, view);
            let ended = in_flight.try_end().expect("it ended inline");
            assert_eq!(ended.outcome.good_prefix(), good);
            let exposed = io.expose(pos, 4).map_or(0, |bytes| bytes.len());
            assert_eq!(exposed, good);
        }
        assert!(io.expose(0, 0).is_none());
    }
}
