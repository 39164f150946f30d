//! [`Cache`]: blocks of an object kept in memory.

mod control;
mod fetch;
mod miss;
mod set;
mod shared;

use crate::alignment;
use crate::forward::{forward_backend, forward_len};
use crate::route::{addressable, within_space};
use crate::sent;
use alloc::sync::Arc;
use core::fmt;
use core::ops::{Range, RangeInclusive};
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{Address, Alignment, IoObject, Operation, PacketIo, Read, Write};
use mfio::packet::View;
use shared::{CacheShared, WriteThrough};

/// The sizes that a block can have, in bytes.
const BLOCKS: RangeInclusive<usize> = 2..=1 << 30;

/// Keeps the most recently used blocks of an object in memory, up to a number of bytes.
///
/// * A hit is copied once. A miss fetches the whole block in one request, and later reads of that
///   block wait for the same fetch. So the block is also the size of requests to the object. Where
///   every way of a set is being filled, reads bypass the cache.
/// * An object that takes aligned requests only ([`IoObject::alignment`]) is read in whole blocks
///   into aligned memory, however its readers ask. A block of the cache must be one of the object's
///   blocks, or several.
/// * Writes go through uncopied, and invalidate the blocks that they touch when they end. A fetch
///   that was under way at that time still serves the reads that wait for it, but is not kept.
///   Blocks are not updated by writes: of two concurrent writes only the object knows the order.
/// * Failures are not kept. Of a block that was read in part only the bytes that failed fail. Of
///   the last block, within which the data ends, the bytes that exist are kept; reads behind them
///   ask the object each time, as the data may grow.
/// * The least recently used block of a set is evicted. A set has 8 ways where the number of blocks
///   is a power of two, and 5 to 8 otherwise. Runs of neighbouring blocks fill all sets evenly.
///
/// A program that changes the object in another way calls [`invalidate`](Self::invalidate).
///
/// Of an object whose bytes come in order (a socket, a terminal) nothing is kept, because it gives
/// each byte once: reads go below as they are.
///
/// The memory of a block is allocated at its first use, aligned to 512 bytes or its size, or to
/// more where the object asks for it, and reused. The table of blocks is allocated at the
/// beginning, and takes about 50 bytes for each.
///
/// The backend of the object drives the cache too.
///
/// # Control operations
/// All are passed on, and their short cuts too. Those that change bytes invalidate the blocks that
/// they touch, before they are sent and again when they end, also where they fail. So a read that
/// begins after the end sees what the object has, and a fetch that was under way is not kept.
/// After a flush that failed, the object may have dropped bytes that were written.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll` | none: nothing is written back. A failure invalidates all blocks |
/// | `Discard`, `WriteZeroes` | invalidates the blocks of the range |
/// | `SetLen` | invalidates the block of the new end, all behind it, and all fetches under way |
/// | `Allocate`, `Shutdown` | none |
/// | `Len`, `Extents` | none: the answer is not kept |
/// | `Prefetch` | none: the object reads ahead, and the cache fetches what is read |
/// | not supported by the object | as above, but a flush invalidates nothing |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{IoRead, IoWrite};
/// use mfio_layers::Cache;
///
/// let io = Cache::new(Memory::new(vec![7; 10_000]), 1 << 20, 4096)?;
/// io.block_on(async {
///     assert_eq!(io.read_value_at::<[u8; 2]>(4095).await?, [7, 7]);
///     assert_eq!(io.read_value_at::<[u8; 2]>(4093).await?, [7, 7]);
///     io.write_value_at(&8u8, 0).await?;
///     assert_eq!(io.read_value_at::<[u8; 2]>(0).await?, [8, 7]);
///     Ok::<_, mfio::error::Error>(())
/// })?;
/// let stats = io.stats();
/// assert_eq!((stats.hits, stats.misses), (1, 3));
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Cache<Io> {
    inner: Io,
    shared: Arc<CacheShared>,
}

/// Counts of a [`Cache`], by block: a request that touches three blocks counts three times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Reads that were answered from memory.
    pub hits: u64,
    /// Fetches from the object.
    pub misses: u64,
    /// Reads that waited for a fetch of another one.
    #[doc(alias = "joined")]
    pub coalesced: u64,
    /// Reads that were forwarded as they were: behind the end of the data, or where every way of
    /// the set was being filled.
    #[doc(alias = "around")]
    pub bypassed: u64,
    /// Blocks that were dropped to make room for others.
    pub evictions: u64,
}

impl<Io> Cache<Io> {
    /// Keeps at most `capacity` bytes of `inner`, in blocks of `block` bytes.
    ///
    /// # Errors
    /// `InvalidInput` where `block` is not a power of two from 2 to 2^30, or less than a block that
    /// the object asks for ([`alignment`](IoObject::alignment)), or where `capacity` does not hold
    /// one block; `OutOfMemory`.
    pub fn new(inner: Io, capacity: usize, block: usize) -> Result<Self>
    where
        Io: IoObject,
    {
        if !block.is_power_of_two() || !BLOCKS.contains(&block) || capacity < block {
            return Err(Error::new(ErrorKind::InvalidInput, "making a cache").help(
                "a block is a power of two, from 2 bytes to 1 GiB, and one must fit the capacity",
            ));
        }
        let aligned = alignment::is_edge(block as u64, inner.alignment(Operation::Read));
        let help = "the object takes whole blocks only (`IoObject::alignment`): a block of the \
                    cache must be one, or several";
        alignment::check(aligned, "making a cache", help)?;
        let shared = Arc::new(CacheShared::new(capacity, block)?);
        Ok(Self { inner, shared })
    }

    /// Returns the object. After a write to it, [invalidate](Self::invalidate) its range.
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    /// Returns the object, and drops what is cached. Requests under way end as usual.
    pub fn into_inner(self) -> Io {
        self.inner
    }

    /// Returns the size of a block in bytes.
    pub fn block(&self) -> usize {
        self.shared.block()
    }

    /// Returns how many bytes are kept at most.
    pub fn capacity(&self) -> usize {
        self.shared.blocks << self.shared.shift
    }

    /// Returns how many blocks are cached now.
    pub fn ready(&self) -> usize {
        self.shared.sets.iter().map(|set| set.lock().ready()).sum()
    }

    /// Returns the counts since the cache was created.
    pub fn stats(&self) -> CacheStats {
        let mut all = CacheStats::default();
        for set in &self.shared.sets {
            let counts = set.lock().counts;
            all.hits += counts.hits;
            all.misses += counts.misses;
            all.coalesced += counts.coalesced;
            all.bypassed += counts.bypassed;
            all.evictions += counts.evictions;
        }
        all
    }

    /// Drops the blocks of these addresses, because the object was changed there. Reads that begin
    /// afterwards ask the object.
    #[doc(alias = "forget")]
    pub fn invalidate(&self, addresses: Range<u64>) {
        let len = addresses.end.saturating_sub(addresses.start);
        self.shared.invalidate(addresses.start, len);
    }
}

/// A blocking write that is under way: the blocks that it touches are invalidated at its end, or
/// when it panics.
struct Touched<'a> {
    shared: &'a CacheShared,
    at: u64,
    len: u64,
}

impl Drop for Touched<'_> {
    fn drop(&mut self) {
        self.shared.invalidate(self.at, self.len);
    }
}

impl<Io: IoObject> IoObject for Cache<Io> {
    #[inline]
    fn below(&self) -> Option<&dyn IoObject> {
        Some(&self.inner)
    }

    /// Returns the alignment of the object for writes, and none for reads.
    fn alignment(&self, operation: Operation) -> Alignment {
        match operation {
            Operation::Read => Alignment::NONE,
            _ => self.inner.alignment(operation),
        }
    }
}

impl<P, Io> PacketIo<Read, P> for Cache<Io>
where
    P: Address,
    Io: PacketIo<Read, P>,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<Read>) {
        let Self { inner, shared } = self;
        let mut at = pos.to_u64();
        let mut view = within_space::<P, Read>(at, view);
        let mut copied = 0;
        while copied < view.len() {
            let place = at + copied as u64;
            if let Some(len) = shared.copy(place, &mut view.bytes_mut()[copied..]) {
                copied += len;
                continue;
            }
            let missing = if copied == 0 {
                view
            } else {
                let (there, missing) = view.split_at(copied);
                there.done();
                missing
            };
            if inner.alignment(Operation::Read).is_in_order() {
                return miss::forward::<P, Io>(inner, place, missing);
            }
            let wanted = shared.block() - (place as usize & (shared.block() - 1));
            if wanted >= missing.len() {
                return shared.miss::<P, Io>(inner, place, missing);
            }
            let (part, rest) = missing.split_at(wanted);
            shared.miss::<P, Io>(inner, place, part);
            (at, copied, view) = (place + wanted as u64, 0, rest);
        }
        view.done();
    }

    /// Copies what is cached; `None` where the first byte is not.
    #[inline]
    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &mut [u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        let at = pos.to_u64();
        // Not beyond the last address of `P`, where the cache may have bytes for wider types.
        let room = addressable::<P>(at, bytes.len());
        let mut copied = 0;
        while copied < room {
            match self
                .shared
                .copy(at + copied as u64, &mut bytes[copied..room])
            {
                Some(len) => copied += len,
                None => break,
            }
        }
        (copied > 0 || bytes.is_empty()).then_some(Ok(copied))
    }
}

impl<P, Io> PacketIo<Write, P> for Cache<Io>
where
    P: Address,
    Io: PacketIo<Write, P>,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<Write>) {
        let at = pos.to_u64();
        let relay = sent::relay(&self.shared, view, WriteThrough { at });
        self.inner.send_io(pos, relay.start());
    }

    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &[u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        let touched = Touched {
            shared: &self.shared,
            at: pos.to_u64(),
            len: bytes.len() as u64,
        };
        let result = self.inner.transfer_blocking(pos, bytes);
        match result {
            Some(_) => drop(touched),
            // Nothing was tried.
            None => core::mem::forget(touched),
        }
        result
    }
}

forward_backend!([Io] Cache<Io>, Io, |layer| &layer.inner);
forward_len!([Io] Cache<Io>, Io, |layer| &layer.inner);

impl<Io> fmt::Debug for Cache<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("block", &self.block())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
