//! Control operations of a [`Limit`].

use super::{AdmittedControl, Limit, LimitShared};
use crate::queued::{QueuedRequest, ResumeControl};
use crate::sent::{Sent, SentPool};
use alloc::sync::Arc;
use mfio::control::{Capabilities, ControlIo, ControlOp};
use mfio::io::{Position, Read};
use mfio::packet::{Outcome, View};

impl<Io, P> ResumeControl<usize> for LimitShared<Io, P>
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    fn resume_control(self: &Arc<Self>, op: ControlOp, view: View<Read>, _: usize) {
        match self.inner.upgrade() {
            Some(io) => self.dispatch_control(&io, op, view),
            None => {
                // The layer is dropped, and its queue with it.
                let _ = self.release(0);
            }
        }
    }
}

impl<Io, P> Sent<View<Read>, LimitShared<Io, P>> for AdmittedControl
where
    P: Position,
    Io: Send + Sync + 'static,
{
    fn pool(shared: &LimitShared<Io, P>) -> &SentPool<View<Read>, LimitShared<Io, P>, Self> {
        &shared.controls
    }

    fn ended(self, shared: Arc<LimitShared<Io, P>>, view: View<Read>, outcome: Outcome) {
        // Before the initiator learns of the end, and may send the next request.
        let pump = shared.release(0);
        view.resolve(&outcome);
        if pump {
            shared.pump();
        }
    }
}

impl<Io, P> ControlIo for Limit<Io, P>
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let shared = &self.shared;
        if op.is_empty() {
            return self.inner.send_control(op, view);
        }
        let now = shared.now();
        if shared.admission.lock().try_admit(0, now) {
            return shared.dispatch_control(&self.inner, op, view);
        }
        shared.enqueue(QueuedRequest::control(op, view, 1));
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
