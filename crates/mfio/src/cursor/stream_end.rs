//! The end of the stream that a [`ByteStream`](super::ByteStream) writes.

use crate::control::{ControlIo, ControlKind, ControlOp};
use crate::error::{Cause, ErrorKind};
use crate::traits::SentControl;
use core::task::{Context, Poll, ready};

/// Whether the stream was ended.
#[derive(Debug)]
pub(super) enum StreamEnd {
    Open,
    /// Also if the call that sent it was dropped.
    Sent(SentControl),
    Ended,
}

impl StreamEnd {
    /// Ends the stream, unless it has ended. Does nothing to an object that cannot end its stream.
    ///
    /// # Errors
    /// The failure, once. The next call tries again.
    pub(super) fn poll<Io>(&mut self, io: &Io, cx: &mut Context<'_>) -> Poll<Result<(), Cause>>
    where
        Io: ControlIo + ?Sized,
    {
        let op = ControlOp::Shutdown;
        loop {
            match self {
                Self::Open if !io.capabilities().contains(ControlKind::Shutdown) => {
                    return Poll::Ready(Ok(()));
                }
                Self::Open => {
                    *self = Self::Sent(SentControl::send(io, op, SentControl::NO_ANSWER)?);
                }
                Self::Sent(sent) => {
                    let ended = ready!(sent.poll(io, cx, SentControl::NO_ANSWER, |_| ()));
                    *self = match ended {
                        Ok(()) => Self::Ended,
                        Err(_) => Self::Open,
                    };
                    // A layer may learn only from the object that it cannot be done.
                    return Poll::Ready(ended.or_else(|cause| match cause.kind() {
                        ErrorKind::NotSupported => Ok(()),
                        _ => Err(cause),
                    }));
                }
                Self::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}
