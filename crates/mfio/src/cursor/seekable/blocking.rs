//! The same, waiting: the caller's memory goes down directly.

use super::*;
use crate::backend::IoBackend;
use crate::cursor::standard::{read_blocking, wait, write_blocking};

impl<Io: IoBackend> Seekable<Io> {
    pub(in crate::cursor) fn read_blocking(&mut self, bytes: &mut [u8]) -> Result<usize>
    where
        Io: PacketIo<Read>,
    {
        let mut turn = self.seat.turn_blocking(Side::Reader);
        let (io, state) = (&self.cursor.io, turn.state());
        settle::<Read, Io>(io, state)?;
        let room = state.clip(bytes.len());
        let taken = read_blocking(io, &mut state.read, state.pos, &mut bytes[..room])?;
        state.advance(taken);
        Ok(taken)
    }

    pub(in crate::cursor) fn write_blocking(&mut self, bytes: &[u8]) -> Result<usize>
    where
        Io: PacketIo<Write>,
    {
        let mut turn = self.seat.turn_blocking(Side::Writer);
        let (io, state) = (&self.cursor.io, turn.state());
        settle::<Write, Io>(io, state)?;
        let written = state
            .begin_write(io, bytes.len())
            .map_err(|cause| failure::<Write, _, _>(io, state.pos, bytes.len(), cause))
            .and_then(|target| {
                let written = write_blocking(io, target.pos, &bytes[..target.room])?;
                state.written(io, target, written);
                Ok(written)
            })?;
        Ok(written)
    }

    pub(in crate::cursor) fn flush_blocking(&mut self) -> Result<()>
    where
        Io: PacketIo<Write>,
    {
        let mut turn = self.seat.turn_blocking(Side::Writer);
        settle::<Write, Io>(&self.cursor.io, turn.state())
    }

    pub(in crate::cursor) fn seek_blocking(&mut self, to: SeekFrom) -> Result<u64>
    where
        Io: PacketIo<Read> + HasLen,
    {
        let mut turn = self.seat.turn_blocking(Side::Writer);
        let (io, state) = (&self.cursor.io, turn.state());
        settle::<Read, Io>(io, state)?;
        let base = match to {
            SeekFrom::End(_) => io.io_len_blocking()?,
            _ => state.pos,
        };
        state.seek(io, to, base)
    }
}

/// Waits for the accepted write.
fn settle<D, Io>(io: &Io, state: &mut State) -> Result<()>
where
    D: Direction,
    Io: PacketIo<D> + IoBackend,
{
    if !state.write.is_pending() {
        return Ok(());
    }
    wait(io, |cx| state.poll_settle::<D, Io>(io, cx))
        .map_err(|failed| write_failure::<D, _, _>(io, failed))
}
