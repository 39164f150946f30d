//! Submitting operations to the kernel.
#![allow(unsafe_code)]

use std::sync::Arc;

use super::driver::Uring;
use super::exits;
use super::ring::Entries;
use super::sqe;
use crate::native::object::Object;
use crate::native::op::Op;

/// The result of filling the submission queue.
pub(super) struct Filled {
    /// Entries on the submission queue, those of earlier flushes included.
    pub(super) on_queue: usize,
    /// Reads among the entries that were added.
    pub(super) reads: usize,
    /// A file that is used often.
    pub(super) often: Option<Arc<Object>>,
    /// Abandoned operations, to be ended.
    pub(super) given_up: Vec<Op>,
    /// The submission queue had no room for the rest.
    pub(super) more: bool,
}

impl Uring {
    /// Submits the entries on the submission queue. Returns `true` if there is more to submit.
    pub(super) fn submit_filled(&self, mut entries: Entries<'_>, filled: &Filled) -> bool {
        if filled.on_queue == 0 {
            return filled.more;
        }
        exits::watch();
        match entries.submit() {
            Ok(taken) => filled.more || taken < filled.on_queue,
            Err(error) => self.not_submitted(entries, &error),
        }
    }

    /// Moves pending operations to the submission queue, as far as there is room.
    pub(super) fn fill(&self, entries: &mut Entries<'_>) -> Filled {
        let mut room = entries.room();
        let (mut reads, mut often, mut given_up) = (0, None, Vec::new());
        let mut queue = self.queue();
        queue.exits = exits::count();
        queue.sweep();
        queue.sift(&mut given_up);
        if !queue.wake_armed && !queue.closed && room > 0 {
            // SAFETY: the entry points to nothing; the descriptor lives as long as the driver (3).
            queue.wake_armed = unsafe { entries.push(&sqe::wake_poll(self.wake_fd)) };
            room -= 1;
        }
        while room > 0
            && let Some(key) = queue.cancels.pop()
        {
            // SAFETY: the entry points to nothing.
            unsafe { entries.push(&sqe::cancel(key.get())) };
            room -= 1;
        }
        while room > 0
            && let Some((key, op)) = queue.next(&mut given_up, entries.pushed())
        {
            if let Some(object) = op.object() {
                if object.count_use() {
                    often = Some(object.clone());
                }
                reads += usize::from(matches!(op, Op::Read(_)));
            }
            let sqe = sqe::of(op, key.get());
            // SAFETY: the operation stays in the table until the completion (1).
            unsafe { entries.push(&sqe) };
            room -= 1;
        }
        queue.admit();
        let more = !queue.cancels.is_empty()
            || !(queue.wake_armed || queue.closed)
            || (room == 0 && !queue.is_full() && !queue.pending.is_empty());
        Filled {
            reads,
            often,
            given_up,
            more,
            on_queue: entries.len(),
        }
    }
}
