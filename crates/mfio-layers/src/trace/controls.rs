//! The counts of control operations of a [`Trace`](super::Trace).

use super::histogram::Latencies;
use alloc::vec::Vec;
use core::time::Duration;
use mfio::control::ControlKind;
use mfio::lock::Lock;

/// The counts of the kinds that have occurred, in the order of the kinds. Behind a lock: a control
/// operation takes longer than that, and ten histograms for each layer would be mostly empty.
pub(super) struct Controls(Lock<Vec<TracedControl>>);

impl Default for Controls {
    fn default() -> Self {
        Self(Lock::new(Vec::new()))
    }
}

impl Controls {
    /// Counts an operation that has ended. Allocates for the first one of a kind.
    pub(super) fn count(&self, kind: ControlKind, took: Duration, good: bool) {
        let mut kinds = self.0.lock();
        let counts = of_kind(&mut kinds, kind);
        counts.operations += 1;
        counts.failures += u64::from(!good);
        counts.latency.record(took);
    }

    pub(super) fn reset(&self) {
        self.0.lock().clear();
    }

    pub(super) fn snapshot(&self) -> Vec<TracedControl> {
        self.0.lock().clone()
    }
}

/// Returns the counts of a kind, and adds them where there are none.
fn of_kind(kinds: &mut Vec<TracedControl>, kind: ControlKind) -> &mut TracedControl {
    let found = kinds.binary_search_by_key(&(kind as u8), |counts| counts.kind as u8);
    let index = found.unwrap_or_else(|index| {
        kinds.insert(index, TracedControl::new(kind));
        index
    });
    &mut kinds[index]
}

/// Adds the counts of other operations.
pub(super) fn merge(all: &mut Vec<TracedControl>, others: &[TracedControl]) {
    for other in others {
        let counts = of_kind(all, other.kind);
        counts.operations = counts.operations.wrapping_add(other.operations);
        counts.failures = counts.failures.wrapping_add(other.failures);
        counts.latency.merge(&other.latency);
    }
}

/// The counts of one kind of control operations of a [`Trace`](super::Trace). They count when they
/// have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedControl {
    /// The kind.
    pub kind: ControlKind,
    /// Operations that have ended.
    pub operations: u64,
    /// Operations that failed.
    pub failures: u64,
    /// Latencies of the operations, all of which are timed.
    pub latency: Latencies,
}

impl TracedControl {
    fn new(kind: ControlKind) -> Self {
        Self {
            kind,
            operations: 0,
            failures: 0,
            latency: Latencies::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_counted_in_their_order_and_merged() {
        let controls = Controls::default();
        let us = Duration::from_micros;
        controls.count(ControlKind::Discard, us(1), false);
        controls.count(ControlKind::SyncAll, us(5), true);
        controls.count(ControlKind::Discard, us(2), true);
        let mut all = controls.snapshot();
        let counts = |all: &[TracedControl]| -> Vec<_> {
            let counts = all.iter();
            counts
                .map(|c| (c.kind, c.operations, c.failures, c.latency.count()))
                .collect()
        };
        let expected = [
            (ControlKind::SyncAll, 1, 0, 1),
            (ControlKind::Discard, 2, 1, 2),
        ];
        assert_eq!(counts(&all), expected);
        controls.reset();
        assert!(controls.snapshot().is_empty());
        controls.count(ControlKind::SyncData, us(1), true);
        controls.count(ControlKind::Discard, us(1), false);
        merge(&mut all, &controls.snapshot());
        let expected = [
            (ControlKind::SyncData, 1, 0, 1),
            (ControlKind::SyncAll, 1, 0, 1),
            (ControlKind::Discard, 3, 2, 3),
        ];
        assert_eq!(counts(&all), expected);
    }
}
