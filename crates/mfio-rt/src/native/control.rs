//! Operations that move no bytes: open, length, sync, close. One heap block each, shared by the future that waits and
//! the driver that works.
//!
//! Invariants:
//!
//! 1. `statx` is written by the kernel between submission and terminal completion, and read by nobody but the one
//!    that took in that completion. The block is alive for all that time: the driver's op holds it.
//! 2. The object of a request is held until the request has ended, and given back before that is told, so that whoever
//!    hears of it finds the object free.
//! 3. The success of an open is a descriptor that belongs to nobody else: whoever takes in the answer owns it.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mfio::contain::contained;
use mfio::error::Cause;

use super::object::Object;
use super::op::Outcome;
use super::sys;

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Request {
    Open {
        path: CString,
        flags: libc::c_int,
        mode: u32,
    },
    Len,
    Sync {
        data_only: bool,
    },
    Close,
}

/// What a request is about, as long as it is under way.
#[derive(Debug)]
pub(crate) enum Subject {
    Nothing,
    Object(Arc<Object>),
    Closing(OwnedFd),
}

/// What comes back.
#[derive(Debug)]
pub(crate) enum Answer {
    Opened(OwnedFd),
    Len(u64),
    Done,
}

/// A request and the place for its answer.
pub(crate) struct Control {
    request: Request,
    subject: Mutex<Subject>,
    reply: Mutex<Reply>,
    abandoned: AtomicBool,
    attempts: AtomicU8,
    /// Nobody can ask for its end by name: it waited for room, where operations have none.
    nameless: AtomicBool,
    #[cfg(target_os = "linux")]
    statx: std::cell::UnsafeCell<std::mem::MaybeUninit<libc::statx>>,
}

// SAFETY: everything but `statx` is Sync by itself, and (1) orders the accesses to that.
unsafe impl Sync for Control {}
// SAFETY: nothing in here is tied to a thread.
unsafe impl Send for Control {}

#[derive(Debug)]
enum Reply {
    Open(Option<Waker>),
    Answered(Result<Answer, Cause>),
    Taken,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// Interruptions after which a control operation fails.
const MAX_ATTEMPTS: u8 = 32;

impl Control {
    pub(crate) fn new(request: Request, subject: Subject) -> Arc<Self> {
        Arc::new(Self {
            request,
            subject: Mutex::new(subject),
            reply: Mutex::new(Reply::Open(None)),
            abandoned: AtomicBool::new(false),
            attempts: AtomicU8::new(0),
            nameless: AtomicBool::new(false),
            #[cfg(target_os = "linux")]
            statx: std::cell::UnsafeCell::new(std::mem::MaybeUninit::zeroed()),
        })
    }

    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Where the kernel puts what it knows of a file.
    #[cfg(target_os = "linux")]
    pub(crate) fn statx(&self) -> *mut libc::statx {
        self.statx.get().cast()
    }

    /// What a successful statx said. Only for the one that took in its completion.
    #[cfg(target_os = "linux")]
    pub(crate) fn statx_len(&self) -> Outcome {
        // SAFETY: (1). Zeroed before the kernel wrote to it: initialised.
        let stat = unsafe { &*self.statx() };
        match (
            u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFBLK,
            self.object(),
        ) {
            (true, Some(object)) => sys::device_len(object.fd()),
            _ => Ok(stat.stx_size),
        }
    }

    fn subject(&self) -> MutexGuard<'_, Subject> {
        self.subject.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self) -> Option<Arc<Object>> {
        match &*self.subject() {
            Subject::Object(object) => Some(object.clone()),
            _ => None,
        }
    }

    fn reply(&self) -> MutexGuard<'_, Reply> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an interruption, and says whether another attempt is in order. A close that ran has closed, whatever it
    /// says: the number may be somebody else's by now. Only one that was cancelled has not run.
    pub(crate) fn may_retry(&self, errno: sys::Errno) -> bool {
        let has_run = errno != libc::ECANCELED;
        if has_run && matches!(self.request, Request::Close) {
            return false;
        }
        self.attempts.fetch_add(1, Ordering::Relaxed) < MAX_ATTEMPTS
    }

    /// Whether this is about a FIFO that nobody reads, and the attempt did not wait for a reader: io_uring first tries to
    /// open without waiting. Where it is about something else the second attempt says so again.
    pub(crate) fn came_too_early(&self, errno: sys::Errno) -> bool {
        let waits = |flags| flags & libc::O_NONBLOCK == 0;
        errno == libc::ENXIO
            && matches!(self.request, Request::Open { flags, .. } if waits(flags))
            && !self.was_retried()
            && self.may_retry(errno)
    }

    /// Whether an attempt has failed.
    pub(crate) fn was_retried(&self) -> bool {
        self.attempts.load(Ordering::Relaxed) > 0
    }

    /// Notes that nobody knows its name.
    pub(crate) fn lose_name(&self) {
        self.nameless.store(true, Ordering::Relaxed);
    }

    /// Whether the name that its sender has, if any, is not the one that it has now.
    pub(crate) fn has_lost_name(&self) -> bool {
        self.nameless.load(Ordering::Relaxed) || self.was_retried()
    }

    /// The future is gone. What is still coming is thrown away (and closed).
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether it need not be started any more. A close always has to.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed) && self.is_optional()
    }

    /// Whether it may be left undone when nobody waits for it.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(self.request, Request::Open { .. } | Request::Len)
    }

    /// Turns what the system call gave into an answer.
    pub(crate) fn finish(&self, outcome: Outcome) {
        let answer = match (&self.request, outcome) {
            (Request::Close, outcome) => self.closed(outcome),
            (_, Err(errno)) => Err(Cause::from_errno(errno)),
            (Request::Open { .. }, Ok(fd)) => {
                // SAFETY: (3).
                let fd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
                Ok(Answer::Opened(fd))
            }
            (Request::Len, Ok(len)) => Ok(Answer::Len(len)),
            (Request::Sync { .. }, Ok(_)) => Ok(Answer::Done),
        };
        self.complete(answer);
    }

    /// Delivers the answer, and wakes who waits for it.
    pub(crate) fn complete(&self, answer: Result<Answer, Cause>) {
        let subject = std::mem::replace(&mut *self.subject(), Subject::Nothing);
        drop(subject);
        let before = std::mem::replace(&mut *self.reply(), Reply::Answered(answer));
        if let Reply::Open(Some(waker)) = before {
            contained(|| waker.wake());
        }
    }

    /// The answer, or a promise to wake.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<Answer, Cause>> {
        if let Reply::Open(Some(waker)) = &*self.reply()
            && waker.will_wake(cx.waker())
        {
            return Poll::Pending;
        }
        // Cloned, and dropped, without the lock: both are code of the user's.
        let new = cx.waker().clone();
        let mut reply = self.reply();
        if let Reply::Open(waker) = &mut *reply {
            let old = waker.replace(new);
            drop(reply);
            drop(old);
            return Poll::Pending;
        }
        let answered = std::mem::replace(&mut *reply, Reply::Taken);
        drop(reply);
        match answered {
            Reply::Answered(answer) => Poll::Ready(answer),
            _ => panic!("a future of mfio-rt was polled after it had completed"),
        }
    }

    /// Does it here and now, blocking.
    pub(crate) fn perform(&self) -> Outcome {
        match (&self.request, self.object()) {
            (Request::Open { path, flags, mode }, _) => {
                sys::open(path, *flags, *mode).map(|fd| fd.into_raw_fd() as u64)
            }
            (Request::Len, Some(object)) => sys::len(object.fd()),
            (Request::Sync { data_only }, Some(object)) => {
                sys::sync(object.fd(), *data_only).map(|()| 0)
            }
            (Request::Close, _) => {
                // Taken first: closing may block, and must not hold the lock meanwhile.
                let subject = std::mem::replace(&mut *self.subject(), Subject::Nothing);
                match subject {
                    Subject::Closing(fd) => sys::close(fd).map(|()| 0),
                    _ => Ok(0),
                }
            }
            (Request::Len | Request::Sync { .. }, None) => Err(libc::EBADF),
        }
    }

    /// What the end of a close means for the descriptor: only a close that never ran leaves it open.
    fn closed(&self, outcome: Outcome) -> Result<Answer, Cause> {
        let subject = std::mem::replace(&mut *self.subject(), Subject::Nothing);
        match (outcome, subject) {
            (Err(libc::ECANCELED), Subject::Closing(fd)) => sys::close(fd)
                .map(|()| Answer::Done)
                .map_err(Cause::from_errno),
            (outcome, subject) => {
                if let Subject::Closing(fd) = subject {
                    // The kernel has closed it: the number may already be somebody else's.
                    let _ = fd.into_raw_fd();
                }
                match outcome {
                    Ok(_) | Err(libc::EINTR) => Ok(Answer::Done),
                    Err(errno) => Err(Cause::from_errno(errno)),
                }
            }
        }
    }

    /// The descriptor that a close, length or sync is about.
    pub(crate) fn raw_fd(&self) -> RawFd {
        match &*self.subject() {
            Subject::Nothing => -1,
            Subject::Object(object) => object.fd().as_raw_fd(),
            Subject::Closing(fd) => fd.as_raw_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Control, Request, Subject};
    use crate::native::op::Op;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::task::{Context, Poll, Waker};

    fn closing() -> (std::sync::Arc<Control>, libc::c_int) {
        let fd = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let number = fd.as_raw_fd();
        (Control::new(Request::Close, Subject::Closing(fd)), number)
    }

    /// The kernel has closed the descriptor, and somebody else may have its number by now.
    #[test]
    fn a_close_that_was_interrupted_is_not_repeated() {
        for errno in [libc::EINTR, libc::EAGAIN, libc::EFAULT] {
            let (control, _) = closing();
            let rest = Op::Control(control.clone()).complete(Err(errno));
            assert!(rest.is_none(), "it would be closed again after {errno}");
            assert_eq!(control.raw_fd(), -1);
            let (control, _) = closing();
            assert!(Op::Control(control).disturbed(libc::EFAULT).is_none());
        }
    }

    #[test]
    fn a_close_that_did_not_run_is_tried_again() {
        let (control, number) = closing();
        let rest = Op::Control(control.clone()).disturbed(libc::ECANCELED);
        assert!(rest.is_some());
        assert_eq!(control.raw_fd(), number);
        assert!(rest.unwrap().complete(Err(libc::ECANCELED)).is_none());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(control.poll(&mut cx), Poll::Ready(Ok(_))));
        assert_eq!(control.raw_fd(), -1);
    }
}
