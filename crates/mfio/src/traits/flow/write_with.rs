//! The future of writes from a closure.

use super::chunks::{BUDGET, Chunks, Partial};
use super::sink::Sink;
use crate::backend::{IoBackend, IoBackendExt};
use crate::error::Cause;
use crate::io::{Address, Operation, PacketIo, Write};
use crate::packet::{Packet, PoolBuf, give_pooled, take_aligned};
use crate::traits::failure_at;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The future of [`IoWrite::write_with_at`](crate::traits::IoWrite::write_with_at).
#[must_use = "nothing is sent before the first poll"]
pub struct WriteWith<'a, P, Io: ?Sized, F> {
    sink: Sink<'a, P, Io>,
    len: u64,
    producer: F,
    chunks: Chunks,
    spare: Option<Packet<PoolBuf>>,
    /// The failure to allocate the next chunk.
    unsent: Option<Cause>,
    /// The future was ready, or the producer panicked.
    over: bool,
}

impl<'a, P, Io, F> WriteWith<'a, P, Io, F>
where
    P: Address,
    Io: PacketIo<Write, P> + ?Sized,
    F: FnMut(&mut [u8]),
{
    pub(in crate::traits) fn new(io: &'a Io, pos: P, len: u64, producer: F) -> Self {
        Self {
            sink: Sink::new(io, pos),
            len,
            producer,
            chunks: Chunks::default(),
            spare: None,
            unsent: None,
            over: false,
        }
    }

    /// Sets the size of the chunks, and the number in flight.
    pub fn chunks(mut self, chunks: Chunks) -> Self {
        self.chunks = chunks;
        self
    }

    /// Produces and sends chunks while the window allows. Runs the producer.
    fn produce(&mut self) {
        assert!(!self.over, "a future was polled after it was ready");
        // The flag remains if the producer panics.
        self.over = true;
        let window = self.chunks.window(self.sink.io.alignment(Operation::Write));
        while self.sink.in_flight() < window
            && self.sink.sent() < self.len
            && self.sink.failed.is_none()
            && self.unsent.is_none()
        {
            self.unsent = self.send_one().err();
        }
        self.over = false;
    }

    fn send_one(&mut self) -> Result<(), Cause> {
        let io = self.sink.io;
        let alignment = io.alignment(Operation::Write);
        let size = alignment.round_up(self.chunks.size.max(1));
        // Ends at a block boundary, so that the next chunk is aligned.
        let excess = alignment.excess(self.sink.pos.to_u64().wrapping_add(self.sink.sent()));
        let left = usize::try_from(self.len - self.sink.sent()).unwrap_or(usize::MAX);
        let len = left.min(size - excess);
        // A packet from before a call of `chunks` may be too short.
        let mut packet = match self.spare.take().filter(|packet| packet.len() >= len) {
            Some(packet) => packet,
            None => take_aligned(io.pool(), size, alignment.memory())?,
        };
        (self.producer)(&mut packet.buffer_mut()[..len]);
        self.sink.send(packet, 0, len);
        Ok(())
    }

    /// Waits for the completion of a chunk. Runs no user code.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(packet) = ready!(self.sink.poll_ended(cx)) {
            self.keep(packet);
        }
        Poll::Ready(())
    }

    fn keep(&mut self, packet: Packet<PoolBuf>) {
        if let Some(packet) = self.spare.replace(packet) {
            give_pooled(self.sink.io.pool(), packet);
        }
    }

    fn finish(&mut self) -> Result<u64, Partial> {
        self.over = true;
        let Sink { io, pos, good, .. } = self.sink;
        if let Some(packet) = self.spare.take() {
            give_pooled(io.pool(), packet);
        }
        let unsent = self.unsent.map(|cause| (self.chunks.size, cause));
        match self.sink.failed.or(unsent) {
            None => Ok(good),
            Some((len, cause)) => Err(Partial {
                good,
                error: failure_at::<Write, P, Io>(io, pos, good, len, cause),
            }),
        }
    }
}

/// Writes from a closure on a blocked thread. The closure runs outside the wait, so it may block.
pub(in crate::traits) fn blocking<P, Io, F>(
    io: &Io,
    pos: P,
    len: u64,
    producer: F,
) -> Result<u64, Partial>
where
    P: Address,
    Io: PacketIo<Write, P> + IoBackend + ?Sized,
    F: FnMut(&mut [u8]),
{
    let mut op = WriteWith::new(io, pos, len, producer);
    loop {
        op.produce();
        if op.sink.in_flight() == 0 {
            return op.finish();
        }
        io.block_on(poll_fn(|cx| op.poll_ended(cx)));
    }
}

// The producer is never pinned.
impl<P, Io: ?Sized, F> Unpin for WriteWith<'_, P, Io, F> {}

impl<P, Io, F> Future for WriteWith<'_, P, Io, F>
where
    P: Address,
    Io: PacketIo<Write, P> + ?Sized,
    F: FnMut(&mut [u8]),
{
    type Output = Result<u64, Partial>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for _ in 0..BUDGET {
            self.produce();
            if self.sink.in_flight() == 0 {
                return Poll::Ready(self.finish());
            }
            ready!(self.poll_ended(cx));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<P: fmt::Debug, Io: ?Sized, F> fmt::Debug for WriteWith<'_, P, Io, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteWith")
            .field("pos", &self.sink.pos)
            .field("len", &self.len)
            .field("chunks", &self.chunks)
            .finish_non_exhaustive()
    }
}
