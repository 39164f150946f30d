//! Lent memory as a buffer.
//!
//! Invariants are those of [`scope`](super); in addition
//! 1. A `Lent` or `LentShared` outside a packet has the access of the reference it was made from.
#![allow(unsafe_code)]

use super::loans::Loans;
use crate::packet::{Buffer, ReadBuffer, WriteBuffer};
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// Memory that a [scope](super) lends, to read into or to write from.
pub struct Lent<'scope, 'env> {
    raw: RawLoan,
    /// Ties the loan to the scope; both invariant.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env mut [u8]>,
}

/// Shared memory that a [scope](super) lends, to write from.
pub struct LentShared<'scope, 'env> {
    raw: RawLoan,
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env [u8]>,
}

/// A pointer to lent memory, and the counter of loans.
#[derive(Debug)]
pub struct RawLoan {
    bytes: NonNull<[u8]>,
    loans: Arc<Loans>,
}

// SAFETY: it stands for `&mut [u8]` or `&[u8]`, both of which may be sent.
unsafe impl Send for RawLoan {}
// SAFETY: a shared reference to it gives shared reads of plain bytes at most.
unsafe impl Sync for RawLoan {}

impl<'env> Lent<'_, 'env> {
    pub(super) fn new(bytes: &'env mut [u8], loans: Arc<Loans>) -> Self {
        Self {
            raw: RawLoan {
                bytes: NonNull::from_mut(bytes),
                loans,
            },
            scope: PhantomData,
            env: PhantomData,
        }
    }

    /// Returns the memory, for the lifetime it was lent for.
    pub fn into_inner(self) -> &'env mut [u8] {
        let mut bytes = self.raw.bytes;
        // SAFETY: made from such a reference, which this has outside a packet (1) and gives up.
        unsafe { bytes.as_mut() }
    }
}

impl<'env> LentShared<'_, 'env> {
    pub(super) fn new(bytes: &'env [u8], loans: Arc<Loans>) -> Self {
        Self {
            raw: RawLoan {
                bytes: NonNull::from_ref(bytes),
                loans,
            },
            scope: PhantomData,
            env: PhantomData,
        }
    }

    /// Returns the memory, for the lifetime it was lent for.
    pub fn into_inner(self) -> &'env [u8] {
        // SAFETY: made from such a reference (1).
        unsafe { self.raw.bytes.as_ref() }
    }
}

impl Deref for Lent<'_, '_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: as exclusive as the reference that it was made from (1).
        unsafe { self.raw.bytes.as_ref() }
    }
}

impl DerefMut for Lent<'_, '_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { self.raw.bytes.as_mut() }
    }
}

impl Deref for LentShared<'_, '_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: as shared as the reference that it was made from (1).
        unsafe { self.raw.bytes.as_ref() }
    }
}

/// Implements the buffer traits: a loan is counted while it is part of a packet.
macro_rules! buffers {
    ($($name:ident),*) => {$(
        // SAFETY: the memory stays until the scope returns, which waits until the parts are turned
        // back (scope 1 to 3), even where `'scope` and `'env` are not known to live any more; the
        // parts are raw.
        unsafe impl Buffer for $name<'_, '_> {
            type Parts = RawLoan;

            fn into_parts(self) -> RawLoan {
                self.raw.loans.take();
                self.raw
            }

            unsafe fn from_parts(parts: RawLoan) -> Self {
                let lent = Self {
                    raw: parts,
                    scope: PhantomData,
                    env: PhantomData,
                };
                // From here on the scope may return, if this is the last one and does not belong to
                // a live `'scope`: it is then dropped without looking at the memory.
                lent.raw.loans.give_back();
                lent
            }

            unsafe fn region(parts: *mut RawLoan) -> (*mut u8, usize) {
                // SAFETY: the caller's pointer is valid.
                let bytes = unsafe { (*parts).bytes };
                (bytes.as_ptr().cast(), bytes.len())
            }
        }

        // SAFETY: plain memory, shared at least.
        unsafe impl WriteBuffer for $name<'_, '_> {}

        impl fmt::Debug for $name<'_, '_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("len", &self.raw.bytes.len()).finish()
            }
        }
    )*};
}
buffers!(Lent, LentShared);

// SAFETY: made from `&mut [u8]`; every `u8` is valid.
unsafe impl ReadBuffer for Lent<'_, '_> {}
