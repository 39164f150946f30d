//! `bytes::Bytes` as a buffer to write from.
#![allow(unsafe_code)]

use super::{Buffer, WriteBuffer};
use bytes::Bytes;

// SAFETY: a `Bytes` points to memory outside itself that nobody changes (2, 3: shared reads only) and that lives as long
// as it; its address and length change only through its `&mut` methods, which nobody calls here (1).
unsafe impl Buffer for Bytes {
    type Parts = Bytes;

    fn into_parts(self) -> Bytes {
        self
    }

    unsafe fn from_parts(parts: Bytes) -> Self {
        parts
    }

    unsafe fn region(parts: *mut Bytes) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid, and shared access to a `Bytes` is all that is ever made of it.
        let bytes = unsafe { &*parts };
        (bytes.as_ptr().cast_mut(), bytes.len())
    }
}
// SAFETY: plain memory that nobody changes.
unsafe impl WriteBuffer for Bytes {}
