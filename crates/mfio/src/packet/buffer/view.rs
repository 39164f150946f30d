//! A [`View`] as a buffer: the packet that has it works with the memory of the packet that it is a
//! view of.
#![allow(unsafe_code)]

use super::{Buffer, ReadBuffer, WriteBuffer};
use crate::io::{Direction, Read, Write};
use crate::packet::View;

// SAFETY: a view's range stays where it is, initialised, until the view ends (view 2, header 6),
// which does not happen while it is parts (2); it belongs to the view alone, or is only read (3),
// and the parts reach it by a raw pointer that does not change (1).
unsafe impl<D: Direction> Buffer for View<D> {
    type Parts = Self;

    #[inline]
    fn into_parts(self) -> Self {
        self
    }

    #[inline]
    unsafe fn from_parts(parts: Self) -> Self {
        parts
    }

    #[inline]
    unsafe fn region(parts: *mut Self) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid.
        unsafe { (*parts).region() }
    }

    unsafe fn is_unwanted(parts: *const Self) -> bool {
        // SAFETY: the caller's pointer is valid, and `View` is `Sync`.
        unsafe { (*parts).is_abandoned() }
    }
}
// SAFETY: a view to be read into may be written through its pointer; every `u8` is valid.
unsafe impl ReadBuffer for View<Read> {}
// SAFETY: its bytes are initialised and this view's alone.
unsafe impl WriteBuffer for View<Read> {}
// SAFETY: plain memory that is not written to meanwhile (header 3).
unsafe impl WriteBuffer for View<Write> {}
