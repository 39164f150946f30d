//! [`Sends`]: the views of a batch, to be sent.
//!
//! Invariants are those of [`batch`](super).
#![allow(unsafe_code)]

use super::items::Item;
use crate::io::{Direction, Position};
use crate::packet::View;
use crate::packet::buffer::Buffer;
use crate::packet::header::Header;
use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

/// An iterator over the views of a batch, each with its position. Those that are left when it is
/// dropped fail.
pub(crate) struct Sends<B: Buffer, P: Position, D: Direction> {
    pub(super) header: NonNull<Header>,
    /// The first item.
    pub(super) items: NonNull<Item<B, P>>,
    pub(super) next: usize,
    pub(super) views: usize,
    pub(super) direction: PhantomData<D>,
}

// SAFETY: it stands for views that are still to be made (one unit of COUNT each), and views are
// `Send`; it reads positions, which are `Send` and `Sync`, of items that do not change (invariant
// 1).
unsafe impl<B: Buffer, P: Position, D: Direction> Send for Sends<B, P, D> {}
// SAFETY: as above, and `&Sends` only looks at the next item.
unsafe impl<B: Buffer, P: Position, D: Direction> Sync for Sends<B, P, D> {}

impl<B: Buffer, P: Position, D: Direction> Sends<B, P, D> {
    fn item(&self) -> Option<*mut Item<B, P>> {
        // SAFETY: `next` is one of the items. The block lives as long as units are left (header 2),
        // and with it the vector.
        (self.next < self.views).then(|| unsafe { self.items.as_ptr().add(self.next) })
    }

    /// Returns the length of the next view in bytes.
    pub(crate) fn next_len(&self) -> Option<usize> {
        // SAFETY: lengths do not change meanwhile (invariant 1).
        self.item().map(|item| unsafe { (*item).len })
    }
}

impl<B: Buffer, P: Position, D: Direction> Iterator for Sends<B, P, D> {
    type Item = (P, View<D>);

    #[inline]
    fn next(&mut self) -> Option<(P, View<D>)> {
        let item = self.item()?;
        self.next += 1;
        // SAFETY: one of the units that this has left goes to the view. The item's memory is this
        // view's alone, and no view of it was made before; the parts are in place, not referenced,
        // and made by `into_parts` (invariant 1).
        unsafe {
            let parts: *mut ManuallyDrop<B::Parts> = &raw mut (*item).parts;
            let (data, _) = B::region(parts.cast());
            let view = View::new(self.header, data, (*item).offset, (*item).len);
            Some(((*item).pos, view))
        }
    }
}

impl<B: Buffer, P: Position, D: Direction> FusedIterator for Sends<B, P, D> {}

impl<B: Buffer, P: Position, D: Direction> Drop for Sends<B, P, D> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl<B: Buffer, P: Position, D: Direction> fmt::Debug for Sends<B, P, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sends")
            .field("left", &(self.views - self.next))
            .finish_non_exhaustive()
    }
}
