//! A bounded queue of requests, which the backend takes as a whole.

use super::clip::clip;
use crate::error::ErrorKind;
use crate::io::{Direction, Read, Write};
use crate::lock::Lock;
use crate::packet::View;
use alloc::vec::Vec;

/// A request, and how much of it was done.
pub(super) struct MemoryRequest {
    pos: u64,
    good: usize,
    view: AnyView,
}

enum AnyView {
    Read(View<Read>),
    Write(View<Write>),
}

impl MemoryRequest {
    #[inline(always)]
    pub(super) fn read(pos: u64, view: View<Read>) -> Self {
        Self {
            pos,
            good: 0,
            view: AnyView::Read(view),
        }
    }

    #[inline(always)]
    pub(super) fn write(pos: u64, view: View<Write>) -> Self {
        Self {
            pos,
            good: 0,
            view: AnyView::Write(view),
        }
    }

    /// Moves the bytes without completing the view, so no user code runs here.
    #[inline(always)]
    pub(super) fn copy(&mut self, memory: &mut [u8]) {
        match &mut self.view {
            AnyView::Read(view) => {
                let from = clip(memory.len(), self.pos, view.len());
                self.good = from.len();
                view.bytes_mut()[..self.good].copy_from_slice(&memory[from]);
            }
            AnyView::Write(view) => {
                let into = clip(memory.len(), self.pos, view.len());
                self.good = into.len();
                memory[into].copy_from_slice(&view.bytes()[..self.good]);
            }
        }
    }

    /// Completes the view, which may wake the initiator.
    #[inline(always)]
    pub(super) fn end(self) {
        fn end<D: Direction>(view: View<D>, good: usize) {
            view.done_prefix(good, ErrorKind::UnexpectedEof);
        }
        match self.view {
            AnyView::Read(view) => end(view, self.good),
            AnyView::Write(view) => end(view, self.good),
        }
    }
}

/// Whether a request is the first since the queue was taken.
pub(super) enum Pushed {
    First,
    Behind,
}

/// The queue of requests that wait for the backend.
pub(super) struct Queue {
    waiting: Lock<Vec<MemoryRequest>>,
    depth: usize,
}

impl Queue {
    pub(super) fn new(depth: usize) -> Self {
        Self {
            waiting: Lock::new(Vec::new()),
            depth,
        }
    }

    /// Queues a request, or returns it if the queue is full. Allocates only to hold more than ever
    /// before.
    #[inline(always)]
    pub(super) fn push(&self, request: MemoryRequest) -> Result<Pushed, MemoryRequest> {
        let mut waiting = self.waiting.lock();
        let pushed = match waiting.len() {
            0 => Pushed::First,
            n if n == self.depth => return Err(request),
            _ => Pushed::Behind,
        };
        waiting.push(request);
        Ok(pushed)
    }

    /// Swaps the queue with `empty`, which grows as the queue did, so that both stop growing at the
    /// same time.
    #[inline(always)]
    pub(super) fn take(&self, empty: &mut Vec<MemoryRequest>) {
        let mut waiting = self.waiting.lock();
        empty.reserve(waiting.capacity());
        core::mem::swap(&mut *waiting, empty);
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;
    use crate::packet::Packet;

    #[test]
    fn grows_as_needed_up_to_its_depth_and_both_sides_alike() {
        let queue = Queue::new(8);
        let mut batch = Vec::new();
        assert_eq!(queue.waiting.lock().capacity(), 0);
        for _ in 0..4 {
            let mut refused = 0;
            for _ in 0..10 {
                let (in_flight, view) = Packet::new([0u8; 1]).start::<Read>();
                drop(in_flight);
                refused += usize::from(queue.push(MemoryRequest::read(0, view)).is_err());
            }
            assert_eq!(refused, 2);
            queue.take(&mut batch);
            assert_eq!(batch.len(), 8);
            batch.drain(..).for_each(MemoryRequest::end);
            let capacities = (queue.waiting.lock().capacity(), batch.capacity());
            assert_eq!(capacities, (8, 8));
        }
    }
}
