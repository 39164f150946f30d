//! The buffers of a [`Blocks`](super::Blocks), and the requests that wait for one.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mfio::packet::AlignedBuf;

/// The size of a buffer in bytes, if a block is not larger.
pub(super) const BUFFER: usize = 64 << 10;

/// Upper bound on the buffers.
const BUFFERS: usize = 32;

/// Buffers, and requests `Q` that wait for one. Keeps its memory.
pub(super) struct Buffers<Q> {
    idle: Vec<AlignedBuf>,
    /// The number of buffers in use.
    borrowed: usize,
    waiting: VecDeque<Q>,
    /// A loop serves the requests that wait, and looks again before it stops.
    draining: bool,
}

/// Permission to use a buffer.
pub(super) enum Borrowed {
    /// This one.
    Idle(AlignedBuf),
    /// A new one.
    New,
}

impl<Q> Buffers<Q> {
    pub(super) const fn new() -> Self {
        Self {
            idle: Vec::new(),
            borrowed: 0,
            waiting: VecDeque::new(),
            draining: false,
        }
    }

    fn has_room(&self) -> bool {
        self.borrowed < BUFFERS
    }

    /// Borrows a buffer; `None` where all are in use. The caller then [queues](Self::queue) its
    /// request, under the same lock.
    pub(super) fn borrow(&mut self) -> Option<Borrowed> {
        if !self.has_room() {
            return None;
        }
        self.borrowed += 1;
        Some(self.idle.pop().map_or(Borrowed::New, Borrowed::Idle))
    }

    pub(super) fn queue(&mut self, request: Q) {
        self.waiting.push_back(request);
    }

    /// Takes back a buffer, or permission for one that was not made. Returns whether the caller is
    /// to serve the requests that wait, until [`next`](Self::next) has none.
    #[must_use]
    pub(super) fn give_back(&mut self, buffer: Option<AlignedBuf>) -> bool {
        self.borrowed -= 1;
        self.idle.extend(buffer);
        !self.waiting.is_empty() && !core::mem::replace(&mut self.draining, true)
    }

    /// Takes out the next request, if there is a buffer for it. Without any, ends the loop.
    pub(super) fn next(&mut self) -> Option<Q> {
        let next = match self.has_room() {
            true => self.waiting.pop_front(),
            false => None,
        };
        self.draining = next.is_some();
        next
    }
}
