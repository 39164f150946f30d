//! [`Alarm`]: the callback of a clock.

use alloc::sync::Arc;

/// A callback of a [`Clock`](super::Clock).
pub trait Alarm: Send + Sync {
    /// Runs when the time has come, on the thread of the clock or within the call that advances a
    /// [`ManualClock`](super::ManualClock). It must not block.
    #[doc(alias = "ring")]
    fn fire(self: Arc<Self>);
}
