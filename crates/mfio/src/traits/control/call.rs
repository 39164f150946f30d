//! Futures of single operations.

use super::super::stage::Stage;
use super::failure::failure;
use crate::control::{Answer, ControlIo, ControlOp};
use crate::error::{Cause, ErrorKind, Result};
use crate::io::Read;
use crate::packet::{InFlight, PoolBuf, give_pooled, take_pooled};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// An operation through a packet of the pool, which is sent at the first poll. It can be started
/// again after its end.
pub(super) struct PooledControl<'a, Io: ?Sized> {
    pub(super) io: &'a Io,
    stage: Stage<(), InFlight<PoolBuf, Read>>,
}

impl<'a, Io: ControlIo + ?Sized> PooledControl<'a, Io> {
    pub(super) fn new(io: &'a Io) -> Self {
        Self {
            io,
            stage: Stage::Fresh(()),
        }
    }

    /// Polls `op`, whose answer has up to `len` bytes. `read` takes the answer.
    pub(super) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        op: ControlOp,
        len: usize,
        read: impl FnOnce(&mut Answer<'_>) -> R,
    ) -> Poll<Result<R, Cause>> {
        if let Stage::Fresh(()) = self.stage {
            self.stage = Stage::Over;
            let packet = take_pooled(self.io.pool(), len)?;
            let (in_flight, view) = packet.start_prefix::<Read>(len);
            self.io.send_control(op, view);
            self.stage = Stage::Sent(in_flight);
        }
        let Stage::Sent(in_flight) = &mut self.stage else {
            panic!("a future was polled after it was ready");
        };
        let ended = ready!(Pin::new(in_flight).poll(cx));
        self.stage = Stage::Over;
        let mut packet = ended.packet;
        let result = match ended.outcome.first_error() {
            None => Ok(read(&mut Answer::new(&mut packet.buffer_mut()[..len]))),
            Some(cause) => Err(cause),
        };
        give_pooled(self.io.pool(), packet);
        Poll::Ready(result)
    }

    /// Prepares for another operation.
    pub(super) fn again(&mut self) {
        self.stage = Stage::Fresh(());
    }
}

/// The future of the operations of [`IoControl`](super::IoControl) that have no answer.
#[must_use = "nothing is sent before the first poll"]
pub struct ControlCall<'a, Io: ?Sized> {
    op: ControlOp,
    sending: PooledControl<'a, Io>,
}

impl<'a, Io: ControlIo + ?Sized> ControlCall<'a, Io> {
    #[inline]
    pub(super) fn new(io: &'a Io, op: ControlOp) -> Self {
        Self {
            op,
            sending: PooledControl::new(io),
        }
    }
}

impl<Io: ControlIo + ?Sized> Future for ControlCall<'_, Io> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Self { op, sending } = &mut *self;
        let polled = match *op {
            op if op.has_answer() => Poll::Ready(Err(ErrorKind::InvalidInput.into())),
            op if op.is_empty() => return Poll::Ready(Ok(())),
            op => sending.poll(cx, op, 1, |_| ()),
        };
        polled.map_err(|cause| failure(sending.io, *op, cause))
    }
}

impl<Io: ?Sized> fmt::Debug for ControlCall<'_, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlCall")
            .field("op", &self.op)
            .finish_non_exhaustive()
    }
}

/// The future of [`IoControl::len`](super::IoControl::len).
#[must_use = "nothing is sent before the first poll"]
pub struct ControlLen<'a, Io: ?Sized>(PooledControl<'a, Io>);

impl<'a, Io: ControlIo + ?Sized> ControlLen<'a, Io> {
    #[inline]
    pub(super) fn new(io: &'a Io) -> Self {
        Self(PooledControl::new(io))
    }
}

impl<Io: ControlIo + ?Sized> Future for ControlLen<'_, Io> {
    type Output = Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let sending = &mut self.0;
        let op = ControlOp::Len;
        let len = ready!(sending.poll(cx, op, Answer::LEN, |answer| answer.read_len()));
        let len = len.and_then(|len| len.ok_or(ErrorKind::InvalidData.into()));
        Poll::Ready(len.map_err(|cause| failure(sending.io, op, cause)))
    }
}

impl<Io: ?Sized> fmt::Debug for ControlLen<'_, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlLen").finish_non_exhaustive()
    }
}
