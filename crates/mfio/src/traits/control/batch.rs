//! Several operations in one packet: each has a byte.

use super::super::stage::Stage;
use super::failure::failure;
use crate::control::{ControlIo, ControlOp};
use crate::error::{Cause, ErrorKind, Result};
use crate::io::Read;
use crate::packet::{InFlight, Outcome, PoolBuf, give_pooled, take_pooled};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The future of [`IoControl::control_batch`](super::IoControl::control_batch).
#[must_use = "nothing is sent before the first poll"]
pub struct ControlBatch<'a, Io: ?Sized> {
    io: &'a Io,
    ops: &'a [ControlOp],
    stage: Stage<(), InFlight<PoolBuf, Read>>,
}

impl<'a, Io: ControlIo + ?Sized> ControlBatch<'a, Io> {
    #[inline]
    pub(super) fn new(io: &'a Io, ops: &'a [ControlOp]) -> Self {
        Self {
            io,
            ops,
            stage: Stage::Fresh(()),
        }
    }

    fn send(&self) -> Result<InFlight<PoolBuf, Read>, Cause> {
        let packet = take_pooled(self.io.pool(), self.ops.len())?;
        let (in_flight, view) = packet.start_prefix::<Read>(self.ops.len());
        let mut views = view.splitter();
        for op in self.ops {
            let view = views.take(1);
            match *op {
                op if op.has_answer() => view.fail(ErrorKind::InvalidInput),
                op if op.is_empty() => view.done(),
                op => self.io.send_control(op, view),
            }
        }
        // The rest is empty: it has no byte to fail.
        views.into_rest().done();
        Ok(in_flight)
    }

    fn ended(&self, outcome: Result<Outcome, Cause>) -> EndedControls<'a, Io> {
        EndedControls {
            io: self.io,
            ops: self.ops,
            outcome,
        }
    }
}

impl<'a, Io: ControlIo + ?Sized> Future for ControlBatch<'a, Io> {
    type Output = EndedControls<'a, Io>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::Fresh(()) = self.stage {
            self.stage = Stage::Over;
            match self.send() {
                Ok(in_flight) => self.stage = Stage::Sent(in_flight),
                Err(cause) => return Poll::Ready(self.ended(Err(cause))),
            }
        }
        let Stage::Sent(in_flight) = &mut self.stage else {
            panic!("a future was polled after it was ready");
        };
        let ended = ready!(Pin::new(in_flight).poll(cx));
        self.stage = Stage::Over;
        give_pooled(self.io.pool(), ended.packet);
        Poll::Ready(self.ended(Ok(ended.outcome)))
    }
}

impl<Io: ?Sized> fmt::Debug for ControlBatch<'_, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlBatch")
            .field("ops", &self.ops)
            .finish_non_exhaustive()
    }
}

/// The results of the operations of a [batch](super::IoControl::control_batch).
pub struct EndedControls<'a, Io: ?Sized> {
    io: &'a Io,
    ops: &'a [ControlOp],
    outcome: Result<Outcome, Cause>,
}

impl<Io: ControlIo + ?Sized> EndedControls<'_, Io> {
    /// Returns the result of the operation at `index`.
    ///
    /// # Errors
    /// The failure of that operation.
    ///
    /// # Panics
    /// If there is no such operation.
    pub fn result(&self, index: usize) -> Result<()> {
        let op = self.ops[index];
        let failed = match &self.outcome {
            Ok(outcome) => outcome.failure_within(index..index + 1).map(|f| f.cause),
            Err(cause) => Some(*cause),
        };
        failed.map_or(Ok(()), |cause| Err(failure(self.io, op, cause)))
    }

    /// Returns the results in the order of the operations.
    pub fn results(&self) -> impl ExactSizeIterator<Item = Result<()>> + '_ {
        (0..self.ops.len()).map(|index| self.result(index))
    }

    /// Succeeds if every operation did.
    ///
    /// # Errors
    /// The first failure, in the order of the operations.
    pub fn all(&self) -> Result<()> {
        self.results().collect()
    }
}

impl<Io: ?Sized> fmt::Debug for EndedControls<'_, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedControls")
            .field("ops", &self.ops)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
