//! `bytes::Bytes` as a buffer to write from, `bytes::BytesMut` as one for both directions.
#![allow(unsafe_code)]

use super::{Buffer, ReadBuffer, WriteBuffer};
use bytes::{Bytes, BytesMut};

// SAFETY: a `Bytes` points to memory outside itself that is never changed (2, 3: shared reads only)
// and that lives as long as it; its address and length change only through its `&mut` methods,
// which are not called here (1).
unsafe impl Buffer for Bytes {
    type Parts = Bytes;

    fn into_parts(self) -> Bytes {
        self
    }

    unsafe fn from_parts(parts: Bytes) -> Self {
        parts
    }

    unsafe fn region(parts: *mut Bytes) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid, and shared access to a `Bytes` is all that is ever
        // made of it.
        let bytes = unsafe { &*parts };
        (bytes.as_ptr().cast_mut(), bytes.len())
    }
}
// SAFETY: plain memory that is never changed.
unsafe impl WriteBuffer for Bytes {}

/// Parts of a `BytesMut`: itself, and the address of its bytes.
///
/// The address is taken once: to ask for it again makes a reference to all the bytes, which views
/// may be using.
#[derive(Debug)]
pub struct BytesMutParts {
    ptr: *mut u8,
    bytes: BytesMut,
}

// SAFETY: a `BytesMut` is a raw pointer to memory outside itself, of which it has its own `len`
// initialised bytes alone, others that share the allocation have other ones (3); they stay where
// they are until one of its `&mut` methods is called, which does not happen before it is made again
// (2); `region` only copies (1).
unsafe impl Buffer for BytesMut {
    type Parts = BytesMutParts;

    fn into_parts(mut self) -> BytesMutParts {
        let ptr = self.as_mut().as_mut_ptr();
        BytesMutParts { ptr, bytes: self }
    }

    unsafe fn from_parts(parts: BytesMutParts) -> Self {
        parts.bytes
    }

    unsafe fn region(parts: *mut BytesMutParts) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid. `len` reads a field of the `BytesMut`, and none of
        // its bytes.
        unsafe { ((*parts).ptr, (*parts).bytes.len()) }
    }

    unsafe fn has_only_capacity(parts: *const BytesMutParts) -> bool {
        // SAFETY: the caller's pointer is valid, and the bytes are not used.
        let bytes = unsafe { &(*parts).bytes };
        bytes.is_empty() && bytes.capacity() != 0
    }
}
// SAFETY: the pointer came from exclusive access to all the bytes; every `u8` is valid.
unsafe impl ReadBuffer for BytesMut {}
// SAFETY: plain memory.
unsafe impl WriteBuffer for BytesMut {}
