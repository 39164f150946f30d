//! [`Leaving`]: a view that ends.
//!
//! Functions that are not inlined take it by value, and never a view by reference: a view whose address nobody has stays in
//! registers on its way through layers, and is not written to the stack and read back at once, which costs more than the rest.
//!
//! Invariants are those of [`view`](super).
#![allow(unsafe_code)]

use crate::error::{Cause, ErrorKind};
use crate::packet::ending::{contained, end};
use crate::packet::header::Header;
use crate::packet::outcome::FailedRange;
use crate::packet::segments::Segment;
use crate::packet::state::Word;
use core::ptr::NonNull;

/// What is needed of a view to end it. Its unit of COUNT still is the view's, until one of the unsafe functions takes it.
#[derive(Clone, Copy)]
pub(super) struct Leaving {
    pub(super) header: NonNull<Header>,
    pub(super) offset: usize,
    pub(super) len: usize,
}

impl Leaving {
    /// Ends the view: its first `good` bytes were moved, the rest, if any, failed. Where the whole request is empty a cause
    /// fails it.
    ///
    /// # Safety
    /// The view has not ended, and must not be used, nor dropped, afterwards.
    #[inline(always)]
    pub(super) unsafe fn end(self, good: usize, cause: Option<Cause>) {
        let failed = cause.is_some_and(|cause| self.record(good, cause));
        // SAFETY: the block lives as long as the view's unit (invariant 1).
        let seen = unsafe { (*self.header.as_ptr()).state.load() };
        // SAFETY: the unit is the view's, which is not used any more.
        unsafe {
            if seen.segments() {
                self.end_announced(good, cause, seen, failed);
            } else {
                end(self.header, seen, failed);
            }
        }
    }

    /// Ends a view that was dropped.
    ///
    /// # Safety
    /// As for [`end`](Self::end).
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn drop(self) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.end(0, Some(Cause::new(ErrorKind::Dropped))) }
    }

    /// # Safety
    /// As for [`end`](Self::end).
    #[cold]
    unsafe fn end_announced(self, good: usize, cause: Option<Cause>, seen: Word, failed: bool) {
        self.announce(good, cause);
        // SAFETY: the caller's promise is passed on.
        unsafe { end(self.header, seen, failed) }
    }

    /// Writes down that the bytes from `good` on failed. Says whether that is a failure of the request: an empty view
    /// says nothing about bytes, unless there are none.
    #[cold]
    #[must_use]
    fn record(self, good: usize, cause: Cause) -> bool {
        // SAFETY: the block lives (invariant 1), and `len` does not change meanwhile (header 3).
        if self.len == 0 && unsafe { (*self.header.as_ptr()).len } != 0 {
            return false;
        }
        let range = FailedRange {
            offset: self.offset + good,
            len: self.len - good,
            cause,
        };
        // SAFETY: the block lives (invariant 1).
        let side = unsafe { &(*self.header.as_ptr()).side };
        side.lock().failures.push(range);
        true
    }

    /// Tells an initiator that wants to hear of each range what became of this one.
    #[cold]
    fn announce(self, good: usize, cause: Option<Cause>) {
        let moved = Segment {
            offset: self.offset,
            len: good,
            result: Ok(()),
        };
        // SAFETY: the block lives (invariant 1).
        let side = unsafe { &(*self.header.as_ptr()).side };
        let mut locked = side.lock();
        let mut waker = locked.segments.push(moved);
        if let Some(cause) = cause {
            let failed = Segment {
                offset: self.offset + good,
                len: self.len - good,
                result: Err(cause),
            };
            waker = locked.segments.push(failed).or(waker);
        }
        drop(locked);
        contained(|| {
            if let Some(waker) = waker {
                waker.wake();
            }
        });
    }
}
