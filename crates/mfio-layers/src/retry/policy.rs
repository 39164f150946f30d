//! [`RetryPolicy`]: what is worth another attempt, how many there are, and the pauses between them.

use crate::clock::Clock;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};

/// How often, and for which reasons, a [`Retry`](super::Retry) tries again, and after which pauses.
///
/// ```
/// use mfio::error::{Cause, ErrorKind};
/// use mfio_layers::RetryPolicy;
/// use mfio_layers::clock::ManualClock;
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// let policy = RetryPolicy::new(4)
///     .when(|cause| cause.errno() == Some(5))
///     .backoff(ManualClock::new(), ms(10), ms(25));
/// let eio = Cause::with_errno(ErrorKind::Other, 5);
/// let pauses = [1, 2, 3, 4].map(|attempts| policy.again(eio, attempts));
/// assert_eq!(pauses, [Some(ms(10)), Some(ms(20)), Some(ms(25)), None]);
/// assert_eq!(policy.again(Cause::new(ErrorKind::Busy), 1), None);
/// ```
#[derive(Clone)]
pub struct RetryPolicy {
    attempts: u8,
    when: Arc<dyn Fn(Cause) -> bool + Send + Sync>,
    backoff: Option<Backoff>,
}

#[derive(Clone)]
struct Backoff {
    clock: Arc<dyn Clock>,
    first: Duration,
    longest: Duration,
}

impl RetryPolicy {
    /// At most so many attempts for each range, the first one included; 0 is as 1. They follow each other at once, for the
    /// reasons that pass by themselves: `Interrupted`, `WouldBlock`, `TimedOut` and `Busy`.
    pub fn new(attempts: u8) -> Self {
        Self {
            attempts,
            when: Arc::new(passes),
            backoff: None,
        }
    }

    /// Says for which reasons it is tried again. Asked where a request ends, so it must not block.
    #[must_use]
    pub fn when(mut self, worth: impl Fn(Cause) -> bool + Send + Sync + 'static) -> Self {
        self.when = Arc::new(worth);
        self
    }

    /// Lets time pass between attempts: `first` before the second one, then twice as much each time, up to `longest`.
    #[must_use]
    pub fn backoff(mut self, clock: impl Clock, first: Duration, longest: Duration) -> Self {
        self.backoff = Some(Backoff {
            clock: Arc::new(clock),
            first,
            longest,
        });
        self
    }

    /// Whether a range is tried again that failed for this reason, after so many attempts, and how long to wait before.
    pub fn again(&self, cause: Cause, attempts: u8) -> Option<Duration> {
        if attempts >= self.attempts || !(self.when)(cause) {
            return None;
        }
        Some(self.backoff.as_ref().map_or(Duration::ZERO, |backoff| {
            let doubled = 2u32.saturating_pow(u32::from(attempts.saturating_sub(1)));
            backoff.first.saturating_mul(doubled).min(backoff.longest)
        }))
    }

    pub(super) fn clock(&self) -> Option<Arc<dyn Clock>> {
        self.backoff.as_ref().map(|backoff| backoff.clock.clone())
    }
}

/// Reasons that pass by themselves.
fn passes(cause: Cause) -> bool {
    matches!(
        cause.kind(),
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Busy
    )
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pauses = self.backoff.as_ref().map(|b| (b.first, b.longest));
        f.debug_struct("RetryPolicy")
            .field("attempts", &self.attempts)
            .field("backoff", &pauses)
            .finish_non_exhaustive()
    }
}
