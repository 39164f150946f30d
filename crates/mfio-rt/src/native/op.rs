//! The vocabulary: what a driver can be asked to do, and what an answer means.
//!
//! Every driver takes the same [`Op`]s and gives back what the system call gave: a number or an errno. What follows
//! from it (more to read, end of file, try again) is decided here, once for all drivers.
//!
//! Invariants:
//!
//! 1. A driver that reports success `n` of a transfer has moved exactly `n` bytes of the view's memory, from its start.
//! 2. A view's memory stays valid until the view ends, wherever the view moves; an op owns its view.
#![allow(unsafe_code)]

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use mfio::error::{Cause, ErrorKind};
use mfio::io::{Read, Write};
use mfio::packet::View;

use super::metadata::{MAX_ATTEMPTS, MetadataRequest};
use super::object::Object;
use super::sys::{self, Errno, Position, SyscallResult};

/// One operation, with everything that it needs and owns.
#[derive(Debug)]
pub(crate) enum Op {
    Read(Transfer<Read>),
    Write(Transfer<Write>),
    Metadata(MetadataRequest),
}

/// A view that is to be filled from, or written to, a position of a file.
pub(crate) struct Transfer<D: mfio::io::Direction> {
    /// Held until the end, so that the descriptor can neither close nor be reused under the operation.
    pub(crate) object: Arc<Object>,
    pub(crate) view: View<D>,
    pub(crate) pos: u64,
    /// How often this was interrupted in a row.
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

    /// What the kernel is asked for in one call.
    #[inline]
    pub(crate) fn chunk(&self) -> usize {
        self.view.len().min(sys::MAX_TRANSFER)
    }

    /// Where the kernel is asked to begin.
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

    /// Gives the object back, so that whoever hears of the end finds it free.
    #[inline]
    fn into_view(self) -> View<D> {
        drop(self.object);
        self.view
    }

    /// Ends the view, or gives back what is left to do. `end` is what a transfer of no bytes means.
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

    /// The first `n` bytes are done, and there are more. What a stream has given is all that it has now: waiting for
    /// the rest could take for ever. What nobody waits for takes nothing more either.
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
    /// Ends the operation unsuccessfully.
    pub(crate) fn fail(self, cause: impl Into<Cause>) {
        let cause = cause.into();
        match self {
            Self::Read(transfer) => transfer.into_view().fail(cause),
            Self::Write(transfer) => transfer.into_view().fail(cause),
            Self::Metadata(request) => request.fail(cause),
        }
    }

    /// Takes in what a driver did: ends the operation, or gives back what is left to do.
    #[inline]
    pub(crate) fn complete(self, result: SyscallResult) -> Option<Self> {
        match self {
            Self::Read(transfer) => transfer.complete(result, ErrorKind::UnexpectedEof, Self::Read),
            Self::Write(transfer) => transfer.complete(result, ErrorKind::WriteZero, Self::Write),
            Self::Metadata(request) => request.complete(result).map(Self::Metadata),
        }
    }

    /// Carries out what is owed on this thread, where no driver will; fails everything else, and what could wait for ever.
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

    /// Takes in an end that nobody asked for: the thread that had submitted the operation is gone, say. It is tried
    /// again, a bounded number of times.
    pub(crate) fn interrupted(self, errno: Errno) -> Option<Self> {
        match self {
            Self::Read(transfer) => transfer.interrupted(errno, Self::Read),
            Self::Write(transfer) => transfer.interrupted(errno, Self::Write),
            Self::Metadata(request) => request.interrupted(errno).map(Self::Metadata),
        }
    }

    /// The stream that bytes are moved from (`true`) or to, if it is one.
    pub(crate) fn stream(&self) -> Option<(BorrowedFd<'_>, bool)> {
        let object = self.object().filter(|object| !object.is_seekable())?;
        Some((object.fd(), matches!(self, Self::Read(_))))
    }

    /// One system call's worth, blocking, but not for the bytes of a stream where the system can tell that there are none.
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
                // SAFETY: (2), and `len` is not more than the view has.
                unsafe { sys::read(fd, transfer.view.as_mut_ptr(), len, transfer.position()) }
                    .map(|n| n as u64)
            }
            Self::Write(transfer) => {
                let (len, fd) = (transfer.chunk(), transfer.object.fd());
                // SAFETY: (2), and `len` is not more than the view has.
                unsafe { sys::write(fd, transfer.view.as_ptr(), len, transfer.position()) }
                    .map(|n| n as u64)
            }
            Self::Metadata(request) => request.perform(),
        }
    }

    /// The file that bytes are moved from or to.
    #[inline]
    pub(crate) fn object(&self) -> Option<&Arc<Object>> {
        match self {
            Self::Read(transfer) => Some(&transfer.object),
            Self::Write(transfer) => Some(&transfer.object),
            Self::Metadata(_) => None,
        }
    }

    /// Whether this may take for ever, with nobody to ask for its end by name: the read of a stream, and a request whose
    /// name has changed because it was tried again, or waited for room.
    #[inline]
    pub(crate) fn may_linger(&self) -> bool {
        match self {
            Self::Read(transfer) => !transfer.object.is_seekable(),
            Self::Write(_) => false,
            Self::Metadata(request) => request.has_lost_key(),
        }
    }

    /// Whether it may be left undone when the runtime ends. What was written, synced or closed is carried out: the user may
    /// have gone on, and will not ask again.
    pub(crate) fn is_optional(&self) -> bool {
        match self {
            Self::Read(_) => true,
            Self::Write(_) => false,
            Self::Metadata(request) => request.is_optional(),
        }
    }

    /// Whether this result leaves something to be done: [`complete`](Self::complete) will give it back.
    pub(crate) fn goes_on(&self, result: SyscallResult) -> bool {
        match (self, result) {
            (Self::Write(write), Ok(n)) => n != 0 && n < write.view.len() as u64,
            (Self::Write(_), Err(errno)) => matches!(errno, libc::EINTR | libc::EAGAIN),
            _ => false,
        }
    }

    /// Whether nobody waits for this any more, so that it need not be started.
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Read(transfer) => transfer.view.is_abandoned(),
            // A write that was sent is carried out, whoever still looks.
            Self::Write(_) => false,
            Self::Metadata(request) => request.is_abandoned(),
        }
    }
}
