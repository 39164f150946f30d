//! [`RetryPolicy`]: the causes that are retried, the number of attempts, and the delays between
//! them.

use crate::clock::Clock;
use crate::hash::hash;
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};

/// The causes that a [`Retry`](super::Retry) retries, how often, and after which delays.
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
/// let pauses = [1, 2, 3, 4].map(|attempts| policy.next_delay(eio, attempts));
/// assert_eq!(pauses, [Some(ms(10)), Some(ms(20)), Some(ms(25)), None]);
/// assert_eq!(policy.next_delay(Cause::new(ErrorKind::Busy), 1), None);
/// ```
#[derive(Clone)]
pub struct RetryPolicy {
    attempts: u8,
    when: Arc<dyn Fn(Cause) -> bool + Send + Sync>,
    backoff: Option<Backoff>,
    jitter: Option<Arc<Jitter>>,
}

struct Jitter {
    seed: u64,
    drawn: AtomicUsize,
}

#[derive(Clone)]
struct Backoff {
    clock: Arc<dyn Clock>,
    first: Duration,
    longest: Duration,
}

impl RetryPolicy {
    /// Creates a policy of at most `attempts` for each range, the first one included; 0 is as 1.
    /// They follow each other without delay, for the causes that pass by themselves: `Interrupted`,
    /// `WouldBlock`, `TimedOut` and `Busy`.
    pub fn new(attempts: u8) -> Self {
        Self {
            attempts,
            when: Arc::new(passes),
            backoff: None,
            jitter: None,
        }
    }

    /// Sets the causes that are retried. `worth` runs where a request ends, so it must not block.
    #[must_use]
    pub fn when(mut self, worth: impl Fn(Cause) -> bool + Send + Sync + 'static) -> Self {
        self.when = Arc::new(worth);
        self
    }

    /// Sets exponential back-off: a delay of `first` before the second attempt, then twice as much
    /// each time, up to `longest`.
    #[must_use]
    pub fn backoff(mut self, clock: impl Clock, first: Duration, longest: Duration) -> Self {
        self.backoff = Some(Backoff {
            clock: Arc::new(clock),
            first,
            longest,
        });
        self
    }

    /// Shortens each delay at random, to no less than half, so that requests that failed together
    /// are not retried together. Processes or nodes that may fail together need different seeds.
    ///
    /// ```
    /// use mfio::error::{Cause, ErrorKind};
    /// use mfio_layers::RetryPolicy;
    /// use mfio_layers::clock::ManualClock;
    /// use std::time::Duration;
    ///
    /// let pause = Duration::from_millis(10);
    /// let policy = RetryPolicy::new(2).backoff(ManualClock::new(), pause, pause).jitter(7);
    /// let busy = Cause::new(ErrorKind::Busy);
    /// let first = policy.next_delay(busy, 1).unwrap();
    /// assert!(pause / 2 <= first && first <= pause);
    /// assert_ne!(policy.next_delay(busy, 1), Some(first));
    /// ```
    #[must_use]
    pub fn jitter(mut self, seed: u64) -> Self {
        let drawn = AtomicUsize::new(0);
        self.jitter = Some(Arc::new(Jitter { seed, drawn }));
        self
    }

    /// Returns the delay before the next attempt, after `attempts` have failed, the last one with
    /// `cause`; `None` where there is none. With [`jitter`](Self::jitter), each call draws a
    /// number.
    #[doc(alias = "again")]
    pub fn next_delay(&self, cause: Cause, attempts: u8) -> Option<Duration> {
        if attempts >= self.attempts || !(self.when)(cause) {
            return None;
        }
        Some(self.backoff.as_ref().map_or(Duration::ZERO, |backoff| {
            let doubled = 2u32.saturating_pow(u32::from(attempts.saturating_sub(1)));
            let pause = backoff.first.saturating_mul(doubled).min(backoff.longest);
            self.jitter.as_ref().map_or(pause, |j| j.shorten(pause))
        }))
    }

    pub(super) fn clock(&self) -> Option<Arc<dyn Clock>> {
        self.backoff.as_ref().map(|backoff| backoff.clock.clone())
    }
}

impl Jitter {
    fn shorten(&self, pause: Duration) -> Duration {
        let number = self.drawn.fetch_add(1, Relaxed) as u64;
        let half = pause / 2;
        // 32 random bits.
        let share = hash(hash(self.seed).wrapping_add(number)) >> 32;
        let nanos = (half.as_nanos() * u128::from(share)) >> 32;
        // Less than half of the pause. 64 bits of nanoseconds are 500 years.
        pause - half + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(half)
    }
}

/// Whether a cause passes by itself.
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
            .field("jitter", &self.jitter.as_ref().map(|jitter| jitter.seed))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn pauses_are_spread_over_their_upper_half() {
        let ms = Duration::from_millis;
        let policy = |seed| {
            let plain = RetryPolicy::new(9).backoff(ManualClock::new(), ms(16), Duration::MAX);
            plain.jitter(seed)
        };
        let draw = |policy: &RetryPolicy, attempts| {
            policy.next_delay(ErrorKind::Busy.into(), attempts).unwrap()
        };
        let one = policy(1);
        let mut eighths = [0; 8];
        for _ in 0..8000 {
            let pause = draw(&one, 1);
            assert!(ms(8) <= pause && pause <= ms(16), "{pause:?}");
            eighths[((pause - ms(8)).as_micros() / 1000).min(7) as usize] += 1;
        }
        // Some four times the standard deviation.
        assert!(
            eighths.iter().all(|n| (880..1120).contains(n)),
            "{eighths:?}"
        );
        let doubled = draw(&one, 2);
        assert!(ms(16) <= doubled && doubled <= ms(32), "{doubled:?}");
        // Another seed draws other numbers; a clone continues with the same ones.
        let (one, two) = (policy(1), policy(2));
        let first = draw(&one, 1);
        assert_ne!(first, draw(&two, 1));
        assert_ne!(first, draw(&one.clone(), 1));
        let longest = RetryPolicy::new(2).backoff(ManualClock::new(), Duration::MAX, Duration::MAX);
        assert!(draw(&longest.jitter(0), 1) >= Duration::MAX / 2);
    }
}
