//! The state of a cursor: a position and both halves. A task has it exclusively, see
//! [`state_lock`](super::state_lock).

use super::reading::Reading;
use super::seek::SeekFrom;
use super::syncs::{SyncCall, Syncs};
use super::writing::{FailedWrite, Writing};
use crate::control::{ControlIo, ControlOp};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::io::{Direction, IoObject, Operation, Position, Write};
use crate::traits::failure_of;
use core::mem::take;
use core::task::{Context, Poll, ready};

/// A position and both halves of a cursor.
#[derive(Debug)]
pub(super) struct CursorState {
    pub(super) pos: u64,
    pub(super) read: Reading,
    pub(super) write: Writing<u64>,
    pub(super) syncs: Syncs,
    /// Number of writes so far. If it has changed, a length that was asked for before may be stale.
    pub(super) writes: u64,
    /// Whether the write in flight goes to the end of the object, which is asked for once it is
    /// done.
    appended: bool,
}

/// The destination of a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) pos: u64,
    /// Number of bytes for which there are positions.
    pub(super) room: usize,
    appends: bool,
}

impl CursorState {
    pub(super) fn new(pos: u64, limit: usize) -> Self {
        Self {
            pos,
            read: Reading::new(limit),
            write: Writing::new(limit),
            syncs: Syncs::default(),
            writes: 0,
            appended: false,
        }
    }

    /// Waits for the accepted write. If it failed, moves the position back to the first byte that
    /// was not written. If it was appended, moves the position to the end of the object.
    pub(super) fn poll_settle<Io>(&mut self, io: &Io, cx: &mut Context<'_>) -> Poll<Result<()>>
    where
        Io: IoObject + ?Sized,
    {
        let settled = ready!(self.write.poll_settle(cx));
        if let Err(failed) = &settled {
            self.go_to(failed.pos);
        }
        if take(&mut self.appended)
            && let Some(end) = io.appends_at()
        {
            self.go_to(end);
        }
        Poll::Ready(settled.map_err(|failed| write_failure(io, failed)))
    }

    /// Waits for the accepted write, and reports the failure of a sync that was dropped.
    pub(super) fn poll_flush<Io>(&mut self, io: &Io, cx: &mut Context<'_>) -> Poll<Result<()>>
    where
        Io: IoObject + ?Sized,
    {
        ready!(self.poll_settle(io, cx))?;
        Poll::Ready(self.syncs.look(io, cx))
    }

    /// Waits for the accepted write, and syncs the object. Writes that are accepted once the sync
    /// was sent are neither waited for nor reported.
    pub(super) fn poll_sync<Io>(
        &mut self,
        io: &Io,
        cx: &mut Context<'_>,
        op: ControlOp,
        call: &mut SyncCall,
    ) -> Poll<Result<()>>
    where
        Io: ControlIo + ?Sized,
    {
        if !call.is_sent() {
            ready!(self.poll_settle(io, cx))?;
        }
        self.syncs.poll(io, cx, op, call)
    }

    /// Returns for how many of `want` bytes there are positions.
    pub(super) fn clip(&self, want: usize) -> usize {
        clip(self.pos, want)
    }

    /// Moves the position over `n` bytes that were read or written, at most as many as
    /// [`clip`](Self::clip) returned.
    pub(super) fn advance(&mut self, n: usize) {
        self.pos = self.pos.saturating_add(n as u64);
    }

    /// Moves the position. Discards bytes of a dropped read, which belong to the old one.
    pub(super) fn go_to(&mut self, pos: u64) {
        if pos != self.pos {
            self.read.discard();
            self.pos = pos;
        }
    }

    /// Moves the position to the target of a seek; `base` is the end or the position, whichever the
    /// seek is relative to. Discards bytes of a dropped read, unless the seek only asks for the
    /// position.
    pub(super) fn seek<Io>(&mut self, io: &Io, to: SeekFrom, base: u64) -> Result<u64>
    where
        Io: IoObject + ?Sized,
    {
        let target = to.target(base).map_err(|cause| {
            let error = Error::new(cause, "seek").offset(self.pos);
            error
                .identity(io.identity())
                .help("the position would be before the start, or beyond 2^64 - 1")
        })?;
        if to != SeekFrom::Current(0) {
            self.read.discard();
        }
        self.pos = target;
        Ok(target)
    }

    /// Prepares for a write of up to `want` bytes. Returns its destination.
    pub(super) fn begin_write<Io>(&mut self, io: &Io, want: usize) -> Result<Target, Cause>
    where
        Io: IoObject + ?Sized,
    {
        self.read.discard();
        self.writes = self.writes.wrapping_add(1);
        let end = io.appends_at();
        let pos = end.unwrap_or(self.pos);
        match clip(pos, want) {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            room => Ok(Target {
                pos,
                room,
                appends: end.is_some(),
            }),
        }
    }

    /// Moves the position behind `n` bytes that were written at `target`, or accepted. The end of
    /// an appending object is asked for again once the write is done, because of concurrent
    /// appends.
    pub(super) fn written<Io>(&mut self, io: &Io, target: Target, n: usize)
    where
        Io: IoObject + ?Sized,
    {
        self.pos = target.pos.saturating_add(n as u64);
        if target.appends {
            self.appended = self.write.is_pending();
            if !self.appended {
                self.pos = io.appends_at().unwrap_or(self.pos);
            }
        }
    }
}

/// Returns for how many of `want` bytes there are positions, from `pos` on.
fn clip(pos: u64, want: usize) -> usize {
    usize::try_from(u64::MAX - pos).map_or(want, |room| want.min(room))
}

/// Makes the error of an accepted write that failed.
#[cold]
pub(super) fn write_failure<P, Io>(io: &Io, failed: FailedWrite<P>) -> Error
where
    P: Position,
    Io: IoObject + ?Sized,
{
    let FailedWrite { pos, len, cause } = failed;
    failure_of(io, Operation::Write, Write::VERB, pos, len, cause)
}
