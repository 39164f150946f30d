//! [`Cache`]: blocks of an object kept in memory.

mod below;
mod fetch;
mod set;

use crate::blocks;
use crate::forward::{forward, forward_backend};
use crate::route::{addressable, within_space};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use fetch::{Fetch, Through};
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{Address, PacketIo, Read, Write};
use mfio::lock::Lock;
use mfio::packet::{AlignedBuf, RelayPool, View};
use set::{Set, WAYS, Waiting};

/// How large a block can be.
const BLOCKS: core::ops::RangeInclusive<usize> = 2..=1 << 30;

/// How many blocks on their way, and writes, are prepared for without allocating.
const IN_FLIGHT: usize = 256;

/// Keeps blocks of an object in memory: up to a number of bytes, those that were used most lately.
///
/// * A read is answered from blocks that are there, and copied once. For others one fetch goes below, of a whole block,
///   however many requests wait for it. It is one request for each block, so that the block is also what the object below
///   is asked for at a time. Where every place that a block may have is being filled, requests go below as they are.
/// * An object that is read in whole blocks only, into aligned memory ([`PacketIo::alignment`]), is read so, whatever reads
///   come. That takes a block here that is one there, or several.
/// * Writes go through, uncopied, and what they touched is forgotten when they end: the next read fetches it. A fetch that
///   was on its way meanwhile is still good for those who had asked before the write ended, but is not kept. (The bytes of
///   the write are not put into blocks: of two writes at the same time only the object below knows which one came last.)
/// * What failed is not kept. Of a block that was not read whole only those bytes fail that did. Of the last block, in
///   which the data ends, the bytes that are there are kept; for those behind the object below is asked each time, because
///   data may grow.
/// * The block that was not used for the longest time goes first, among those that could be in the same place: 8 where the
///   number of blocks is a power of two, 5 to 8 otherwise. Runs of neighbouring blocks fill all places alike.
///
/// Whoever changes the object below otherwise says so to [`invalidate`](Self::invalidate).
///
/// An object whose bytes come in order, wherever they are asked for (a socket, a terminal), gives each once: nothing of it is
/// kept, and reads go below as they are.
///
/// The memory of a block is allocated when it is first needed, aligned to 512 or its size, or to more where the object below
/// asks for it, and used again. A table of
/// about 50 bytes for each block is there from the beginning.
///
/// Driving it drives the object below.
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
    core: Arc<Core>,
}

/// Without the object below: fetches that it has keep this, and must not keep it.
struct Core {
    sets: Box<[Lock<Set>]>,
    /// The size of a block is two to this power.
    shift: u32,
    blocks: usize,
    fetches: RelayPool<AlignedBuf, Fetch>,
    writes: RelayPool<View<Write>, Through>,
    /// Empty lists to wait in.
    spares: Lock<Vec<Vec<Waiting>>>,
}

/// What came of the requests so far, counted by block: a request that touches three blocks counts three times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Answered from memory.
    pub hits: u64,
    /// Fetched from the object below.
    pub misses: u64,
    /// Answered by a fetch that was on its way already.
    #[doc(alias = "joined")]
    pub coalesced: u64,
    /// Sent below as they were: behind the end of the data, or where no place was free.
    #[doc(alias = "around")]
    pub bypassed: u64,
    /// Blocks that had to go to make room.
    pub evictions: u64,
}

impl<Io> Cache<Io> {
    /// Keeps at most `capacity` bytes of `inner`, in blocks of `block` bytes. `P` is the type of its positions: to be named
    /// (`Cache::new::<u64>`) only where it has several.
    ///
    /// # Errors
    /// `InvalidInput` where `block` is not a power of two from 2 to 2^30, or less than a block that the object asks for
    /// ([`alignment`](PacketIo::alignment)), or where `capacity` does not hold one block; `OutOfMemory`.
    pub fn new<P: Address>(inner: Io, capacity: usize, block: usize) -> Result<Self>
    where
        Io: PacketIo<Read, P>,
    {
        if !block.is_power_of_two() || !BLOCKS.contains(&block) || capacity < block {
            return Err(Error::new(ErrorKind::InvalidInput, "making a cache").help(
                "a block is a power of two, from 2 bytes to 1 GiB, and one must fit the capacity",
            ));
        }
        let aligned = blocks::is_edge(block as u64, inner.alignment());
        let help = "the object takes whole blocks only (`PacketIo::alignment`): a block of the cache must be one, or several";
        blocks::check(aligned, "making a cache", help)?;
        let blocks = capacity / block;
        // A power of two, so that a set is found without a division.
        let sets = blocks.div_ceil(WAYS).next_power_of_two();
        let ways = |set| blocks / sets + usize::from(set < blocks % sets);
        let mut table = Vec::new();
        if table.try_reserve_exact(sets).is_err() {
            let error = Error::new(ErrorKind::OutOfMemory, "making a cache");
            return Err(error.help("the table of its blocks takes about 50 bytes for each"));
        }
        table.extend((0..sets).map(|set| Lock::new(Set::new(ways(set)))));
        Ok(Self {
            inner,
            core: Arc::new(Core {
                sets: table.into_boxed_slice(),
                shift: block.trailing_zeros(),
                blocks,
                fetches: RelayPool::new(IN_FLIGHT),
                writes: RelayPool::new(IN_FLIGHT),
                spares: Lock::new(Vec::new()),
            }),
        })
    }

    /// The object below. What is written to it directly must be [invalidated](Self::invalidate).
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    /// Gives the object back. What is kept is forgotten; requests that are on their way end as they would.
    pub fn into_inner(self) -> Io {
        self.inner
    }

    /// How many bytes a block has.
    pub fn block(&self) -> usize {
        1 << self.core.shift
    }

    /// How many bytes are kept at most.
    pub fn capacity(&self) -> usize {
        self.core.blocks << self.core.shift
    }

    /// How many blocks are kept now.
    pub fn ready(&self) -> usize {
        self.core.sets.iter().map(|set| set.lock().ready()).sum()
    }

    /// What came of the requests so far.
    pub fn stats(&self) -> CacheStats {
        let mut all = CacheStats::default();
        for set in &self.core.sets {
            let set = set.lock().counts;
            all.hits += set.hits;
            all.misses += set.misses;
            all.coalesced += set.coalesced;
            all.bypassed += set.bypassed;
            all.evictions += set.evictions;
        }
        all
    }

    /// Forgets the blocks of these addresses, because the object below was changed there. Requests that begin after it get
    /// what is there then.
    #[doc(alias = "forget")]
    pub fn invalidate(&self, addresses: Range<u64>) {
        let len = addresses.end.saturating_sub(addresses.start);
        self.core.invalidate(addresses.start, len);
    }
}

impl Core {
    fn block(&self) -> usize {
        1 << self.shift
    }

    /// Which set a block belongs to. Neighbours are in different ones; what lies further apart by a power of two is, too.
    #[inline]
    fn set_of(&self, number: u64) -> usize {
        let mask = self.sets.len() as u64 - 1;
        let above = number >> mask.count_ones().min(63);
        let spread = above.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        (number.wrapping_add(spread) & mask) as usize
    }

    fn invalidate(&self, at: u64, len: u64) {
        let Some(more) = len.checked_sub(1) else {
            return;
        };
        let (first, last) = (at >> self.shift, at.saturating_add(more) >> self.shift);
        if last - first >= self.sets.len() as u64 {
            self.sets
                .iter()
                .for_each(|set| set.lock().invalidate(first, last));
        } else {
            (first..=last).for_each(|number| {
                self.sets[self.set_of(number)]
                    .lock()
                    .invalidate(number, number);
            });
        }
    }

    /// Ends the views of a list, and keeps the list.
    fn end(&self, mut waiting: Vec<Waiting>, each: impl FnMut(Waiting)) {
        waiting.drain(..).for_each(each);
        let mut spares = self.spares.lock();
        if spares.len() < IN_FLIGHT {
            spares.push(waiting);
        }
    }
}

/// A blocking write on its way: what it touches is forgotten at its end, a panic included.
struct Touched<'a> {
    core: &'a Core,
    at: u64,
    len: u64,
}

impl Drop for Touched<'_> {
    fn drop(&mut self) {
        self.core.invalidate(self.at, self.len);
    }
}

impl<Io> Cache<Io> {
    #[inline]
    fn copy(&self, at: u64, into: &mut [u8]) -> Option<usize> {
        let core = &*self.core;
        let number = at >> core.shift;
        let within = at as usize & (core.block() - 1);
        let len = into.len().min(core.block() - within);
        core.sets[core.set_of(number)]
            .lock()
            .copy(number, within, &mut into[..len])
    }
}

impl<P, Io> PacketIo<Read, P> for Cache<Io>
where
    P: Address,
    Io: PacketIo<Read, P>,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<Read>) {
        let mut at = pos.to_u64();
        let mut view = within_space::<P, Read>(at, view);
        let mut copied = 0;
        while copied < view.len() {
            let place = at + copied as u64;
            if let Some(len) = self.copy(place, &mut view.bytes_mut()[copied..]) {
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
            if self.inner.alignment().is_in_order() {
                return self.pass_on::<P>(place, missing);
            }
            let wanted = self.block() - (place as usize & (self.block() - 1));
            if wanted >= missing.len() {
                return self.miss::<P>(place, missing);
            }
            let (part, rest) = missing.split_at(wanted);
            self.miss::<P>(place, part);
            (at, copied, view) = (place + wanted as u64, 0, rest);
        }
        view.done();
    }

    /// Answers what is there; `None` where the first byte is not.
    #[inline]
    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &mut [u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        let at = pos.to_u64();
        // Behind the last address of `P` there is nothing, whatever the cache has there or at address 0.
        let room = addressable::<P>(at, bytes.len());
        let mut copied = 0;
        while copied < room {
            match self.copy(at + copied as u64, &mut bytes[copied..room]) {
                Some(len) => copied += len,
                None => break,
            }
        }
        (copied > 0 || bytes.is_empty()).then_some(Ok(copied))
    }

    forward!(PacketIo<Read, P> for Io, inner: pool, identity, explain, appends_at, locate);
}

impl<P, Io> PacketIo<Write, P> for Cache<Io>
where
    P: Address,
    Io: PacketIo<Write, P>,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<Write>) {
        let state = Through {
            core: Some(self.core.clone()),
            at: pos.to_u64(),
        };
        let relay = self.core.writes.relay(view, state);
        self.inner.send_io(pos, relay.send());
    }

    fn transfer_blocking(
        &self,
        pos: P,
        bytes: &[u8],
    ) -> Option<core::result::Result<usize, Cause>> {
        let touched = Touched {
            core: &self.core,
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

    forward!(PacketIo<Write, P> for Io, inner: pool, identity, explain, alignment, appends_at, locate);
}

forward_backend!([Io] Cache<Io>, Io, |layer| &layer.inner);

impl<Io> fmt::Debug for Cache<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("block", &self.block())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

crate::forward::forward_len!([Io] Cache<Io>, Io, |layer| &layer.inner);
