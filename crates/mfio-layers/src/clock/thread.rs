//! [`ThreadClock`]: the time of the system, and a thread that fires alarms.

use super::timers::{Timer, Timers};
use super::{Alarm, Clock};
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use mfio::contain::contained;
use mfio::error::{Error, ErrorKind, Result};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The monotonic time of the system. All clocks of a process share one thread, which is started
/// with the first, never ends, and sleeps while no alarm is due.
///
/// A panic of an alarm is reported by the panic hook, and does not stop others. A forked process
/// has the clock but not the thread.
///
/// ```
/// use mfio_layers::clock::{Clock, ThreadClock};
///
/// let clock = ThreadClock::new()?;
/// let earlier = clock.now();
/// assert!(clock.now() >= earlier);
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[derive(Clone)]
#[doc(alias = "SystemClock")]
pub struct ThreadClock(Arc<ClockShared>);

struct ClockShared {
    epoch: Instant,
    timers: Mutex<Timers>,
    /// Notified when there is an earlier first alarm.
    earlier: Condvar,
}

static SHARED: Mutex<Option<Arc<ClockShared>>> = Mutex::new(None);

/// Upper bound on a sleep of the thread: some systems cannot wait for years.
const NAP: Duration = Duration::from_secs(3600);

impl ThreadClock {
    /// Returns the clock of this process.
    ///
    /// # Errors
    /// `LimitReached` or `OutOfMemory` where the thread cannot be started.
    pub fn new() -> Result<Self> {
        let mut kept = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = &*kept {
            return Ok(Self(shared.clone()));
        }
        let shared = Arc::new(ClockShared {
            epoch: Instant::now(),
            timers: Mutex::default(),
            earlier: Condvar::new(),
        });
        let run = shared.clone();
        std::thread::Builder::new()
            .name("mfio-clock".into())
            .spawn(move || run.fire_due())
            .map_err(|error| Error::new(kind_of(&error), "starting the thread of the clock"))?;
        *kept = Some(shared.clone());
        Ok(Self(shared))
    }
}

fn kind_of(error: &std::io::Error) -> ErrorKind {
    match error.kind() {
        std::io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
        _ => ErrorKind::LimitReached,
    }
}

impl ClockShared {
    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn fire_due(&self) {
        let mut timers = self.timers();
        loop {
            let now = self.now();
            if let Some((_, alarm)) = timers.pop(now) {
                drop(timers);
                contained(|| alarm.fire());
                timers = self.timers();
                continue;
            }
            let sleep = timers.next().map_or(NAP, |due| due.saturating_sub(now));
            timers = match self.earlier.wait_timeout(timers, sleep.min(NAP)) {
                Ok((timers, _)) => timers,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

impl Clock for ThreadClock {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn arm(&self, at: Duration, alarm: Arc<dyn Alarm>) -> Timer {
        let mut timers = self.0.timers();
        let first = timers.next().is_none_or(|due| at < due);
        let timer = timers.arm(at, alarm);
        drop(timers);
        if first {
            self.0.earlier.notify_one();
        }
        timer
    }

    fn cancel(&self, timer: Timer) -> bool {
        // Drops the alarm without the lock.
        let alarm = self.0.timers().cancel(timer);
        alarm.is_some()
    }
}

impl fmt::Debug for ThreadClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadClock")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}
