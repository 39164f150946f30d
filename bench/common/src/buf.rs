#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut};

/// A page-aligned buffer, so that the same one serves buffered and O_DIRECT reads.
///
/// Invariant: `ptr` is an allocation of `len` bytes (not zero), aligned to 4096, owned by this
/// value alone and initialised throughout.
pub struct AlignedBuf {
    ptr: *mut u8,
    len: usize,
}

// SAFETY: the allocation is owned (see the invariant); nothing is shared behind `&self`.
unsafe impl Send for AlignedBuf {}
// SAFETY: as above.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// A buffer of `len` zeros, its pages already touched: page faults are not what is measured.
    pub fn new(len: usize) -> Self {
        assert!(len > 0, "a block has at least one byte");
        let layout = layout(len);
        // SAFETY: the layout's size is not zero.
        let ptr = unsafe { alloc_zeroed(layout) };
        assert!(!ptr.is_null(), "out of memory");
        for i in (0..len).step_by(4096) {
            // SAFETY: `i < len`, within the allocation.
            unsafe { ptr.add(i).write_volatile(1) };
        }
        Self { ptr, len }
    }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len, 4096).expect("a length that fits the address space")
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this very layout, and owned.
        unsafe { dealloc(self.ptr, layout(self.len)) };
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: by the invariant.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: by the invariant; `&mut self` makes the borrow unique.
        unsafe { std::slice::from_raw_parts_mut(self.ptr, self.len) }
    }
}
