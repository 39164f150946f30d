//! `Timeout`: operations that take too long fail.

use super::asked::{Asked, all, ask, empty, ended, good, passes_all, send};
use mfio::control::ControlOp;
use mfio::error::ErrorKind;
use mfio::prelude::*;
use mfio_layers::clock::ManualClock;
use mfio_layers::{Timeout, TimeoutLimits};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_timeout_passes_every_operation_on() {
    let (below, io) = Asked::new();
    let clock = ManualClock::new();
    let io = Timeout::new(io, SECOND, clock.clone());
    passes_all(&io, &below);
    clock.advance(10 * SECOND);
    assert_eq!((io.timed_out(), io.overdue()), (0, 0));
}

#[test]
fn an_operation_times_out_and_ends_late() {
    for op in all() {
        let (below, io) = Asked::new();
        let clock = ManualClock::new();
        let io = Timeout::new(io, SECOND, clock.clone());
        below.hold(true);
        let late = send(&io, op);
        clock.advance(SECOND / 2);
        let in_time = send(&io, op);
        clock.advance(SECOND * 3 / 4);
        assert_eq!(ended(op, late), Err(ErrorKind::TimedOut));
        assert_eq!((io.timed_out(), io.overdue()), (1, 1));
        // The late end goes nowhere, the other one to its operation.
        assert!(below.release());
        assert_eq!((io.overdue(), below.held()), (0, 1));
        assert!(below.release());
        assert_eq!(ended(op, in_time), good(op));
        assert_eq!(below.log(), [op, op]);
        below.hold(false);
        assert_eq!(ask(&io, op), good(op));
    }
}

#[test]
fn the_error_of_a_flush_tells_of_the_timeout() {
    let (below, io) = Asked::new();
    let clock = ManualClock::new();
    let io = Timeout::new(io, SECOND, clock.clone());
    below.hold(true);
    let mut flush = std::pin::pin!(io.sync_all());
    let error = io.block_on(std::future::poll_fn(|cx| {
        let polled = flush.as_mut().poll(cx);
        clock.advance(2 * SECOND);
        polled
    }));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("`Timeout`"), "{error}");
}

#[test]
fn operations_beyond_the_bounds_fail() {
    for op in all() {
        let (below, io) = Asked::new();
        let limits = TimeoutLimits {
            requests: 1,
            ..TimeoutLimits::default()
        };
        let io = Timeout::with_limits(io, SECOND, ManualClock::new(), limits);
        below.hold(true);
        let first = send(&io, ControlOp::SyncAll);
        assert_eq!(ask(&io, op), Err(ErrorKind::LimitReached));
        assert_eq!(below.log(), [ControlOp::SyncAll]);
        for op in empty() {
            drop(send(&io, op));
            assert_eq!(below.log(), [op]);
        }
        while below.release() {}
        assert_eq!(ended(ControlOp::SyncAll, first), Ok(vec![]));
    }
}

#[test]
fn operations_end_with_the_layer() {
    for op in all() {
        let (below, io) = Asked::new();
        let io = Timeout::new(io, SECOND, ManualClock::new());
        below.hold(true);
        let waiting = send(&io, op);
        drop(io);
        assert_eq!(ended(op, waiting), Err(ErrorKind::Dropped));
        assert!(below.release());
    }
}
