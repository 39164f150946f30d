//! The end of the driver, or of a ring that failed.

use std::thread;

use super::Queue;
use crate::native::op::Op;
use crate::native::sys::Errno;

impl Queue {
    /// Rejects operations from now on. Optional ones end: those that the kernel does not have are
    /// returned, the others are cancelled. The rest goes on.
    pub(in super::super) fn close(&mut self) -> Vec<Op> {
        self.closed = true;
        self.end(Op::is_optional)
    }

    /// Ends the others, too.
    pub(in super::super) fn give_up(&mut self) -> Vec<Op> {
        self.over = true;
        self.end(|_| true)
    }

    /// Ends the chosen operations. Those that the kernel does not have are returned.
    fn end(&mut self, chosen: impl Fn(&Op) -> bool) -> Vec<Op> {
        let mut unsent = Vec::new();
        let table = &mut self.table;
        self.stale = 0;
        self.pending.retain(|key| match table.get_mut(*key) {
            Some(entry) if chosen(&entry.op) => {
                unsent.extend(table.remove(*key).map(|entry| entry.op));
                false
            }
            entry => entry.is_some(),
        });
        self.cancels = self.table.keys().collect();
        let table = &mut self.table;
        self.cancels.retain(|key| match table.get_mut(*key) {
            Some(entry) if entry.is_on_ring() && chosen(&entry.op) => {
                entry.cancel();
                true
            }
            _ => false,
        });
        unsent.append(&mut self.waiting.take_out(chosen));
        self.admit();
        unsent
    }

    /// Returns how many operations have not ended. If that is 0, or `at_last` is set, the driver
    /// ends here. An operation that another thread may put back has not ended. One of this thread's
    /// has: its end may be what has dropped the runtime.
    pub(in super::super) fn unfinished(&mut self, at_last: bool) -> usize {
        // A failed ring takes no cancel for the wake-up poll. That ends with the ring, and writes
        // to no memory.
        let waking = self.wake_armed && self.failed.is_none();
        let this = thread::current().id();
        let unsettled = self.unsettled.iter().filter(|thread| **thread != this);
        let open = self.table.len() + unsettled.count() + usize::from(waking);
        self.ended |= open == 0 || at_last;
        open
    }

    /// Whether operations that are not optional are given up, too.
    pub(in super::super) fn is_over(&self) -> bool {
        self.over
    }

    /// Ends the queue of a ring that takes no more entries, after the first `taken` ones. Returns
    /// the operations that the kernel does not have. The others stay in the table until they end:
    /// the kernel uses their memory.
    pub(in super::super) fn fail(&mut self, errno: Errno, taken: u64) -> Vec<Op> {
        self.failed.get_or_insert(errno);
        self.stale = 0;
        let table = &mut self.table;
        let untaken: Vec<_> = table.keys().collect();
        let untaken = untaken.into_iter().filter(|key| {
            let entry = table.get_mut(*key);
            entry.is_some_and(|entry| entry.is_untaken(taken))
        });
        let untaken: Vec<_> = untaken.collect();
        self.on_ring -= untaken.len();
        let all = untaken.into_iter().chain(self.pending.drain(..));
        let ops = all.filter_map(|key| table.remove(key).map(|entry| entry.op));
        ops.chain(self.waiting.take_out(|_| true)).collect()
    }
}
