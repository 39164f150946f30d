//! Clocks: what time it is, and who is to be rung when.
//!
//! Layers that wait are given a [`Clock`]: [`ThreadClock`] in programs, [`ManualClock`] in tests, simulators, and where
//! there is no std. An alarm is an `Arc`, so that arming it allocates nothing once the clock has room for it, and a
//! layer has one alarm however many requests wait in it.

mod manual;
#[cfg(feature = "std")]
mod thread;
mod timers;

use alloc::sync::Arc;
use core::time::Duration;

pub use manual::ManualClock;
#[cfg(feature = "std")]
pub use thread::ThreadClock;
pub use timers::Timer;

/// What knows the time and can ring.
///
/// ```
/// use mfio_layers::clock::{Alarm, Clock, ManualClock};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Count(AtomicUsize);
///
/// impl Alarm for Count {
///     fn fire(self: Arc<Self>) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let clock = ManualClock::new();
/// let count = Arc::new(Count::default());
/// clock.arm(Duration::from_secs(1), count.clone());
/// let second = clock.arm(Duration::from_secs(2), count.clone());
/// clock.advance(Duration::from_secs(1));
/// assert!(clock.cancel(second));
/// clock.advance(Duration::from_secs(9));
/// assert_eq!(count.0.load(Ordering::Relaxed), 1);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The time since an epoch of the clock's own. Never runs backwards, and never panics: a layer that was rung would not be
    /// rung again.
    fn now(&self) -> Duration;

    /// Rings `alarm` once: not before [`now`](Self::now) says that it is `at`, and as soon as possible then. The clock holds no
    /// lock while it rings, so that an alarm may arm and cancel.
    ///
    /// Never rings within this call: who arms may hold what the alarm needs.
    fn arm(&self, at: Duration, alarm: Arc<dyn Alarm>) -> Timer;

    /// Takes an armed alarm back. `true`: it was armed, and will not ring. `false`: it has rung, is about to, or was
    /// cancelled before.
    fn cancel(&self, timer: Timer) -> bool;
}

/// Who is rung.
pub trait Alarm: Send + Sync {
    /// The time has come. Runs on the clock's thread, or within the call that moved a [`ManualClock`]: it must not block.
    #[doc(alias = "ring")]
    fn fire(self: Arc<Self>);
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Duration {
        (**self).now()
    }

    fn arm(&self, at: Duration, alarm: Arc<dyn Alarm>) -> Timer {
        (**self).arm(at, alarm)
    }

    fn cancel(&self, timer: Timer) -> bool {
        (**self).cancel(timer)
    }
}
