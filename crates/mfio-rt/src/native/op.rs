//! The operations of drivers, and the meaning of their results.
//!
//! Every driver accepts the same [`Op`]s and returns the results of system calls: a number or an
//! errno. The consequences (more to read, end of file, try again) are decided here, once for all
//! drivers.
//!
//! Invariants:
//!
//! 1. A driver that reports success `n` of a transfer has moved exactly `n` bytes of the view's
//!    memory, from its start.
//! 2. A view's memory stays valid until the view ends, wherever the view moves; an op owns its
//!    view.
#![allow(unsafe_code)]

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use mfio::error::{Cause, ErrorKind};
use mfio::io::{Read, Write};
use mfio::packet::View;

use super::metadata::{MAX_ATTEMPTS, MetadataRequest};
use super::object::Object;
use super::sys::{self, Errno, Position, SyscallResult};

/// An operation, with everything that it needs and owns.
#[derive(Debug)]
pub(crate) enum Op {
    Read(Transfer<Read>),
    Write(Transfer<Write>),
    Metadata(MetadataRequest),
}

/// A view that is filled from, or written to, a position of a file.
pub(crate) struct Transfer<D: mfio::io::Direction> {
    /// Held until the end, so that the descriptor can neither close nor be reused under the
    /// operation.
    pub(crate) object: Arc<Object>,
    pub(crate) view: View<D>,
    pub(crate) pos: u64,
    /// Interruptions in a row.
    attempts: u8,
}

impl<D: mfio::io::Direction> std::fmt::Debug for Transfer<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfer")
            .field("pos", &self.pos)
            .field("len", &self.view.len())
            .finish_non_exhaustive()
    }
}

impl<D: mfio::io::Direction> Transfer<D> {
    pub(crate) fn new(object: Arc<Object>, view: View<D>, pos: u64) -> Self {
        Self {
            object,
            view,
            pos,
            attempts: 0,
        }
    }

    /// Returns the length of the next system call, in bytes.
    #[inline]
    pub(crate) fn chunk(&self) -> usize {
        self.view.len().min(sys::MAX_TRANSFER)
    }

    /// Returns the position of the next system call.
    #[inline]
    pub(crate) fn position(&self) -> Position {
        self.object.position(self.pos)
    }

    fn interrupted(mut self, errno: Errno, again: impl FnOnce(Self) -> Op) -> Option<Op> {
        if D::READS && self.view.is_abandoned() {
            self.into_view().fail(ErrorKind::Cancelled);
            return None;
        }
        self.attempts += 1;
        if self.attempts < MAX_ATTEMPTS {
            return Some(again(self));
        }
        self.into_view().fail(Cause::from_errno(errno));
        None
    }

    /// Releases the object, so that a task that is woken by the end finds the file free.
    #[inline]
    fn into_view(self) -> View<D> {
        drop(self.object);
        self.view
    }

    /// Ends the view, or returns the rest of the operation. `end` is the error for a transfer of no
    /// bytes.
    #[inline]
    fn complete(
        self,
        result: SyscallResult,
        end: ErrorKind,
        again: impl FnOnce(Self) -> Op,
    ) -> Option<Op> {
        match result {
            Ok(n) if n >= self.view.len() as u64 => self.into_view().done(),
            Ok(0) => self.into_view().fail(end),
            Ok(n) => return self.partly(n, again),
            Err(errno @ (libc::EINTR | libc::EAGAIN)) => return self.interrupted(errno, again),
            Err(errno) => self.into_view().fail(Cause::from_errno(errno)),
        }
        None
    }

    /// Ends the first `n` bytes, of more. A stream has no more bytes now, and waiting for the rest
    /// could take for ever. An abandoned read takes no more bytes either.
    fn partly(self, n: u64, again: impl FnOnce(Self) -> Op) -> Option<Op> {
        if D::READS && (!self.object.is_seekable() || self.view.is_abandoned()) {
            self.into_view()
                .done_prefix(n as usize, ErrorKind::WouldBlock);
            return None;
        }
        let (done, rest) = self.view.split_at(n as usize);
        done.done();
        Some(again(Self {
            object: self.object,
            view: rest,
            pos: self.pos + n,
            attempts: 0,
        }))
    }
}

impl Op {
    /// Ends the operation with a failure.
    pub(crate) fn fail(self, cause: impl Into<Cause>) {
        let cause = cause.into();
        match self {
            Self::Read(transfer) => transfer.into_view().fail(cause),
            Self::Write(transfer) => transfer.into_view().fail(cause),
            Self::Metadata(request) => request.fail(cause),
        }
    }

    /// Ends the operation with the result of its system call, or returns the rest of it.
    #[inline]
    pub(crate) fn complete(self, result: SyscallResult) -> Option<Self> {
        match self {
            Self::Read(transfer) => transfer.complete(result, ErrorKind::UnexpectedEof, Self::Read),
            Self::Write(transfer) => transfer.complete(result, ErrorKind::WriteZero, Self::Write),
            Self::Metadata(request) => request.complete(result).map(Self::Metadata),
        }
    }

    /// Ends an operation that no driver will carry out. One that is optional or could wait for ever
    /// fails; any other is carried out on this thread.
    #[cold]
    pub(crate) fn end_without_driver(mut self, cause: Cause) {
        loop {
            if self.is_optional() || self.stream().is_some() {
                return self.fail(cause);
            }
            let result = self.perform();
            match self.complete(result) {
                Some(rest) => self = rest,
                None => return,
            }
        }
    }

    /// Takes in an error that says nothing of the operation: its thread has exited, for example.
    /// The operation is tried again, a bounded number of times.
    pub(crate) fn interrupted(self, errno: Errno) -> Option<Self> {
        match self {
            Self::Read(transfer) => transfer.interrupted(errno, Self::Read),
            Self::Write(transfer) => transfer.interrupted(errno, Self::Write),
            Self::Metadata(request) => request.interrupted(errno).map(Self::Metadata),
        }
    }

    /// Returns the stream that the operation reads (`true`) or writes, if its file is one.
    pub(crate) fn stream(&self) -> Option<(BorrowedFd<'_>, bool)> {
        let object = self.object().filter(|object| !object.is_seekable())?;
        Some((object.fd(), matches!(self, Self::Read(_))))
    }

    /// Makes one system call. It blocks, except for a stream's read where the system supports that.
    pub(crate) fn perform(&mut self) -> SyscallResult {
        match self {
            Self::Read(transfer) => {
                if !transfer.object.is_seekable() {
                    let (fd, buf) = (transfer.object.fd(), transfer.view.bytes_mut());
                    match sys::read_nowait(fd, buf, Position::None) {
                        Err(libc::EOPNOTSUPP) => {}
                        told => return told.map(|n| n as u64),
                    }
                }
                let (len, fd) = (transfer.chunk(), transfer.object.fd());
                // SAFETY: (2), and `len` is at most the length of the view.
                unsafe { sys::read(fd, transfer.view.as_mut_ptr(), len, transfer.position()) }
                    .map(|n| n as u64)
            }
            Self::Write(transfer) => {
                let (len, fd) = (transfer.chunk(), transfer.object.fd());
                // SAFETY: (2), and `len` is at most the length of the view.
                unsafe { sys::write(fd, transfer.view.as_ptr(), len, transfer.position()) }
                    .map(|n| n as u64)
            }
            Self::Metadata(request) => request.op().perform(),
        }
    }

    /// Returns the file that bytes are moved from or to.
    #[inline]
    pub(crate) fn object(&self) -> Option<&Arc<Object>> {
        match self {
            Self::Read(transfer) => Some(&transfer.object),
            Self::Write(transfer) => Some(&transfer.object),
            Self::Metadata(_) => None,
        }
    }

    /// Whether the operation may take for ever while its sender has no key to cancel it: the read
    /// of a stream, or a request that lost its key by a retry or by waiting for room.
    #[inline]
    pub(crate) fn may_linger(&self) -> bool {
        match self {
            Self::Read(transfer) => !transfer.object.is_seekable(),
            Self::Write(_) => false,
            Self::Metadata(request) => request.has_lost_key(),
        }
    }

    /// Whether the operation may be left undone when the runtime ends. Writes, syncs and closes are
    /// carried out, because the user may rely on them.
    pub(crate) fn is_optional(&self) -> bool {
        match self {
            Self::Read(_) => true,
            Self::Write(_) => false,
            Self::Metadata(request) => request.is_optional(),
        }
    }

    /// Whether the operation must run on a thread, whatever the driver.
    pub(crate) fn is_on_thread(&self) -> bool {
        matches!(self, Self::Metadata(request) if request.is_on_thread())
    }

    /// Whether [`complete`](Self::complete) would return a rest for this result.
    pub(crate) fn goes_on(&self, result: SyscallResult) -> bool {
        match (self, result) {
            (Self::Write(write), Ok(n)) => n != 0 && n < write.view.len() as u64,
            (Self::Write(_), Err(errno)) => matches!(errno, libc::EINTR | libc::EAGAIN),
            _ => false,
        }
    }

    /// Whether the operation was abandoned, and need not be started.
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Read(transfer) => transfer.view.is_abandoned(),
            // A write that was sent is carried out, abandoned or not.
            Self::Write(_) => false,
            Self::Metadata(request) => request.is_abandoned(),
        }
    }
}

/// Ends operations with a failure.
pub(crate) fn fail_all(ops: Vec<Op>, cause: impl Into<Cause>) {
    let cause = cause.into();
    ops.into_iter().for_each(|op| op.fail(cause));
}
