//! Control operations of a [`Cache`].

use super::Cache;
use super::shared::{CacheShared, Change, ControlThrough};
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::control::{Answer, Capabilities, ControlIo, ControlOp};
use mfio::error::{Cause, ErrorKind};
use mfio::io::Read;
use mfio::packet::{Outcome, View};

/// Returns the bytes that an operation changes; `None` where it changes none.
fn changed(op: ControlOp) -> Option<ControlThrough> {
    let (span, kind) = match op {
        ControlOp::Discard(span) | ControlOp::WriteZeroes(span, _) => (span, Change::Bytes),
        // A block before the new end keeps the bytes that it has. Reads behind them ask the object.
        ControlOp::SetLen(len) => ((len..).into(), Change::End),
        ControlOp::SyncData | ControlOp::SyncAll => ((..).into(), Change::Loss),
        _ => return None,
    };
    Some(ControlThrough { span, kind })
}

impl CacheShared {
    /// Invalidates what an operation is about to change.
    fn invalidate_before(&self, changed: ControlThrough) {
        if changed.kind != Change::Loss {
            self.invalidate_changed(changed);
        }
    }

    /// Invalidates what an operation has changed that ended with this failure, if any. One that
    /// failed may have changed any of its bytes.
    fn invalidate_after(&self, changed: ControlThrough, failure: Option<Cause>) {
        let lost = failure.is_some_and(|cause| cause.kind() != ErrorKind::NotSupported);
        if lost || changed.kind != Change::Loss {
            self.invalidate_changed(changed);
        }
    }
}

/// A blocking operation that is under way: what it changes is invalidated where it panics.
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
        self.shared.invalidate_before(changed);
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
        let Some(changed) = changed(op) else {
            return self.inner.control_blocking(op, answer);
        };
        let shared = &*self.shared;
        shared.invalidate_before(changed);
        let changing = Changing { shared, changed };
        let result = self.inner.control_blocking(op, answer);
        core::mem::forget(changing);
        if let Some(result) = result {
            shared.invalidate_after(changed, result.err());
        }
        result
    }
}

impl Sent<View<Read>, CacheShared> for ControlThrough {
    fn pool(shared: &CacheShared) -> &SentPool<View<Read>, CacheShared, Self> {
        &shared.controls
    }

    fn ended(self, shared: Arc<CacheShared>, view: View<Read>, outcome: Outcome) {
        // Before the initiator learns of the end.
        shared.invalidate_after(self, outcome.first_error());
        view.resolve(&outcome);
    }
}
