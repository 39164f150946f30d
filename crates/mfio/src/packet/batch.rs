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
mod sends;
#[cfg(all(test, not(mfio_loom)))]
mod tests;

use super::block::Packet;
use super::buffer::{Buffer, BufferFor, ReadBuffer};
use super::failures::FailedRange;
use super::in_flight::InFlight;
use super::state::State;
use crate::error::ErrorKind;
use crate::io::{Direction, Position};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

pub use ended::EndedBatch;
pub(crate) use ended::InFlightBatch;
pub(crate) use sends::Sends;
use sends::fail_at_start;

struct Item<B: Buffer, P> {
    pos: P,
    /// Offset in the outcome.
    offset: usize,
    len: usize,
    parts: ManuallyDrop<B::Parts>,
}

impl<B: Buffer, P> Item<B, P> {
    fn region(&mut self) -> (*mut u8, usize) {
        let parts: *mut ManuallyDrop<B::Parts> = &raw mut self.parts;
        // SAFETY: the parts were made by `into_parts` and are in place; `ManuallyDrop` is
        // transparent.
        unsafe { B::region(parts.cast()) }
    }

    /// Whether the buffer has a capacity and no length.
    fn has_only_capacity(&self) -> bool {
        let parts: *const ManuallyDrop<B::Parts> = &raw const self.parts;
        // SAFETY: as in `region`; an item without bytes has no region that could be used.
        self.len == 0 && unsafe { B::has_only_capacity(parts.cast()) }
    }

    fn into_buffer(self) -> (P, B) {
        // SAFETY: made by `into_parts`; a caller that has the item by value has the batch alone.
        (self.pos, unsafe {
            B::from_parts(ManuallyDrop::into_inner(self.parts))
        })
    }
}

/// The items of a batch. As a buffer it has no bytes.
pub(crate) struct Items<B: Buffer, P>(Vec<Item<B, P>>);

// SAFETY: the region is empty.
unsafe impl<B: Buffer, P: Position> Buffer for Items<B, P> {
    type Parts = ItemsParts<B, P>;

    fn into_parts(mut self) -> ItemsParts<B, P> {
        ItemsParts(core::mem::take(&mut self.0))
    }

    unsafe fn from_parts(parts: ItemsParts<B, P>) -> Self {
        Self(parts.0)
    }

    unsafe fn region(_: *mut ItemsParts<B, P>) -> (*mut u8, usize) {
        (NonNull::dangling().as_ptr(), 0)
    }
}

/// Parts of [`Items`].
pub(crate) struct ItemsParts<B: Buffer, P>(Vec<Item<B, P>>);

// SAFETY: buffers are `Send`, and their parts stand for them; positions are.
unsafe impl<B: Buffer, P: Send> Send for Items<B, P> {}

impl<B: Buffer, P> Drop for Items<B, P> {
    fn drop(&mut self) {
        drop(Drain(self.0.drain(..)));
    }
}

impl<B: Buffer, P> fmt::Debug for Items<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("len", &self.0.len()).finish()
    }
}

impl<B: Buffer, P> fmt::Debug for ItemsParts<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemsParts")
            .field("len", &self.0.len())
            .finish()
    }
}

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

    /// Starts the request: send the views to their positions, and await the future. With `segments`
    /// the future returns each range as it ends, see [`Packet::start_segments`].
    pub(crate) fn start<D: Direction>(
        self,
        segments: bool,
    ) -> (InFlightBatch<B, P, D>, Sends<B, P, D>)
    where
        B: BufferFor<D>,
    {
        self.start_up_to(State::MAX_VIEWS, segments)
    }

    /// Returns the ranges that fail before they are sent: the buffers from number `most` on, if
    /// there are more than views can be counted (on 32-bit systems), and reads into a capacity
    /// without a length.
    fn failed_at_start<D: Direction>(&self, most: usize) -> [Option<FailedRange>; 2] {
        let unfilled = self
            .unfilled
            .filter(|_| D::READS)
            .map(|offset| FailedRange {
                offset,
                len: 0,
                cause: ErrorKind::InvalidInput.into(),
            });
        let beyond = self.items().get(most).map(|item| FailedRange {
            offset: item.offset,
            len: self.total - item.offset,
            cause: ErrorKind::LimitReached.into(),
        });
        [unfilled, beyond]
    }

    fn start_up_to<D: Direction>(
        mut self,
        most: usize,
        segments: bool,
    ) -> (InFlightBatch<B, P, D>, Sends<B, P, D>)
    where
        B: BufferFor<D>,
    {
        let failed = self.failed_at_start::<D>(most);
        let (total, views) = (self.total, self.len().min(most));
        let unfilled = self.unfilled;
        let items = NonNull::from_mut(self.items_mut().as_mut_slice()).cast();
        let header = self.packet.into_raw();
        // SAFETY: the block was the packet's alone; its units of COUNT go to `Sends`, the
        // initiator's part to the future.
        let in_flight = unsafe {
            let stale = (*header.as_ptr()).side.lock().segments.clear();
            drop(stale);
            (*header.as_ptr()).len = total;
            (*header.as_ptr()).state.start_many(views, segments);
            if failed != [None, None] {
                fail_at_start(header, failed);
            }
            InFlight::new(header)
        };
        let sends = Sends {
            header,
            items,
            next: 0,
            views,
            direction: PhantomData,
        };
        let batch = InFlightBatch {
            in_flight,
            total,
            unfilled,
        };
        (batch, sends)
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

/// An iterator over the buffers taken out of a batch. An item by itself does not drop its buffer.
struct Drain<'a, B: Buffer, P>(alloc::vec::Drain<'a, Item<B, P>>);

impl<B: Buffer, P> Iterator for Drain<'_, B, P> {
    type Item = (P, B);

    fn next(&mut self) -> Option<(P, B)> {
        self.0.next().map(Item::into_buffer)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<B: Buffer, P> ExactSizeIterator for Drain<'_, B, P> {}

impl<B: Buffer, P> Drop for Drain<'_, B, P> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
