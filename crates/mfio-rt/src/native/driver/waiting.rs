//! Operations that wait for room in a driver, in the order in which they were sent.
//!
//! The queue has an entry for each operation and nothing else, so its length is that of what the senders have sent and not
//! yet seen the end of. Its memory is a small share of theirs: each entry stands for a packet with a buffer. Reads and
//! requests that were given up leave it when it is next looked through, which happens whenever it has doubled; so it has
//! at most twice the entries that somebody waits for, writes of which the result is not awaited included.

use std::collections::VecDeque;

use crate::native::op::Op;

/// Below this length the queue is not looked through.
const FEW: usize = 64;

/// A queue of operations.
#[derive(Debug)]
pub(super) struct Waiting {
    ops: VecDeque<Op>,
    /// The length at which it is looked through.
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

    /// Adds an operation. `true`: the queue has doubled, and is to be [swept](Self::sweep).
    #[inline]
    #[must_use]
    pub(super) fn push(&mut self, op: Op) -> bool {
        self.ops.push_back(op);
        self.ops.len() >= self.sweep_at
    }

    /// Takes the oldest operation out. The memory of a long queue goes with its last entry.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Op> {
        let op = self.ops.pop_front()?;
        if self.ops.is_empty() && self.ops.capacity() > FEW {
            *self = Self::new();
        }
        Some(op)
    }

    /// Takes out what nobody waits for any more. The caller ends it, without a lock: that runs code of others.
    #[cold]
    #[must_use]
    pub(super) fn sweep(&mut self) -> Vec<Op> {
        self.take_out(Op::is_abandoned)
    }

    /// Takes out what is chosen. The rest keeps its order.
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
    use crate::native::metadata::{Completion, MetadataRequest, Open};
    use crate::native::op::Op;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;

    fn open() -> (Op, Arc<Completion<OwnedFd>>) {
        let (request, completion) = MetadataRequest::new(Open::new(c"/".into(), 0, 0));
        (Op::Metadata(request), completion)
    }

    #[test]
    fn operations_that_were_given_up_do_not_make_the_queue_grow() {
        let mut waiting = Waiting::new();
        assert!(!waiting.push(open().0));
        for _ in 0..10_000 {
            let (given_up, completion) = open();
            completion.abandon();
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
