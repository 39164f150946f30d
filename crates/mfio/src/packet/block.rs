//! [`Packet`]: the heap block of a request while nothing is in flight.
//!
//! Invariants are those of [`header`](super::header); in addition
//! 1. A `Packet` means: COUNT is 0, the block is this packet's alone, and both waker places are
//!    empty.
//! 2. The block of a `Packet<B>` is a `Block<B>`, made by `Packet::new`. Of exactly this `B`: its
//!    functions were chosen when it was made, and buffers that are put into it later are turned
//!    back by them. So neither a packet nor a value that becomes one may be taken for that of a
//!    subtype or supertype.
#![allow(unsafe_code)]

use super::buffer::{Buffer, Exact, ReadBuffer};
use super::header::{Header, VTable};
use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

/// The head first, so that a pointer to the block is one to its head.
#[repr(C)]
struct Block<B: Buffer> {
    header: Header,
    parts: ManuallyDrop<B::Parts>,
}

impl<B: Buffer> Block<B> {
    /// The functions of a packet with a future.
    const VTABLE: VTable = VTable {
        free: free::<B>,
        relayed: no_relay,
        unwanted: |_| false,
    };
}

/// Panics: a packet with a future is no relay, so RELAY is never set.
unsafe fn no_relay(_: NonNull<Header>, _: bool) {
    unreachable!("a packet that was not sent as a relay ended as one")
}

/// Frees a block and drops its buffer, in this order: the drop may run code of the user.
///
/// # Safety
/// `header` heads a `Block<B>` that is the caller's alone, and is given up.
pub(super) unsafe fn free<B: Buffer>(header: NonNull<Header>) {
    // SAFETY: the caller's promise is passed on.
    drop(unsafe { take_apart::<B>(header) });
}

/// Frees a block without its parts, which were moved out, or which have nothing to drop.
///
/// # Safety
/// As for [`free`].
pub(super) unsafe fn free_block<B: Buffer>(header: NonNull<Header>) {
    // SAFETY: the block came from `Box::into_raw` of a `Block<B>` (invariant 2), and is the
    // caller's alone.
    drop(unsafe { Box::from_raw(header.cast::<Block<B>>().as_ptr()) });
}

/// Frees a block and gives its buffer back.
///
/// # Safety
/// As for [`free`].
unsafe fn take_apart<B: Buffer>(header: NonNull<Header>) -> B {
    // SAFETY: the block came from `Box::into_raw` of a `Block<B>` (invariant 2), and is the
    // caller's alone.
    let block = unsafe { Box::from_raw(header.cast::<Block<B>>().as_ptr()) };
    // SAFETY: the parts were made by `into_parts`, and the region is not used any more.
    unsafe { B::from_parts(ManuallyDrop::into_inner(block.parts)) }
}

/// A buffer in a heap block of its own, ready to be sent, again and again: one allocation for any
/// number of requests.
///
/// ```
/// use mfio::packet::Packet;
///
/// let mut packet = Packet::new(vec![0u8; 3]);
/// packet.buffer_mut().copy_from_slice(b"abc");
/// assert_eq!(packet.into_buffer(), b"abc");
/// ```
pub struct Packet<B: Buffer> {
    header: NonNull<Header>,
    /// Owns a buffer, and is invariant in its type (invariant 2).
    buffer: PhantomData<(B, Exact<B>)>,
}

// SAFETY: the block is the packet's alone (invariant 1), and its buffer is `Send` by its trait.
unsafe impl<B: Buffer> Send for Packet<B> {}
// SAFETY: `&Packet` gives shared reads of plain bytes only.
unsafe impl<B: Buffer> Sync for Packet<B> {}

impl<B: Buffer> Unpin for Packet<B> {}

impl<B: Buffer> Packet<B> {
    /// Puts a buffer into a new packet. Allocates.
    pub fn new(buffer: B) -> Self {
        // SAFETY: it is the one of such a block.
        unsafe { Self::with_vtable(buffer, &Block::<B>::VTABLE) }
    }

    /// Puts a buffer into a new packet of a kind of its own.
    ///
    /// # Safety
    /// The functions of `vtable` are for a `Block<B>`.
    pub(super) unsafe fn with_vtable(buffer: B, vtable: &'static VTable) -> Self {
        let raw = Box::into_raw(Box::new(Block::<B> {
            header: Header::new(core::ptr::null_mut(), 0, vtable),
            parts: ManuallyDrop::new(buffer.into_parts()),
        }));
        // SAFETY: `Box::into_raw` gives a pointer that is not null.
        let header = unsafe { NonNull::new_unchecked(raw) }.cast();
        let mut this = Self {
            header,
            buffer: PhantomData,
        };
        this.locate();
        this
    }

    /// Returns the length of the whole buffer in bytes, whatever length an operation was
    /// [started](Self::start_prefix) with.
    #[inline]
    pub fn len(&self) -> usize {
        self.region().1
    }

    /// Returns whether the buffer has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether the buffer has a capacity and no length.
    #[inline]
    pub(crate) fn has_only_capacity(&self) -> bool {
        // SAFETY: the parts were made by `into_parts` and are in place, and this packet is idle
        // (invariant 1).
        unsafe { B::has_only_capacity(self.parts()) }
    }

    /// Returns the bytes of the buffer.
    #[inline]
    pub fn buffer(&self) -> &[u8] {
        let (data, len) = self.region();
        // SAFETY: initialised and in place (header 6), and reached only through this packet
        // (invariant 1); a shared buffer is never written (its trait says so).
        unsafe { core::slice::from_raw_parts(data, len) }
    }

    /// Returns the bytes of the buffer, to be changed.
    #[inline]
    pub fn buffer_mut(&mut self) -> &mut [u8]
    where
        B: ReadBuffer,
    {
        let (data, len) = self.region();
        // SAFETY: as in `buffer`; `self` is borrowed exclusively, and a `ReadBuffer` may be
        // written.
        unsafe { core::slice::from_raw_parts_mut(data, len) }
    }

    /// Takes the buffer out and frees the packet.
    pub fn into_buffer(self) -> B {
        // SAFETY: the block is this packet's alone and of this kind (invariants 1, 2); the packet
        // is not dropped.
        unsafe { take_apart::<B>(self.into_raw()) }
    }

    /// Replaces the buffer. Returns the old one. Sends many owned buffers with one packet, without
    /// allocating.
    pub fn replace(&mut self, buffer: B) -> B {
        let new = ManuallyDrop::new(buffer.into_parts());
        // SAFETY: the block is this packet's alone (invariants 1, 2), so the parts may be moved out
        // and in.
        let old = unsafe { core::ptr::replace(self.parts().cast(), new) };
        self.locate();
        // SAFETY: these parts came from `into_parts`, and the packet has others now.
        unsafe { B::from_parts(ManuallyDrop::into_inner(old)) }
    }

    /// Turns the packet into a pointer to its block.
    #[inline]
    pub(super) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).header
    }

    /// Makes the packet of a block.
    ///
    /// # Safety
    /// `header` heads a block made for `B`, in the state of an idle packet (invariants 1 and 2),
    /// and is given up.
    #[inline]
    pub(super) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Self {
            header,
            buffer: PhantomData,
        }
    }

    /// Returns the address of a block's parts.
    ///
    /// # Safety
    /// `header` heads a live `Block<B>`.
    pub(super) unsafe fn parts_of(header: NonNull<Header>) -> *mut B::Parts {
        // SAFETY: the caller's promise; `ManuallyDrop` is transparent.
        unsafe { (&raw mut (*header.cast::<Block<B>>().as_ptr()).parts).cast() }
    }

    pub(super) fn parts(&self) -> *mut B::Parts {
        // SAFETY: the pointer is to a live `Block<B>` (invariant 2).
        unsafe { Self::parts_of(self.header) }
    }

    #[inline]
    fn region(&self) -> (*mut u8, usize) {
        // SAFETY: the parts were made by `into_parts` and are in place.
        unsafe { B::region(self.parts()) }
    }

    /// Stores the address and the length of the buffer in the header, after it was put in.
    pub(super) fn locate(&mut self) {
        let (data, len) = self.region();
        // SAFETY: the block is this packet's alone (header 3).
        unsafe {
            (*self.header.as_ptr()).data = data;
            (*self.header.as_ptr()).len = len;
        }
    }
}

impl<B: Buffer> Drop for Packet<B> {
    fn drop(&mut self) {
        // SAFETY: the block is this packet's alone and of this kind (invariants 1, 2), and not used
        // afterwards.
        unsafe { ((*self.header.as_ptr()).vtable.free)(self.header) }
    }
}

impl<B: Buffer> fmt::Debug for Packet<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet").field("len", &self.len()).finish()
    }
}
