//! Futures of the forms that own their memory: nothing is copied.

use super::extent::{Extent, Prefix, Whole, goes_on};
use super::failure;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::io::{Direction, PacketIo, Position, Read};
use crate::packet::{BufferFor, Ended, InFlight, Outcome, Packet};
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The future of [`IoRead::read_packet`](super::IoRead::read_packet) and
/// [`IoWrite::write_packet`](super::IoWrite::write_packet).
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
    /// Goes on with an operation of which the first `done` bytes are there.
    fn go_on(&mut self, packet: Packet<B>, done: usize) {
        let (in_flight, view) = packet.start::<D>();
        let (there, rest) = view.split_at(done);
        there.done();
        self.stage = Stage::Sent(in_flight);
        self.io.send_io(self.pos, rest);
    }

    /// The operation, which tells of its ranges; sent if it was not.
    ///
    /// # Panics
    /// Where the future was ready before.
    pub(super) fn sent_segments(&mut self) -> &mut InFlight<B, D> {
        if let Stage::Fresh(_) = self.stage
            && let Stage::Fresh(packet) = core::mem::replace(&mut self.stage, Stage::Over)
        {
            let (in_flight, view) = packet.start_segments::<D>();
            self.stage = Stage::Sent(in_flight);
            self.io.send_io(self.pos, view);
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
        let (mut in_flight, view) = packet.start::<D>();
        this.io.send_io(this.pos, view);
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

/// The future of the forms with an owned buffer, which comes back with the result; see [`TransferBuf`] and
/// [`TransferBufSome`].
#[must_use = "nothing is sent before the first poll"]
pub struct TransferOwned<'a, D: Direction, P, Io: ?Sized, B: BufferFor<D>, E> {
    op: TransferPacket<'a, D, P, Io, B>,
    /// How many bytes a stream has given so far, in pieces.
    done: usize,
    extent: PhantomData<fn() -> E>,
}

/// The future of [`IoRead::read_buf`](super::IoRead::read_buf) and [`IoWrite::write_buf`](super::IoWrite::write_buf).
pub type TransferBuf<'a, D, P, Io, B> = TransferOwned<'a, D, P, Io, B, Whole>;
/// The future of [`IoRead::read_buf_some`](super::IoRead::read_buf_some) and
/// [`IoWrite::write_buf_some`](super::IoWrite::write_buf_some).
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
                op.go_on(packet, good);
                continue;
            }
            let result = E::judge::<D>(&outcome)
                .map(E::output)
                .map_err(|cause| failure(op.io, op.pos, outcome.len(), cause));
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

/// The future of [`IoRead::read_to_vec`](super::IoRead::read_to_vec).
#[derive(Debug)]
#[must_use = "nothing is sent before the first poll"]
pub struct ReadToVec<'a, P, Io: ?Sized> {
    io: &'a Io,
    pos: P,
    len: usize,
    op: Option<TransferPacket<'a, Read, P, Io, Vec<u8>>>,
}

impl<'a, P: Position, Io: PacketIo<Read, P> + ?Sized> ReadToVec<'a, P, Io> {
    pub(super) fn new(io: &'a Io, pos: P, len: usize) -> Self {
        Self {
            io,
            pos,
            len,
            op: None,
        }
    }

    /// Memory of a length that may come from outside.
    fn allocate(&self) -> Result<Packet<Vec<u8>>> {
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(self.len).is_err() {
            return Err(self.failure(Cause::new(ErrorKind::OutOfMemory)));
        }
        bytes.resize(self.len, 0);
        Ok(Packet::new(bytes))
    }

    fn failure(&self, cause: Cause) -> Error {
        failure::<Read, P, Io>(self.io, self.pos, self.len, cause)
    }
}

/// How many bytes there are before the end of the data, if all of them could be read. What a stream has given counts in any
/// case; `WouldBlock` says that an object is one, whatever its positions.
fn until_the_end<P: Position>(outcome: &Outcome) -> core::result::Result<usize, Cause> {
    let fails = |cause: Cause| {
        !matches!(
            cause.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::WouldBlock
        )
    };
    match outcome.first_error() {
        Some(cause) if !P::SEQUENTIAL && fails(cause) => Err(cause),
        _ => Prefix::judge::<Read>(outcome),
    }
}

impl<P: Position, Io: PacketIo<Read, P> + ?Sized> Future for ReadToVec<'_, P, Io> {
    type Output = Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.op.is_none() {
            let packet = this.allocate()?;
            this.op = Some(TransferPacket::new(this.io, this.pos, packet));
        }
        let op = this.op.as_mut().expect("it was put there above");
        let Ended { packet, outcome } = ready!(Pin::new(op).poll(cx));
        let good = until_the_end::<P>(&outcome).map_err(|cause| this.failure(cause))?;
        let mut bytes = packet.into_buffer();
        bytes.truncate(good);
        Poll::Ready(Ok(bytes))
    }
}

/// The future of [`IoRead::read_bytes`](super::IoRead::read_bytes).
#[cfg(feature = "bytes")]
#[derive(Debug)]
#[must_use = "nothing is sent before the first poll"]
pub struct ReadBytes<'a, P, Io: ?Sized>(ReadToVec<'a, P, Io>);

#[cfg(feature = "bytes")]
impl<'a, P: Position, Io: PacketIo<Read, P> + ?Sized> ReadBytes<'a, P, Io> {
    pub(super) fn new(io: &'a Io, pos: P, len: usize) -> Self {
        Self(ReadToVec::new(io, pos, len))
    }
}

#[cfg(feature = "bytes")]
impl<P: Position, Io: PacketIo<Read, P> + ?Sized> Future for ReadBytes<'_, P, Io> {
    type Output = Result<bytes::Bytes>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_ok(Into::into)
    }
}
