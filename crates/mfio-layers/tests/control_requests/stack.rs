//! Layers on layers.

use super::asked::{Asked, all, ask, good, passes_all};
use mfio::error::ErrorKind;
use mfio::memory::Memory;
use mfio::prelude::*;
use mfio_layers::clock::ManualClock;
use mfio_layers::{Cache, Fault, Limit, Limits, Retry, RetryPolicy, Timeout, Trace};
use std::time::Duration;

#[test]
fn a_stack_of_all_layers_passes_every_operation_on() {
    let (below, io) = Asked::new();
    let clock = ManualClock::new();
    let io = Cache::new(io, 4096, 16).unwrap();
    let io: Fault<_> = Fault::new(io, []);
    let io: Limit<_> = Limit::new(io, Limits::default());
    let io: Retry<_> = Retry::new(io, RetryPolicy::new(3));
    let io = Timeout::new(io, Duration::from_secs(1), clock.clone());
    let io = Trace::with_now(io, clock);
    passes_all(&io, &below);
    for op in all() {
        let object: &dyn mfio::control::ControlIo = &io;
        assert_eq!(ask(&object, op), good(op));
        below.fail_next([ErrorKind::StorageFull]);
        assert_eq!(ask(&object, op), Err(ErrorKind::StorageFull));
    }
}

#[test]
fn a_stack_over_memory_has_the_operations_of_memory() {
    let clock = ManualClock::new();
    let io: Limit<_> = Limit::new(
        Cache::new(Memory::new(vec![1; 40]), 4096, 16).unwrap(),
        Limits::default(),
    );
    let io: Retry<_> = Retry::new(io, RetryPolicy::new(3));
    let io = Trace::with_now(
        Timeout::new(io, Duration::from_secs(1), clock.clone()),
        clock,
    );
    io.block_on(async {
        assert_eq!(io.read_vec_at(0, 40).await?, [1; 40]);
        io.discard(0..20).await?;
        io.set_len(30).await?;
        io.sync_all().await?;
        assert_eq!(io.len().await?, 30);
        let extents = io.extents(5..100).await?;
        assert_eq!(extents[0].span, (5..30).into());
        let bytes = io.read_vec_at(0, 30).await?;
        assert_eq!((&bytes[..20], &bytes[20..]), (&[0; 20][..], &[1; 10][..]));
        let error = io.shutdown().await.unwrap_err();
        assert_eq!(error.to_string(), "shutdown failed: not supported [memory]");
        Ok::<_, mfio::error::Error>(())
    })
    .unwrap();
    assert_eq!(io.blocking().len().unwrap(), 30);
}
