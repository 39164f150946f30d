//! Reads into a new vector, which grows with the bytes read and not with the length asked for.

use super::completeness::{Completeness, Prefix};
use super::failure;
use super::owned::TransferPacket;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::io::{Operation, PacketIo, Position, Read};
use crate::packet::{Ended, Outcome, Packet};
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// Longest read that is one request, in bytes.
const AT_ONCE: usize = 1 << 20;
/// Length of the first request of a longer read, in bytes. Each further one doubles the total.
const FIRST: usize = 256 << 10;
/// Largest capacity, in bytes, that is kept if less than half of it is used.
const WASTE: usize = 64 << 10;

/// The future of [`IoRead::read_vec_at`](super::IoRead::read_vec_at).
#[derive(Debug)]
#[must_use = "nothing is sent before the first poll"]
pub struct ReadVec<'a, P, Io: ?Sized> {
    io: &'a Io,
    pos: P,
    len: usize,
    op: Option<TransferPacket<'a, Read, P, Io, Vec<u8>>>,
}

impl<'a, P: Position, Io: PacketIo<Read, P> + ?Sized> ReadVec<'a, P, Io> {
    pub(super) fn new(io: &'a Io, pos: P, len: usize) -> Self {
        Self {
            io,
            pos,
            len,
            op: None,
        }
    }

    fn first(&self) -> Result<Packet<Vec<u8>>> {
        let len = if self.len > AT_ONCE { FIRST } else { self.len };
        let mut bytes = Vec::new();
        self.grow(&mut bytes, len)?;
        Ok(Packet::new(bytes))
    }

    /// Returns the position of the next request if more bytes may follow the `good` ones. A stream
    /// is not asked again, as it might block for long with bytes in hand.
    fn next_pos(&self, good: usize, outcome: &Outcome) -> Option<P> {
        let ends = P::SEQUENTIAL || good == self.len || !outcome.is_success();
        if ends || self.io.alignment(Operation::Read).is_in_order() {
            return None;
        }
        self.pos.advance(good)
    }

    /// Doubles the memory, or adds less if allocation fails or less is wanted.
    fn go_on(&mut self, mut packet: Packet<Vec<u8>>, good: usize, pos: P) -> Result<()> {
        let mut bytes = packet.replace(Vec::new());
        let len = self.len.min(good.saturating_mul(2));
        if self.grow(&mut bytes, len).is_err() {
            self.grow(&mut bytes, len.min(good.saturating_add(FIRST)))?;
        }
        packet.replace(bytes);
        let op = self.op.as_mut().expect("it brought these bytes");
        op.go_on(packet, good, pos);
        Ok(())
    }

    fn grow(&self, bytes: &mut Vec<u8>, len: usize) -> Result<()> {
        if bytes.try_reserve_exact(len - bytes.len()).is_err() {
            return Err(self.failure(Cause::new(ErrorKind::OutOfMemory)));
        }
        bytes.resize(len, 0);
        Ok(())
    }

    fn failure(&self, cause: Cause) -> Error {
        failure::<Read, P, Io>(self.io, self.pos, self.len, cause)
    }
}

/// Returns the number of bytes before the end of the file, if all of them could be read. Bytes of a
/// stream count in any case; `WouldBlock` marks a stream, whatever its positions.
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

/// Truncates the vector to the good bytes, and frees memory that is not needed.
fn trim(mut bytes: Vec<u8>, good: usize) -> Vec<u8> {
    bytes.truncate(good);
    if bytes.capacity() > WASTE && good < bytes.capacity() / 2 {
        bytes.shrink_to_fit();
    }
    bytes
}

impl<P: Position, Io: PacketIo<Read, P> + ?Sized> Future for ReadVec<'_, P, Io> {
    type Output = Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.op.is_none() {
            let packet = this.first()?;
            this.op = Some(TransferPacket::new(this.io, this.pos, packet));
        }
        loop {
            let op = this.op.as_mut().expect("it was put there above");
            let Ended { packet, outcome } = ready!(Pin::new(op).poll(cx));
            let good = until_the_end::<P>(&outcome).map_err(|cause| this.failure(cause))?;
            match this.next_pos(good, &outcome) {
                Some(pos) => this.go_on(packet, good, pos)?,
                None => return Poll::Ready(Ok(trim(packet.into_buffer(), good))),
            }
        }
    }
}

/// The future of [`IoRead::read_bytes_at`](super::IoRead::read_bytes_at).
#[cfg(feature = "bytes")]
#[derive(Debug)]
#[must_use = "nothing is sent before the first poll"]
pub struct ReadBytes<'a, P, Io: ?Sized>(ReadVec<'a, P, Io>);

#[cfg(feature = "bytes")]
impl<'a, P: Position, Io: PacketIo<Read, P> + ?Sized> ReadBytes<'a, P, Io> {
    pub(super) fn new(io: &'a Io, pos: P, len: usize) -> Self {
        Self(ReadVec::new(io, pos, len))
    }
}

#[cfg(feature = "bytes")]
impl<P: Position, Io: PacketIo<Read, P> + ?Sized> Future for ReadBytes<'_, P, Io> {
    type Output = Result<bytes::Bytes>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_ok(Into::into)
    }
}
