//! The buffers of pooled packets: [`PoolBuf`] has memory of its own, [`Loan`] has memory of a blocked caller.
#![allow(unsafe_code)]

use crate::error::Cause;
use crate::packet::buffer::{AlignedBuf, Buffer, ReadBuffer, WriteBuffer};
use core::ptr::NonNull;

/// Small values, aligned for any of them.
#[derive(Debug)]
#[repr(C, align(16))]
struct Inline([u8; PoolBuf::SMALL]);

/// Memory of one of the pool's sizes: inside the packet where small, else on the heap.
#[derive(Debug)]
pub(crate) struct PoolBuf {
    heap: Option<AlignedBuf>,
    inline: Inline,
}

impl PoolBuf {
    pub(super) const SMALL: usize = 64;
    pub(super) const PAGE: usize = 4096;
    pub(super) const LARGE: usize = 65_536;

    /// The size of the buffer that serves `len` bytes.
    pub(super) fn size_for(len: usize) -> usize {
        [Self::SMALL, Self::PAGE, Self::LARGE]
            .into_iter()
            .find(|&size| len <= size)
            .unwrap_or(len)
    }

    /// A buffer of a size that [`size_for`](Self::size_for) gave.
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
}

impl PoolBuf {
    /// Memory with a larger alignment than those of the pool have.
    #[cold]
    pub(super) fn aligned(len: usize, align: usize) -> Result<Self, Cause> {
        Ok(Self {
            heap: Some(AlignedBuf::try_with_alignment(len, align)?),
            inline: Inline([0; Self::SMALL]),
        })
    }
}

// SAFETY: the parts are plain memory and a raw pointer and claim nothing (3); the bytes are in the parts themselves or on
// the heap, initialised, and stay (2); nothing here changes (1).
unsafe impl Buffer for PoolBuf {
    type Parts = Self;

    fn into_parts(self) -> Self {
        self
    }

    unsafe fn from_parts(parts: Self) -> Self {
        parts
    }

    unsafe fn region(parts: *mut Self) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid. The inline bytes are not referenced, as others may be using them.
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

/// Memory that a caller lends while it blocks.
#[derive(Debug)]
pub(crate) struct Loan {
    data: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory is the caller's by exclusive borrow (or shared, to be read only) and plain.
unsafe impl Send for Loan {}

impl Loan {
    /// No memory.
    pub(crate) fn nothing() -> Self {
        Self {
            data: NonNull::dangling(),
            len: 0,
        }
    }

    /// `len` bytes at `data`.
    ///
    /// # Safety
    /// They are initialised plain memory, which stays in place and which nobody else touches (only reads, where the
    /// packet is only written from) until every view of the packet with this loan has ended.
    pub(crate) unsafe fn new(data: NonNull<u8>, len: usize) -> Self {
        Self { data, len }
    }
}

// SAFETY: by the contract of `Loan::new`; the parts are raw.
unsafe impl Buffer for Loan {
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
// SAFETY: by the contract of `Loan::new`, the lender reads into memory that it has exclusively.
unsafe impl ReadBuffer for Loan {}
// SAFETY: plain memory.
unsafe impl WriteBuffer for Loan {}
