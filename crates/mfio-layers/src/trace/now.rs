//! The time source of a [`Trace`](super::Trace).

#[cfg(feature = "std")]
use crate::clock::ThreadClock;
use crate::clock::{Clock, ManualClock};
use core::time::Duration;

/// A monotonic time source of a [`Trace`](super::Trace): a closure, or a clock of other layers.
pub trait Now: Send + Sync + 'static {
    /// Returns the time since an arbitrary epoch. Never decreases.
    fn now(&self) -> Duration;
}

impl<F: Fn() -> Duration + Send + Sync + 'static> Now for F {
    #[inline]
    fn now(&self) -> Duration {
        self()
    }
}

impl Now for ManualClock {
    fn now(&self) -> Duration {
        Clock::now(self)
    }
}

#[cfg(feature = "std")]
impl Now for ThreadClock {
    fn now(&self) -> Duration {
        Clock::now(self)
    }
}

/// The monotonic clock of the system.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct SystemNow(std::time::Instant);

#[cfg(feature = "std")]
impl Default for SystemNow {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

#[cfg(feature = "std")]
impl Now for SystemNow {
    #[inline]
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
