//! Control operations of a [`Trace`].

use super::span::Span;
use super::{Now, TimedControl, Trace, TraceShared};
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::control::{Answer, Capabilities, ControlIo, ControlOp};
use mfio::error::Cause;
use mfio::io::Read;
use mfio::packet::{Outcome, View};

impl<N: Now> Sent<View<Read>, TraceShared<N>> for TimedControl {
    fn pool(shared: &TraceShared<N>) -> &SentPool<View<Read>, TraceShared<N>, Self> {
        &shared.control_relays
    }

    fn ended(self, shared: Arc<TraceShared<N>>, view: View<Read>, outcome: Outcome) {
        self.count(&shared, outcome.is_success());
        view.resolve(&outcome);
    }
}

impl TimedControl {
    fn begin<N: Now>(shared: &TraceShared<N>, op: ControlOp) -> Self {
        Self {
            kind: op.kind(),
            span: Span::control(op),
            at: shared.now.now(),
        }
    }

    fn count<N: Now>(&self, shared: &TraceShared<N>, good: bool) {
        let took = shared.now.now().saturating_sub(self.at);
        shared.controls.count(self.kind, took, good);
        self.span.end(took, usize::from(!good));
    }
}

impl<Io: ControlIo, N: Now> ControlIo for Trace<Io, N> {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let timed = TimedControl::begin(&self.shared, op);
        let span = timed.span.clone();
        let relay = sent::relay(&self.shared, view, timed);
        span.within(|| self.inner.send_control(op, relay.start()));
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        let timed = TimedControl::begin(&self.shared, op);
        let inner = || self.inner.control_blocking(op, answer);
        let result = timed.span.within(inner)?;
        timed.count(&self.shared, result.is_ok());
        Some(result)
    }
}
