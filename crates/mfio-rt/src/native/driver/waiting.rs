//! The queue of operations that wait for room in a driver, in the order in which they were sent.
//!
//! Each entry stands for a packet with a buffer, so the queue takes a small share of the senders'
//! memory, and the senders bound it. Abandoned reads and requests are taken out whenever the queue
//! has doubled; so it has at most twice the entries that are not abandoned. A write never counts as
//! abandoned.

use std::collections::VecDeque;

use crate::native::op::Op;

/// Shorter queues are not swept.
const FEW: usize = 64;

/// A queue of operations.
#[derive(Debug)]
pub(super) struct Waiting {
    ops: VecDeque<Op>,
    /// The length at which it is swept.
    sweep_at: usize,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            ops: VecDeque::new(),
            sweep_at: FEW,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    /// Adds an operation. Returns `true` if the queue has doubled, and is to be
    /// [swept](Self::sweep).
    #[inline]
    #[must_use]
    pub(super) fn push(&mut self, op: Op) -> bool {
        self.ops.push_back(op);
        self.ops.len() >= self.sweep_at
    }

    /// Takes the oldest operation. The last one frees the memory of a long queue.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Op> {
        let op = self.ops.pop_front()?;
        if self.ops.is_empty() && self.ops.capacity() > FEW {
            *self = Self::new();
        }
        Some(op)
    }

    /// Takes out abandoned operations. The caller ends them without a lock, because that runs code
    /// of the user's.
    #[cold]
    #[must_use]
    pub(super) fn sweep(&mut self) -> Vec<Op> {
        self.take_out(Op::is_abandoned)
    }

    /// Takes out the chosen operations. The rest keeps its order.
    #[must_use]
    pub(super) fn take_out(&mut self, chosen: impl Fn(&Op) -> bool) -> Vec<Op> {
        let (mut out, mut kept) = (Vec::new(), VecDeque::new());
        for op in std::mem::take(&mut self.ops) {
            match chosen(&op) {
                true => out.push(op),
                false => kept.push_back(op),
            }
        }
        self.ops = kept;
        self.sweep_at = (self.ops.len() * 2).max(FEW);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{FEW, Waiting};
    use crate::native::metadata::{AnswerSlot, MetadataRequest, Open};
    use crate::native::op::Op;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    fn open() -> (Op, Arc<AnswerSlot<OwnedFd>>) {
        let (request, slot) = MetadataRequest::new(Open::root());
        (Op::Metadata(request), slot)
    }

    #[test]
    fn abandoned_operations_do_not_make_the_queue_grow() {
        let mut waiting = Waiting::new();
        assert!(!waiting.push(open().0));
        for _ in 0..10_000 {
            let (given_up, slot) = open();
            slot.abandon();
            if waiting.push(given_up) {
                let _ = waiting.sweep();
            }
            assert!(waiting.len() <= FEW, "{} operations", waiting.len());
        }
        assert!(waiting.pop().is_some_and(|first| !first.is_abandoned()));
    }

    #[test]
    fn a_queue_that_was_long_gives_its_memory_back() {
        let mut waiting = Waiting::new();
        for _ in 0..1000 {
            if waiting.push(open().0) {
                assert!(waiting.sweep().is_empty());
            }
        }
        assert!(waiting.ops.capacity() >= 1000);
        while waiting.pop().is_some() {}
        assert!(waiting.ops.capacity() <= FEW);
    }
}
