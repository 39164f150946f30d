//! Taking completions off the ring.

use std::mem::MaybeUninit;

use mfio::error::ErrorKind;

use super::driver::Uring;
use super::exits;
use super::queue::{CANCELLED_BY_US, EXITED_CANCEL, EXITED_FAULT, may_go_on};
use super::ring::BATCH;
use super::sqe;
use crate::native::op::Op;
use crate::native::sys::SyscallResult;

impl Uring {
    /// Takes a batch of completions. Puts the operations that they end into `done`, and returns the
    /// number of completions.
    ///
    /// `flush` is set when there is something to flush then: operations that waited for room, or
    /// the wake-up poll.
    pub(super) fn collect(&self, done: &mut Vec<(Op, i32)>, flush: &mut bool) -> usize {
        let mut room = [const { MaybeUninit::uninit() }; BATCH];
        let mut completions = self.ring.completions(&mut room).peekable();
        if completions.peek().is_none() {
            return 0;
        }
        let mut queue = self.queue();
        // After the completions were read.
        queue.exits = exits::count();
        let mut count = 0;
        for completion in completions {
            count += 1;
            match completion.user_data {
                sqe::CANCEL => {}
                sqe::WAKE => queue.wake_armed &= completion.more,
                _ => queue.take(completion, done),
            }
        }
        queue.admit();
        // During the shutdown, too: the operations that are not optional move up.
        *flush |= !queue.pending.is_empty() || !(queue.wake_armed || queue.closed);
        count
    }

    /// Ends an operation, or puts back the rest of it; returns `true` for the latter.
    pub(super) fn settle(&self, mut op: Op, result: i32) -> bool {
        let unsettled = may_go_on(&op, result);
        let rest = match result {
            // Not a cancel of ours, whose result is CANCELLED_BY_US: the thread that submitted the
            // operation has exited. A metadata operation knows if it has not.
            exited @ (EXITED_CANCEL | EXITED_FAULT) => op.interrupted(-exited),
            CANCELLED_BY_US => {
                op.fail(ErrorKind::Cancelled);
                None
            }
            result => {
                let result = syscall_result(&mut op, result);
                op.complete(result)
            }
        };
        let goes_on = rest.is_some();
        if let Some(rest) = rest {
            self.put_back(rest);
        }
        if unsettled {
            // After it is back: the shutdown must find it in one place or the other.
            self.queue().settled();
        }
        goes_on
    }
}

/// Converts the result of a completion to that of a system call.
#[inline]
fn syscall_result(op: &mut Op, result: i32) -> SyscallResult {
    match (op, u64::try_from(result)) {
        (_, Err(_)) => Err(-result),
        (Op::Metadata(request), Ok(n)) => request.op().kernel_result(n),
        (_, Ok(n)) => Ok(n),
    }
}
