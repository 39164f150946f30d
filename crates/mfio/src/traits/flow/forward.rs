//! Bytes that go from one object to another.

use super::sink::Sink;
use super::source::{Bytes, Chunk, Source};
use super::{BUDGET, Chunks, Partial};
use crate::error::{Cause, ErrorKind};
use crate::io::{Address, PacketIo, Read, Write};
use crate::traits::failure_at;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// Writes `len` bytes of `from`, from `pos` on, to `to`, from `to_pos` on. Nothing is copied between the two: the packet
/// that was read into is written from, and where `from` [exposes](PacketIo::expose) its memory that is written from.
///
/// A few [chunks](Forward::chunks) are on their way at once, so writes may be done in another order; where one of the objects
/// wants them one after another ([`Alignment::in_order`](crate::io::Alignment::in_order)), as a file that is a pipe, or is
/// appended to, there is one at a time. The output is how many bytes were written. Both objects' [alignments](PacketIo::alignment) are kept to as far as the two positions let the same
/// memory satisfy both; where they do not, or the length is no multiple, it is up to the object that asks for it.
/// The two objects may be the same, but what is written while it is still to be read makes the result depend on the order.
///
/// # Errors
/// What failed first by position, with the object and the offset, and how many bytes were written without a gap. Bytes
/// behind those may have been written too. When it returns nothing is being written any more.
///
/// # Cancel safety
/// Dropping the future detaches what is on its way: it may still be written, up to a window of chunks.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::{Frozen, Memory};
/// use mfio::traits::forward;
///
/// let from = Frozen::new(&b"hello, world"[..]);
/// let to = Memory::new(vec![0; 6]);
/// assert_eq!(to.block_on(forward(&from, 7, &to, 1, 5))?, 5);
/// assert_eq!(to.to_vec(), b"\0world");
///
/// let partial = to.block_on(forward(&from, 0, &to, 0, 8)).unwrap_err();
/// assert_eq!(
///     partial.to_string(),
///     "write of 2 bytes at offset 6 failed: unexpected end of data [memory] (after 6 bytes)"
/// );
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub fn forward<'a, P, From, Q, To>(
    from: &'a From,
    pos: P,
    to: &'a To,
    to_pos: Q,
    len: u64,
) -> Forward<'a, P, From, Q, To>
where
    P: Address,
    From: PacketIo<Read, P> + ?Sized,
    Q: Address,
    To: PacketIo<Write, Q> + ?Sized,
{
    Forward {
        source: Source::new(from, pos, len),
        sink: Sink::new(to, to_pos),
        chunks: Chunks::default(),
        to_end: false,
        stage: Stage::Fresh,
    }
}

/// The future of [`forward`].
#[must_use = "nothing is sent before the first poll"]
pub struct Forward<'a, P, From: ?Sized, Q, To: ?Sized> {
    source: Source<'a, P, From>,
    sink: Sink<'a, Q, To>,
    chunks: Chunks,
    to_end: bool,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Fresh,
    Reading,
    /// Everything was read that will be; how many bytes of a chunk were not, and why.
    Read(Option<(usize, Cause)>),
    Over,
}

impl<P, From, Q, To> Forward<'_, P, From, Q, To>
where
    P: Address,
    From: PacketIo<Read, P> + ?Sized,
    Q: Address,
    To: PacketIo<Write, Q> + ?Sized,
{
    /// How the bytes are cut, and how many chunks are on their way at once, those that are read and those that are written
    /// together.
    pub fn chunks(mut self, chunks: Chunks) -> Self {
        self.chunks = chunks;
        self
    }

    /// Ends without an error where the data of the source ends, if that comes first.
    pub fn to_end(mut self) -> Self {
        self.to_end = true;
        self
    }

    /// Reads on, and sends what has come. Says whether something has happened.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let room = self.source.window() - self.sink.in_flight();
        if room == 0 {
            return Poll::Pending;
        }
        match ready!(self.source.poll_next(cx, room)) {
            None => self.stage = Stage::Read(None),
            Some(chunk) => self.pass_on(chunk),
        }
        Poll::Ready(())
    }

    fn pass_on(&mut self, chunk: Chunk) {
        if chunk.failed.is_some() {
            self.stage = Stage::Read(chunk.failed);
        }
        match chunk.bytes {
            bytes if bytes.as_slice().is_empty() => self.source.used(bytes),
            Bytes::Packet { packet, skip, good } => self.sink.send(packet, skip, good),
            Bytes::Exposed(bytes) => self.sink.send_exposed(bytes),
            Bytes::Nothing => {}
        }
    }

    /// Waits for the end of a chunk that is being written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sink.in_flight() == 0 {
            return Poll::Pending;
        }
        if let Some(packet) = ready!(self.sink.poll_ended(cx)) {
            self.source.give_back(packet);
        }
        if self.sink.failed.is_some() {
            self.stage = Stage::Read(None);
        }
        Poll::Ready(())
    }

    fn finish(&mut self, unread: Option<(usize, Cause)>) -> Result<u64, Partial> {
        self.stage = Stage::Over;
        self.source.finish();
        let good = self.sink.good;
        let eof = |cause: Cause| self.to_end && cause.kind() == ErrorKind::UnexpectedEof;
        let error = match (self.sink.failed, unread) {
            (Some((len, cause)), _) => {
                failure_at::<Write, Q, To>(self.sink.io, self.sink.pos, good, len, cause)
            }
            (None, Some((len, cause))) if !eof(cause) => {
                failure_at::<Read, P, From>(self.source.io, self.source.pos, good, len, cause)
            }
            _ => return Ok(good),
        };
        Err(Partial { good, error })
    }
}

impl<P, From, Q, To> Future for Forward<'_, P, From, Q, To>
where
    P: Address,
    From: PacketIo<Read, P> + ?Sized,
    Q: Address,
    To: PacketIo<Write, Q> + ?Sized,
{
    type Output = Result<u64, Partial>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Fresh = this.stage {
            this.source.prepare(this.chunks, this.sink.io.alignment());
            this.stage = Stage::Reading;
        }
        for _ in 0..BUDGET {
            let written = this.poll_write(cx);
            let read = match this.stage {
                Stage::Read(unread) if this.sink.in_flight() == 0 => {
                    return Poll::Ready(this.finish(unread));
                }
                Stage::Over => panic!("a future was polled after it was ready"),
                Stage::Read(_) => Poll::Pending,
                Stage::Fresh | Stage::Reading => this.poll_read(cx),
            };
            if written.is_pending() && read.is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<P: fmt::Debug, From: ?Sized, Q: fmt::Debug, To: ?Sized> fmt::Debug
    for Forward<'_, P, From, Q, To>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward")
            .field("pos", &self.source.pos)
            .field("to_pos", &self.sink.pos)
            .field("chunks", &self.chunks)
            .finish_non_exhaustive()
    }
}
