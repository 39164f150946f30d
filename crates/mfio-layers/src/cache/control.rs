//! Control operations of a [`Cache`](super::Cache).

use super::Cache;
use super::shared::{CacheShared, ControlThrough};
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::control::{Answer, Capabilities, ControlIo, ControlOp};
use mfio::error::Cause;
use mfio::io::Read;
use mfio::packet::{Outcome, View};

/// Returns the bytes that an operation changes; `None` where it changes none.
fn changed(op: ControlOp) -> Option<ControlThrough> {
    let (span, resizes) = match op {
        ControlOp::Discard(span) | ControlOp::WriteZeroes(span, _) => (span, false),
        // A block before the new end keeps the bytes that it has. Reads behind them ask the object.
        ControlOp::SetLen(len) => ((len..).into(), true),
        _ => return None,
    };
    Some(ControlThrough { span, resizes })
}

/// A blocking operation that is under way: what it changes is invalidated at its end, or when it
/// panics.
struct Changing<'a> {
    shared: &'a CacheShared,
    changed: ControlThrough,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.shared.invalidate_changed(self.changed);
    }
}

impl<Io: ControlIo> ControlIo for Cache<Io> {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let Some(changed) = changed(op) else {
            return self.inner.send_control(op, view);
        };
        self.shared.invalidate_changed(changed);
        let relay = sent::relay(&self.shared, view, changed);
        self.inner.send_control(op, relay.start());
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        let shared = &*self.shared;
        let changing = changed(op).map(|changed| {
            shared.invalidate_changed(changed);
            Changing { shared, changed }
        });
        let result = self.inner.control_blocking(op, answer);
        drop(changing);
        result
    }
}

impl Sent<View<Read>, CacheShared> for ControlThrough {
    fn pool(shared: &CacheShared) -> &SentPool<View<Read>, CacheShared, Self> {
        &shared.controls
    }

    fn ended(self, shared: Arc<CacheShared>, view: View<Read>, outcome: Outcome) {
        // Before the initiator learns of the end, and after a failure too: a failed operation may
        // have changed any of its bytes.
        shared.invalidate_changed(self);
        view.resolve(&outcome);
    }
}
