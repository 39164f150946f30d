//! What a seekable cursor is: a position and both halves, as whoever has the turn sees them.

use super::reading::Reading;
use super::seek::SeekFrom;
use super::writing::{Failed, Writing};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::io::{Direction, PacketIo, Position, Read, Write};
use crate::traits::failure_of;
use core::task::{Context, Poll};

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    pub(super) pos: u64,
    pub(super) read: Reading,
    pub(super) write: Writing<u64>,
    /// How many writes there were: whoever has asked for the length sees whether that may have changed.
    pub(super) writes: u64,
}

impl State {
    pub(super) fn new(pos: u64, limit: usize) -> Self {
        Self {
            pos,
            read: Reading::new(limit),
            write: Writing::new(limit),
            writes: 0,
        }
    }

    /// Waits for the accepted write. Where it failed, the position goes back to the first byte that was not written.
    pub(super) fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed<u64>>> {
        self.write.poll_settle(cx).map_err(|failed| {
            self.go_to(failed.pos);
            failed
        })
    }

    /// How many of `want` bytes there are positions for.
    pub(super) fn clip(&self, want: usize) -> usize {
        usize::try_from(u64::MAX - self.pos).map_or(want, |room| want.min(room))
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

    /// Moves the position to where a seek leads; `base` is the end, or the position, whichever it is relative to.
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
        self.go_to(target);
        Ok(target)
    }

    /// Prepares for a write of up to `want` bytes, and says how many there are positions for.
    pub(super) fn begin_write(&mut self, want: usize) -> Result<usize, Cause> {
        self.read.discard();
        self.writes = self.writes.wrapping_add(1);
        match self.clip(want) {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            room => Ok(room),
        }
    }
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
