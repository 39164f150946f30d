//! The end of the driver, or of a ring that failed.

use super::Queue;
use crate::native::op::Op;
use crate::native::sys::Errno;

impl Queue {
    /// Takes nothing in any more. What is optional ends: it comes back where the kernel does not know of it, and is to be
    /// cancelled otherwise. What is owed goes on.
    pub(in super::super) fn close(&mut self) -> Vec<Op> {
        self.closed = true;
        self.end(Op::is_optional)
    }

    /// Gives up what is owed, too.
    pub(in super::super) fn give_up(&mut self) -> Vec<Op> {
        self.over = true;
        self.end(|_| true)
    }

    /// Ends the operations that are chosen. Those that the kernel does not know of come back.
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

    /// How much has not ended. Nothing, or `at_last`: the driver ends here.
    pub(in super::super) fn unfinished(&mut self, at_last: bool) -> usize {
        // On a ring that takes nothing the poll for wake-ups cannot be ended. It ends with the ring, and writes nowhere.
        let waking = self.wake_armed && self.failed.is_none();
        let open = self.table.len() + usize::from(waking);
        self.ended |= open == 0 || at_last;
        open
    }

    /// Whether owed operations are given up, too.
    pub(in super::super) fn is_over(&self) -> bool {
        self.over
    }

    /// The kernel takes nothing any more, after so many entries. What it does not have comes back. What it has stays where
    /// it is until it ends: its memory must not go.
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
