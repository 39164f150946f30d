//! [`ManualClock`]: a clock that is advanced by calls.

use super::timers::{Timer, Timers};
use super::{Alarm, Clock};
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use mfio::lock::Lock;

/// A clock that stands still until it is advanced: for tests and simulators, and for systems
/// without std, which advance it by a timer of their own. Clones share the time.
///
/// ```
/// use mfio_layers::clock::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// clock.advance(Duration::from_millis(3));
/// assert_eq!(clock.clone().now(), Duration::from_millis(3));
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Lock<ManualState>>);

#[derive(Default)]
struct ManualState {
    now: Duration,
    timers: Timers,
}

impl ManualClock {
    /// Creates a clock at time 0.
    pub fn new() -> Self {
        Self(Arc::new(Lock::new(ManualState::default())))
    }

    /// Advances the clock by a duration. Alarms fire within this call, in order, each at its time.
    /// Alarms that they arm fire too, where they are due.
    pub fn advance(&self, by: Duration) {
        let until = self.now().saturating_add(by);
        self.advance_to(until);
    }

    /// Advances the clock to a time, as [`advance`](Self::advance) does. A time in the past changes
    /// nothing.
    pub fn advance_to(&self, until: Duration) {
        loop {
            let mut state = self.0.lock();
            match state.timers.pop(until) {
                Some((due, alarm)) => {
                    state.now = state.now.max(due);
                    drop(state);
                    alarm.fire();
                }
                None => {
                    state.now = state.now.max(until);
                    return;
                }
            }
        }
    }

    /// Returns when the next alarm is due.
    pub fn next_alarm(&self) -> Option<Duration> {
        self.0.lock().timers.next()
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.0.lock().now
    }

    fn arm(&self, at: Duration, alarm: Arc<dyn Alarm>) -> Timer {
        self.0.lock().timers.arm(at, alarm)
    }

    fn cancel(&self, timer: Timer) -> bool {
        // Drops the alarm without the lock.
        let alarm = self.0.lock().timers.cancel(timer);
        alarm.is_some()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManualClock")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}
