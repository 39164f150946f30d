//! Futures of single operations.

use super::super::stage::Stage;
use super::failure::failure;
use crate::control::{Answer, ControlIo, ControlOp};
use crate::error::{Cause, ErrorKind, Result};
use crate::io::{IoObject, Read};
use crate::packet::{InFlight, PoolBuf, give_pooled, take_pooled};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// An operation in flight, with a packet of the object's pool.
#[derive(Debug)]
pub(crate) struct SentControl(InFlight<PoolBuf, Read>);

impl SentControl {
    /// Length of the view of an operation without an answer.
    pub(crate) const NO_ANSWER: usize = 1;

    /// Sends `op`, whose answer has up to `len` bytes.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub(crate) fn send<Io>(io: &Io, op: ControlOp, len: usize) -> Result<Self, Cause>
    where
        Io: ControlIo + ?Sized,
    {
        let packet = take_pooled(io.pool(), len)?;
        let (in_flight, view) = packet.start_prefix::<Read>(len);
        io.send_control(op, view);
        Ok(Self(in_flight))
    }

    /// Waits for the end. `read` takes the answer of up to `len` bytes.
    pub(crate) fn poll<Io, R>(
        &mut self,
        io: &Io,
        cx: &mut Context<'_>,
        len: usize,
        read: impl FnOnce(&mut Answer<'_>) -> R,
    ) -> Poll<Result<R, Cause>>
    where
        Io: IoObject + ?Sized,
    {
        let ended = ready!(Pin::new(&mut self.0).poll(cx));
        let mut packet = ended.packet;
        let result = match ended.outcome.first_error() {
            None => Ok(read(&mut Answer::new(&mut packet.buffer_mut()[..len]))),
            Some(cause) => Err(cause),
        };
        give_pooled(io.pool(), packet);
        Poll::Ready(result)
    }
}

/// An operation that is sent at the first poll. It can be started again after its end.
pub(super) struct PooledControl<'a, Io: ?Sized> {
    pub(super) io: &'a Io,
    stage: Stage<(), SentControl>,
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
            self.stage = Stage::Sent(SentControl::send(self.io, op, len)?);
        }
        let Stage::Sent(sent) = &mut self.stage else {
            panic!("a future was polled after it was ready");
        };
        let result = ready!(sent.poll(self.io, cx, len, read));
        self.stage = Stage::Over;
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
            op => sending.poll(cx, op, SentControl::NO_ANSWER, |_| ()),
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
