//! Operations that move no bytes: open, length, sync, close.
//!
//! A [`MetadataOp`] owns its subject (a path, a file, a descriptor) and names the type of its
//! answer. [`MetadataRequest::new`] pairs it with a [`Completion`]: the driver owns the request,
//! the future that waits owns the other half.
//!
//! To add an operation, implement [`MetadataOp`] in `ops`. A driver that hands system calls to the
//! kernel as data (io_uring's `sqe`) needs an arm for its [`Syscall`]; the others need nothing.
//!
//! Invariants:
//!
//! 1. The memory that a [`Syscall`] points to belongs to the operation, which is in a heap block
//!    of its own from the start to the terminal completion. In between, the kernel alone accesses
//!    the memory that it writes to.
//! 2. An operation is dropped, and with it its hold on the file, before its end is reported: a
//!    task that awaited it finds the file free.
//! 3. [`MetadataOp::answer`] is given the result of the operation's own system call. So a
//!    descriptor in it has no other owner.

mod completion;
mod ops;

#[cfg(target_os = "linux")]
use std::ffi::CStr;
use std::fmt;
#[cfg(target_os = "linux")]
use std::os::fd::RawFd;
use std::sync::Arc;

use mfio::error::Cause;

pub(crate) use self::completion::Completion;
pub(crate) use self::ops::{Close, Fsync, Len, Open};
use super::sys::{Errno, SyscallResult};

/// Interruptions in a row after which an operation fails with the error that interrupted it.
pub(super) const MAX_ATTEMPTS: u8 = 32;

/// An operation with its subject and the type of its answer.
pub(crate) trait MetadataOp: Execute + 'static {
    /// The result of a success.
    type Answer: fmt::Debug + Send + 'static;

    /// The name of the operation in errors.
    const NAME: &'static str;

    /// The operation may be left undone when its future was dropped, or the runtime ends.
    const OPTIONAL: bool;

    /// The system call takes effect whatever error it reports, `ECANCELED` excepted, and must not
    /// be repeated.
    const RUNS_ONCE: bool = false;

    /// Ends the operation: releases the subject, and converts the result to an answer.
    fn answer(self, result: SyscallResult) -> Result<Self::Answer, Errno>;
}

/// The part of an operation that drivers use.
pub(crate) trait Execute: fmt::Debug + Send + Sync {
    /// Makes the system call, blocking.
    fn perform(&mut self) -> SyscallResult;

    /// Returns the system call as data, for drivers that hand it to the kernel.
    #[cfg(target_os = "linux")]
    fn syscall(&self) -> Syscall<'_>;

    /// Converts the success of [`syscall`](Self::syscall) to that of [`perform`](Self::perform).
    #[cfg(target_os = "linux")]
    fn kernel_result(&self, result: u64) -> SyscallResult {
        Ok(result)
    }

    /// Whether this error of a first attempt may be gone in a second one.
    fn is_worth_retrying(&self, _: Errno) -> bool {
        false
    }
}

/// A system call of a metadata operation.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) enum Syscall<'a> {
    Open {
        path: &'a CStr,
        flags: libc::c_int,
        mode: u32,
    },
    /// `statx` of a descriptor: size and type.
    Statx {
        fd: RawFd,
        stat: *mut libc::statx,
    },
    Fsync {
        fd: RawFd,
        /// `fdatasync` instead of `fsync`.
        data_only: bool,
    },
    Close {
        fd: RawFd,
    },
}

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
    pub(crate) fn new<O: MetadataOp>(op: O) -> (Self, Arc<Completion<O::Answer>>) {
        let completion = Arc::new(Completion::new());
        let task = Box::new(Pending {
            op,
            completion: completion.clone(),
        });
        let request = Self {
            task,
            optional: O::OPTIONAL,
            runs_once: O::RUNS_ONCE,
            attempts: 0,
            keyless: false,
        };
        (request, completion)
    }

    /// Returns the operation.
    pub(crate) fn op(&self) -> &dyn Execute {
        self.task.op()
    }

    /// Makes the system call, blocking.
    pub(crate) fn perform(&mut self) -> SyscallResult {
        self.task.perform()
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

/// A [`MetadataOp`] and its completion, without their types.
trait Task: fmt::Debug + Send + Sync {
    fn op(&self) -> &dyn Execute;
    fn perform(&mut self) -> SyscallResult;
    fn finish(self: Box<Self>, result: SyscallResult);
    fn fail(self: Box<Self>, cause: Cause);
    fn is_abandoned(&self) -> bool;
}

#[derive(Debug)]
struct Pending<O, A> {
    op: O,
    completion: Arc<Completion<A>>,
}

impl<O: MetadataOp> Task for Pending<O, O::Answer> {
    fn op(&self) -> &dyn Execute {
        &self.op
    }

    fn perform(&mut self) -> SyscallResult {
        self.op.perform()
    }

    fn finish(self: Box<Self>, result: SyscallResult) {
        // (2): `answer` consumes the operation.
        let answer = self.op.answer(result).map_err(Cause::from_errno);
        self.completion.complete(answer);
    }

    fn fail(self: Box<Self>, cause: Cause) {
        drop(self.op);
        self.completion.complete(Err(cause));
    }

    fn is_abandoned(&self) -> bool {
        self.completion.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Close, Completion, MetadataRequest};
    use std::os::fd::{AsRawFd, OwnedFd, RawFd};
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    fn closing() -> (MetadataRequest, Arc<Completion<()>>, RawFd) {
        let fd = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let number = fd.as_raw_fd();
        let (request, completion) = MetadataRequest::new(Close::new(fd));
        (request, completion, number)
    }

    fn is_open(number: RawFd) -> bool {
        std::path::Path::new(&format!("/dev/fd/{number}")).exists()
    }

    /// The kernel has closed the descriptor, and its number may name another file by now.
    #[test]
    fn a_close_that_was_interrupted_is_not_repeated() {
        for errno in [libc::EINTR, libc::EAGAIN, libc::EFAULT] {
            let (request, _completion, number) = closing();
            let rest = request.complete(Err(errno));
            assert!(rest.is_none(), "it would be closed again after {errno}");
            assert!(is_open(number), "it was closed again after {errno}");
            let (request, ..) = closing();
            assert!(request.interrupted(libc::EFAULT).is_none());
        }
    }

    #[test]
    fn a_close_that_did_not_run_is_tried_again() {
        let (request, completion, number) = closing();
        let rest = request.interrupted(libc::ECANCELED).expect("another try");
        assert!(is_open(number));
        assert!(rest.complete(Err(libc::ECANCELED)).is_none());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(completion.poll(&mut cx), Poll::Ready(Ok(()))));
    }
}
