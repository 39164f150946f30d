//! `std::io::{Read, Write, Seek}` for cursors: they wait, and lend the caller's memory.

use super::reading::{Reading, copy};
use super::{Seekable, Streaming};
use crate::backend::{IoBackend, IoBackendExt};
use crate::error::{ErrorKind, Result};
use crate::io::{self, NoPos, PacketIo, Position};
use crate::traits::{HasLen, Prefix, failure, moved};
use core::future::poll_fn;
use core::task::{Context, Poll};
use std::io::{Read, Result as StdResult, Seek, SeekFrom, Write};

/// Drives the object until `poll` is ready.
pub(super) fn wait<Io: IoBackend, R>(io: &Io, poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> R {
    io.block_on(poll_fn(poll))
}

/// Gives out what a read that was given up has brought; otherwise asks the object, without a copy.
pub(super) fn read_blocking<P, Io>(
    io: &Io,
    reading: &mut Reading,
    pos: P,
    bytes: &mut [u8],
) -> Result<usize>
where
    P: Position,
    Io: PacketIo<io::Read, P> + IoBackend,
{
    let len = bytes.len();
    if len == 0 {
        return Ok(0);
    }
    let outcome = if reading.is_pending() {
        wait(io, |cx| reading.poll_fill(io, pos, len, cx)).map(|()| {
            let taken = copy(reading.held(), bytes);
            reading.consume(taken);
            taken
        })
    } else {
        match moved::<io::Read, P, Io, Prefix>(io, pos, bytes) {
            (0, Some(cause)) if cause.kind() != ErrorKind::UnexpectedEof => Err(cause),
            (n, cause) => {
                reading.note(cause);
                Ok(n)
            }
        }
    };
    outcome.map_err(|cause| failure::<io::Read, P, Io>(io, pos, len, cause))
}

/// Writes the front of `bytes`, without a copy.
pub(super) fn write_blocking<P, Io>(io: &Io, pos: P, bytes: &[u8]) -> Result<usize>
where
    P: Position,
    Io: PacketIo<io::Write, P> + IoBackend,
{
    match moved::<io::Write, P, Io, Prefix>(io, pos, bytes) {
        (0, Some(cause)) => Err(failure::<io::Write, P, Io>(io, pos, bytes.len(), cause)),
        (n, _) => Ok(n),
    }
}

impl<Io: PacketIo<io::Read> + IoBackend> Read for Seekable<Io> {
    fn read(&mut self, bytes: &mut [u8]) -> StdResult<usize> {
        Ok(self.read_blocking(bytes)?)
    }
}

impl<Io: PacketIo<io::Write> + IoBackend> Write for Seekable<Io> {
    fn write(&mut self, bytes: &[u8]) -> StdResult<usize> {
        match bytes.len() {
            0 => Ok(0),
            _ => Ok(self.write_blocking(bytes)?),
        }
    }

    fn flush(&mut self) -> StdResult<()> {
        Ok(self.flush_blocking()?)
    }
}

impl<Io: PacketIo<io::Read> + HasLen + IoBackend> Seek for Seekable<Io> {
    fn seek(&mut self, to: SeekFrom) -> StdResult<u64> {
        Ok(self.seek_blocking(to.into())?)
    }
}

impl<Io: PacketIo<io::Read, NoPos> + IoBackend> Read for Streaming<Io> {
    fn read(&mut self, bytes: &mut [u8]) -> StdResult<usize> {
        let (io, reading, _) = self.parts();
        Ok(read_blocking(io, reading, NoPos, bytes)?)
    }
}

impl<Io: PacketIo<io::Write, NoPos> + IoBackend> Write for Streaming<Io> {
    fn write(&mut self, bytes: &[u8]) -> StdResult<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.flush()?;
        let (io, ..) = self.parts();
        Ok(write_blocking(io, NoPos, bytes)?)
    }

    fn flush(&mut self) -> StdResult<()> {
        let (io, _, writing) = self.parts();
        if !writing.is_pending() {
            return Ok(());
        }
        let settled = wait(io, |cx| writing.poll_settle(cx));
        Ok(settled.map_err(|failed| super::state::write_failure::<io::Write, _, _>(io, failed))?)
    }
}
