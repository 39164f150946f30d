//! Memory that an object exposes, as a buffer to write from.
#![allow(unsafe_code)]

use super::{Buffer, WriteBuffer};
use crate::io::Exposed;

// SAFETY: it points to memory outside itself that is never changed (2, 3: shared reads only) and
// that lives as long as it; its address and length never change (1).
unsafe impl Buffer for Exposed {
    type Parts = Exposed;

    fn into_parts(self) -> Exposed {
        self
    }

    unsafe fn from_parts(parts: Exposed) -> Self {
        parts
    }

    unsafe fn region(parts: *mut Exposed) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid, and shared access to an `Exposed` is all that is
        // ever made of it.
        let bytes: &[u8] = unsafe { &*parts };
        (bytes.as_ptr().cast_mut(), bytes.len())
    }
}
// SAFETY: plain memory that is never changed.
unsafe impl WriteBuffer for Exposed {}
