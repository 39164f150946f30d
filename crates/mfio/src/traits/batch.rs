//! The future of a batch.

use crate::io::{Direction, PacketIo, Position};
use crate::packet::{Batch, BufferFor, EndedBatch, InFlightBatch, Sends};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The future of [`IoRead::read_batch`](super::IoRead::read_batch) and
/// [`IoWrite::write_batch`](super::IoWrite::write_batch).
#[must_use = "nothing is sent before the first poll"]
pub struct TransferBatch<'a, D: Direction, P: Position, Io: ?Sized, B: BufferFor<D>> {
    io: &'a Io,
    stage: Stage<B, P, D>,
    /// How many bytes may be on their way at once.
    limit: usize,
}

enum Stage<B: BufferFor<D>, P: Position, D: Direction> {
    Fresh(Batch<B, P>),
    Sent(Sent<B, P, D>),
    Over,
}

struct Sent<B: BufferFor<D>, P: Position, D: Direction> {
    batch: InFlightBatch<B, P, D>,
    /// What is still to be sent.
    left: Option<Sends<B, P, D>>,
    /// How many bytes are on their way; only counted while something is left.
    bytes: usize,
}

impl<'a, D, P, Io, B> TransferBatch<'a, D, P, Io, B>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
{
    #[inline]
    pub(super) fn new(io: &'a Io, batch: Batch<B, P>) -> Self {
        Self {
            io,
            stage: Stage::Fresh(batch),
            limit: usize::MAX,
        }
    }

    /// Lets at most `bytes` be on their way at once, or one buffer where that is longer; the others
    /// are sent as earlier ones end. Without this everything is sent together, and what bounds it
    /// is the driver's queue.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Sends as much as may be on its way.
    fn send(io: &Io, limit: usize, sent: &mut Sent<B, P, D>) {
        let Some(left) = &mut sent.left else {
            return;
        };
        while let Some(len) = left.next_len() {
            if sent.bytes != 0 && len > limit.saturating_sub(sent.bytes) {
                return;
            }
            sent.bytes += len;
            if let Some((pos, view)) = left.next() {
                io.send_io(pos, view);
            }
        }
        sent.left = None;
    }

    fn start(&mut self, batch: Batch<B, P>) -> Sent<B, P, D> {
        let segments = batch.total_bytes() > self.limit;
        let (batch, sends) = batch.start(segments);
        let mut sent = Sent {
            batch,
            left: Some(sends),
            bytes: 0,
        };
        Self::send(self.io, self.limit, &mut sent);
        sent
    }
}

impl<D, P, Io, B> Future for TransferBatch<'_, D, P, Io, B>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
{
    type Output = EndedBatch<B, P>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Fresh(_) = this.stage
            && let Stage::Fresh(batch) = core::mem::replace(&mut this.stage, Stage::Over)
        {
            this.stage = Stage::Sent(this.start(batch));
        }
        let Stage::Sent(sent) = &mut this.stage else {
            panic!("a future was polled after it was ready");
        };
        while sent.left.is_some() {
            // Only what has ended makes room.
            let ended = ready!(sent.batch.in_flight.poll_segment_len(cx));
            sent.bytes -= ended.unwrap_or(sent.bytes);
            Self::send(this.io, this.limit, sent);
        }
        let ended = ready!(Pin::new(&mut sent.batch.in_flight).poll(cx));
        let ended = sent.batch.ended(ended);
        this.stage = Stage::Over;
        Poll::Ready(ended)
    }
}

impl<D, P, Io, B> fmt::Debug for TransferBatch<'_, D, P, Io, B>
where
    D: Direction,
    P: Position,
    Io: ?Sized,
    B: BufferFor<D>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferBatch")
            .field("direction", &D::VERB)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
