//! The numbers that a `Trace` gives to monitoring systems.

mod common;

use common::cases;
use mfio::backend::IoBackendExt;
use mfio::control::ControlKind;
use mfio::memory::Memory;
use mfio::prelude::*;
use mfio_layers::{Histogram, Trace};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Durations from nanoseconds to minutes, all scales alike.
fn durations() -> impl Strategy<Value = Duration> {
    (0..37u32, any::<u64>()).prop_map(|(bits, value)| Duration::from_nanos(value >> (63 - bits)))
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn buckets_and_sums_are_those_of_the_durations(
        all in prop::collection::vec((durations(), 1..4u64), 0..60),
        bounds in prop::collection::vec(durations(), 1..12),
    ) {
        let histogram = Histogram::new();
        for (duration, times) in &all {
            histogram.record_n(*duration, *times);
        }
        let seen = histogram.snapshot();
        let sum: Duration = all.iter().map(|(duration, times)| *duration * *times as u32).sum();
        prop_assert_eq!(seen.sum(), sum);

        let up_to = |bound: Duration| -> u64 {
            all.iter().filter(|(d, _)| *d <= bound).map(|(_, times)| times).sum()
        };
        let counts: Vec<_> = seen.cumulative(&bounds).collect();
        prop_assert!(counts.iter().map(|(bound, _)| *bound).eq(bounds.iter().copied()));
        for (bound, count) in counts {
            prop_assert!(count <= up_to(bound), "{:?}", bound);
            prop_assert!(count >= up_to(bound * 8 / 9), "{:?}", bound);
        }
        let mut last = (None, 0);
        for (end, count) in seen.buckets() {
            prop_assert_eq!(count, up_to(end));
            prop_assert!(last.0 < Some(end) && last.1 < count);
            last = (Some(end), count);
        }
        prop_assert_eq!(last.1, seen.count());
        prop_assert_eq!(last.0, seen.max());
    }
}

#[test]
fn every_direction_and_kind_has_a_sum() {
    let time = AtomicU64::new(0);
    // Each reading is a microsecond after the one before, so that each request takes one.
    let now = move || Duration::from_micros(time.fetch_add(1, Ordering::Relaxed));
    let io = Trace::with_now(Memory::new(vec![0; 100]), now);
    let us = Duration::from_micros;
    io.block_on(async {
        for _ in 0..3 {
            io.read_vec_at(0, 10).await?;
            io.sync_all().await?;
        }
        io.write_all_at(&[1; 10], 0).await
    })
    .unwrap();
    let mut seen = io.snapshot();
    let sums = |seen: &mfio_layers::TraceSnapshot| {
        let flushes = seen.control(ControlKind::SyncAll).unwrap();
        [&seen.reads.latency, &seen.writes.latency, &flushes.latency].map(|l| l.sum())
    };
    assert_eq!(sums(&seen), [us(3), us(1), us(3)]);
    seen.merge(&seen.clone());
    assert_eq!(sums(&seen), [us(6), us(2), us(6)]);
    io.reset();
    assert_eq!(io.snapshot().reads.latency.sum(), Duration::ZERO);
}

#[test]
fn merged_histograms_have_the_sum_of_both() {
    let (one, other) = (Histogram::new(), Histogram::new());
    one.record(Duration::from_secs(1));
    other.record(Duration::from_secs(2));
    other.merge(&one.snapshot());
    assert_eq!(other.snapshot().sum(), Duration::from_secs(3));
}

/// Threads count at once, and nothing is lost.
#[test]
fn sums_of_several_threads_are_exact() {
    let histogram = Arc::new(Histogram::new());
    std::thread::scope(|scope| {
        for thread in 1..=4 {
            let histogram = &histogram;
            scope.spawn(move || {
                (0..1000).for_each(|_| histogram.record(Duration::from_nanos(thread)));
            });
        }
    });
    assert_eq!(histogram.snapshot().sum(), Duration::from_nanos(10_000));
}
