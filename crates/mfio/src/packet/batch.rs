//! [`Batch`]: many buffers with a position each, as one packet.
//!
//! Invariants are those of [`header`](super::header) and [`block`](super::block); in addition
//! 1. The block of a batch is a `Block<Items<B, P>>`. While views are in flight its vector is
//!    neither changed nor moved, so the parts in it, and regions within them, stay where they are;
//!    and it is only read through raw pointers to one item's position, offset and length, because
//!    buffers may lie within the parts.
//! 2. Offsets of items are the sums of the lengths before them.
#![allow(unsafe_code)]

mod ended;
mod items;
mod sends;
mod start;
#[cfg(all(test, not(mfio_loom)))]
mod tests;

use super::block::Packet;
use super::buffer::{Buffer, ReadBuffer};
use crate::io::Position;
use alloc::vec::Vec;
use core::fmt;
use core::mem::ManuallyDrop;
use items::{Drain, Item, Items};

pub use ended::EndedBatch;
pub(crate) use ended::InFlightBatch;
pub(crate) use sends::Sends;

/// Buffers with a position each, sent as one request: one packet, one future, one wake-up, an
/// outcome for each. Used again it allocates nothing.
///
/// The high level is [`read_batch`](crate::traits::IoRead::read_batch) and
/// [`write_batch`](crate::traits::IoWrite::write_batch).
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::packet::Batch;
/// use mfio::traits::IoRead;
///
/// let io = Memory::new((0..100).collect::<Vec<u8>>());
/// let mut batch = Batch::new();
/// batch.push(90, [0u8; 2]);
/// batch.push(5, [0u8; 2]);
/// batch.push(99, [0u8; 2]);
/// let ended = io.block_on(io.read_batch(batch));
/// assert_eq!(ended.batch.bytes(0), [90, 91]);
/// assert_eq!(ended.batch.bytes(1), [5, 6]);
/// let last = ended.outcome_of(2);
/// assert_eq!((last.good_prefix(), ended.batch.bytes(2)[0]), (1, 99));
/// assert!(!ended.outcome.is_success());
/// ```
pub struct Batch<B: Buffer, P: Position = u64> {
    packet: Packet<Items<B, P>>,
    total: usize,
    /// Offset in the outcome of the first buffer that has a capacity and no length.
    unfilled: Option<usize>,
}

impl<B: Buffer, P: Position> Batch<B, P> {
    /// Creates an empty batch. Allocates.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// Creates an empty batch with room for `items` buffers.
    pub fn with_capacity(items: usize) -> Self {
        Self {
            packet: Packet::new(Items(Vec::with_capacity(items))),
            total: 0,
            unfilled: None,
        }
    }

    fn items(&self) -> &Vec<Item<B, P>> {
        // SAFETY: the block is the packet's alone, which is borrowed.
        unsafe { &(*self.packet.parts()).0 }
    }

    fn items_mut(&mut self) -> &mut Vec<Item<B, P>> {
        // SAFETY: as above, exclusively.
        unsafe { &mut (*self.packet.parts()).0 }
    }

    /// Adds a buffer, to be transferred from or to `pos` on.
    ///
    /// # Panics
    /// If all buffers together have more than `usize::MAX` bytes, which takes the same static
    /// memory many times. The buffer is dropped, and the batch is unchanged.
    pub fn push(&mut self, pos: P, buffer: B) {
        let mut item = Item::<B, P> {
            pos,
            offset: self.total,
            len: 0,
            parts: ManuallyDrop::new(buffer.into_parts()),
        };
        item.len = item.region().1;
        let Some(total) = self.total.checked_add(item.len) else {
            drop(item.into_buffer());
            panic!("more bytes in a batch than can be counted");
        };
        if item.has_only_capacity() {
            self.unfilled.get_or_insert(item.offset);
        }
        self.items_mut().push(item);
        self.total = total;
    }

    /// Returns the number of buffers.
    pub fn len(&self) -> usize {
        self.items().len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items().is_empty()
    }

    /// Returns the length of all buffers together in bytes.
    pub fn total_bytes(&self) -> usize {
        self.total
    }

    /// Returns the position of a buffer.
    ///
    /// # Panics
    /// If there is no buffer number `index`.
    pub fn position(&self, index: usize) -> P {
        self.items()[index].pos
    }

    /// Returns the bytes of a buffer.
    ///
    /// # Panics
    /// If there is no buffer number `index`.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let item: *const Item<B, P> = &self.items()[index];
        // SAFETY: the parts are in place, and the bytes are not accessed, or only read: the batch
        // is borrowed and idle. The region is initialised (header 6).
        unsafe {
            let parts: *const ManuallyDrop<B::Parts> = &raw const (*item).parts;
            let (data, len) = B::region(parts.cast_mut().cast());
            core::slice::from_raw_parts(data, len)
        }
    }

    /// Returns the bytes of a buffer, to be changed.
    ///
    /// # Panics
    /// If there is no buffer number `index`.
    pub fn bytes_mut(&mut self, index: usize) -> &mut [u8]
    where
        B: ReadBuffer,
    {
        let (data, len) = self.items_mut()[index].region();
        // SAFETY: as in `bytes`; the batch is borrowed exclusively, and a `ReadBuffer` may be
        // written.
        unsafe { core::slice::from_raw_parts_mut(data, len) }
    }

    /// Changes the position of a buffer, for the next request.
    ///
    /// # Panics
    /// If there is no buffer number `index`.
    pub fn set_position(&mut self, index: usize, pos: P) {
        self.items_mut()[index].pos = pos;
    }

    /// Takes all buffers out, with their positions. The capacity is kept. Those that are left when
    /// the iterator is dropped are dropped too.
    pub fn drain(&mut self) -> impl ExactSizeIterator<Item = (P, B)> + '_ {
        (self.total, self.unfilled) = (0, None);
        Drain(self.items_mut().drain(..))
    }

    /// Returns the range of a buffer in the outcome.
    pub(crate) fn range(&self, index: usize) -> core::ops::Range<usize> {
        let item = &self.items()[index];
        item.offset..item.offset + item.len
    }
}

impl<B: Buffer, P: Position> Default for Batch<B, P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Buffer, P: Position> Extend<(P, B)> for Batch<B, P> {
    fn extend<T: IntoIterator<Item = (P, B)>>(&mut self, items: T) {
        items
            .into_iter()
            .for_each(|(pos, buffer)| self.push(pos, buffer));
    }
}

impl<B: Buffer, P: Position> FromIterator<(P, B)> for Batch<B, P> {
    fn from_iter<T: IntoIterator<Item = (P, B)>>(items: T) -> Self {
        let items = items.into_iter();
        let mut batch = Self::with_capacity(items.size_hint().0);
        batch.extend(items);
        batch
    }
}

impl<B: Buffer, P: Position> fmt::Debug for Batch<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("buffers", &self.len())
            .field("total_bytes", &self.total)
            .finish()
    }
}
