//! Clocks: time, and alarms.
//!
//! Layers that wait take a [`Clock`]: [`ThreadClock`] in programs, [`ManualClock`] in tests,
//! simulators, and without std. An alarm is an `Arc`, so that arming one does not allocate once the
//! clock has room for it. A layer has one alarm, however many requests wait in it.

mod alarm;
mod manual;
#[cfg(feature = "std")]
mod thread;
mod timers;

use alloc::sync::Arc;
use core::time::Duration;

pub use alarm::Alarm;
pub use manual::ManualClock;
#[cfg(feature = "std")]
pub use thread::ThreadClock;
pub use timers::Timer;

/// A monotonic clock with one-shot alarms.
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
    /// Returns the time since an epoch of the clock. Never decreases, and never panics: the next
    /// alarm of a layer would not be armed.
    fn now(&self) -> Duration;

    /// Fires `alarm` once, as soon as possible after [`now`](Self::now) has reached `at`. The clock
    /// holds no lock while an alarm fires, so that it may arm and cancel.
    ///
    /// Never fires within this call: the caller may hold a lock that the alarm takes.
    fn arm(&self, at: Duration, alarm: Arc<dyn Alarm>) -> Timer;

    /// Cancels an alarm. Returns `true` if it was armed, and so will not fire; `false` if it has
    /// fired, is about to, or was cancelled before.
    fn cancel(&self, timer: Timer) -> bool;
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
