//! The future of reads into a closure.

use super::chunks::{BUDGET, Chunks, Partial, Verdict};
use super::source::{Chunk, Source};
use crate::backend::{IoBackend, IoBackendExt};
use crate::error::{Cause, ErrorKind};
use crate::io::{Address, Alignment, PacketIo, Read};
use crate::traits::failure_at;
use crate::traits::stage::Stage;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The future of [`IoRead::read_with_at`](crate::traits::IoRead::read_with_at).
#[must_use = "nothing is sent before the first poll"]
pub struct ReadWith<'a, P, Io: ?Sized, F> {
    source: Source<'a, P, Io>,
    consumer: F,
    consumed: u64,
    chunks: Chunks,
    to_end: bool,
    /// `Over` also after a panic of the consumer.
    stage: Stage<(), ()>,
}

impl<'a, P, Io, F, V> ReadWith<'a, P, Io, F>
where
    P: Address,
    Io: PacketIo<Read, P> + ?Sized,
    F: FnMut(&[u8]) -> V,
    V: Verdict,
{
    pub(in crate::traits) fn new(io: &'a Io, pos: P, len: u64, consumer: F) -> Self {
        Self {
            source: Source::new(io, pos, len),
            consumer,
            consumed: 0,
            chunks: Chunks::default(),
            to_end: false,
            stage: Stage::Fresh(()),
        }
    }

    /// Sets the size of the chunks, and the number in flight.
    pub fn chunks(mut self, chunks: Chunks) -> Self {
        self.chunks = chunks;
        self
    }

    /// Makes an earlier end of the file a success.
    pub fn to_end(mut self) -> Self {
        self.to_end = true;
        self
    }

    /// Returns the next chunk, and sends as many reads as the window allows. Runs no user code.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Chunk>> {
        let prepare = |()| self.source.prepare(self.chunks, Alignment::NONE);
        self.stage.sent(prepare);
        self.source.poll_next(cx, self.source.window())
    }

    /// Passes a chunk to the consumer. `Ready` after the last.
    fn consume(&mut self, chunk: Option<Chunk>) -> Poll<Result<u64, Partial>> {
        // The stage remains if the consumer panics.
        self.stage = Stage::Over;
        let Some(chunk) = chunk else {
            self.source.finish();
            return Poll::Ready(Ok(self.consumed));
        };
        let bytes = chunk.bytes.as_slice();
        let mut goes_on = true;
        if !bytes.is_empty() {
            goes_on = (self.consumer)(bytes).goes_on();
            self.consumed += bytes.len() as u64;
        }
        self.source.used(chunk.bytes);
        match chunk.failed {
            Some(failed) if goes_on => {
                self.source.finish();
                Poll::Ready(self.judge(failed))
            }
            None if goes_on => {
                self.stage = Stage::Sent(());
                Poll::Pending
            }
            _ => {
                self.source.finish();
                Poll::Ready(Ok(self.consumed))
            }
        }
    }

    fn judge(&self, (len, cause): (usize, Cause)) -> Result<u64, Partial> {
        if self.to_end && cause.kind() == ErrorKind::UnexpectedEof {
            return Ok(self.consumed);
        }
        let Source { io, pos, .. } = &self.source;
        Err(Partial {
            good: self.consumed,
            error: failure_at::<Read, P, Io>(io, *pos, self.consumed, len, cause),
        })
    }
}

/// Reads into a closure on a blocked thread. The closure runs outside the wait, so it may block.
pub(in crate::traits) fn blocking<P, Io, F, V>(
    io: &Io,
    pos: P,
    len: u64,
    consumer: F,
) -> Result<u64, Partial>
where
    P: Address,
    Io: PacketIo<Read, P> + IoBackend + ?Sized,
    F: FnMut(&[u8]) -> V,
    V: Verdict,
{
    let mut op = ReadWith::new(io, pos, len, consumer);
    loop {
        let chunk = io.block_on(poll_fn(|cx| op.poll_chunk(cx)));
        if let Poll::Ready(result) = op.consume(chunk) {
            return result;
        }
    }
}

// The consumer is never pinned.
impl<P, Io: ?Sized, F> Unpin for ReadWith<'_, P, Io, F> {}

impl<P, Io, F, V> Future for ReadWith<'_, P, Io, F>
where
    P: Address,
    Io: PacketIo<Read, P> + ?Sized,
    F: FnMut(&[u8]) -> V,
    V: Verdict,
{
    type Output = Result<u64, Partial>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for _ in 0..BUDGET {
            let chunk = ready!(self.poll_chunk(cx));
            if let Poll::Ready(result) = self.consume(chunk) {
                return Poll::Ready(result);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<P: fmt::Debug, Io: ?Sized, F> fmt::Debug for ReadWith<'_, P, Io, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadWith")
            .field("pos", &self.source.pos)
            .field("consumed", &self.consumed)
            .field("chunks", &self.chunks)
            .finish_non_exhaustive()
    }
}
