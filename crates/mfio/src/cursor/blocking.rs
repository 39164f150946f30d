//! [`BlockingCursor`] and [`BlockingByteStream`], for `std::io::{Read, Write, Seek}`.

use super::reading::{Reading, copy};
use super::state::{CursorState, write_failure};
use super::state_lock::Half;
use super::syncs::SyncCall;
use super::writing::Writing;
use super::{ByteStream, Cursor};
use crate::backend::{IoBackend, IoBackendExt};
use crate::control::{Answer, ControlIo, ControlOp};
use crate::error::{ErrorKind, Result};
use crate::io::{self, IoObject, NoPos, PacketIo, Position};
use crate::traits::{HasLen, Prefix, control_failure, failure, moved};
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};
use std::io::{Read, Result as StdResult, Seek, SeekFrom, Write};

/// An object with one position, for the traits of `std::io`: each call blocks the thread until it
/// is done, and drives the object's backend meanwhile. The caller's memory is read into, and
/// written from, without a copy.
///
/// Made by [`new`](Self::new), or of a [`Cursor`] by [`Cursor::into_blocking`];
/// [`into_async`](Self::into_async) makes a `Cursor` of it again. Both share everything with the
/// clones of the cursor, the position included: a write that a `Cursor` accepted comes first here,
/// and its failure is reported here; bytes of a dropped read are given out here.
///
/// ```
/// use mfio::cursor::BlockingCursor;
/// use mfio::memory::Memory;
/// use std::io::{Read, Seek, SeekFrom, Write};
///
/// let mut cursor = BlockingCursor::new(Memory::new(b"hello, world".to_vec()));
/// cursor.seek(SeekFrom::End(-5))?;
/// cursor.write_all(b"there")?;
/// cursor.rewind()?;
/// let mut text = String::new();
/// cursor.read_to_string(&mut text)?;
/// assert_eq!(text, "hello, there");
/// # Ok::<_, std::io::Error>(())
/// ```
/// It has none of the asynchronous traits, so no task can block on it by a wrong import:
/// ```compile_fail,E0277
/// # use mfio::{cursor::BlockingCursor, memory::Memory};
/// fn reads<R: tokio::io::AsyncRead>(_: R) {}
/// reads(BlockingCursor::new(Memory::new([0; 4])));
/// ```
///
/// # Panics
/// The `std::io` traits panic under the conditions of [`Blocking`](crate::traits::Blocking).
#[doc(alias = "Seekable")]
#[doc(alias = "SyncIoBridge")]
pub struct BlockingCursor<Io>(Cursor<Io>);

/// An object without positions as a byte stream, for the traits of `std::io`: each call blocks the
/// thread until it is done, and drives the object's backend meanwhile. The caller's memory is read
/// into, and written from, without a copy.
///
/// Made by [`new`](Self::new), or of a [`ByteStream`] by [`ByteStream::into_blocking`];
/// [`into_async`](Self::into_async) makes a `ByteStream` of it again. Neither conversion loses
/// bytes that a dropped read has brought, or the outcome of an accepted write.
///
/// ```
/// use mfio::cursor::BlockingByteStream;
/// use mfio::memory::pipe;
/// use std::io::{Read, Write};
///
/// let (reads, writes) = pipe(16);
/// let writer = std::thread::spawn(|| {
///     let mut writes = BlockingByteStream::new(writes);
///     writes.write_all(b"more than the pipe holds at once").unwrap();
/// });
/// let mut text = String::new();
/// BlockingByteStream::new(reads).read_to_string(&mut text)?;
/// assert_eq!(text, "more than the pipe holds at once");
/// # writer.join().unwrap();
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Panics
/// The `std::io` traits panic under the conditions of [`Blocking`](crate::traits::Blocking).
#[doc(alias = "Streaming")]
#[doc(alias = "SyncIoBridge")]
pub struct BlockingByteStream<Io>(ByteStream<Io>);

macro_rules! conversions {
    ($blocking:ident, $name:literal, $async:ident, $into_inner:ty) => {
        impl<Io> $blocking<Io> {
            #[doc = concat!("As [`", stringify!($async), "::new`].")]
            pub fn new(io: Io) -> Self {
                Self($async::new(io))
            }

            /// Returns the object.
            pub fn get_ref(&self) -> &Io {
                self.0.get_ref()
            }

            #[doc = concat!("As [`", stringify!($async), "::into_inner`].")]
            pub fn into_inner(self) -> $into_inner {
                self.0.into_inner()
            }

            /// Returns the same for the asynchronous traits.
            pub fn into_async(self) -> $async<Io> {
                self.0
            }
        }

        impl<Io> From<$async<Io>> for $blocking<Io> {
            fn from(from: $async<Io>) -> Self {
                from.into_blocking()
            }
        }

        impl<Io> From<$blocking<Io>> for $async<Io> {
            fn from(from: $blocking<Io>) -> Self {
                from.into_async()
            }
        }

        impl<Io> fmt::Debug for $blocking<Io> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple($name).field(&self.0).finish()
            }
        }
    };
}
conversions!(BlockingCursor, "BlockingCursor", Cursor, Option<Io>);
conversions!(BlockingByteStream, "BlockingByteStream", ByteStream, Io);

impl<Io> Cursor<Io> {
    /// Returns the same cursor for `std::io::{Read, Write, Seek}`, at the same position. To keep
    /// the asynchronous handle, convert a clone. A seek that was dropped while it was pending has
    /// not happened.
    #[doc(alias = "into_std")]
    pub fn into_blocking(mut self) -> BlockingCursor<Io> {
        self.forget_seek();
        BlockingCursor(self)
    }
}

impl<Io> ByteStream<Io> {
    /// Returns the same stream for `std::io::{Read, Write}`.
    #[doc(alias = "into_std")]
    pub fn into_blocking(self) -> BlockingByteStream<Io> {
        BlockingByteStream(self)
    }
}

impl<Io> BlockingCursor<Io> {
    /// Returns the position of the next byte, see [`Cursor::position`].
    pub fn position(&self) -> u64 {
        self.0.position()
    }
}

impl<Io: ControlIo + IoBackend> BlockingCursor<Io> {
    /// Makes the data of the object durable: all bytes that were written or accepted before. See
    /// [`Cursor::sync_data`].
    ///
    /// # Errors
    /// As [`Cursor::sync_data`].
    #[doc(alias = "fdatasync")]
    pub fn sync_data(&mut self) -> Result<()> {
        self.sync(ControlOp::SyncData)
    }

    /// Makes data and metadata of the object durable; see [`sync_data`](Self::sync_data).
    ///
    /// # Errors
    /// As [`Cursor::sync_data`].
    #[doc(alias = "fsync")]
    pub fn sync_all(&mut self) -> Result<()> {
        self.sync(ControlOp::SyncAll)
    }

    fn sync(&mut self, op: ControlOp) -> Result<()> {
        let (io, mut guard) = self.0.lock_blocking(Half::Write);
        let state = guard.state();
        settle(io, state)?;
        if !state.syncs.is_pending()
            && let Some(ended) = io.control_blocking(op, &mut Answer::new(&mut [0]))
        {
            return state.syncs.end(io, op, ended);
        }
        let mut call = SyncCall::default();
        wait(io, |cx| state.poll_sync(io, cx, op, &mut call))
    }
}

impl<Io> Clone for BlockingCursor<Io> {
    /// Returns another handle to the same cursor: one position.
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Io> BlockingByteStream<Io> {
    /// Returns the bytes of a dropped read, see [`ByteStream::buffered`].
    pub fn buffered(&self) -> &[u8] {
        self.0.buffered()
    }

    /// Ends the stream that is written; see [`ByteStream::poll_shutdown`].
    ///
    /// # Errors
    /// As [`ByteStream::poll_shutdown`].
    #[doc(alias = "close")]
    #[doc(alias = "half_close")]
    pub fn shutdown(&mut self) -> Result<()>
    where
        Io: PacketIo<io::Write, NoPos> + ControlIo + IoBackend,
    {
        settle_stream(&self.0.io, &mut self.0.writing)?;
        let ByteStream { io, end, .. } = &mut self.0;
        wait(io, |cx| end.poll(io, cx))
            .map_err(|cause| control_failure(io, ControlOp::Shutdown, cause))
    }
}

/// Drives the object until `poll` is ready.
fn wait<Io: IoBackend, R>(io: &Io, poll: impl FnMut(&mut Context<'_>) -> Poll<R>) -> R {
    io.block_on(poll_fn(poll))
}

/// Waits for the accepted write of a cursor.
fn settle<Io>(io: &Io, state: &mut CursorState) -> Result<()>
where
    Io: IoObject + IoBackend,
{
    if !state.write.is_pending() {
        return Ok(());
    }
    wait(io, |cx| state.poll_settle(io, cx))
}

/// Waits for the accepted write of a stream.
fn settle_stream<Io: IoBackend + IoObject>(io: &Io, writing: &mut Writing<NoPos>) -> Result<()> {
    if !writing.is_pending() {
        return Ok(());
    }
    wait(io, |cx| writing.poll_settle(cx)).map_err(|failed| write_failure(io, failed))
}

/// Gives out the bytes of a dropped read; without any, reads into the caller's memory.
fn read<P, Io>(io: &Io, reading: &mut Reading, pos: P, bytes: &mut [u8]) -> Result<usize>
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

/// Writes the front of the caller's memory.
fn write<P, Io>(io: &Io, pos: P, bytes: &[u8]) -> Result<usize>
where
    P: Position,
    Io: PacketIo<io::Write, P> + IoBackend,
{
    match moved::<io::Write, P, Io, Prefix>(io, pos, bytes) {
        (0, Some(cause)) => Err(failure::<io::Write, P, Io>(io, pos, bytes.len(), cause)),
        (n, _) => Ok(n),
    }
}

impl<Io: PacketIo<io::Read> + IoBackend> Read for BlockingCursor<Io> {
    fn read(&mut self, bytes: &mut [u8]) -> StdResult<usize> {
        let (io, mut guard) = self.0.lock_blocking(Half::Read);
        let state = guard.state();
        settle(io, state)?;
        let room = state.clip(bytes.len());
        let taken = read(io, &mut state.read, state.pos, &mut bytes[..room])?;
        state.advance(taken);
        Ok(taken)
    }
}

impl<Io: PacketIo<io::Write> + IoBackend> Write for BlockingCursor<Io> {
    fn write(&mut self, bytes: &[u8]) -> StdResult<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let (io, mut guard) = self.0.lock_blocking(Half::Write);
        let state = guard.state();
        settle(io, state)?;
        let target = state
            .begin_write(io, bytes.len())
            .map_err(|cause| failure::<io::Write, _, _>(io, state.pos, bytes.len(), cause))?;
        let written = write(io, target.pos, &bytes[..target.room])?;
        state.written(io, target, written);
        Ok(written)
    }

    fn flush(&mut self) -> StdResult<()> {
        let (io, mut guard) = self.0.lock_blocking(Half::Write);
        let state = guard.state();
        if !state.write.is_pending() && !state.syncs.is_pending() {
            return Ok(());
        }
        Ok(wait(io, |cx| state.poll_flush(io, cx))?)
    }
}

impl<Io: PacketIo<io::Read> + HasLen + IoBackend> Seek for BlockingCursor<Io> {
    fn seek(&mut self, to: SeekFrom) -> StdResult<u64> {
        let (io, mut guard) = self.0.lock_blocking(Half::Write);
        let state = guard.state();
        settle(io, state)?;
        let base = match to {
            SeekFrom::End(_) => io.io_len_blocking()?,
            _ => state.pos,
        };
        Ok(state.seek(io, to.into(), base)?)
    }
}

impl<Io: PacketIo<io::Read, NoPos> + IoBackend> Read for BlockingByteStream<Io> {
    fn read(&mut self, bytes: &mut [u8]) -> StdResult<usize> {
        let ByteStream { io, reading, .. } = &mut self.0;
        Ok(read(io, reading, NoPos, bytes)?)
    }
}

impl<Io: PacketIo<io::Write, NoPos> + IoBackend> Write for BlockingByteStream<Io> {
    fn write(&mut self, bytes: &[u8]) -> StdResult<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.flush()?;
        Ok(write(&self.0.io, NoPos, bytes)?)
    }

    fn flush(&mut self) -> StdResult<()> {
        Ok(settle_stream(&self.0.io, &mut self.0.writing)?)
    }
}
