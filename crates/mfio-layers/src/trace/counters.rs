//! The counters of a [`Trace`](super::Trace), and their display.

use super::controls::{self, TracedControl};
use super::histogram::{Histogram, Latencies};
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use mfio::control::ControlKind;

/// The counters of one direction.
#[derive(Default)]
pub(super) struct Counters {
    begun: AtomicU64,
    ended: AtomicU64,
    /// The value of `ended` at the last reset.
    forgotten: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
    failed_bytes: AtomicU64,
    latency: Histogram,
}

impl Counters {
    /// Counts a request that begins, and returns its number.
    #[inline]
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Relaxed)
    }

    /// Takes a request back that was not sent after all.
    pub(super) fn withdraw(&self) {
        self.begun.fetch_sub(1, Relaxed);
    }

    #[inline]
    pub(super) fn end(&self, moved: usize) {
        self.bytes.fetch_add(moved as u64, Relaxed);
        self.ended.fetch_add(1, Relaxed);
    }

    /// Counts a latency that stands for `weight` requests.
    #[inline]
    pub(super) fn time(&self, took: Duration, weight: u64) {
        self.latency.record_n(took, weight);
    }

    #[cold]
    pub(super) fn count_failure(&self, failed: usize) {
        self.failures.fetch_add(1, Relaxed);
        self.failed_bytes.fetch_add(failed as u64, Relaxed);
    }

    /// Returns the queue depth, approximately where requests begin and end meanwhile.
    #[inline]
    pub(super) fn depth(&self) -> u64 {
        let begun = self.begun.load(Relaxed);
        begun.saturating_sub(self.ended.load(Relaxed))
    }

    pub(super) fn reset(&self) {
        self.forgotten.store(self.ended.load(Relaxed), Relaxed);
        for counter in [&self.bytes, &self.failures, &self.failed_bytes] {
            counter.store(0, Relaxed);
        }
        self.latency.reset();
    }

    pub(super) fn snapshot(&self) -> TracedDirection {
        let forgotten = self.forgotten.load(Relaxed);
        TracedDirection {
            operations: self.ended.load(Relaxed).saturating_sub(forgotten),
            bytes: self.bytes.load(Relaxed),
            failures: self.failures.load(Relaxed),
            failed_bytes: self.failed_bytes.load(Relaxed),
            latency: self.latency.snapshot(),
        }
    }
}

/// The counts of one direction of a [`Trace`](super::Trace). Requests count when they have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TracedDirection {
    /// Requests that have ended.
    pub operations: u64,
    /// Bytes that were moved.
    pub bytes: u64,
    /// Requests of which some bytes failed, at the end of the data too.
    pub failures: u64,
    /// Bytes that failed.
    pub failed_bytes: u64,
    /// Latencies of the requests, from their begin to the end of their last part. Where only some
    /// were timed (see [`Trace`](super::Trace::new)), each of those counts for all that it stands
    /// for, so that there are about as many as operations, and their sum is an estimate.
    pub latency: Latencies,
}

impl TracedDirection {
    fn merge(&mut self, other: &Self) {
        self.operations = self.operations.wrapping_add(other.operations);
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.failures = self.failures.wrapping_add(other.failures);
        self.failed_bytes = self.failed_bytes.wrapping_add(other.failed_bytes);
        self.latency.merge(&other.latency);
    }
}

/// The counts of a [`Trace`](super::Trace) at one time. Displayed as a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceSnapshot {
    /// Reads.
    pub reads: TracedDirection,
    /// Writes.
    pub writes: TracedDirection,
    /// Control operations, by kind: those of which some have ended.
    pub controls: Vec<TracedControl>,
    /// The queue depth: reads and writes in flight. Approximate, as `deepest` is, where threads
    /// begin and end requests meanwhile.
    pub depth: u64,
    /// The greatest queue depth.
    pub deepest: u64,
}

impl TraceSnapshot {
    /// Returns the counts of a kind of control operations; `None` where none has ended.
    pub fn control(&self, kind: ControlKind) -> Option<&TracedControl> {
        self.controls.iter().find(|counts| counts.kind == kind)
    }

    /// Adds the counts of another snapshot. The sum of the depths is what may have been in flight
    /// at once.
    pub fn merge(&mut self, other: &Self) {
        self.reads.merge(&other.reads);
        self.writes.merge(&other.writes);
        controls::merge(&mut self.controls, &other.controls);
        self.depth += other.depth;
        self.deepest += other.deepest;
    }
}

/// A number of bytes, displayed in the largest unit that leaves a digit before the point.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let power = self.0.checked_ilog2().unwrap_or(0) as usize / 10;
        match power.checked_sub(1) {
            None => write!(f, "{:>8} B", self.0),
            Some(unit) => {
                let value = self.0 as f64 / (1u64 << (10 * power)) as f64;
                write!(f, "{value:>6.1} {}", units[unit])
            }
        }
    }
}

/// Displays failures and latencies.
fn end_of_row(f: &mut fmt::Formatter<'_>, failures: u64, latency: &Latencies) -> fmt::Result {
    write!(f, "{failures:>10}")?;
    for percent in [50.0, 90.0, 99.0, 100.0] {
        match latency.percentile(percent) {
            Some(latency) => write!(f, "{:>10}", alloc::format!("{latency:.1?}"))?,
            None => write!(f, "{:>10}", "-")?,
        }
    }
    writeln!(f)
}

impl fmt::Display for TraceSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:8}{:>12}{:>12}{:>10}",
            "", "operations", "bytes", "failed"
        )?;
        writeln!(f, "{:>10}{:>10}{:>10}{:>10}", "p50", "p90", "p99", "max")?;
        for (name, lane) in [("reads", &self.reads), ("writes", &self.writes)] {
            write!(f, "{name:8}{:>12}  {}", lane.operations, Bytes(lane.bytes))?;
            end_of_row(f, lane.failures, &lane.latency)?;
        }
        for counts in &self.controls {
            let (name, operations) = (counts.kind.name(), counts.operations);
            write!(f, "{name:10}{operations:>10}{:>12}", "-")?;
            end_of_row(f, counts.failures, &counts.latency)?;
        }
        write!(
            f,
            "on their way: {} now, {} at most",
            self.depth, self.deepest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_snapshot_is_a_table() {
        let counters = Counters::default();
        counters.begin();
        counters.end(5000);
        counters.time(Duration::from_micros(3), 1);
        counters.count_failure(7);
        let mut snapshot = TraceSnapshot {
            reads: counters.snapshot(),
            deepest: 2,
            ..TraceSnapshot::default()
        };
        let flushes = controls::Controls::default();
        flushes.count(ControlKind::Allocate, Duration::from_micros(3), false);
        snapshot.controls = flushes.snapshot();
        snapshot.merge(&snapshot.clone());
        let expected = "          \
            operations       bytes    failed       p50       p90       p99       max\n\
            reads              2     9.8 KiB         2     3.1µs     3.1µs     3.1µs     3.1µs\n\
            writes             0         0 B         0         -         -         -         -\n\
            allocation         2           -         2     3.1µs     3.1µs     3.1µs     3.1µs\n\
            on their way: 0 now, 4 at most";
        assert_eq!(snapshot.to_string(), expected);
    }

    #[test]
    fn bytes_have_units() {
        let shown = |bytes| Bytes(bytes).to_string().trim_start().to_string();
        assert_eq!(shown(1023), "1023 B");
        assert_eq!(shown(1024), "1.0 KiB");
        assert_eq!(shown(u64::MAX), "16.0 EiB");
    }
}
