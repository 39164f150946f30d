//! [`Copies`]: views of the same bytes.
#![allow(unsafe_code)]

use crate::io::Write;
use crate::packet::View;
use crate::packet::header::Header;
use core::fmt;
use core::iter::FusedIterator;
use core::ptr::NonNull;

/// Views of the same bytes, see [`Relay::start_copies`](super::Relay::start_copies). Those that are
/// left when it is dropped fail.
pub struct Copies {
    header: NonNull<Header>,
    len: usize,
    next: usize,
    copies: usize,
}

// SAFETY: it stands for views that are still to be made (one unit of COUNT each), and views are
// `Send`.
unsafe impl Send for Copies {}
// SAFETY: `&Copies` gives numbers only.
unsafe impl Sync for Copies {}

impl Copies {
    /// Creates views of `len` bytes each, on demand.
    ///
    /// # Safety
    /// The caller passes on as many units of COUNT as there are `copies` (header 2). The block's
    /// memory has `len` bytes, is fit to be written from, and all views of it are these.
    pub(super) unsafe fn new(header: NonNull<Header>, len: usize, copies: usize) -> Self {
        Self {
            header,
            len,
            next: 0,
            copies,
        }
    }
}

impl Iterator for Copies {
    type Item = View<Write>;

    fn next(&mut self) -> Option<View<Write>> {
        if self.next == self.copies {
            return None;
        }
        let offset = self.next * self.len;
        self.next += 1;
        // SAFETY: one of the units that this has left goes to the view, so the block lives (header
        // 2). All views of it are on the same bytes, which they only read (header 3).
        Some(unsafe { View::new(self.header, (*self.header.as_ptr()).data, offset, self.len) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.copies - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Copies {}
impl FusedIterator for Copies {}

impl Drop for Copies {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl fmt::Debug for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copies")
            .field("left", &self.len())
            .finish_non_exhaustive()
    }
}
