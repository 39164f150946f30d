//! Control operations of a [`Retry`].

use super::{ControlAttempt, Failure, Retry, RetryShared};
use crate::directions::is_unwanted_control;
use crate::queued::{QueuedRequest, ResumeControl};
use crate::sent::{Sent, SentPool};
use alloc::sync::Arc;
use mfio::control::{Answer, Capabilities, ControlIo, ControlOp};
use mfio::error::Cause;
use mfio::io::{Position, Read};
use mfio::packet::{Outcome, View};

/// Whether a control operation may be sent again: not a flush, whose error comes once, nor one that
/// would undo what other requests did meanwhile.
fn is_repeatable(op: ControlOp) -> bool {
    matches!(
        op,
        ControlOp::Discard(_)
            | ControlOp::WriteZeroes(..)
            | ControlOp::Allocate(_)
            | ControlOp::Len
            | ControlOp::Extents(_)
            | ControlOp::Prefetch(_)
    )
}

impl<Io, P> ResumeControl<Failure> for RetryShared<Io, P>
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    fn resume_control(self: &Arc<Self>, op: ControlOp, view: View<Read>, failure: Failure) {
        match self.inner.upgrade() {
            Some(io) if !is_unwanted_control(op, &view) => {
                self.attempt_control(&io, op, view, failure.attempts);
            }
            _ => view.fail(failure.cause),
        }
    }
}

impl<Io, P> Sent<View<Read>, RetryShared<Io, P>> for ControlAttempt
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    fn pool(shared: &RetryShared<Io, P>) -> &SentPool<View<Read>, RetryShared<Io, P>, Self> {
        &shared.controls
    }

    fn ended(self, shared: Arc<RetryShared<Io, P>>, view: View<Read>, outcome: Outcome) {
        let Some(cause) = outcome.first_error() else {
            return view.done();
        };
        let attempts = self.before.saturating_add(1);
        match shared.policy.next_delay(cause, attempts) {
            Some(delay) if !is_unwanted_control(self.op, &view) => {
                let failure = Failure { attempts, cause };
                shared.retry_after(delay, QueuedRequest::control(self.op, view, failure));
            }
            _ => view.fail(cause),
        }
    }
}

impl<Io, P> ControlIo for Retry<Io, P>
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        match is_repeatable(op) {
            true => self.shared.attempt_control(&self.inner, op, view, 0),
            false => self.inner.send_control(op, view),
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        let again = |cause: Cause| self.shared.policy.next_delay(cause, 1).is_some();
        match self.inner.control_blocking(op, answer) {
            Some(Err(cause)) if is_repeatable(op) && again(cause) => None,
            tried => tried,
        }
    }
}
