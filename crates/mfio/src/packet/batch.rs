//! [`Batch`]: many buffers with a position each, as one packet.
//!
//! Invariants are those of [`header`](super::header) and [`block`](super::block); in addition
//! 1. The block of a batch is a `Block<Items<B, P>>`. While views are in flight its vector is neither changed nor moved, so
//!    the parts in it, and regions within them, stay where they are; and it is only read through raw pointers to one item's
//!    position, offset and length, because buffers may lie within the parts.
//! 2. Offsets of items are the sums of the lengths before them.
#![allow(unsafe_code)]

mod sends;

use super::block::Packet;
use super::buffer::{Buffer, BufferFor, ReadBuffer};
use super::in_flight::InFlight;
use super::outcome::{Ended, Outcome};
use crate::error::Cause;
use crate::io::{Direction, Position};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

pub(crate) use sends::Sends;

struct Item<B: Buffer, P> {
    pos: P,
    /// Where it begins in the outcome.
    offset: usize,
    len: usize,
    parts: ManuallyDrop<B::Parts>,
}

impl<B: Buffer, P> Item<B, P> {
    fn region(&mut self) -> (*mut u8, usize) {
        let parts: *mut ManuallyDrop<B::Parts> = &raw mut self.parts;
        // SAFETY: the parts were made by `into_parts` and are in place; `ManuallyDrop` is transparent.
        unsafe { B::region(parts.cast()) }
    }

    fn into_buffer(self) -> (P, B) {
        // SAFETY: made by `into_parts`; whoever has the item by value has the batch alone.
        (self.pos, unsafe {
            B::from_parts(ManuallyDrop::into_inner(self.parts))
        })
    }
}

/// What is in the packet of a batch: as a buffer of its own it has no bytes.
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

/// Buffers with a position each, sent as one request: one packet, one future, one wake-up, an outcome for each. Used again
/// it allocates nothing.
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
}

impl<B: Buffer, P: Position> Batch<B, P> {
    /// An empty batch. Allocates.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty batch with room for `items` buffers.
    pub fn with_capacity(items: usize) -> Self {
        Self {
            packet: Packet::new(Items(Vec::with_capacity(items))),
            total: 0,
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

    /// Adds a buffer, to be read from, or written to, `pos` and the following.
    ///
    /// # Panics
    /// Where all buffers together have more bytes than can be counted, which takes the same static memory many times. The
    /// buffer is dropped, and the batch is as it was.
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
        self.items_mut().push(item);
        self.total = total;
    }

    /// How many buffers there are.
    pub fn len(&self) -> usize {
        self.items().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items().is_empty()
    }

    /// How many bytes all buffers have together.
    pub fn total_bytes(&self) -> usize {
        self.total
    }

    /// The position of a buffer.
    ///
    /// # Panics
    /// Where there is no buffer number `index`.
    pub fn position(&self, index: usize) -> P {
        self.items()[index].pos
    }

    /// The bytes of a buffer.
    ///
    /// # Panics
    /// Where there is no buffer number `index`.
    pub fn bytes(&self, index: usize) -> &[u8] {
        let item: *const Item<B, P> = &self.items()[index];
        // SAFETY: the parts are in place, and nobody else reaches the bytes, or all only read them: the batch is borrowed
        // and idle. The region is initialised (header 6).
        unsafe {
            let parts: *const ManuallyDrop<B::Parts> = &raw const (*item).parts;
            let (data, len) = B::region(parts.cast_mut().cast());
            core::slice::from_raw_parts(data, len)
        }
    }

    /// The bytes of a buffer, to be changed.
    ///
    /// # Panics
    /// Where there is no buffer number `index`.
    pub fn bytes_mut(&mut self, index: usize) -> &mut [u8]
    where
        B: ReadBuffer,
    {
        let (data, len) = self.items_mut()[index].region();
        // SAFETY: as in `bytes`; the batch is borrowed exclusively, and a `ReadBuffer` may be written.
        unsafe { core::slice::from_raw_parts_mut(data, len) }
    }

    /// Changes the position of a buffer: the next request is about another place.
    ///
    /// # Panics
    /// Where there is no buffer number `index`.
    pub fn set_position(&mut self, index: usize, pos: P) {
        self.items_mut()[index].pos = pos;
    }

    /// Takes all buffers out, with their positions. Room for as many is kept. Those that are left when the iterator is dropped
    /// are dropped too.
    pub fn drain(&mut self) -> impl ExactSizeIterator<Item = (P, B)> + '_ {
        self.total = 0;
        Drain(self.items_mut().drain(..))
    }

    /// Where in the outcome a buffer is.
    pub(crate) fn range(&self, index: usize) -> core::ops::Range<usize> {
        let item = &self.items()[index];
        item.offset..item.offset + item.len
    }

    /// Starts the request: the views are to be sent to their positions, the future awaited. With `segments` the initiator
    /// hears of each range, see [`Packet::start_segments`].
    pub(crate) fn start<D: Direction>(
        mut self,
        segments: bool,
    ) -> (InFlightBatch<B, P, D>, Sends<B, P, D>)
    where
        B: BufferFor<D>,
    {
        let (total, views) = (self.total, self.len());
        let items = NonNull::from_mut(self.items_mut().as_mut_slice()).cast();
        let header = self.packet.into_raw();
        // SAFETY: the block was the packet's alone; its units of COUNT go to `Sends`, the initiator's side to the future.
        let in_flight = unsafe {
            let stale = (*header.as_ptr()).side.lock().segments.clear();
            drop(stale);
            (*header.as_ptr()).len = total;
            (*header.as_ptr()).state.start_many(views, segments);
            InFlight::new(header)
        };
        let sends = Sends {
            header,
            items,
            next: 0,
            views,
            direction: PhantomData,
        };
        (InFlightBatch { in_flight, total }, sends)
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

/// The buffers of a batch, taken out. An item by itself does not drop its buffer.
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

/// A batch on its way.
#[derive(Debug)]
pub(crate) struct InFlightBatch<B: Buffer, P: Position, D: Direction> {
    pub(crate) in_flight: InFlight<Items<B, P>, D>,
    total: usize,
}

impl<B: Buffer, P: Position, D: Direction> InFlightBatch<B, P, D> {
    pub(crate) fn ended(&self, ended: Ended<Items<B, P>>) -> EndedBatch<B, P> {
        EndedBatch {
            batch: Batch {
                packet: ended.packet,
                total: self.total,
            },
            outcome: ended.outcome,
        }
    }
}

/// A batch that came back, and what became of it.
#[must_use]
#[derive(Debug)]
pub struct EndedBatch<B: Buffer, P: Position = u64> {
    /// The batch, to be used again or taken apart.
    pub batch: Batch<B, P>,
    /// Which ranges succeeded, as if the buffers lay one behind the other.
    pub outcome: Outcome,
}

impl<B: Buffer, P: Position> EndedBatch<B, P> {
    /// What became of one buffer, with offsets within it. A buffer without bytes succeeds.
    ///
    /// # Panics
    /// Where there is no buffer number `index`.
    pub fn outcome_of(&self, index: usize) -> Outcome {
        self.outcome.part(self.batch.range(index))
    }

    /// The first failure of each buffer, in order; one without bytes succeeds. Takes time by the number of buffers and of failures.
    pub fn results(&self) -> impl Iterator<Item = Result<(), Cause>> + '_ {
        let mut failures = self.outcome.failures().peekable();
        (0..self.batch.len()).map(move |index| {
            let range = self.batch.range(index);
            while failures
                .next_if(|f| f.offset + f.len <= range.start)
                .is_some()
            {}
            match failures.peek() {
                Some(failed) if failed.offset < range.end && !range.is_empty() => Err(failed.cause),
                _ => Ok(()),
            }
        })
    }
}
