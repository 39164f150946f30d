//! Control operations through layers allocate nothing in the steady state.

#[path = "common/counting.rs"]
mod counting;

use counting::COUNT;
use mfio::backend::IoBackend;
use mfio::control::{ControlIo, ControlOp, Unmap};
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio::prelude::*;
use mfio_layers::clock::ManualClock;
use mfio_layers::{Cache, Fault, Limit, Limits, Retry, RetryPolicy, Rule, Timeout, Trace};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

/// Returns the allocations of a hundred rounds, once it is warm.
fn allocations(mut round: impl FnMut()) -> usize {
    (0..3).for_each(|_| round());
    let before = COUNT.get();
    (0..100).for_each(|_| round());
    COUNT.get() - before
}

#[test]
fn the_allocator_counts() {
    let before = COUNT.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(COUNT.get() - before, 1);
}

/// Five layers over memory, the innermost of which hits blocks.
fn stack(rules: Vec<Rule>) -> impl ControlIo + IoBackend {
    let clock = ManualClock::new();
    let cache = Cache::new(Memory::new(vec![1; 100]), 4096, 16).unwrap();
    let limit: Limit<_> = Limit::new(Fault::<_, u64>::new(cache, rules), Limits::default());
    let retry: Retry<_> = Retry::new(limit, RetryPolicy::new(3));
    let timeout = Timeout::new(retry, Duration::from_secs(1), clock.clone());
    Trace::with_now(timeout, clock)
}

#[test]
fn operations_through_five_layers_allocate_nothing() {
    let io = stack(vec![]);
    let span = (10..30).into();
    let ops = [
        ControlOp::SyncData,
        ControlOp::SyncAll,
        ControlOp::Discard(span),
        ControlOp::WriteZeroes(span, Unmap::Allowed),
        ControlOp::Allocate(span),
        ControlOp::SetLen(100),
        ControlOp::Prefetch(span),
    ];
    for op in ops {
        assert_eq!(
            allocations(|| io.block_on(io.control(op)).unwrap()),
            0,
            "{op:?}"
        );
        let blocking = || io.blocking().control(op).unwrap();
        assert_eq!(allocations(blocking), 0, "{op:?}");
    }
    let len = || assert_eq!(io.blocking().len().unwrap(), 100);
    assert_eq!(allocations(len), 0);
    let extent = || assert!(io.blocking().extent_at(0).unwrap().is_some());
    assert_eq!(allocations(extent), 0);
}

#[test]
fn failures_and_attempts_allocate_nothing() {
    let io = stack(vec![Rule::fail(ErrorKind::Busy).every(2)]);
    let op = ControlOp::Discard((10..30).into());
    assert_eq!(allocations(|| io.block_on(io.control(op)).unwrap()), 0);
}

#[test]
fn operations_in_a_queue_allocate_nothing() {
    let limits = Limits {
        operations: 1,
        ..Limits::default()
    };
    let fault = Fault::<_, u64>::new(Memory::new([]), [Rule::hold().controls()]);
    let handle = fault.handle();
    let io: Limit<_> = Limit::new(fault, limits);
    let mut cx = Context::from_waker(Waker::noop());
    let round = || {
        let mut first = pin!(io.sync_all());
        let mut second = pin!(io.sync_data());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(handle.release() && handle.release());
        io.block_on(first).unwrap();
        io.block_on(second).unwrap();
    };
    assert_eq!(allocations(round), 0);
}
