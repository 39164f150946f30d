//! An allocator that counts, and an object that counts what it is sent: what tests of the steady
//! state share.
#![allow(unsafe_code)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use mfio::io::{Direction, IoObject, PacketIo};
use mfio::packet::View;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Allocations of this thread so far, without those of other threads (the harness).
    pub(crate) static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Views that were sent so far.
    pub(crate) static VIEWS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Ends everything at once.
pub(crate) struct Sink;

impl IoObject for Sink {}

impl<D: Direction> PacketIo<D> for Sink {
    fn send_io(&self, _: u64, view: View<D>) {
        VIEWS.set(VIEWS.get() + 1);
        view.done();
    }
}
