//! The head of a packet's heap block, shared by its views and its initiator.
//!
//! Invariants (`unsafe` code in this directory names them):
//! 1. A block is reached by raw pointer from the time it is made until it is freed: no `Box` and no
//!    `&mut` of it exists in between, and no shared reference is used beyond the right to the block
//!    from which it was made.
//! 2. COUNT of the state word is the number of [`View`](super::View)s that have not ended. A block
//!    is freed only by the initiator when COUNT is 0, or by the end of the last view when ABANDONED
//!    is set: once. If RELAY is set there is no initiator: the end of the last view passes the
//!    block on, by `VTable::relayed`, as one that is idle.
//! 3. `data`, `len` and the buffer's parts are written only by the initiator, or the relay, while
//!    COUNT is 0. While it is not, the bytes of the buffer are reached only through views, each
//!    through its own range. Ranges of views do not overlap, except that copies of a range may be
//!    written from at the same time, which only reads it.
//! 4. The waker slot belongs to the initiator until NO_WAKER_YET has become WAKER, and while COUNT
//!    is 0; otherwise to the last view.
//! 5. After COUNT has become 0 no view touches anything of the block.
//! 6. The memory of views is initialised and stays where it is while COUNT is not 0. For a packet
//!    of one buffer that is the memory at `data`: at least `len` bytes.
//! 7. A range whose end was recorded as a segment belongs to no view any more: the initiator may
//!    look at it.
#![allow(unsafe_code)]

use super::failures::Failures;
use super::segments::Segments;
use super::state::State;
use crate::lock::Lock;
use crate::sync::UnsafeCell;
use core::ptr::NonNull;
use core::task::Waker;

/// The functions that differ from one kind of packet to another.
pub(super) struct VTable {
    /// Drops the buffer and frees the block. Only under invariant 2.
    pub(super) free: unsafe fn(NonNull<Header>),
    /// Takes over the block of a relay, all of whose views have ended; the flag says whether a
    /// range failed. Called by the end of the last view, which is not published.
    pub(super) relayed: unsafe fn(NonNull<Header>, bool),
    /// Returns whether the relay is not wanted any more, a hint. The caller has a view.
    pub(super) unwanted: unsafe fn(NonNull<Header>) -> bool,
}

/// The head of a block. See the module for its invariants.
#[repr(C)]
pub(super) struct Header {
    pub(super) state: State,
    /// The address of the buffer's bytes.
    pub(super) data: *mut u8,
    /// Length in bytes of the operation in flight, or of the last one.
    pub(super) len: usize,
    pub(super) vtable: &'static VTable,
    pub(super) slot: WakerSlot,
    pub(super) side: Lock<Side>,
}

/// The rarely used part of a block, under a lock.
#[derive(Default)]
pub(super) struct Side {
    /// The latest waker, if the future was polled with another one than at first.
    pub(super) waker: Option<Waker>,
    pub(super) failures: Failures,
    pub(super) segments: Segments,
}

impl Header {
    pub(super) fn new(data: *mut u8, len: usize, vtable: &'static VTable) -> Self {
        Self {
            state: State::idle(),
            data,
            len,
            vtable,
            slot: WakerSlot::new(),
            side: Lock::new(Side::default()),
        }
    }
}

/// A slot for one waker, without synchronisation: invariant 4 says which side has it.
pub(super) struct WakerSlot(UnsafeCell<Option<Waker>>);

impl WakerSlot {
    fn new() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// Fills the slot, which is empty.
    ///
    /// # Safety
    /// The slot must be the caller's (invariant 4).
    pub(super) unsafe fn put(&self, waker: Waker) {
        // SAFETY: the slot is the caller's, so no other thread reads or writes it now.
        unsafe { self.with(|slot| *slot = Some(waker)) }
    }

    /// Empties the slot.
    ///
    /// # Safety
    /// The slot must be the caller's (invariant 4).
    pub(super) unsafe fn take(&self) -> Option<Waker> {
        // SAFETY: as in `put`.
        unsafe { self.with(Option::take) }
    }

    /// # Safety
    /// The slot must be the caller's (invariant 4); `f` must not reach it in another way.
    #[cfg(not(mfio_loom))]
    unsafe fn with<R>(&self, f: impl FnOnce(&mut Option<Waker>) -> R) -> R {
        // SAFETY: the caller's promise.
        f(unsafe { &mut *self.0.get() })
    }

    /// # Safety
    /// As of its twin.
    #[cfg(mfio_loom)]
    unsafe fn with<R>(&self, f: impl FnOnce(&mut Option<Waker>) -> R) -> R {
        // SAFETY: the caller's promise, which loom checks.
        self.0.with_mut(|slot| f(unsafe { &mut *slot }))
    }
}
