//! [`Buffer`], the memory of a packet, and its implementations.
//!
//! A packet keeps a buffer as *parts*, from which the buffer can be made again. As long as the
//! parts exist there is no `Box`, `Vec` or `&mut` of the memory that the language could assume to
//! be unique; all access goes through the packet.
#![allow(unsafe_code)]

mod aligned;
#[cfg(feature = "bytes")]
mod bytes;
mod exposed;
mod recallable;
mod view;

use crate::io::{Direction, Read, Write};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;

pub use aligned::AlignedBuf;
pub use recallable::{Recallable, Recalled};

/// Memory that a packet can own: a fixed number of initialised bytes at an address that does not
/// change.
///
/// Implemented for `Vec<u8>` (its length, not its capacity), `Box<[u8]>`, `[u8; N]`, [`Value`],
/// [`AlignedBuf`], `&'static [u8]`, `&'static mut [u8]`, with the feature `bytes` for
/// `bytes::Bytes` (to write from) and `bytes::BytesMut` (its length, not its capacity), for memory
/// that an object [exposes](crate::io::Exposed) or a [scope](crate::scope) lends, and for a
/// [`View`](super::View) of another packet, so that a layer can take a request over without
/// copying. Any of these may be a [`Recallable`].
///
/// # Safety
/// For parts made by [`into_parts`](Buffer::into_parts), as long as they are neither moved nor
/// turned back:
/// 1. [`region`](Buffer::region) returns the same pointer and length each time, and does not panic.
/// 2. The bytes of the region are initialised, and stay allocated at that address, even if a
///    lifetime in `Self` has ended meanwhile.
/// 3. These bytes are accessed only through the pointer that `region` returned (shared reads
///    excepted for a type that is only a [`WriteBuffer`]), and the parts contain nothing that
///    claims unique access to them.
///
/// The parts may be moved while the region is not in use; the region may have moved with them then.
pub unsafe trait Buffer: Send + Sized {
    /// The form of the buffer inside a packet. It is never dropped, only turned back.
    type Parts;

    /// Takes the buffer apart.
    fn into_parts(self) -> Self::Parts;

    /// Makes the buffer again.
    ///
    /// # Safety
    /// `parts` came from [`into_parts`](Buffer::into_parts), and the region is not used any more.
    unsafe fn from_parts(parts: Self::Parts) -> Self;

    /// Returns the address and the length of the bytes, which may be inside `parts` itself.
    ///
    /// # Safety
    /// `parts` points to parts that came from [`into_parts`](Buffer::into_parts).
    unsafe fn region(parts: *mut Self::Parts) -> (*mut u8, usize);

    /// Returns whether the buffer has a capacity but no length, like `Vec::with_capacity`. Reads
    /// fill the length, so they reject such a buffer instead of reading nothing into it.
    ///
    /// # Safety
    /// As for [`region`](Buffer::region), while the region is not used.
    unsafe fn has_only_capacity(parts: *const Self::Parts) -> bool {
        let _ = parts;
        false
    }

    /// Returns whether the operation on the buffer is not wanted any more, a hint: `true` for a
    /// [`View`](super::View) that is abandoned, and for a [`Recallable`] that was recalled.
    ///
    /// # Safety
    /// As for [`region`](Buffer::region); may be called concurrently.
    unsafe fn is_unwanted(parts: *const Self::Parts) -> bool {
        let _ = parts;
        false
    }
}

/// A buffer whose bytes may be overwritten with any values, for reads.
///
/// # Safety
/// The region may be written through its pointer, and any bytes make a valid buffer.
pub unsafe trait ReadBuffer: Buffer {}

/// A buffer whose bytes may be read, for writes.
///
/// # Safety
/// The region may be read through its pointer, on any thread.
pub unsafe trait WriteBuffer: Buffer {}

/// Makes a type invariant in `B`: its lifetimes are neither shortened nor stretched.
pub(in crate::packet) type Exact<B> = fn(B) -> B;

mod sealed {
    use super::{Direction, Read, ReadBuffer, Write, WriteBuffer};

    pub trait Suits<D: Direction> {}
    impl<B: ReadBuffer> Suits<Read> for B {}
    impl<B: WriteBuffer> Suits<Write> for B {}
}

/// A buffer fit for the direction `D`: a [`ReadBuffer`] for [`Read`], a [`WriteBuffer`] for
/// [`Write`].
///
/// Sealed: `unsafe` code relies on it, so that only those two traits, which are unsafe to
/// implement, imply it.
pub trait BufferFor<D: Direction>: Buffer + sealed::Suits<D> {}
impl<B: ReadBuffer> BufferFor<Read> for B {}
impl<B: WriteBuffer> BufferFor<Write> for B {}

/// A plain value as a buffer; it lives inside the packet.
///
/// ```
/// use mfio::packet::{Packet, Value};
///
/// let packet = Packet::new(Value(0x0102_0304_u32.to_be()));
/// assert_eq!(packet.buffer(), [1, 2, 3, 4]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Value<T: bytemuck::Pod>(pub T);

/// Parts of a `Vec<u8>`.
#[derive(Debug)]
pub struct VecParts {
    ptr: *mut u8,
    len: usize,
    capacity: usize,
}

// SAFETY: the parts are raw (3); the heap memory of a vector stays where it is until the vector is
// made again (2); the first `len` bytes are initialised; `region` only copies fields (1).
unsafe impl Buffer for Vec<u8> {
    type Parts = VecParts;

    fn into_parts(self) -> VecParts {
        let mut this = ManuallyDrop::new(self);
        VecParts {
            ptr: this.as_mut_ptr(),
            len: this.len(),
            capacity: this.capacity(),
        }
    }

    unsafe fn from_parts(parts: VecParts) -> Self {
        // SAFETY: the three came from one vector that was not dropped; the caller gives back its
        // only claim.
        unsafe { Vec::from_raw_parts(parts.ptr, parts.len, parts.capacity) }
    }

    unsafe fn region(parts: *mut VecParts) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid.
        unsafe { ((*parts).ptr, (*parts).len) }
    }

    unsafe fn has_only_capacity(parts: *const VecParts) -> bool {
        // SAFETY: the caller's pointer is valid.
        unsafe { (*parts).len == 0 && (*parts).capacity != 0 }
    }
}
// SAFETY: the pointer came from `as_mut_ptr`; every `u8` is valid.
unsafe impl ReadBuffer for Vec<u8> {}
// SAFETY: plain memory.
unsafe impl WriteBuffer for Vec<u8> {}

// SAFETY: as for `Vec`: the parts are a raw pointer from `Box::into_raw`.
unsafe impl Buffer for Box<[u8]> {
    type Parts = *mut [u8];

    fn into_parts(self) -> *mut [u8] {
        Box::into_raw(self)
    }

    unsafe fn from_parts(parts: *mut [u8]) -> Self {
        // SAFETY: it came from `Box::into_raw`; the caller gives back the only claim.
        unsafe { Box::from_raw(parts) }
    }

    unsafe fn region(parts: *mut *mut [u8]) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid.
        let raw = unsafe { *parts };
        (raw.cast(), raw.len())
    }
}
// SAFETY: plain memory, owned; every `u8` is valid.
unsafe impl ReadBuffer for Box<[u8]> {}
// SAFETY: plain memory.
unsafe impl WriteBuffer for Box<[u8]> {}

// SAFETY: the bytes are the parts themselves, which hold no claim (3) and stay where they are (2).
unsafe impl<const N: usize> Buffer for [u8; N] {
    type Parts = [u8; N];

    fn into_parts(self) -> [u8; N] {
        self
    }

    unsafe fn from_parts(parts: [u8; N]) -> Self {
        parts
    }

    unsafe fn region(parts: *mut [u8; N]) -> (*mut u8, usize) {
        (parts.cast(), N)
    }
}
// SAFETY: plain memory; every `u8` is valid.
unsafe impl<const N: usize> ReadBuffer for [u8; N] {}
// SAFETY: plain memory.
unsafe impl<const N: usize> WriteBuffer for [u8; N] {}

// SAFETY: as for arrays; `Pod` has no padding, so all its bytes are initialised.
unsafe impl<T: bytemuck::Pod + Send> Buffer for Value<T> {
    type Parts = T;

    fn into_parts(self) -> T {
        self.0
    }

    unsafe fn from_parts(parts: T) -> Self {
        Value(parts)
    }

    unsafe fn region(parts: *mut T) -> (*mut u8, usize) {
        (parts.cast(), size_of::<T>())
    }
}
// SAFETY: `Pod` is valid for any bytes.
unsafe impl<T: bytemuck::Pod + Send> ReadBuffer for Value<T> {}
// SAFETY: `Pod` has no padding and no interior mutability.
unsafe impl<T: bytemuck::Pod + Send> WriteBuffer for Value<T> {}

// SAFETY: static memory stays (2); the parts are raw (3).
unsafe impl Buffer for &'static [u8] {
    type Parts = *const [u8];

    fn into_parts(self) -> *const [u8] {
        self
    }

    unsafe fn from_parts(parts: *const [u8]) -> Self {
        // SAFETY: it came from a static reference.
        unsafe { &*parts }
    }

    unsafe fn region(parts: *mut *const [u8]) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid.
        let raw = unsafe { *parts };
        (raw.cast_mut().cast(), raw.len())
    }
}
// SAFETY: plain memory that is never changed.
unsafe impl WriteBuffer for &'static [u8] {}

// SAFETY: static memory stays (2); the reference was given up for the raw pointer, so that there is
// no other claim (3).
unsafe impl Buffer for &'static mut [u8] {
    type Parts = *mut [u8];

    fn into_parts(self) -> *mut [u8] {
        self
    }

    unsafe fn from_parts(parts: *mut [u8]) -> Self {
        // SAFETY: it came from the only reference; the caller gives back the only claim.
        unsafe { &mut *parts }
    }

    unsafe fn region(parts: *mut *mut [u8]) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid.
        let raw = unsafe { *parts };
        (raw.cast(), raw.len())
    }
}
// SAFETY: plain memory; every `u8` is valid.
unsafe impl ReadBuffer for &'static mut [u8] {}
// SAFETY: plain memory.
unsafe impl WriteBuffer for &'static mut [u8] {}
