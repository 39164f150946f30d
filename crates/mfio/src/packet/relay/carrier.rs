//! The contents of a relay's packet: a buffer and a state, or neither.
//!
//! Invariants
//! 1. The parts of a [`Carrier`] have a buffer and a state if `state` is `Some`, and neither if it
//!    is `None`. In a [`Relay`](super::Relay), and while views are in flight, they have both; in
//!    the free list of a pool, neither.
//! 2. While views are in flight the parts are only read, and of them only the buffer's.
#![allow(unsafe_code)]

use crate::packet::buffer::{Buffer, ReadBuffer, WriteBuffer};
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// The contents of a relay's packet: a buffer and the layer's state.
pub(super) struct Carrier<B, S> {
    pub(super) buffer: B,
    pub(super) state: S,
}

/// Parts of a [`Carrier`], possibly empty: see invariant 1.
pub(super) struct CarrierParts<B: Buffer, S> {
    pub(super) buffer: MaybeUninit<B::Parts>,
    pub(super) state: Option<S>,
}

impl<B: Buffer, S> CarrierParts<B, S> {
    pub(super) const EMPTY: Self = Self {
        buffer: MaybeUninit::uninit(),
        state: None,
    };

    /// Makes the carrier again.
    ///
    /// # Safety
    /// The region of the buffer is not used any more.
    ///
    /// # Panics
    /// If the parts are empty.
    #[inline]
    pub(super) unsafe fn fill(self) -> Carrier<B, S> {
        let state = self.state.expect("a carrier that is turned back is full");
        Carrier {
            // SAFETY: there is a state, so there is a buffer (invariant 1); the caller's promise.
            buffer: unsafe { B::from_parts(self.buffer.assume_init()) },
            state,
        }
    }
}

// SAFETY: the parts of a buffer keep the contract, as they are moved, used and turned back as its
// own packet would do; without a buffer the region is empty.
unsafe impl<B: Buffer, S: Send> Buffer for Carrier<B, S> {
    type Parts = CarrierParts<B, S>;

    fn into_parts(self) -> Self::Parts {
        CarrierParts {
            buffer: MaybeUninit::new(self.buffer.into_parts()),
            state: Some(self.state),
        }
    }

    unsafe fn from_parts(parts: Self::Parts) -> Self {
        // SAFETY: the caller's promise is passed on.
        unsafe { parts.fill() }
    }

    unsafe fn region(parts: *mut Self::Parts) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid; if there is a state there is a buffer (invariant
        // 1).
        unsafe {
            match (*parts).state {
                Some(_) => B::region((&raw mut (*parts).buffer).cast()),
                None => (NonNull::dangling().as_ptr(), 0),
            }
        }
    }

    unsafe fn has_only_capacity(parts: *const Self::Parts) -> bool {
        // SAFETY: as in `region`.
        unsafe {
            (*parts).state.is_some() && B::has_only_capacity((&raw const (*parts).buffer).cast())
        }
    }
}
// SAFETY: the region is the buffer's.
unsafe impl<B: ReadBuffer, S: Send> ReadBuffer for Carrier<B, S> {}
// SAFETY: the region is the buffer's.
unsafe impl<B: WriteBuffer, S: Send> WriteBuffer for Carrier<B, S> {}
