//! Bytes that go from one object to another.

use super::chunks::{BUDGET, Chunks, Partial};
use super::sink::Sink;
use super::source::{Bytes, Chunk, Source};
use crate::error::{Cause, ErrorKind};
use crate::io::{Address, Operation, PacketIo, Read, Write};
use crate::traits::{failure_at, failure_of};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// Transfers `len` bytes from `from` at `pos` to `to` at `to_pos`, and returns the number of bytes
/// written. No memory is copied between the two: the packet that was read into is written from, or
/// the memory that `from` [exposes](PacketIo::expose).
///
/// Several [chunks](Forward::chunks) are in flight, so writes may be executed in another order. If
/// one of the objects takes requests [in order](crate::io::Alignment::in_order), as a file that is
/// a pipe or is opened for appending, one chunk is in flight at a time. The
/// [alignments](crate::io::IoObject::alignment) of both objects are kept as far as one memory
/// address can satisfy both; if it cannot, or if the length is no multiple, the object decides
/// whether it accepts the request.
///
/// # Within one object
/// The ranges may overlap: the result is that of `memmove`, as with
/// [`copy_within`](slice::copy_within). If the target begins within the source, the last chunk is
/// copied first. This requires that [`IoObject::locate`](crate::io::IoObject::locate) shows the
/// bytes to be the same: it does for references and pointers to one object, for layers that only
/// move positions over one object, and for all handles of one file in the native runtime. It does
/// not for layers that combine several objects beside one of those, for aliases such as two
/// mappings of one range in a remapping, and for a disk beside a file on it.
///
/// # Errors
/// The failure with the lowest offset, with its object and the number of bytes written without a
/// gap; bytes behind those may have been written too. No write is in flight any more. If the last
/// chunk is copied first, that number is 0 unless all bytes were written, and an early end of the
/// source is found before the first write.
///
/// `InvalidInput` if [`to_end`](Forward::to_end) was called and the copy would extend the source
/// that it reads, whose end then moves as it is written.
///
/// # Cancel safety
/// Dropping the future detaches the requests in flight, which may still be written.
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
        stage: Phase::Fresh,
    }
}

/// The future of [`forward`].
#[must_use = "nothing is sent before the first poll"]
pub struct Forward<'a, P, From: ?Sized, Q, To: ?Sized> {
    source: Source<'a, P, From>,
    sink: Sink<'a, Q, To>,
    chunks: Chunks,
    to_end: bool,
    stage: Phase,
}

#[derive(Clone, Copy)]
enum Phase {
    Fresh,
    Reading,
    /// Reading is over. After a failure: the distance of the missing bytes from the start, their
    /// number, and the cause.
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
    /// Sets the size of the chunks, and the number in flight, reads and writes together.
    pub fn chunks(mut self, chunks: Chunks) -> Self {
        self.chunks = chunks;
        self
    }

    /// Makes an earlier end of the source a success.
    pub fn to_end(mut self) -> Self {
        self.to_end = true;
        self
    }

    /// Chooses the order of the chunks, before anything is sent.
    fn begin(&mut self) -> Result<(), Partial> {
        let source = self.source.io.alignment(Operation::Read);
        let target = self.sink.io.alignment(Operation::Write);
        self.source.prepare(self.chunks, target);
        if source.is_in_order() {
            return Ok(());
        }
        let from = self.source.io.locate(self.source.pos.to_u64());
        let to = self.sink.io.locate(self.sink.pos.to_u64());
        let overtakes = match target.is_in_order() {
            // The write is appended, whatever its position.
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
        self.stage = Phase::Over;
        let Source { io, pos, .. } = &self.source;
        let cause = ErrorKind::InvalidInput.into();
        let error = failure_of(io, Operation::Read, "forward", *pos, 0, cause).help(
            "the target lies behind the first byte of the source in the same object, so the end of \
             the data would move as it is written: give the length (`HasLen`) instead of `to_end`",
        );
        Partial { good: 0, error }
    }

    /// Reads the next chunk, and sends it. `Ready` if there was progress.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let room = self.source.window() - self.sink.in_flight();
        if room == 0 {
            return Poll::Pending;
        }
        match ready!(self.source.poll_next(cx, room)) {
            None => self.stage = Phase::Read(None),
            Some(chunk) => self.pass_on(chunk),
        }
        Poll::Ready(())
    }

    fn pass_on(&mut self, chunk: Chunk) {
        let from_end = self.source.is_from_end();
        if let Some((len, cause)) = chunk.failed {
            let at = chunk.at + chunk.bytes.as_slice().len() as u64;
            self.stage = Phase::Read(Some((at, len, cause)));
        }
        match chunk.bytes {
            // From the end: an incomplete chunk is not written before the chunks in front of it.
            bytes if from_end && chunk.failed.is_some() => self.source.used(bytes),
            bytes if bytes.as_slice().is_empty() => self.source.used(bytes),
            Bytes::Packet { packet, skip, good } => self.sink.send(packet, skip, good),
            Bytes::Exposed(bytes) => self.sink.send_exposed(bytes),
            Bytes::Nothing => {}
        }
    }

    /// Waits for the completion of a write.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sink.in_flight() == 0 {
            return Poll::Pending;
        }
        if let Some(packet) = ready!(self.sink.poll_ended(cx)) {
            self.source.give_back(packet);
        }
        if self.sink.failed.is_some() {
            self.stage = Phase::Read(None);
        }
        Poll::Ready(())
    }

    fn finish(&mut self, unread: Option<(u64, usize, Cause)>) -> Result<u64, Partial> {
        self.stage = Phase::Over;
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
        if let Phase::Fresh = this.stage {
            this.begin()?;
            this.stage = Phase::Reading;
        }
        for _ in 0..BUDGET {
            let written = this.poll_write(cx);
            let read = match this.stage {
                Phase::Read(unread) if this.sink.in_flight() == 0 => {
                    return Poll::Ready(this.finish(unread));
                }
                Phase::Over => panic!("a future was polled after it was ready"),
                Phase::Read(_) => Poll::Pending,
                Phase::Fresh | Phase::Reading => this.poll_read(cx),
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
