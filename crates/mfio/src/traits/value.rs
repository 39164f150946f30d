//! The future of typed reads.

use super::completeness::{Completeness, Whole};
use super::failure;
use super::pooled::Pooled;
use crate::error::Result;
use crate::io::{PacketIo, Position, Read};
use bytemuck::AnyBitPattern;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

/// The future of [`IoRead::read_value_at`](super::IoRead::read_value_at).
#[must_use = "nothing is sent before the first poll"]
pub struct ReadValue<'a, P, Io: ?Sized, T> {
    op: Pooled<'a, Read, P, Io>,
    value: PhantomData<fn() -> T>,
}

impl<'a, P: Position, Io: PacketIo<Read, P> + ?Sized, T> ReadValue<'a, P, Io, T> {
    #[inline]
    pub(super) fn new(io: &'a Io, pos: P) -> Self {
        Self {
            op: Pooled::new(io, pos),
            value: PhantomData,
        }
    }
}

impl<P, Io, T> Future for ReadValue<'_, P, Io, T>
where
    P: Position,
    Io: PacketIo<Read, P> + ?Sized,
    T: AnyBitPattern,
{
    type Output = Result<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let len = size_of::<T>();
        if len == 0 {
            return Poll::Ready(Ok(T::zeroed()));
        }
        let op = &mut self.op;
        let finish = |outcome: &_, packet: &[u8]| {
            Whole::judge::<Read>(outcome)?;
            Ok(bytemuck::pod_read_unaligned(packet))
        };
        op.poll::<_, true>(cx, len, |_| (), finish)
            .map_err(|cause| failure(op.io, op.pos, len, cause))
    }
}

impl<P: fmt::Debug, Io: ?Sized, T> fmt::Debug for ReadValue<'_, P, Io, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadValue")
            .field("pos", &self.op.pos)
            .field("len", &size_of::<T>())
            .finish_non_exhaustive()
    }
}
