//! Futures of the forms that own their memory: nothing is copied.

use super::extent::{Extent, Prefix, Whole, goes_on};
use super::failure;
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
    stage: Stage<B, D>,
}

enum Stage<B: BufferFor<D>, D: Direction> {
    Fresh(Packet<B>),
    Sent(InFlight<B, D>),
    Over,
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
    /// Goes on, at `pos`, with an operation of which the first `done` bytes are there.
    pub(super) fn go_on(&mut self, packet: Packet<B>, done: usize, pos: P) {
        let (in_flight, view) = packet.start::<D>();
        let (there, rest) = view.split_at(done);
        there.done();
        self.stage = Stage::Sent(in_flight);
        self.io.send_io(pos, rest);
    }

    #[inline]
    fn send(&self, view: View<D>, refused: bool) {
        match refused {
            false => self.io.send_io(self.pos, view),
            true => view.fail(ErrorKind::InvalidInput),
        }
    }

    /// The operation, which tells of its ranges; sent if it was not.
    ///
    /// # Panics
    /// Where the future was ready before.
    pub(super) fn sent_segments(&mut self) -> &mut InFlight<B, D> {
        if let Stage::Fresh(_) = self.stage
            && let Stage::Fresh(packet) = core::mem::replace(&mut self.stage, Stage::Over)
        {
            let refused = refused::<D, B>(&packet);
            let (in_flight, view) = packet.start_segments::<D>();
            self.stage = Stage::Sent(in_flight);
            self.send(view, refused);
        }
        match &mut self.stage {
            Stage::Sent(in_flight) => in_flight,
            Stage::Fresh(_) | Stage::Over => panic!("a future was polled after it was ready"),
        }
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
        this.send(view, refused);
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

/// Whether a read is refused, as its buffer has a capacity but no length to be filled.
#[inline]
fn refused<D: Direction, B: BufferFor<D>>(packet: &Packet<B>) -> bool {
    D::READS && packet.is_empty() && packet.has_only_capacity()
}

/// The failure of an operation with a buffer that the caller gave.
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
    /// How many bytes a stream has given so far, in pieces.
    done: usize,
    extent: PhantomData<fn() -> E>,
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
            extent: PhantomData,
        }
    }
}

impl<D, P, Io, B, E> Future for TransferOwned<'_, D, P, Io, B, E>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    B: BufferFor<D>,
    E: Extent,
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
