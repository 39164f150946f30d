//! Requests on their way to the backend, in a bounded queue that is emptied as a whole.

use super::clip;
use crate::error::ErrorKind;
use crate::io::{Direction, Read, Write};
use crate::lock::Lock;
use crate::packet::View;
use alloc::vec::Vec;

/// One request, and how much of it was done.
pub(super) struct Request {
    pos: u64,
    good: usize,
    view: Side,
}

enum Side {
    Read(View<Read>),
    Write(View<Write>),
}

impl Request {
    #[inline(always)]
    pub(super) fn read(pos: u64, view: View<Read>) -> Self {
        Self {
            pos,
            good: 0,
            view: Side::Read(view),
        }
    }

    #[inline(always)]
    pub(super) fn write(pos: u64, view: View<Write>) -> Self {
        Self {
            pos,
            good: 0,
            view: Side::Write(view),
        }
    }

    /// Moves the bytes, without ending the view: no code of others runs here.
    #[inline(always)]
    pub(super) fn copy(&mut self, memory: &mut [u8]) {
        match &mut self.view {
            Side::Read(view) => {
                let from = clip(memory.len(), self.pos, view.len());
                self.good = from.len();
                view.bytes_mut()[..self.good].copy_from_slice(&memory[from]);
            }
            Side::Write(view) => {
                let into = clip(memory.len(), self.pos, view.len());
                self.good = into.len();
                memory[into].copy_from_slice(&view.bytes()[..self.good]);
            }
        }
    }

    /// Ends the view, which may wake the initiator.
    #[inline(always)]
    pub(super) fn end(self) {
        fn end<D: Direction>(view: View<D>, good: usize) {
            view.done_prefix(good, ErrorKind::UnexpectedEof);
        }
        match self.view {
            Side::Read(view) => end(view, self.good),
            Side::Write(view) => end(view, self.good),
        }
    }
}

/// Whether a request is the first one since the queue was taken.
pub(super) enum Pushed {
    First,
    Behind,
}

/// Requests that wait for the backend.
pub(super) struct Queue {
    waiting: Lock<Vec<Request>>,
    depth: usize,
}

impl Queue {
    pub(super) fn new(depth: usize) -> Self {
        Self {
            waiting: Lock::new(Vec::new()),
            depth,
        }
    }

    /// Queues a request, or gives it back where the queue is full. Allocates only where there are more than ever before.
    #[inline(always)]
    pub(super) fn push(&self, request: Request) -> Result<Pushed, Request> {
        let mut waiting = self.waiting.lock();
        let pushed = match waiting.len() {
            0 => Pushed::First,
            n if n == self.depth => return Err(request),
            _ => Pushed::Behind,
        };
        waiting.push(request);
        Ok(pushed)
    }

    /// Exchanges the queue for `empty`, which grows as the queue has, so that both stop growing at the same time.
    #[inline(always)]
    pub(super) fn take(&self, empty: &mut Vec<Request>) {
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
                refused += usize::from(queue.push(Request::read(0, view)).is_err());
            }
            assert_eq!(refused, 2);
            queue.take(&mut batch);
            assert_eq!(batch.len(), 8);
            batch.drain(..).for_each(Request::end);
            let capacities = (queue.waiting.lock().capacity(), batch.capacity());
            assert_eq!(capacities, (8, 8));
        }
    }
}
