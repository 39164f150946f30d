//! [`Histogram`]: latencies.

use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;

/// Binary logarithm of the number of buckets that a power of two is divided into.
const FINE: u32 = 3;
/// One for each value below 8, and 8 for each power of two from there on.
const BUCKETS: usize = (64 - FINE as usize + 1) << FINE;

/// Counts durations in buckets, for percentiles and monitoring systems. Takes 4 KiB and no lock.
///
/// The buckets are log-linear, as those of HdrHistogram: each power of two of nanoseconds is
/// divided into 8 buckets of equal width. So a result is never less than the recorded duration, and
/// at most 12.5 % more. Durations range from 0 ns to 584 years.
///
/// ```
/// use mfio_layers::Histogram;
/// use std::time::Duration;
///
/// let histogram = Histogram::new();
/// for n in 1..=1000 {
///     histogram.record(Duration::from_micros(n));
/// }
/// let latencies = histogram.snapshot();
/// let median = latencies.percentile(50.0).expect("there are some");
/// assert!(median >= Duration::from_micros(500) && median <= Duration::from_micros(563));
/// assert_eq!(latencies.count(), 1000);
/// ```
pub struct Histogram {
    counts: Box<[AtomicU64]>,
    /// The sum of all durations in nanoseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// Creates an empty histogram. Allocates.
    pub fn new() -> Self {
        Self {
            counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one duration.
    #[inline]
    pub fn record(&self, duration: Duration) {
        self.record_n(duration, 1);
    }

    /// Counts one duration several times, as a sample that stands for others.
    #[inline]
    pub fn record_n(&self, duration: Duration, times: u64) {
        let nanos = nanos(duration);
        self.counts[bucket(nanos)].fetch_add(times, Relaxed);
        self.sum.fetch_add(nanos.wrapping_mul(times), Relaxed);
    }

    /// Adds the counts of another histogram.
    pub fn merge(&self, other: &Latencies) {
        for (count, more) in self.counts.iter().zip(&other.counts) {
            if *more > 0 {
                count.fetch_add(*more, Relaxed);
            }
        }
        self.sum.fetch_add(other.sum, Relaxed);
    }

    /// Resets all counts. Durations that are recorded during the call may be lost.
    pub fn reset(&self) {
        self.counts.iter().for_each(|count| count.store(0, Relaxed));
        self.sum.store(0, Relaxed);
    }

    /// Returns the counts so far.
    pub fn snapshot(&self) -> Latencies {
        Latencies {
            counts: self
                .counts
                .iter()
                .map(|count| count.load(Relaxed))
                .collect(),
            sum: self.sum.load(Relaxed),
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// The counts of a [`Histogram`] at one time.
#[derive(Clone, PartialEq, Eq)]
pub struct Latencies {
    counts: Box<[u64]>,
    /// The sum of all durations in nanoseconds.
    sum: u64,
}

impl Latencies {
    /// Counts one duration.
    pub(super) fn record(&mut self, duration: Duration) {
        let nanos = nanos(duration);
        let count = &mut self.counts[bucket(nanos)];
        *count = count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(nanos);
    }

    /// Returns how many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the sum of the durations, not rounded. It is modulo 2^64 ns, which are 584 years.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// Returns the buckets that are not empty, in order: each by its greatest duration, with the
    /// number of durations up to there. The last number is the [count](Self::count).
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let mut seen = 0u64;
        let counts = self.counts.iter().enumerate();
        counts
            .filter(|(_, count)| **count > 0)
            .map(move |(bucket, count)| {
                seen = seen.wrapping_add(*count);
                (Duration::from_nanos(end_of(bucket)), seen)
            })
    }

    /// Returns for each bound how many durations do not exceed it: the buckets of a Prometheus
    /// histogram, whose bounds must not change. A duration counts when the end of its bucket is
    /// within the bound, so one in the highest ninth below the bound may not count.
    ///
    /// ```
    /// use mfio_layers::Histogram;
    /// use std::fmt::Write;
    /// use std::time::Duration;
    ///
    /// let histogram = Histogram::new();
    /// [20, 300, 400].map(|us| histogram.record(Duration::from_micros(us)));
    /// let latencies = histogram.snapshot();
    ///
    /// let mut page = String::new();
    /// let bounds = [100, 1000].map(Duration::from_micros);
    /// for (bound, count) in latencies.cumulative(&bounds) {
    ///     let bound = bound.as_secs_f64();
    ///     writeln!(page, "read_seconds_bucket{{le=\"{bound}\"}} {count}")?;
    /// }
    /// writeln!(page, "read_seconds_bucket{{le=\"+Inf\"}} {}", latencies.count())?;
    /// writeln!(page, "read_seconds_sum {}", latencies.sum().as_secs_f64())?;
    /// writeln!(page, "read_seconds_count {}", latencies.count())?;
    /// assert_eq!(
    ///     page,
    ///     "read_seconds_bucket{le=\"0.0001\"} 1\n\
    ///      read_seconds_bucket{le=\"0.001\"} 3\n\
    ///      read_seconds_bucket{le=\"+Inf\"} 3\n\
    ///      read_seconds_sum 0.00072\n\
    ///      read_seconds_count 3\n"
    /// );
    /// # Ok::<_, std::fmt::Error>(())
    /// ```
    #[doc(alias = "prometheus")]
    pub fn cumulative<'a>(
        &'a self,
        bounds: &'a [Duration],
    ) -> impl ExactSizeIterator<Item = (Duration, u64)> + 'a {
        bounds.iter().map(|bound| {
            let last = bucket(nanos(*bound));
            let whole = last + usize::from(Duration::from_nanos(end_of(last)) <= *bound);
            (*bound, self.counts[..whole].iter().sum())
        })
    }

    /// Returns the duration that `percent` of all do not exceed, rounded up to the end of its
    /// bucket; `None` where nothing was counted. `percent` is clamped to the range from 0, the
    /// least duration, to 100, the greatest.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let all = self.count();
        let wanted = percent.clamp(0.0, 100.0) / 100.0 * all as f64;
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen > 0 && (seen as f64 >= wanted || seen == all)
        };
        let bucket = self.counts.iter().position(reached)?;
        Some(Duration::from_nanos(end_of(bucket)))
    }

    /// Returns the greatest duration, rounded up to the end of its bucket.
    pub fn max(&self) -> Option<Duration> {
        let bucket = self.counts.iter().rposition(|count| *count > 0)?;
        Some(Duration::from_nanos(end_of(bucket)))
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.wrapping_add(*more);
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS].into_boxed_slice(),
            sum: 0,
        }
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latencies")
            .field("count", &self.count())
            .field("p50", &self.percentile(50.0))
            .field("p99", &self.percentile(99.0))
            .field("max", &self.max())
            .finish()
    }
}

/// Returns a duration in nanoseconds; one beyond 584 years is as that.
#[inline]
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the bucket of a value.
#[inline]
fn bucket(nanos: u64) -> usize {
    match nanos.checked_ilog2() {
        Some(power @ FINE..) => {
            let fine = nanos >> (power - FINE); // From 8 to 15.
            ((power - FINE) as usize * (1 << FINE)) + fine as usize
        }
        _ => nanos as usize,
    }
}

/// Returns the greatest value of a bucket.
fn end_of(bucket: usize) -> u64 {
    let (coarse, fine) = (bucket >> FINE, bucket as u64 & ((1 << FINE) - 1));
    match coarse.checked_sub(1) {
        None => fine,
        Some(shift) => {
            let width = 1u64 << shift;
            (((1 << FINE) + fine) << shift) + (width - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn buckets_are_in_order_and_lose_an_eighth_at_most() {
        let values = (0..64).flat_map(|power| {
            let value = 1u64 << power;
            [value - 1, value, value + value / 3, value + value / 2]
        });
        let mut last = 0;
        for value in values.chain([u64::MAX]) {
            let number = bucket(value);
            assert!(number < BUCKETS && number >= last, "{value}");
            last = number;
            let shown = end_of(number);
            assert!(shown >= value, "{value}");
            assert!(shown - value <= value / 8, "{value} is shown as {shown}");
            assert!(number == 0 || end_of(number - 1) < value);
        }
        assert_eq!(last, BUCKETS - 1);
    }

    #[test]
    fn percentiles_of_few_and_of_none() {
        let histogram = Histogram::new();
        assert_eq!(histogram.snapshot().percentile(50.0), None);
        assert_eq!(histogram.snapshot().max(), None);
        histogram.record(Duration::from_nanos(3));
        histogram.record(Duration::from_nanos(5));
        let two = histogram.snapshot();
        let of = |percent| two.percentile(percent).map(|d| d.as_nanos());
        assert_eq!((of(0.0), of(50.0)), (Some(3), Some(3)));
        assert_eq!((of(50.1), of(100.0)), (Some(5), Some(5)));
        assert_eq!((of(f64::NAN), of(1e9)), (Some(5), Some(5)));
    }

    #[test]
    fn merged_values_are_counted_and_a_reset_clears_them() {
        let (one, other) = (Histogram::new(), Histogram::new());
        one.record(Duration::MAX);
        other.record_n(Duration::ZERO, 1);
        other.record_n(Duration::ZERO, 0);
        other.merge(&one.snapshot());
        let mut both = other.snapshot();
        assert_eq!(
            (both.count(), both.percentile(0.0)),
            (2, Some(Duration::ZERO))
        );
        both.merge(&one.snapshot());
        assert_eq!(both.count(), 3);
        assert_eq!(
            both.sum(),
            Duration::from_nanos(u64::MAX - 1),
            "modulo 2^64 ns"
        );
        assert_eq!(both.max(), Some(Duration::from_nanos(u64::MAX)));
        other.reset();
        assert_eq!(other.snapshot(), Latencies::default());
    }

    #[test]
    fn bounds_are_inclusive_and_the_last_bucket_is_the_count() {
        let histogram = Histogram::new();
        let ns = Duration::from_nanos;
        for value in [3, 7, 15, 16, 17, 18, u64::MAX] {
            histogram.record(ns(value));
        }
        let all = histogram.snapshot();
        let buckets: Vec<_> = all.buckets().collect();
        let expected = [(3, 1), (7, 2), (15, 3), (17, 5), (19, 6), (u64::MAX, 7)];
        assert_eq!(buckets, expected.map(|(end, count)| (ns(end), count)));
        let bounds = [ns(0), ns(3), ns(16), ns(17), ns(18), ns(19), Duration::MAX];
        let counts: Vec<_> = all.cumulative(&bounds).collect();
        let expected = [0, 1, 3, 5, 5, 6, 7];
        assert_eq!(counts, Vec::from_iter(bounds.into_iter().zip(expected)));
        // Modulo 2^64 ns.
        assert_eq!(all.sum(), ns(3 + 7 + 15 + 16 + 17 + 18 - 1));
        assert_eq!(Latencies::default().buckets().next(), None);
    }
}
