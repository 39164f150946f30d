//! Futures of the forms with borrowed memory. The bytes are copied once, through a packet of the
//! pool, because a future that is forgotten must not leave the driver with memory of the caller's.

use super::completeness::{Completeness, Prefix, Whole, goes_on};
use super::failure;
use super::pooled::Pooled;
use crate::error::Result;
use crate::io::{PacketIo, Position, Read, Write};
use crate::packet::Outcome;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The future of [`IoRead::read_exact_at`](super::IoRead::read_exact_at).
pub type ReadExact<'a, P, Io> = ReadInto<'a, P, Io, Whole>;
/// The future of [`IoRead::read_at`](super::IoRead::read_at).
pub type ReadSome<'a, P, Io> = ReadInto<'a, P, Io, Prefix>;
/// The future of [`IoWrite::write_all_at`](super::IoWrite::write_all_at) and
/// [`IoWrite::write_value_at`](super::IoWrite::write_value_at).
pub type WriteAll<'a, P, Io> = WriteFrom<'a, P, Io, Whole>;
/// The future of [`IoWrite::write_at`](super::IoWrite::write_at).
pub type WriteSome<'a, P, Io> = WriteFrom<'a, P, Io, Prefix>;

/// A read into borrowed memory, which is unchanged after an error or a drop; for a stream see
/// [`read_exact_at`](super::IoRead::read_exact_at).
#[must_use = "nothing is sent before the first poll"]
pub struct ReadInto<'a, P, Io: ?Sized, E> {
    op: Pooled<'a, Read, P, Io>,
    bytes: &'a mut [u8],
    /// Number of bytes received from a stream so far.
    filled: usize,
    completeness: PhantomData<fn() -> E>,
}

/// A write from borrowed memory. After an error or a drop any part of the bytes may have been
/// written.
#[must_use = "nothing is sent before the first poll"]
pub struct WriteFrom<'a, P, Io: ?Sized, E> {
    op: Pooled<'a, Write, P, Io>,
    bytes: &'a [u8],
    completeness: PhantomData<fn() -> E>,
}

impl<'a, P: Position, Io: PacketIo<Read, P> + ?Sized, E> ReadInto<'a, P, Io, E> {
    #[inline]
    pub(super) fn new(io: &'a Io, pos: P, bytes: &'a mut [u8]) -> Self {
        Self {
            op: Pooled::new(io, pos),
            bytes,
            filled: 0,
            completeness: PhantomData,
        }
    }
}

impl<'a, P: Position, Io: PacketIo<Write, P> + ?Sized, E> WriteFrom<'a, P, Io, E> {
    #[inline]
    pub(super) fn new(io: &'a Io, pos: P, bytes: &'a [u8]) -> Self {
        Self {
            op: Pooled::new(io, pos),
            bytes,
            completeness: PhantomData,
        }
    }
}

impl<P, Io, E> Future for ReadInto<'_, P, Io, E>
where
    P: Position,
    Io: PacketIo<Read, P> + ?Sized,
    E: Completeness,
{
    type Output = Result<E::Output>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            op, bytes, filled, ..
        } = &mut *self;
        let len = bytes.len();
        if len == 0 {
            return Poll::Ready(Ok(E::output(0)));
        }
        loop {
            let rest = &mut bytes[*filled..];
            let left = rest.len();
            let finish = |outcome: &Outcome, packet: &[u8]| {
                let good = match goes_on::<P>(outcome, 0) {
                    Some(good) => good,
                    None => E::judge::<Read>(outcome)?,
                };
                rest[..good].copy_from_slice(&packet[..good]);
                Ok(good)
            };
            let good = ready!(op.poll::<_, false>(cx, left, |_| (), finish))
                .map_err(|cause| failure(op.io, op.pos, len, cause))?;
            *filled += good;
            if !P::SEQUENTIAL || E::enough(*filled, len) || good == 0 {
                return Poll::Ready(Ok(E::output(*filled)));
            }
            *op = Pooled::new(op.io, op.pos);
        }
    }
}

impl<P, Io, E> Future for WriteFrom<'_, P, Io, E>
where
    P: Position,
    Io: PacketIo<Write, P> + ?Sized,
    E: Completeness,
{
    type Output = Result<E::Output>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { op, bytes, .. } = &mut *self;
        let len = bytes.len();
        if len == 0 {
            return Poll::Ready(Ok(E::output(0)));
        }
        let fill = |packet: &mut [u8]| packet.copy_from_slice(bytes);
        let finish = |outcome: &_, _: &[u8]| E::judge::<Write>(outcome).map(E::output);
        op.poll::<_, false>(cx, len, fill, finish)
            .map_err(|cause| failure(op.io, op.pos, len, cause))
    }
}

impl<P: fmt::Debug, Io: ?Sized, E> fmt::Debug for ReadInto<'_, P, Io, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadInto")
            .field("pos", &self.op.pos)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl<P: fmt::Debug, Io: ?Sized, E> fmt::Debug for WriteFrom<'_, P, Io, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteFrom")
            .field("pos", &self.op.pos)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
