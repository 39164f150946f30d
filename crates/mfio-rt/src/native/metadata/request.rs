//! A metadata operation of any type, as drivers own it.

use std::fmt;
use std::sync::Arc;

use mfio::control::{Answer, ControlOp};
use mfio::error::Cause;
use mfio::io::Read;
use mfio::packet::View;

use super::answer::AnswerSlot;
use super::operation::{Execute, MetadataOp};
use super::ops::{Fsync, Len};
use super::sink::{Reply, Sink};
use super::space::{Extents, Space};
use crate::native::object::Object;
use crate::native::sys::{Errno, SyscallResult};

/// Interruptions in a row after which an operation fails with the error that interrupted it.
pub(crate) const MAX_ATTEMPTS: u8 = 32;

/// The driver's half: an operation of any type, and what became of it so far.
#[derive(Debug)]
pub(crate) struct MetadataRequest {
    work: Work,
    optional: bool,
    runs_once: bool,
    on_thread: bool,
    /// Attempts that were interrupted.
    attempts: u8,
    /// It waited for room, where operations have no key.
    keyless: bool,
    /// The exits of submitting threads when the kernel was given the operation.
    exits: u32,
    /// The kernel has made the system call, whatever its error.
    ran: bool,
}

impl MetadataRequest {
    pub(crate) fn new<O: MetadataOp>(op: O) -> (Self, Arc<AnswerSlot<O::Answer>>) {
        let slot = Arc::new(AnswerSlot::new());
        (Self::boxed(op, slot.clone()), slot)
    }

    /// Creates the request of a control operation, which ends the view.
    pub(crate) fn control(object: Arc<Object>, op: ControlOp, view: View<Read>) -> Self {
        let room = view.len() / Answer::EXTENT;
        let sink = Reply(view);
        match op {
            ControlOp::SyncData => Self::sync(object, true, sink),
            ControlOp::SyncAll => Self::sync(object, false, sink),
            ControlOp::Len => Self::boxed(Len::new(object), sink),
            ControlOp::Extents(span) => Self::boxed(Extents::new(object, span, room), sink),
            op => Self::boxed(Space { object, op }, sink),
        }
    }

    /// Allocates nothing.
    fn sync(object: Arc<Object>, data_only: bool, sink: Reply) -> Self {
        let op = Fsync { object, data_only };
        Self::of::<Fsync>(Work::Sync(Pending { op, sink }))
    }

    fn boxed<O: MetadataOp>(op: O, sink: impl Sink<O::Answer> + 'static) -> Self {
        Self::of::<O>(Work::Boxed(Box::new(Pending { op, sink })))
    }

    fn of<O: MetadataOp>(work: Work) -> Self {
        Self {
            work,
            optional: O::OPTIONAL,
            runs_once: O::RUNS_ONCE,
            on_thread: O::ON_THREAD,
            attempts: 0,
            keyless: false,
            exits: 0,
            ran: false,
        }
    }

    /// Returns the operation.
    pub(crate) fn op(&mut self) -> &mut dyn Execute {
        match &mut self.work {
            Work::Boxed(task) => task.op(),
            Work::Sync(sync) => &mut sync.op,
        }
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
        match self.work {
            Work::Boxed(task) => task.finish(result),
            Work::Sync(sync) => sync.finish(result),
        }
        None
    }

    /// Takes in an error that says nothing of the operation: its thread has exited, say.
    pub(crate) fn interrupted(mut self, errno: Errno) -> Option<Self> {
        if !self.ran && self.count_retry(errno) {
            return Some(self);
        }
        self.complete(Err(errno))
    }

    /// Notes that the kernel is given the operation, after so many exits of submitting threads.
    pub(crate) fn sent(&mut self, exits: u32) {
        self.exits = exits;
    }

    /// Notes an error that the exit of the submitting thread has caused, or the system call itself:
    /// the latter if no such thread has exited meanwhile. Nothing has cancelled the operation.
    pub(crate) fn ended(&mut self, exits: u32) {
        self.ran = self.exits == exits;
        if self.ran {
            self.op().note_ran();
        }
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
        match self.work {
            Work::Boxed(task) => task.fail(cause),
            Work::Sync(sync) => sync.fail(cause),
        }
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
        self.optional
            && match &self.work {
                Work::Boxed(task) => task.is_abandoned(),
                // A sync is not optional.
                Work::Sync(_) => false,
            }
    }

    /// Whether the operation must run on a thread ([`MetadataOp::ON_THREAD`]).
    pub(crate) fn is_on_thread(&self) -> bool {
        self.on_thread
    }
}

/// An operation and the receiver of its answer.
#[derive(Debug)]
enum Work {
    Boxed(Box<dyn Task>),
    /// In place: the one control operation that is frequent.
    Sync(Pending<Fsync, Reply>),
}

/// A [`MetadataOp`] and its receiver, without their types.
trait Task: fmt::Debug + Send + Sync {
    fn op(&mut self) -> &mut dyn Execute;
    fn finish(self: Box<Self>, result: SyscallResult);
    fn fail(self: Box<Self>, cause: Cause);
    fn is_abandoned(&self) -> bool;
}

#[derive(Debug)]
struct Pending<O, S> {
    op: O,
    sink: S,
}

impl<O: MetadataOp, S: Sink<O::Answer>> Pending<O, S> {
    fn finish(self, result: SyscallResult) {
        // (2): `answer` consumes the operation.
        let answer = self.op.answer(result).map_err(Cause::from_errno);
        self.sink.complete(answer);
    }

    fn fail(self, cause: Cause) {
        drop(self.op);
        self.sink.complete(Err(cause));
    }
}

impl<O: MetadataOp, S: Sink<O::Answer>> Task for Pending<O, S> {
    fn op(&mut self) -> &mut dyn Execute {
        &mut self.op
    }

    fn finish(self: Box<Self>, result: SyscallResult) {
        Self::finish(*self, result);
    }

    fn fail(self: Box<Self>, cause: Cause) {
        Self::fail(*self, cause);
    }

    fn is_abandoned(&self) -> bool {
        self.sink.is_abandoned()
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
