//! [`ByteStream`].

use super::reading::{Reading, copy};
use super::state::write_failure;
use super::store::CAPACITY;
use super::stream_end::StreamEnd;
use super::writing::Writing;
use crate::budget;
use crate::control::{ControlIo, ControlOp};
use crate::error::Result;
use crate::io::{NoPos, PacketIo, Read, Write};
use crate::traits::{control_failure, failure};
use core::fmt;
use core::task::{Context, Poll, ready};

/// An object without positions as a byte stream, for the asynchronous I/O traits. Bytes are read
/// and written in the order of the calls.
///
/// A read returns the bytes that there are. The bytes of a read that is dropped are kept for the
/// next one: see the [module](super) for the rules of all cursors.
///
/// The two directions are independent: a read does not wait for a write, so two peers that each
/// wait for the other's answer do not deadlock. To read and write in different tasks, make a
/// `ByteStream` for each, of a clone of the object or of a reference to it. Do not read one stream
/// through two of them.
///
/// ```
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
/// use mfio::cursor::ByteStream;
/// use mfio::memory::pipe;
/// use mfio::poller::block_on;
///
/// let (reads, writes) = pipe(16);
/// let (mut reads, mut writes) = (ByteStream::new(reads), ByteStream::new(writes));
/// block_on(async {
///     writes.write_all(b"more than the pipe holds at once").await?;
///     drop(writes);
///     let mut text = String::new();
///     reads.read_to_string(&mut text).await?;
///     assert_eq!(text, "more than the pipe holds at once");
///     Ok::<_, std::io::Error>(())
/// })?;
/// # Ok::<_, std::io::Error>(())
/// ```
/// It has none of the traits of `std::io`, so no task can block on it by a wrong import: for those,
/// make a `BlockingByteStream` of it with `into_blocking`.
/// ```compile_fail,E0277
/// # use mfio::{cursor::ByteStream, memory::pipe};
/// fn reads<R: std::io::Read>(_: R) {}
/// reads(ByteStream::new(pipe(1).0));
/// ```
/// ```
/// # use mfio::{cursor::ByteStream, memory::pipe};
/// fn reads<R: std::io::Read>(_: R) {}
/// reads(ByteStream::new(pipe(1).0).into_blocking());
/// ```
#[doc(alias = "Streaming")]
pub struct ByteStream<Io> {
    pub(super) reading: Reading,
    pub(super) writing: Writing<NoPos>,
    pub(super) end: StreamEnd,
    pub(super) io: Io,
}

impl<Io> ByteStream<Io> {
    /// Creates a stream over `io`.
    pub fn new(io: Io) -> Self {
        Self::with_capacity(io, CAPACITY)
    }

    /// As [`new`](Self::new), with buffers of at most `bytes` bytes: the most that a call moves.
    pub fn with_capacity(io: Io, bytes: usize) -> Self {
        Self {
            reading: Reading::new(bytes),
            writing: Writing::new(bytes),
            end: StreamEnd::Open,
            io,
        }
    }

    /// Returns the object.
    pub fn get_ref(&self) -> &Io {
        &self.io
    }

    /// Returns the bytes of a dropped read that are left: the next read begins with them.
    pub fn buffered(&self) -> &[u8] {
        self.reading.held()
    }

    /// Returns the object. Flush first; [`buffered`](Self::buffered) bytes, and those of a read in
    /// flight, are lost.
    pub fn into_inner(self) -> Io {
        self.io
    }

    /// Reads up to `want` bytes, at least one, and passes them to `give`, which returns how many it
    /// took. Returns that number; 0 at the end of the data.
    pub(super) fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        want: usize,
        give: impl FnOnce(&[u8]) -> usize,
    ) -> Poll<Result<usize>>
    where
        Io: PacketIo<Read, NoPos>,
    {
        let Self { io, reading, .. } = self;
        ready!(reading.poll_fill(io, NoPos, want, cx))
            .map_err(|cause| failure::<Read, _, _>(io, NoPos, want, cause))?;
        let taken = give(reading.held());
        reading.consume(taken);
        Poll::Ready(Ok(taken))
    }

    /// Reads into the front of `bytes`. Returns the number of bytes read; 0 at the end of the data.
    ///
    /// # Errors
    /// The failure of the first byte.
    ///
    /// # Cancel safety
    /// No byte is lost: the next read begins with those of the dropped one.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<Result<usize>>
    where
        Io: PacketIo<Read, NoPos>,
    {
        match bytes.len() {
            0 => Poll::Ready(Ok(0)),
            want => self.poll_read_with(cx, want, |held| copy(held, bytes)),
        }
    }

    /// Accepts the front of `bytes`. Returns the number of bytes accepted. Pending while the write
    /// before is in flight.
    ///
    /// # Errors
    /// The failure of the write before. If nothing could be accepted: `OutOfMemory`, or the error
    /// that the object completed the write with at once.
    ///
    /// # Cancel safety
    /// Nothing was accepted as long as it is pending.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>>
    where
        Io: PacketIo<Write, NoPos>,
    {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(budget::poll(cx));
        ready!(self.poll_flush(cx))?;
        let Self { io, writing, .. } = self;
        Poll::Ready(
            writing
                .accept(io, NoPos, bytes)
                .map_err(|cause| failure::<Write, _, _>(io, NoPos, bytes.len(), cause)),
        )
    }

    /// Waits until all accepted bytes are written.
    ///
    /// # Errors
    /// The failure of an accepted write.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>
    where
        Io: PacketIo<Write, NoPos>,
    {
        let Self { io, writing, .. } = self;
        writing
            .poll_settle(cx)
            .map_err(|failed| write_failure(io, failed))
    }

    /// Flushes, then ends the stream that is written: its reader finds the end after the accepted
    /// bytes, and later writes fail. `poll_shutdown` of tokio and `poll_close` of futures-io.
    ///
    /// An object that cannot end its stream ([`capabilities`](ControlIo::capabilities) without
    /// `Shutdown`) is flushed, and ends its stream when it is dropped: a pipe of the system.
    ///
    /// # Errors
    /// The failure of an accepted write, and then the stream does not end; the failure of the
    /// operation, once, also if it was sent by a call that was dropped. Another call tries again.
    ///
    /// # Cancel safety
    /// Once it was sent, the stream ends, and another call waits for that.
    #[doc(alias = "close")]
    #[doc(alias = "half_close")]
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>
    where
        Io: PacketIo<Write, NoPos> + ControlIo,
    {
        ready!(self.poll_flush(cx))?;
        let Self { io, end, .. } = self;
        end.poll(io, cx)
            .map_err(|cause| control_failure(io, ControlOp::Shutdown, cause))
    }
}

/// The object is never pinned: it is used by reference.
impl<Io> Unpin for ByteStream<Io> {}

impl<Io> fmt::Debug for ByteStream<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream")
            .field("buffered", &self.buffered().len())
            .finish_non_exhaustive()
    }
}
