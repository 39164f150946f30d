//! The choice of the requests that a [`Trace`](super::Trace) times: reading a clock twice can take
//! longer than a request.

use crate::hash::hash;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::time::Duration;

/// Requests that take less time are quick. Two readings of a system clock take 60 ns, about 3 % of
/// it.
const QUICK: Duration = Duration::from_micros(2);

/// Binary logarithm of the sampling rate: one quick request in 16 is timed.
const ONE_IN: u32 = 4;

pub(super) struct Sampler {
    all: bool,
    /// Whether the last timed request was quick.
    quick: AtomicBool,
}

impl Sampler {
    /// Samples one request in 16 while they are quick, and all while they are not.
    pub(super) fn some() -> Self {
        Self::new(false)
    }

    /// Samples all requests.
    pub(super) fn all() -> Self {
        Self::new(true)
    }

    fn new(all: bool) -> Self {
        Self {
            all,
            quick: AtomicBool::new(false),
        }
    }

    /// Returns how many requests the latency of this one stands for; 0 where it is not timed.
    /// Depends on earlier requests, never on this one, so that the sample is unbiased.
    #[inline]
    pub(super) fn weight(&self, number: u64) -> u64 {
        if self.all || !self.quick.load(Relaxed) {
            return 1;
        }
        // Even gaps would be biased: after a sampled request the next ones would certainly not be
        // sampled, so that requests which are timed because that one was slow would count too much.
        match hash(number) >> (64 - ONE_IN) {
            0 => 1 << ONE_IN,
            _ => 0,
        }
    }

    /// Notes the latency of a timed request.
    #[inline]
    pub(super) fn learn(&self, took: Duration) {
        let quick = took < QUICK;
        if self.quick.load(Relaxed) != quick {
            self.quick.store(quick, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_requests_are_sampled_and_slow_ones_are_not() {
        let sampler = Sampler::some();
        assert_eq!(sampler.weight(7), 1, "nothing is known yet");
        sampler.learn(QUICK - Duration::from_nanos(1));
        let weights = |from: u64, step: usize| {
            let numbers = (from..).step_by(step).take(1 << 14);
            numbers.map(|n| sampler.weight(n)).sum::<u64>()
        };
        // About four times the standard deviation.
        let about = 16_384 - 2_000..16_384 + 2_000;
        for (from, step) in [(0, 1), (5, 1), (3, 16), (0, 64), (1 << 40, 4096), (0, 610)] {
            let stand_for = weights(from, step);
            assert!(
                about.contains(&stand_for),
                "every {step} from {from}: {stand_for}"
            );
        }
        sampler.learn(QUICK);
        assert_eq!(weights(0, 1), 1 << 14);
    }

    /// Slow ones come in bursts: each is to count as often as there are slow ones, and so are the
    /// quick ones.
    #[test]
    fn samples_weigh_as_many_as_there_were() {
        for burst in [1u64, 5, 20, 1000] {
            let sampler = Sampler::some();
            let mut state: u64 = burst;
            let (mut slow, mut counted, mut all) = (0u64, 0, 0);
            let mut left = 0;
            for number in 0..1_000_000 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                if left == 0 && (state >> 33).is_multiple_of(burst * 9) {
                    left = burst;
                }
                let took = if left > 0 { 2 * QUICK } else { QUICK / 2 };
                let weight = sampler.weight(number);
                if left > 0 {
                    (slow, counted, left) = (slow + 1, counted + weight, left - 1);
                }
                all += weight;
                if weight > 0 {
                    sampler.learn(took);
                }
            }
            let ratio = counted as f64 / slow as f64;
            assert!((0.95..1.05).contains(&ratio), "bursts of {burst}: {ratio}");
            assert!(
                (980_000..1_020_000).contains(&all),
                "bursts of {burst}: {all}"
            );
        }
    }

    #[test]
    fn all_are_all() {
        let sampler = Sampler::all();
        sampler.learn(Duration::ZERO);
        assert!((0..1000).all(|number| sampler.weight(number) == 1));
    }
}
