//! The futures of operations that move no bytes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mfio::error::{Cause, Error, ErrorKind, Result};

use super::metadata::{AnswerSlot, Close, Fsync, Len, MetadataOp, MetadataRequest};
use super::object::Name;
use super::op::Op;
use super::owner::Owner;
use super::table::Key;

/// An operation `O` on an object that errors describe as `N`.
///
/// It is sent at the first poll. Dropping it before its end cancels an optional operation.
pub(super) struct Call<O: MetadataOp, N> {
    owner: Arc<Owner>,
    object: N,
    stage: Stage<O::Answer>,
}

enum Stage<A> {
    /// Fails before anything is sent, with a remedy.
    Refused(Cause, &'static str),
    Unsent(MetadataRequest, Arc<AnswerSlot<A>>),
    Sent(Key, Arc<AnswerSlot<A>>),
    Over,
}

impl<O: MetadataOp, N: fmt::Display> Call<O, N> {
    pub(super) fn new(owner: &Arc<Owner>, object: N, op: O) -> Self {
        let (request, slot) = MetadataRequest::new(op);
        Self {
            owner: owner.clone(),
            object,
            stage: Stage::Unsent(request, slot),
        }
    }

    /// Creates an operation that fails at its first poll.
    pub(super) fn refused(
        owner: &Arc<Owner>,
        object: N,
        cause: impl Into<Cause>,
        help: &'static str,
    ) -> Self {
        Self {
            owner: owner.clone(),
            object,
            stage: Stage::Refused(cause.into(), help),
        }
    }

    pub(super) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }

    pub(super) fn object(&self) -> &N {
        &self.object
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<O::Answer>> {
        // First the waker, then the request: the answer may come from another thread.
        if let Stage::Unsent(_, slot) | Stage::Sent(_, slot) = &self.stage {
            match slot.poll(cx) {
                Poll::Pending if matches!(self.stage, Stage::Sent(..)) => return Poll::Pending,
                Poll::Pending => {}
                Poll::Ready(answer) => {
                    self.stage = Stage::Over;
                    return Poll::Ready(answer.map_err(|cause| self.error(cause)));
                }
            }
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Refused(cause, help) => Poll::Ready(Err(self.bare_error(cause).help(help))),
            Stage::Unsent(request, slot) => match self.owner.submit(Op::Metadata(request)) {
                Ok(key) => {
                    self.stage = Stage::Sent(key, slot);
                    Poll::Pending
                }
                Err((op, cause)) => {
                    drop(op);
                    Poll::Ready(Err(self.error(cause)))
                }
            },
            _ => panic!("a future of mfio-rt was polled after it had completed"),
        }
    }

    /// Returns the error without a remedy.
    fn bare_error(&self, cause: Cause) -> Error {
        Error::new(cause, O::NAME)
            .object(self.object.to_string())
            .driver(self.owner.driver_name())
    }

    fn error(&self, cause: Cause) -> Error {
        let error = self.bare_error(cause);
        match self.owner.explain_driver(cause).or_else(|| help(cause)) {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

impl<O: MetadataOp, N> Drop for Call<O, N> {
    fn drop(&mut self) {
        if let Stage::Sent(key, slot) = &self.stage
            && O::OPTIONAL
        {
            slot.abandon();
            self.owner.cancel(*key);
        }
    }
}

/// Returns a remedy for a limit that was reached.
pub(super) fn help(cause: Cause) -> Option<&'static str> {
    match (cause.errno(), cause.kind()) {
        (Some(libc::EMFILE), _) => Some(
            "this process may not open more files: raise RLIMIT_NOFILE (`ulimit -n`), or close \
             some",
        ),
        (Some(libc::ENFILE), _) => {
            Some("the system's limit of open files is reached (sysctl fs.file-max)")
        }
        (Some(libc::ENOMEM), _) => Some(
            "memory is missing: see the memory limit of the control group (memory.max), \
             RLIMIT_AS (`ulimit -v`) and RLIMIT_MEMLOCK (`ulimit -l`)",
        ),
        (None, ErrorKind::NotDriven) => Some(
            "`Builder::self_driving(false)` forbids the runtime to drive itself: spawn \
             `Tokio::drive` or `AsyncIo::drive`, or wait in `block_on`",
        ),
        (Some(_), ErrorKind::LimitReached) => Some(
            "nobody drives the runtime, and no thread could be started that does: raise the \
             limit of threads (`ulimit -u`) or of open files (`ulimit -n`), or spawn \
             `Tokio::drive` or `AsyncIo::drive`",
        ),
        (None, ErrorKind::BackendGone) => {
            Some("the runtime has ended, or this process is a forked child of the one that made it")
        }
        _ => None,
    }
}

/// Defines the public future of an operation on an open file.
macro_rules! file_call {
    ($(#[$doc:meta])* $name:ident($op:ty) -> $answer:ty) => {
        $(#[$doc])*
        pub struct $name(Call<$op, Name>);

        impl $name {
            pub(super) fn new(owner: &Arc<Owner>, name: Name, op: $op) -> Self {
                Self(Call::new(owner, name, op))
            }
        }

        impl Future for $name {
            type Output = Result<$answer>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                self.0.poll(cx)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct(stringify!($name));
                debug.field("file", &self.0.object).finish_non_exhaustive()
            }
        }
    };
}

file_call! {
    /// The future of [`File::len`](super::File::len).
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the operation.
    #[must_use = "nothing happens before this is awaited"]
    FileLen(Len) -> u64
}

file_call! {
    /// The future of [`File::sync_all`](super::File::sync_all) and
    /// [`File::sync_data`](super::File::sync_data).
    ///
    /// # Cancel safety
    ///
    /// Nothing is synced before the first poll. Dropping it after that leaves the sync in flight.
    #[must_use = "nothing happens before this is awaited"]
    SyncFile(Fsync) -> ()
}

file_call! {
    /// The future of [`File::close`](super::File::close).
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the file all the same; errors are lost.
    #[must_use = "errors of the close are lost unless this is awaited"]
    CloseFile(Close) -> ()
}

impl CloseFile {
    /// Creates a future that fails, for a file that is in use.
    pub(super) fn busy(owner: &Arc<Owner>, name: Name) -> Self {
        let help = "other clones of the file, or operations in flight, still use it";
        Self(Call::refused(owner, name, ErrorKind::Busy, help))
    }
}
