//! [`AlignedBuf`]: zeroed memory at an alignment of the user's choice.
//!
//! Invariants:
//! 1. `ptr` lies `pad` bytes behind the start of an allocation of `alloc_zeroed` with the layout
//!    that `layout_for` gives for `len` and `align`, of which the `len` bytes from `ptr` on are a
//!    part; or it dangles where `len` is 0.
//! 2. An `AlignedBuf` is the only claim on its memory, and frees it once, on drop.
#![allow(unsafe_code)]

use super::{Buffer, ReadBuffer, WriteBuffer};
use crate::error::{Cause, ErrorKind};
use alloc::alloc::{Layout, LayoutError, alloc_zeroed, dealloc, handle_alloc_error};
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// The default alignment in bytes: a page.
const PAGE: usize = 4096;

/// From this length in bytes on, memory is zeroed by the system, page by page, when it is touched
/// first: lengths from outside may be generous upper bounds. The standard allocator does so only
/// for allocations without an alignment, and writes all bytes of others.
const LAZY: usize = 1 << 20;

/// Returns the layout to allocate for a buffer, with room to align it if the allocator does not.
fn layout_for(len: usize, align: usize) -> Result<Layout, LayoutError> {
    let exact = Layout::from_size_align(len, align)?;
    match len >= LAZY {
        true => Layout::from_size_align(len.saturating_add(align), 1),
        false => Ok(exact),
    }
}

/// A byte buffer with an alignment, as direct file I/O demands. Zeroed, of fixed length.
///
/// ```
/// use mfio::packet::AlignedBuf;
///
/// let mut buf = AlignedBuf::new(8192);
/// assert_eq!(buf.as_ptr() as usize % 4096, 0);
/// buf[8191] = 1;
/// ```
pub struct AlignedBuf {
    ptr: NonNull<u8>,
    len: usize,
    align: usize,
    pad: usize,
}

impl AlignedBuf {
    /// Allocates `len` zeroed bytes, aligned to 4096.
    ///
    /// # Panics
    /// If `len` exceeds the address space. If memory is missing it fails like every allocation.
    pub fn new(len: usize) -> Self {
        Self::with_alignment(len, PAGE)
    }

    /// Allocates `len` zeroed bytes, aligned to `align`.
    ///
    /// # Panics
    /// If `align` is not a power of two, or `len` exceeds the address space.
    pub fn with_alignment(len: usize, align: usize) -> Self {
        let layout = layout_for(len, align)
            .expect("an alignment is a power of two, and a buffer fits the address space");
        Self::allocate(len, align, layout).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// As [`with_alignment`](Self::with_alignment), for a length or alignment from outside.
    ///
    /// # Errors
    /// `InvalidInput` if there is no such layout, `OutOfMemory` if memory is missing.
    pub fn try_with_alignment(len: usize, align: usize) -> Result<Self, Cause> {
        let layout = layout_for(len, align).map_err(|_| Cause::new(ErrorKind::InvalidInput))?;
        Self::allocate(len, align, layout).ok_or(Cause::new(ErrorKind::OutOfMemory))
    }

    fn allocate(len: usize, align: usize, layout: Layout) -> Option<Self> {
        let (ptr, pad) = if len == 0 {
            (
                NonNull::without_provenance(core::num::NonZero::new(align)?),
                0,
            )
        } else {
            // SAFETY: the size is not zero.
            let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
            let pad = start.addr().get().wrapping_neg() % align;
            // SAFETY: `pad` is less than `align`, and 0 if the allocation is aligned so; otherwise
            // the allocation has `align` bytes more than `len` (`layout_for`).
            (unsafe { start.add(pad) }, pad)
        };
        Some(Self {
            ptr,
            len,
            align,
            pad,
        })
    }

    /// Returns the alignment in bytes.
    pub fn alignment(&self) -> usize {
        self.align
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        if self.len != 0 {
            let layout = layout_for(self.len, self.align).expect("it was valid before");
            // SAFETY: allocated with this very layout, `pad` bytes before (invariant 1); freed once
            // (invariant 2).
            unsafe { dealloc(self.ptr.sub(self.pad).as_ptr(), layout) }
        }
    }
}

// SAFETY: it owns plain memory (invariant 2); `&AlignedBuf` gives only shared reads.
unsafe impl Send for AlignedBuf {}
// SAFETY: as above.
unsafe impl Sync for AlignedBuf {}

impl Deref for AlignedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `len` initialised bytes (invariant 1) that this owns (invariant 2).
        unsafe { core::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuf")
            .field("len", &self.len)
            .field("align", &self.align)
            .finish_non_exhaustive()
    }
}

// SAFETY: it is its own parts: a raw pointer, which claims nothing as long as it is not
// dereferenced (3), to memory that stays (2); `region` copies fields (1).
unsafe impl Buffer for AlignedBuf {
    type Parts = Self;

    fn into_parts(self) -> Self {
        self
    }

    unsafe fn from_parts(parts: Self) -> Self {
        parts
    }

    unsafe fn region(parts: *mut Self) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid.
        unsafe { ((*parts).ptr.as_ptr(), (*parts).len) }
    }
}
// SAFETY: owned plain memory; every `u8` is valid.
unsafe impl ReadBuffer for AlignedBuf {}
// SAFETY: plain memory.
unsafe impl WriteBuffer for AlignedBuf {}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn is_zeroed_and_aligned_and_may_be_empty() {
        let lens = [(0, 1), (0, 4096), (1, 4096), (70_000, 65_536)];
        let lazy = [
            (LAZY - 1, 4096),
            (LAZY, 1),
            (LAZY, 4096),
            (LAZY + 3, 1 << 21),
        ];
        for (len, align) in lens.into_iter().chain(lazy) {
            let buf = AlignedBuf::with_alignment(len, align);
            assert_eq!(buf.as_ptr() as usize % align, 0);
            assert_eq!(buf.len(), len);
            assert!(buf.iter().all(|&b| b == 0));
        }
    }

    #[test]
    fn a_layout_that_cannot_be_is_an_error() {
        let kind = |len, align| {
            AlignedBuf::try_with_alignment(len, align)
                .unwrap_err()
                .kind()
        };
        assert_eq!(kind(1, 3), ErrorKind::InvalidInput);
        assert_eq!(kind(usize::MAX, 8), ErrorKind::InvalidInput);
        assert_eq!(
            kind(isize::MAX as usize - 4096, 4096),
            ErrorKind::OutOfMemory
        );
    }
}
