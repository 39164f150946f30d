//! The spans of requests in `tracing`, with the feature of that name.

use core::fmt::Debug;
use core::time::Duration;
use mfio::control::ControlOp;

/// The span of one request.
#[cfg(feature = "tracing")]
pub(super) struct Span(tracing::Span);

/// The span of one request, which is not recorded.
#[cfg(not(feature = "tracing"))]
pub(super) struct Span;

#[cfg(feature = "tracing")]
impl Span {
    #[inline]
    pub(super) fn begin(verb: &'static str, pos: impl Debug, len: usize) -> Self {
        Self(tracing::trace_span!("request", verb, pos = ?pos, len))
    }

    pub(super) fn control(op: ControlOp) -> Self {
        Self(tracing::trace_span!("request", verb = op.kind().name(), op = ?op))
    }

    /// Runs a closure within the span.
    #[inline]
    pub(super) fn within<R>(&self, run: impl FnOnce() -> R) -> R {
        self.0.in_scope(run)
    }

    /// Whether a subscriber records the span, and so needs the latency.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        !self.0.is_disabled()
    }

    #[inline]
    pub(super) fn end(&self, took: Duration, failed: usize) {
        tracing::trace!(parent: &self.0, took = ?took, failed, "ended");
    }
}

#[cfg(feature = "tracing")]
impl Clone for Span {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(not(feature = "tracing"))]
impl Span {
    #[inline]
    pub(super) fn begin(_: &'static str, _: impl Debug, _: usize) -> Self {
        Self
    }

    pub(super) fn control(_: ControlOp) -> Self {
        Self
    }

    #[inline]
    pub(super) fn within<R>(&self, run: impl FnOnce() -> R) -> R {
        run()
    }

    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        false
    }

    #[inline]
    pub(super) fn end(&self, _: Duration, _: usize) {}
}

#[cfg(not(feature = "tracing"))]
impl Clone for Span {
    fn clone(&self) -> Self {
        Self
    }
}
