//! What a seekable cursor is: a position and both halves, as whoever has the turn sees them.

use super::reading::Reading;
use super::seek::SeekFrom;
use super::writing::{Failed, Writing};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::io::{Direction, PacketIo, Position, Read, Write};
use crate::traits::failure_of;
use core::mem::take;
use core::task::{Context, Poll, ready};

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    pub(super) pos: u64,
    pub(super) read: Reading,
    pub(super) write: Writing<u64>,
    /// How many writes there were: whoever has asked for the length sees whether that may have changed.
    pub(super) writes: u64,
    /// The write on its way goes to the end of the object, which is asked for when it is there.
    appended: bool,
}

/// Where a write goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) pos: u64,
    /// How many bytes there are positions for.
    pub(super) room: usize,
    appends: bool,
}

impl State {
    pub(super) fn new(pos: u64, limit: usize) -> Self {
        Self {
            pos,
            read: Reading::new(limit),
            write: Writing::new(limit),
            writes: 0,
            appended: false,
        }
    }

    /// Waits for the accepted write. Where it failed, the position goes back to the first byte that was not written. Where it
    /// was appended, the position is the end of the object.
    pub(super) fn poll_settle<D, Io>(
        &mut self,
        io: &Io,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failed<u64>>>
    where
        D: Direction,
        Io: PacketIo<D> + ?Sized,
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
        Poll::Ready(settled)
    }

    /// How many of `want` bytes there are positions for.
    pub(super) fn clip(&self, want: usize) -> usize {
        clip(self.pos, want)
    }

    /// Moves the position over `n` bytes that were read, or written; as many as were [clipped](Self::clip) at most.
    pub(super) fn advance(&mut self, n: usize) {
        self.pos = self.pos.saturating_add(n as u64);
    }

    /// Moves the position. What was read ahead belongs to the old one.
    pub(super) fn go_to(&mut self, pos: u64) {
        if pos != self.pos {
            self.read.discard();
            self.pos = pos;
        }
    }

    /// Moves the position to where a seek leads; `base` is the end, or the position, whichever it is relative to. What was
    /// read ahead is read again, unless this only asks where the position is.
    pub(super) fn seek<Io>(&mut self, io: &Io, to: SeekFrom, base: u64) -> Result<u64>
    where
        Io: PacketIo<Read> + ?Sized,
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

    /// Prepares for a write of up to `want` bytes, and says where it goes.
    pub(super) fn begin_write<Io>(&mut self, io: &Io, want: usize) -> Result<Target, Cause>
    where
        Io: PacketIo<Write> + ?Sized,
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

    /// Moves the position behind `n` bytes that were written at `target`, or accepted. Others may have appended meanwhile, so
    /// the end is asked for again, when the write has ended.
    pub(super) fn written<Io>(&mut self, io: &Io, target: Target, n: usize)
    where
        Io: PacketIo<Write> + ?Sized,
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

/// How many of `want` bytes there are positions for, from `pos` on.
fn clip(pos: u64, want: usize) -> usize {
    usize::try_from(u64::MAX - pos).map_or(want, |room| want.min(room))
}

/// An accepted write that failed, as the user is told. `D` is a direction in which `io` can be asked what it is.
#[cold]
pub(super) fn write_failure<D, P, Io>(io: &Io, failed: Failed<P>) -> Error
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
{
    failure_of::<D, P, Io>(io, Write::VERB, failed.pos, failed.len, failed.cause)
}
