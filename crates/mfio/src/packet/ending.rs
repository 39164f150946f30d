//! The end of a view, which gives a unit of COUNT up; that of the last one publishes the end of the
//! packet.
//!
//! Invariants are those of [`header`](super::header).
#![allow(unsafe_code)]

use super::header::Header;
use super::state::Word;
use crate::contain::contained;
use core::ptr::NonNull;
use core::task::Waker;

/// Gives up a unit of COUNT. Every view comes through here, so nothing needs the stack.
///
/// # Safety
/// The caller has the unit, and gives it up with this call.
#[inline]
pub(super) unsafe fn end(header: NonNull<Header>, mut seen: Word, failed: bool) {
    // SAFETY: the block lives as long as the caller's unit (header 2). The reference is to the
    // atomic alone and is not used after the transition that gives the unit up.
    let state = unsafe { &(*header.as_ptr()).state };
    while !seen.last() {
        match state.leave(seen, failed) {
            Ok(()) => return,
            Err(now) => seen = now,
        }
    }
    if seen.no_waker_yet() && !seen.abandoned() {
        // No waker is registered; most often none will be.
        match state.finish(seen, failed) {
            Ok(()) => return,
            Err(now) => seen = now,
        }
    }
    // SAFETY: `seen.last()`: no unit is left but the caller's.
    unsafe { end_last(header, seen, failed) }
}

/// The wakers that the last view takes out of the block before it releases it.
#[derive(Default)]
struct Wakers {
    first: Option<Waker>,
    later: Option<Waker>,
}

impl Wakers {
    /// Wakes the latest and drops the others. Runs code of the user: nothing of the block is
    /// touched any more.
    fn wake(self) {
        contained(|| {
            if let Some(waker) = self.later {
                waker.wake();
            } else if let Some(waker) = self.first {
                waker.wake();
            }
        });
    }
}

/// Ends the last view, and wakes the task that waits for that.
///
/// # Safety
/// As for [`release_last_view`].
#[inline(never)]
unsafe fn end_last(header: NonNull<Header>, seen: Word, failed: bool) {
    // SAFETY: the caller's promise is passed on.
    let wakers = unsafe { release_last_view(header, seen, failed) };
    wakers.wake();
}

/// Takes the wakers and publishes the end. Frees the block instead if it is abandoned; passes it on
/// if it is a relay.
///
/// # Safety
/// The caller has the only unit of COUNT, and gives it up with this call; `seen` shows it.
#[inline]
unsafe fn release_last_view(header: NonNull<Header>, mut seen: Word, failed: bool) -> Wakers {
    let mut wakers = Wakers::default();
    loop {
        // SAFETY: the unit is not yet given up, so the block lives (header 2).
        let block = unsafe { header.as_ref() };
        if seen.relay() {
            let failed = failed || seen.failed();
            // SAFETY: there is no initiator and this is the last view: the block is the relay's
            // again (header 2).
            contained(|| unsafe { (block.vtable.relayed)(header, failed) });
            return wakers;
        }
        if seen.abandoned() {
            // SAFETY: the initiator is gone and this is the last view: the block is the caller's
            // (header 2).
            contained(|| unsafe { (block.vtable.free)(header) });
            contained(|| drop(wakers));
            return Wakers::default();
        }
        if seen.later_waker() {
            // Cleared first: a waker registered after this sets LATER_WAKER again, and `finish`
            // will notice.
            seen = block.state.clear_later_waker();
            let later = block.side.lock().waker.take();
            if later.is_some() {
                let older = core::mem::replace(&mut wakers.later, later);
                contained(|| drop(older));
            }
            continue;
        }
        if seen.waker() && wakers.first.is_none() {
            // SAFETY: WAKER is set and the caller has the last view (header 4).
            wakers.first = unsafe { block.slot.take() };
        }
        match block.state.finish(seen, failed) {
            Ok(()) => return wakers,
            Err(now) => seen = now,
        }
    }
}
