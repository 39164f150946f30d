//! [`Rate`], and the token bucket that keeps to it.

use core::num::NonZeroU64;
use core::time::Duration;

/// An average rate in units a second, with bursts of bounded size.
///
/// It is a token bucket: it holds `burst` units, and is refilled at `per_second`. A request for
/// more units than the bucket holds waits until it is full, and leaves a debt that is refilled
/// before the next request: large requests are not split, and the average holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units that are refilled in a second.
    pub per_second: NonZeroU64,
    /// Units that may be taken at once after a pause, and at the start.
    pub burst: NonZeroU64,
}

impl Rate {
    /// Creates a rate with a burst of a tenth of a second, one unit at least; 0 is as 1.
    pub fn per_second(units: u64) -> Self {
        let at_least_one = |n| NonZeroU64::new(n).unwrap_or(NonZeroU64::MIN);
        Self {
            per_second: at_least_one(units),
            burst: at_least_one(units / 10),
        }
    }

    /// Sets the burst; 0 is as 1.
    #[must_use]
    pub fn burst(self, units: u64) -> Self {
        let burst = NonZeroU64::new(units).unwrap_or(NonZeroU64::MIN);
        Self { burst, ..self }
    }
}

/// One unit, in the billionths that the level is counted in: nothing is lost by rounding.
const UNIT: i128 = 1_000_000_000;

#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// A debt where it is negative.
    level: i128,
    /// The time of this level.
    at: Duration,
}

impl Bucket {
    pub(super) fn new(rate: Rate, now: Duration) -> Self {
        Self {
            level: i128::from(rate.burst.get()) * UNIT,
            rate,
            at: now,
        }
    }

    /// Refills, and returns how long until so many units can be taken; zero where they can be now.
    pub(super) fn wait(&mut self, units: u64, now: Duration) -> Duration {
        self.fill(now);
        let needed = i128::from(units.min(self.rate.burst.get())) * UNIT;
        let missing = u128::try_from(needed - self.level).unwrap_or(0);
        let nanos = missing.div_ceil(u128::from(self.rate.per_second.get()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    pub(super) fn take(&mut self, units: u64) {
        self.level -= i128::from(units) * UNIT;
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        let nanos = i128::try_from(passed.as_nanos()).unwrap_or(i128::MAX);
        let more = nanos.saturating_mul(i128::from(self.rate.per_second.get()));
        let full = i128::from(self.rate.burst.get()) * UNIT;
        self.level = self.level.saturating_add(more).min(full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let ms = Duration::from_millis;
        let mut bucket = Bucket::new(Rate::per_second(10).burst(2), ms(0));
        for _ in 0..2 {
            assert_eq!(bucket.wait(1, ms(0)), ms(0));
            bucket.take(1);
        }
        assert_eq!(bucket.wait(1, ms(0)), ms(100));
        assert_eq!(bucket.wait(1, ms(99)), ms(1));
        assert_eq!(bucket.wait(5, ms(100)), ms(100), "more than a burst");
        assert_eq!(bucket.wait(5, ms(200)), ms(0));
        bucket.take(5);
        assert_eq!(bucket.wait(1, ms(200)), ms(400), "a debt is paid first");
    }

    proptest! {
        #[test]
        fn no_interval_has_more_than_a_burst_the_rate_and_one_request(
            rate in 1..1_000_000_000_000u64,
            burst in 1..1_000_000u64,
            requests in prop::collection::vec((1..2_000_000u64, 0..1_000_000_000u64), 1..50),
        ) {
            let mut now = Duration::ZERO;
            let mut bucket = Bucket::new(Rate::per_second(rate).burst(burst), now);
            let mut taken = 0u128;
            for (units, pause) in requests {
                now += Duration::from_nanos(pause);
                let wait = bucket.wait(units, now);
                now += wait;
                let rest = bucket.wait(units, now);
                prop_assert_eq!(rest, Duration::ZERO, "a request that has waited is admitted");
                let come = now.as_nanos() * u128::from(rate) / 1_000_000_000;
                prop_assert!(taken <= u128::from(burst) + come);
                bucket.take(units);
                taken += u128::from(units);
            }
        }
    }
}
