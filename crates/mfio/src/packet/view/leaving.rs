//! The end of a view.
//!
//! Functions that are not inlined take the fields of a view one by one, never a reference to it: a
//! view whose address is not taken stays in registers on its way through layers. Writing it to the
//! stack and reading it back costs more than the rest.
//!
//! Invariants are those of [`view`](super).
#![allow(unsafe_code)]

use crate::contain::contained;
use crate::error::{Cause, ErrorKind};
use crate::packet::ending::end;
use crate::packet::failures::FailedRange;
use crate::packet::header::Header;
use crate::packet::segments::Segment;
use crate::packet::state::Word;
use core::ptr::NonNull;

/// Ends a view of the `len` bytes at `offset`: its first `good` bytes were transferred, the rest
/// failed. An empty request fails if there is a cause.
///
/// # Safety
/// The caller has the unit of COUNT of this view, and gives it up.
#[inline(always)]
pub(super) unsafe fn leave(
    header: NonNull<Header>,
    offset: usize,
    len: usize,
    good: usize,
    cause: Option<Cause>,
) {
    // SAFETY: the block lives, as the unit is the caller's.
    let failed = cause.is_some_and(|cause| unsafe { record(header, offset, len, good, cause) });
    // SAFETY: as above.
    let seen = unsafe { (*header.as_ptr()).state.load() };
    // SAFETY: the unit is given up here, once.
    unsafe {
        if seen.segments() {
            announce(header, offset, len, good, cause);
            end_announced(header, seen, failed);
        } else {
            end(header, seen, failed);
        }
    }
}

/// Ends a view that was dropped.
///
/// # Safety
/// As for [`leave`].
#[cold]
#[inline(never)]
pub(super) unsafe fn leave_dropped(header: NonNull<Header>, offset: usize, len: usize) {
    // SAFETY: the caller's promise is passed on.
    unsafe { leave(header, offset, len, 0, Some(Cause::new(ErrorKind::Dropped))) }
}

/// # Safety
/// As for [`leave`].
#[cold]
unsafe fn end_announced(header: NonNull<Header>, seen: Word, failed: bool) {
    // SAFETY: the caller's promise is passed on.
    unsafe { end(header, seen, failed) }
}

/// Records that the bytes from `good` on failed. Returns whether the request failed: an empty view
/// fails no bytes, unless the request has none.
///
/// # Safety
/// The caller has the unit of COUNT of this view.
#[cold]
#[must_use]
unsafe fn record(
    header: NonNull<Header>,
    offset: usize,
    len: usize,
    good: usize,
    cause: Cause,
) -> bool {
    // SAFETY: the block lives (invariant 1), and its `len` does not change meanwhile (header 3).
    if len == 0 && unsafe { (*header.as_ptr()).len } != 0 {
        return false;
    }
    let range = FailedRange {
        offset: offset + good,
        len: len - good,
        cause,
    };
    // SAFETY: the block lives (invariant 1).
    let side = unsafe { &(*header.as_ptr()).side };
    side.lock().failures.push(range);
    true
}

/// Adds the range to the segments, and wakes the initiator that waits for one.
///
/// # Safety
/// As for [`record`].
#[cold]
unsafe fn announce(
    header: NonNull<Header>,
    offset: usize,
    len: usize,
    good: usize,
    cause: Option<Cause>,
) {
    let moved = Segment {
        offset,
        len: good,
        result: Ok(()),
    };
    // SAFETY: the block lives (invariant 1).
    let side = unsafe { &(*header.as_ptr()).side };
    let mut locked = side.lock();
    let mut waker = locked.segments.push(moved);
    if let Some(cause) = cause {
        let failed = Segment {
            offset: offset + good,
            len: len - good,
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
