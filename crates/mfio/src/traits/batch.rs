//! The future of a batch.

use super::stage::Stage;
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
    stage: Stage<Batch<B, P>, SentBatch<B, P, D>>,
    /// Maximum number of bytes in flight.
    limit: usize,
}

struct SentBatch<B: BufferFor<D>, P: Position, D: Direction> {
    batch: InFlightBatch<B, P, D>,
    /// The requests not yet sent.
    left: Option<Sends<B, P, D>>,
    /// Number of bytes in flight; only counted while requests are left.
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

    /// Sets the maximum number of bytes in flight; a single longer buffer is allowed. The other
    /// buffers are sent as earlier ones complete. By default all are sent at once, bounded by the
    /// queue of the driver only.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Sends as much as the limit allows.
    fn send(io: &Io, limit: usize, sent: &mut SentBatch<B, P, D>) {
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

    fn start(io: &Io, limit: usize, batch: Batch<B, P>) -> SentBatch<B, P, D> {
        let segments = batch.total_bytes() > limit;
        let (batch, sends) = batch.start(segments);
        let mut sent = SentBatch {
            batch,
            left: Some(sends),
            bytes: 0,
        };
        Self::send(io, limit, &mut sent);
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
        let Self { io, stage, limit } = &mut *self;
        let sent = stage.sent(|batch| Self::start(io, *limit, batch));
        while sent.left.is_some() {
            // Only completed requests make room.
            let ended = ready!(sent.batch.in_flight.poll_segment_len(cx));
            sent.bytes -= ended.unwrap_or(sent.bytes);
            Self::send(io, *limit, sent);
        }
        let ended = ready!(Pin::new(&mut sent.batch.in_flight).poll(cx));
        let ended = sent.batch.ended(ended);
        *stage = Stage::Over;
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
