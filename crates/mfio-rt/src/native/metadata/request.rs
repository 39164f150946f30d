//! A metadata operation of any type, as drivers own it.

use std::fmt;
use std::sync::Arc;

use mfio::error::Cause;

use super::answer::AnswerSlot;
use super::operation::{Execute, MetadataOp};
use crate::native::sys::{Errno, SyscallResult};

/// Interruptions in a row after which an operation fails with the error that interrupted it.
pub(crate) const MAX_ATTEMPTS: u8 = 32;

/// The driver's half: an operation of any type, and what became of it so far.
#[derive(Debug)]
pub(crate) struct MetadataRequest {
    task: Box<dyn Task>,
    optional: bool,
    runs_once: bool,
    /// Attempts that were interrupted.
    attempts: u8,
    /// It waited for room, where operations have no key.
    keyless: bool,
}

impl MetadataRequest {
    pub(crate) fn new<O: MetadataOp>(op: O) -> (Self, Arc<AnswerSlot<O::Answer>>) {
        let slot = Arc::new(AnswerSlot::new());
        let task = Box::new(Pending {
            op,
            slot: slot.clone(),
        });
        let request = Self {
            task,
            optional: O::OPTIONAL,
            runs_once: O::RUNS_ONCE,
            attempts: 0,
            keyless: false,
        };
        (request, slot)
    }

    /// Returns the operation.
    pub(crate) fn op(&mut self) -> &mut dyn Execute {
        self.task.op()
    }

    /// Ends the operation with the result of its system call, or returns it for another attempt.
    pub(crate) fn complete(mut self, result: SyscallResult) -> Option<Self> {
        if let Err(errno) = result {
            let again = matches!(errno, libc::EINTR | libc::EAGAIN)
                || (!self.was_retried() && self.op().is_worth_retrying(errno));
            if again && self.count_retry(errno) {
                return Some(self);
            }
        }
        self.task.finish(result);
        None
    }

    /// Takes in an error that says nothing of the operation: its thread has exited, say.
    pub(crate) fn interrupted(mut self, errno: Errno) -> Option<Self> {
        if self.count_retry(errno) {
            return Some(self);
        }
        self.complete(Err(errno))
    }

    /// Counts an interruption, and returns whether another attempt is allowed.
    fn count_retry(&mut self, errno: Errno) -> bool {
        if self.runs_once && errno != libc::ECANCELED {
            return false;
        }
        let allowed = self.attempts < MAX_ATTEMPTS;
        self.attempts = self.attempts.saturating_add(1);
        allowed
    }

    /// Ends the operation without a system call.
    pub(crate) fn fail(self, cause: Cause) {
        self.task.fail(cause);
    }

    /// Whether an attempt was interrupted.
    pub(crate) fn was_retried(&self) -> bool {
        self.attempts > 0
    }

    /// Notes that the future was given no key.
    pub(crate) fn lose_key(&mut self) {
        self.keyless = true;
    }

    /// Whether the key of the future, if it has one, no longer names the operation.
    pub(crate) fn has_lost_key(&self) -> bool {
        self.keyless || self.was_retried()
    }

    /// Whether the operation may be left undone when no future waits for it.
    pub(crate) fn is_optional(&self) -> bool {
        self.optional
    }

    /// Whether the system call must not be repeated ([`MetadataOp::RUNS_ONCE`]).
    pub(crate) fn runs_once(&self) -> bool {
        self.runs_once
    }

    /// Whether the operation need not be started: it is optional, and its future was dropped.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.optional && self.task.is_abandoned()
    }
}

/// A [`MetadataOp`] and its slot, without their types.
trait Task: fmt::Debug + Send + Sync {
    fn op(&mut self) -> &mut dyn Execute;
    fn finish(self: Box<Self>, result: SyscallResult);
    fn fail(self: Box<Self>, cause: Cause);
    fn is_abandoned(&self) -> bool;
}

#[derive(Debug)]
struct Pending<O, A> {
    op: O,
    slot: Arc<AnswerSlot<A>>,
}

impl<O: MetadataOp> Task for Pending<O, O::Answer> {
    fn op(&mut self) -> &mut dyn Execute {
        &mut self.op
    }

    fn finish(self: Box<Self>, result: SyscallResult) {
        // (2): `answer` consumes the operation.
        let answer = self.op.answer(result).map_err(Cause::from_errno);
        self.slot.complete(answer);
    }

    fn fail(self: Box<Self>, cause: Cause) {
        drop(self.op);
        self.slot.complete(Err(cause));
    }

    fn is_abandoned(&self) -> bool {
        self.slot.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::AnswerSlot;
    use super::super::ops::Close;
    use super::MetadataRequest;
    use std::os::fd::{AsRawFd, OwnedFd, RawFd};
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    fn closing() -> (MetadataRequest, Arc<AnswerSlot<()>>, RawFd) {
        let fd = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let number = fd.as_raw_fd();
        let (request, slot) = MetadataRequest::new(Close::new(fd));
        (request, slot, number)
    }

    fn is_open(number: RawFd) -> bool {
        std::path::Path::new(&format!("/dev/fd/{number}")).exists()
    }

    /// The kernel has closed the descriptor, and its number may name another file by now.
    #[test]
    fn a_close_that_was_interrupted_is_not_repeated() {
        for errno in [libc::EINTR, libc::EAGAIN, libc::EFAULT] {
            let (request, _slot, number) = closing();
            let rest = request.complete(Err(errno));
            assert!(rest.is_none(), "it would be closed again after {errno}");
            assert!(is_open(number), "it was closed again after {errno}");
            let (request, ..) = closing();
            assert!(request.interrupted(libc::EFAULT).is_none());
        }
    }

    /// File systems in user space report what they like, `ECANCELED` too.
    #[test]
    fn a_close_that_ran_keeps_its_error() {
        let (mut request, slot, _) = closing();
        assert_eq!(request.op().perform(), Ok(0));
        assert!(request.complete(Err(libc::ECANCELED)).is_none());
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Err(cause)) = slot.poll(&mut cx) else {
            panic!("the error was lost");
        };
        assert_eq!(cause.errno(), Some(libc::ECANCELED));
    }

    #[test]
    fn a_close_that_did_not_run_is_tried_again() {
        let (request, slot, number) = closing();
        let rest = request.interrupted(libc::ECANCELED).expect("another try");
        assert!(is_open(number));
        assert!(rest.complete(Err(libc::ECANCELED)).is_none());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(slot.poll(&mut cx), Poll::Ready(Ok(()))));
    }
}
