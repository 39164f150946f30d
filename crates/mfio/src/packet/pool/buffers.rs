//! The buffers of pooled packets: [`PoolBuf`] owns memory, [`BorrowedBuf`] borrows that of a
//! blocked caller.
#![allow(unsafe_code)]

use crate::error::Cause;
use crate::packet::buffer::{AlignedBuf, Buffer, ReadBuffer, WriteBuffer};
use core::ptr::NonNull;

/// Small values, aligned for any of them.
#[derive(Debug)]
#[repr(C, align(16))]
struct Inline([u8; PoolBuf::SMALL]);

/// Memory of one of the pool's sizes: inside the packet if small, otherwise on the heap.
#[derive(Debug)]
pub(crate) struct PoolBuf {
    heap: Option<AlignedBuf>,
    inline: Inline,
}

impl PoolBuf {
    pub(super) const SMALL: usize = 64;
    pub(super) const PAGE: usize = 4096;
    pub(super) const LARGE: usize = 65_536;

    /// Returns the size of the buffer for `len` bytes.
    pub(super) fn size_for(len: usize) -> usize {
        [Self::SMALL, Self::PAGE, Self::LARGE]
            .into_iter()
            .find(|&size| len <= size)
            .unwrap_or(len)
    }

    /// Allocates a buffer of a size that [`size_for`](Self::size_for) returned.
    #[cold]
    pub(super) fn new(size: usize) -> Result<Self, Cause> {
        let heap = match size {
            Self::SMALL => None,
            _ => Some(AlignedBuf::try_with_alignment(size, Self::PAGE)?),
        };
        Ok(Self {
            heap,
            inline: Inline([0; Self::SMALL]),
        })
    }

    /// Allocates memory with a larger alignment than that of the pool's buffers.
    #[cold]
    pub(super) fn aligned(len: usize, align: usize) -> Result<Self, Cause> {
        Ok(Self {
            heap: Some(AlignedBuf::try_with_alignment(len, align)?),
            inline: Inline([0; Self::SMALL]),
        })
    }
}

// SAFETY: the parts are plain memory and a raw pointer and claim nothing (3); the bytes are in the
// parts themselves or on the heap, initialised, and stay (2); nothing here changes (1).
unsafe impl Buffer for PoolBuf {
    type Parts = Self;

    fn into_parts(self) -> Self {
        self
    }

    unsafe fn from_parts(parts: Self) -> Self {
        parts
    }

    unsafe fn region(parts: *mut Self) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid. The inline bytes are not referenced, as views may
        // be using them.
        unsafe {
            match &(*parts).heap {
                Some(heap) => AlignedBuf::region(core::ptr::from_ref(heap).cast_mut()),
                None => ((&raw mut (*parts).inline).cast(), Self::SMALL),
            }
        }
    }
}
// SAFETY: owned plain memory; every `u8` is valid.
unsafe impl ReadBuffer for PoolBuf {}
// SAFETY: plain memory.
unsafe impl WriteBuffer for PoolBuf {}

/// Memory of a caller, borrowed by the packet while the caller blocks.
#[derive(Debug)]
pub(crate) struct BorrowedBuf {
    data: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is the caller's by exclusive borrow (or shared, to be read only) and plain.
unsafe impl Send for BorrowedBuf {}

impl BorrowedBuf {
    /// Returns a buffer without memory.
    pub(crate) fn empty() -> Self {
        Self {
            data: NonNull::dangling(),
            len: 0,
        }
    }

    /// Borrows `len` bytes at `data`.
    ///
    /// # Safety
    /// They are initialised plain memory that stays in place. Until every view of the packet with
    /// this buffer has ended, no other code touches them, or it only reads them, if the packet is
    /// only written from.
    pub(crate) unsafe fn new(data: NonNull<u8>, len: usize) -> Self {
        Self { data, len }
    }
}

// SAFETY: by the contract of `BorrowedBuf::new`; the parts are raw.
unsafe impl Buffer for BorrowedBuf {
    type Parts = Self;

    fn into_parts(self) -> Self {
        self
    }

    unsafe fn from_parts(parts: Self) -> Self {
        parts
    }

    unsafe fn region(parts: *mut Self) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid.
        unsafe { ((*parts).data.as_ptr(), (*parts).len) }
    }
}
// SAFETY: by the contract of `BorrowedBuf::new`, the caller reads into memory that it has
// exclusively.
unsafe impl ReadBuffer for BorrowedBuf {}
// SAFETY: plain memory.
unsafe impl WriteBuffer for BorrowedBuf {}
