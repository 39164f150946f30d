//! Bytes that go from one object to another.

use super::sink::Sink;
use super::source::{Bytes, Chunk, Source};
use super::{BUDGET, Chunks, Partial};
use crate::error::{Cause, ErrorKind};
use crate::io::{Address, PacketIo, Read, Write};
use crate::traits::{failure_at, failure_of};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// Writes `len` bytes of `from`, from `pos` on, to `to`, from `to_pos` on. Nothing is copied
/// between the two: the packet that was read into is written from, and where `from`
/// [exposes](PacketIo::expose) its memory that is written from.
///
/// A few [chunks](Forward::chunks) are on their way at once, so writes may be done in another
/// order; where one of the objects wants them one after another
/// ([`Alignment::in_order`](crate::io::Alignment::in_order)), as a file that is a pipe, or is
/// appended to, there is one at a time. The output is how many bytes were written. Both objects'
/// [alignments](PacketIo::alignment) are kept to as far as the two positions let the same memory
/// satisfy both; where they do not, or the length is no multiple, it is up to the object that asks
/// for it.
///
/// # Within one object
/// The two ranges may overlap: the result is that of `memmove`, as of
/// [`copy_within`](slice::copy_within). Where the target begins within the source, the last chunk
/// is copied first. That takes knowing that the bytes are the same ([`PacketIo::locate`]):
/// references and pointers to one object do, layers that only move positions over one object, and
/// all handles of one file in the native runtime. Not known are layers that compose an object of
/// several, beside one of those; hard-wired aliases, as two mappings of one range in a remapping;
/// and a disk beside a file on it.
///
/// # Errors
/// What failed first by position, with the object and the offset, and how many bytes were written
/// without a gap. Bytes behind those may have been written too. When it returns nothing is being
/// written any more. Where the last chunk is copied first, no bytes count unless all were written,
/// and a source that ends too early is noticed before any is.
///
/// `InvalidInput` where [`to_end`](Forward::to_end) is asked for and the copy would go on behind
/// the bytes that it reads in the same object: their end moves as it is written, so there is none
/// to wait for.
///
/// # Cancel safety
/// Dropping the future detaches what is on its way: it may still be written, up to a window of
/// chunks.
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
    /// Everything was read that will be; how many bytes of a chunk were not, and why, and how far
    /// from the start they are where that is not told by those that were written.
    Read(Option<(u64, usize, Cause)>),
    Over,
}

impl<P, From, Q, To> Forward<'_, P, From, Q, To>
where
    P: Address,
    From: PacketIo<Read, P> + ?Sized,
    Q: Address,
    To: PacketIo<Write, Q> + ?Sized,
{
    /// How the bytes are cut, and how many chunks are on their way at once, those that are read and
    /// those that are written together.
    pub fn chunks(mut self, chunks: Chunks) -> Self {
        self.chunks = chunks;
        self
    }

    /// Ends without an error where the data of the source ends, if that comes first.
    pub fn to_end(mut self) -> Self {
        self.to_end = true;
        self
    }

    /// Decides about the order, before anything is sent.
    fn begin(&mut self) -> Result<(), Partial> {
        let (source, target) = (self.source.io.alignment(), self.sink.io.alignment());
        self.source.prepare(self.chunks, target);
        if source.is_in_order() {
            return Ok(());
        }
        let from = self.source.io.locate(self.source.pos);
        let to = self.sink.io.locate(self.sink.pos);
        let overtakes = match target.is_in_order() {
            // It goes behind the end of the data, whatever the position.
            true => self.to_end && from.shares_storage(&to),
            false => from.is_overtaken_by(&to, self.source.len()),
        };
        if overtakes && self.to_end {
            return Err(self.refuse());
        }
        if overtakes {
            self.source.begin_at_end();
            self.sink.begin_at_end(self.source.len());
        }
        Ok(())
    }

    #[cold]
    fn refuse(&mut self) -> Partial {
        self.stage = Stage::Over;
        let Source { io, pos, .. } = &self.source;
        let cause = ErrorKind::InvalidInput.into();
        let error = failure_of::<Read, P, From>(io, "forward", *pos, 0, cause).help(
            "the target lies behind the first byte of the source in the same object, so the end of the data would move as \
             it is written: give the length (`HasLen`) instead of `to_end`",
        );
        Partial { good: 0, error }
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
        let from_end = self.source.is_from_end();
        if let Some((len, cause)) = chunk.failed {
            let at = chunk.at + chunk.bytes.as_slice().len() as u64;
            self.stage = Stage::Read(Some((at, len, cause)));
        }
        match chunk.bytes {
            // What is not whole is not written before what comes before it.
            bytes if from_end && chunk.failed.is_some() => self.source.used(bytes),
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

    fn finish(&mut self, unread: Option<(u64, usize, Cause)>) -> Result<u64, Partial> {
        self.stage = Stage::Over;
        self.source.finish();
        let good = self.sink.good;
        let from_end = self.source.is_from_end();
        let eof = |cause: Cause| self.to_end && cause.kind() == ErrorKind::UnexpectedEof;
        let error = match (self.sink.failed, unread) {
            (Some((len, cause)), _) => {
                let at = self.sink.failed_at;
                failure_at::<Write, Q, To>(self.sink.io, self.sink.pos, at, len, cause)
            }
            (None, Some((at, len, cause))) if !eof(cause) => {
                let at = if from_end { at } else { good };
                failure_at::<Read, P, From>(self.source.io, self.source.pos, at, len, cause)
            }
            _ => return Ok(good),
        };
        let good = if from_end { 0 } else { good };
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
            this.begin()?;
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
