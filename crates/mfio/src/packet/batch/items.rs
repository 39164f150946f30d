//! [`Items`]: the buffers of a batch with their positions.
//!
//! Invariants are those of [`batch`](super).
#![allow(unsafe_code)]

use crate::io::Position;
use crate::packet::buffer::Buffer;
use alloc::vec::Vec;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

/// A buffer taken apart, and its place in the batch. By itself it does not drop its buffer.
pub(super) struct Item<B: Buffer, P> {
    pub(super) pos: P,
    /// Offset in the outcome.
    pub(super) offset: usize,
    pub(super) len: usize,
    pub(super) parts: ManuallyDrop<B::Parts>,
}

impl<B: Buffer, P> Item<B, P> {
    pub(super) fn region(&mut self) -> (*mut u8, usize) {
        let parts: *mut ManuallyDrop<B::Parts> = &raw mut self.parts;
        // SAFETY: the parts were made by `into_parts` and are in place; `ManuallyDrop` is
        // transparent.
        unsafe { B::region(parts.cast()) }
    }

    /// Whether the buffer has a capacity and no length.
    pub(super) fn has_only_capacity(&self) -> bool {
        let parts: *const ManuallyDrop<B::Parts> = &raw const self.parts;
        // SAFETY: as in `region`; an item without bytes has no region that could be used.
        self.len == 0 && unsafe { B::has_only_capacity(parts.cast()) }
    }

    pub(super) fn into_buffer(self) -> (P, B) {
        // SAFETY: made by `into_parts`; a caller that has the item by value has the batch alone.
        (self.pos, unsafe {
            B::from_parts(ManuallyDrop::into_inner(self.parts))
        })
    }
}

/// The items of a batch. As a buffer it has no bytes.
pub(crate) struct Items<B: Buffer, P>(pub(super) Vec<Item<B, P>>);

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
pub(crate) struct ItemsParts<B: Buffer, P>(pub(super) Vec<Item<B, P>>);

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

/// An iterator over the buffers taken out of a batch. Drops those that are left.
pub(super) struct Drain<'a, B: Buffer, P>(pub(super) alloc::vec::Drain<'a, Item<B, P>>);

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
