//! The future of the forms that report each range as it completes.

use super::owned::TransferPacket;
use crate::io::{Direction, PacketIo, Position};
use crate::packet::{BufferFor, Ended, EndedSegment, Packet};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The future of [`IoRead::read_packet_each_at`](super::IoRead::read_packet_each_at) and
/// [`IoWrite::write_packet_each_at`](super::IoWrite::write_packet_each_at).
#[must_use = "nothing is sent before the first poll"]
pub struct TransferEach<'a, D: Direction, P, Io: ?Sized, B: BufferFor<D>, F> {
    op: TransferPacket<'a, D, P, Io, B>,
    each: F,
}

impl<'a, D, P, Io, B, F> TransferEach<'a, D, P, Io, B, F>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
    F: FnMut(EndedSegment<'_>),
{
    pub(super) fn new(io: &'a Io, pos: P, packet: Packet<B>, each: F) -> Self {
        Self {
            op: TransferPacket::new(io, pos, packet),
            each,
        }
    }
}

impl<D, P, Io, B, F> Unpin for TransferEach<'_, D, P, Io, B, F>
where
    D: Direction,
    Io: ?Sized,
    B: BufferFor<D>,
{
}

impl<D, P, Io, B, F> Future for TransferEach<'_, D, P, Io, B, F>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
    F: FnMut(EndedSegment<'_>),
{
    type Output = Ended<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<B>> {
        let Self { op, each } = &mut *self;
        while let Some(segment) = ready!(op.sent_segments().poll_segment(cx)) {
            each(segment);
        }
        Pin::new(op).poll(cx)
    }
}

impl<D, P, Io, B, F> fmt::Debug for TransferEach<'_, D, P, Io, B, F>
where
    D: Direction,
    P: fmt::Debug,
    Io: ?Sized,
    B: BufferFor<D>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.op, f)
    }
}
