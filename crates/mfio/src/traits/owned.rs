//! Futures of the forms with owned memory, which copy nothing.

use super::completeness::{Completeness, Prefix, Whole, goes_on};
use super::failure;
use super::stage::Stage;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::io::{Direction, PacketIo, Position};
use crate::packet::{BufferFor, Ended, InFlight, Packet, View};
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The future of [`IoRead::read_packet_at`](super::IoRead::read_packet_at) and
/// [`IoWrite::write_packet_at`](super::IoWrite::write_packet_at).
#[must_use = "nothing is sent before the first poll"]
pub struct TransferPacket<'a, D: Direction, P, Io: ?Sized, B: BufferFor<D>> {
    io: &'a Io,
    pos: P,
    stage: Stage<Packet<B>, InFlight<B, D>>,
}

impl<'a, D, P, Io, B> TransferPacket<'a, D, P, Io, B>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
{
    #[inline]
    pub(super) fn new(io: &'a Io, pos: P, packet: Packet<B>) -> Self {
        Self {
            io,
            pos,
            stage: Stage::Fresh(packet),
        }
    }
}

impl<D, P, Io, B> TransferPacket<'_, D, P, Io, B>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
{
    /// Continues, at `pos`, an operation whose first `done` bytes are complete.
    pub(super) fn go_on(&mut self, packet: Packet<B>, done: usize, pos: P) {
        let (in_flight, view) = packet.start::<D>();
        let (there, rest) = view.split_at(done);
        there.done();
        self.stage = Stage::Sent(in_flight);
        self.io.send_io(pos, rest);
    }

    /// Returns the operation, which reports its ranges, and sends it if that was not done.
    ///
    /// # Panics
    /// If the future was ready before.
    pub(super) fn sent_segments(&mut self) -> &mut InFlight<B, D> {
        let Self { io, pos, stage } = self;
        stage.sent(|packet| {
            let refused = refused::<D, B>(&packet);
            let (in_flight, view) = packet.start_segments::<D>();
            send(*io, *pos, view, refused);
            in_flight
        })
    }
}

impl<D, P, Io, B> Future for TransferPacket<'_, D, P, Io, B>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
{
    type Output = Ended<B>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<B>> {
        let this = &mut *self;
        if let Stage::Sent(in_flight) = &mut this.stage {
            let ended = ready!(Pin::new(in_flight).poll(cx));
            this.stage = Stage::Over;
            return Poll::Ready(ended);
        }
        let Stage::Fresh(packet) = core::mem::replace(&mut this.stage, Stage::Over) else {
            panic!("a future was polled after it was ready");
        };
        let refused = refused::<D, B>(&packet);
        let (mut in_flight, view) = packet.start::<D>();
        send(this.io, this.pos, view, refused);
        let polled = Pin::new(&mut in_flight).poll(cx);
        if polled.is_pending() {
            this.stage = Stage::Sent(in_flight);
        }
        polled
    }
}

impl<D, P, Io, B> fmt::Debug for TransferPacket<'_, D, P, Io, B>
where
    D: Direction,
    P: fmt::Debug,
    Io: ?Sized,
    B: BufferFor<D>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransferPacket")
            .field("direction", &D::VERB)
            .field("pos", &self.pos)
            .finish_non_exhaustive()
    }
}

/// Sends a view, unless the read is refused.
#[inline]
fn send<D, P, Io>(io: &Io, pos: P, view: View<D>, refused: bool)
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
{
    match refused {
        false => io.send_io(pos, view),
        true => view.fail(ErrorKind::InvalidInput),
    }
}

/// Whether a read is refused, because its buffer has a capacity but no length.
#[inline]
fn refused<D: Direction, B: BufferFor<D>>(packet: &Packet<B>) -> bool {
    D::READS && packet.is_empty() && packet.has_only_capacity()
}

/// Builds the error of an operation with a buffer of the caller.
#[cold]
pub(crate) fn failure_of_buffer<D, P, Io>(io: &Io, pos: P, len: usize, cause: Cause) -> Error
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
{
    let error = failure(io, pos, len, cause);
    match cause.kind() {
        ErrorKind::InvalidInput if D::READS && len == 0 => {
            error.help("reads fill the length of a buffer, not its capacity: use vec![0; n]")
        }
        _ => error,
    }
}

/// The future of the forms with an owned buffer, which is returned with the result; see
/// [`TransferBufExact`] and [`TransferBufSome`].
#[must_use = "nothing is sent before the first poll"]
pub struct TransferOwned<'a, D: Direction, P, Io: ?Sized, B: BufferFor<D>, E> {
    op: TransferPacket<'a, D, P, Io, B>,
    /// Number of bytes received from a stream so far.
    done: usize,
    completeness: PhantomData<fn() -> E>,
}

/// The future of [`IoRead::read_exact_buf_at`](super::IoRead::read_exact_buf_at) and
/// [`IoWrite::write_all_buf_at`](super::IoWrite::write_all_buf_at).
pub type TransferBufExact<'a, D, P, Io, B> = TransferOwned<'a, D, P, Io, B, Whole>;
/// The future of [`IoRead::read_buf_at`](super::IoRead::read_buf_at) and
/// [`IoWrite::write_buf_at`](super::IoWrite::write_buf_at).
pub type TransferBufSome<'a, D, P, Io, B> = TransferOwned<'a, D, P, Io, B, Prefix>;

impl<'a, D, P, Io, B, E> TransferOwned<'a, D, P, Io, B, E>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
{
    #[inline]
    pub(super) fn new(io: &'a Io, pos: P, buffer: B) -> Self {
        Self {
            op: TransferPacket::new(io, pos, Packet::new(buffer)),
            done: 0,
            completeness: PhantomData,
        }
    }
}

impl<D, P, Io, B, E> Future for TransferOwned<'_, D, P, Io, B, E>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
    E: Completeness,
{
    type Output = (Result<E::Output>, B);

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { op, done, .. } = &mut *self;
        loop {
            let Ended { packet, outcome } = ready!(Pin::new(&mut *op).poll(cx));
            if D::READS
                && let Some(good) = goes_on::<P>(&outcome, *done)
                && !E::enough(good, outcome.len())
            {
                *done = good;
                op.go_on(packet, good, op.pos);
                continue;
            }
            let result = E::judge::<D>(&outcome)
                .map(E::output)
                .map_err(|cause| failure_of_buffer(op.io, op.pos, outcome.len(), cause));
            return Poll::Ready((result, packet.into_buffer()));
        }
    }
}

impl<D, P, Io, B, E> fmt::Debug for TransferOwned<'_, D, P, Io, B, E>
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
