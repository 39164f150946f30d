//! `Trace` counts what there was, and changes nothing.

mod common;
mod later;

use common::{Model, cases, noise, ops, run, run_blocking};
use later::{Later, bytes_of, failures_of, read, write};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio::traits::{BlockingIo, IoRead};
use mfio_layers::Trace;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that the test moves, in nanoseconds.
fn clock() -> (
    Arc<AtomicU64>,
    impl Fn() -> Duration + Send + Sync + 'static,
) {
    let time = Arc::new(AtomicU64::new(0));
    let moved = time.clone();
    (time, move || {
        Duration::from_nanos(moved.load(Ordering::Relaxed))
    })
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_trace_changes_nothing(
        packets in ops(0..60, vec![0, 40, u64::MAX - 3], 60),
        calls in ops(0..60, vec![0, 40, u64::MAX - 3], 60),
    ) {
        let io = Trace::new(Memory::new(noise(40, 1)));
        let mut model = Model::new(noise(40, 1));
        run::<_, u64>(&io, &mut model, &packets)?;
        let seen = io.snapshot();
        prop_assert_eq!(
            (seen.reads.operations + seen.writes.operations) as usize,
            packets.len()
        );
        run_blocking::<_, u64>(&io, &mut model, &calls)?;
        prop_assert_eq!(io.snapshot().depth, 0);
    }
}

#[test]
fn requests_are_timed_to_the_end_of_their_last_part() {
    let inner = Later::new(vec![1; 100]);
    let (time, now) = clock();
    let io = Trace::with_now(inner.clone(), now);
    let first = read(&io, 0, 10);
    time.store(100, Ordering::Relaxed);
    let second = read(&io, 90, 20);
    assert_eq!((io.snapshot().depth, io.snapshot().deepest), (2, 2));
    time.store(1000, Ordering::Relaxed);
    inner.finish();
    bytes_of(first);
    assert_eq!(failures_of(second), [(10..20, ErrorKind::UnexpectedEof)]);
    let seen = io.snapshot();
    assert_eq!((seen.depth, seen.deepest), (0, 2));
    assert_eq!((seen.reads.operations, seen.reads.bytes), (2, 20));
    assert_eq!((seen.reads.failures, seen.reads.failed_bytes), (1, 10));
    let took = |percent| seen.reads.latency.percentile(percent).unwrap().as_nanos();
    assert!((900..=1012).contains(&took(50.0)), "{}", took(50.0));
    assert!((1000..=1125).contains(&took(100.0)), "{}", took(100.0));
    assert_eq!(seen.writes.operations, 0);
}

#[test]
fn abandoned_requests_are_counted_when_they_end_and_a_reset_keeps_the_depth() {
    let inner = Later::new(vec![1; 100]);
    let (_, now) = clock();
    let io = Trace::with_now(inner.clone(), now);
    drop(write(&io, 0, &[2; 10]));
    let _never_polled = read(&io, 0, 10);
    io.reset();
    assert_eq!((io.snapshot().depth, io.snapshot().deepest), (2, 2));
    inner.finish();
    let seen = io.snapshot();
    assert_eq!(
        (seen.depth, seen.writes.bytes, seen.reads.bytes),
        (0, 10, 10)
    );
    io.reset();
    assert_eq!(io.snapshot(), Default::default());
}

/// Whatever is timed, everything is counted.
#[test]
fn quick_requests_are_counted_and_some_are_timed() {
    let all = Trace::exact(Memory::new(vec![1; 8]));
    let some = Trace::new(Memory::new(vec![1; 8]));
    for _ in 0..4096 {
        for io in [&all, &some] {
            io.blocking().read_value_at::<u8>(3).unwrap();
        }
    }
    let (all, some) = (all.snapshot().reads, some.snapshot().reads);
    assert_eq!((all.operations, all.latency.count()), (4096, 4096));
    assert_eq!((some.operations, some.bytes), (4096, 4096));
    // How many were slow is not known; each stands for one, and the others for 16.
    let stand_for = some.latency.count();
    assert!((3000..5200).contains(&stand_for), "{stand_for}");
}

#[test]
fn blocking_calls_count() {
    let io = Trace::new(Memory::new(vec![1; 100]));
    io.blocking().write_all_at(&[2; 10], 0).unwrap();
    assert_eq!(io.blocking().read_at(&mut [0; 10], 95).unwrap(), 5);
    let seen = io.snapshot();
    assert_eq!((seen.writes.bytes, seen.reads.bytes), (10, 5));
    // An object without a short cut: the packet counts, and nothing counts twice.
    let once = Trace::new(Trace::new(Plain(Memory::new(vec![1; 8]))));
    assert_eq!(once.blocking().read_value_at::<u8>(0).unwrap(), 1);
    assert_eq!(once.block_on(once.read_value_at::<u8>(0)).unwrap(), 1);
    assert_eq!(once.snapshot().reads.operations, 2);
    assert_eq!(once.inner().snapshot().reads.operations, 2);
    assert_eq!(once.snapshot().depth, 0);
}

/// Memory without its short cut.
struct Plain(Memory);

impl mfio::io::IoObject for Plain {}

impl mfio::io::PacketIo<mfio::io::Read> for Plain {
    fn send_io(&self, pos: u64, view: mfio::packet::View<mfio::io::Read>) {
        self.0.send_io(pos, view);
    }
}

impl mfio::backend::IoBackend for Plain {
    type Backend = mfio::backend::DynBackend;

    fn shared(&self) -> Option<&mfio::backend::SharedBackend> {
        self.0.shared()
    }
}
