//! `Limit`: operations wait for their place.

use super::asked::{Asked, all, ask, empty, ended, good, is_question, passes_all, send};
use super::objects;
use mfio::control::ControlOp;
use mfio::error::ErrorKind;
use mfio::io::{Read, Write};
use mfio_layers::clock::ManualClock;
use mfio_layers::{Fault, Limit, Limits, Rate, Rule};
use std::time::Duration;

fn limits(operations: usize, queue: usize) -> Limits {
    Limits {
        operations,
        bytes: 4,
        queue,
        ..Limits::default()
    }
}

#[test]
fn a_limit_passes_every_operation_on() {
    let (below, io) = Asked::new();
    let io: Limit<_> = Limit::new(io, limits(2, 1));
    passes_all(&io, &below);
    assert_eq!((io.in_flight(), io.waiting(), io.refused()), ((0, 0), 0, 0));
}

#[test]
fn an_operation_takes_a_place_and_no_bytes() {
    for op in all() {
        let (below, io) = Asked::new();
        let io: Limit<_> = Limit::new(io, limits(1, 9));
        below.hold(true);
        let first = send(&io, op);
        assert_eq!((io.in_flight(), io.waiting()), ((1, 0), 0));
        let second = send(&io, op);
        let read = objects::send::<Read>(&io, 0, [0; 4]);
        let write = objects::send::<Write>(&io, 0, [0; 4]);
        assert_eq!((below.held(), io.in_flight(), io.waiting()), (1, (1, 0), 3));
        assert!(below.release());
        assert_eq!(ended(op, first), good(op));
        assert_eq!((below.held(), io.in_flight(), io.waiting()), (1, (1, 0), 2));
        assert!(below.release());
        assert_eq!(ended(op, second), good(op));
        assert!(objects::ended(read).outcome.is_success());
        assert!(objects::ended(write).outcome.is_success());
        assert_eq!((io.in_flight(), io.waiting()), ((0, 0), 0));
        assert_eq!(below.log(), [op, op]);
    }
}

#[test]
fn an_operation_waits_behind_the_requests_queued_before() {
    for op in all() {
        let (below, io) = Asked::new();
        let fault = Fault::new(io, [Rule::hold().writes()]);
        let handle = fault.handle();
        let io: Limit<_> = Limit::new(fault, limits(1, 9));
        let first = objects::send::<Write>(&io, 0, [0; 4]);
        let second = objects::send::<Write>(&io, 0, [0; 4]);
        let asked = send(&io, op);
        assert_eq!((handle.held(), io.waiting()), (1, 2));
        handle.release();
        assert!(below.log().is_empty());
        handle.release();
        assert_eq!(below.log(), [op]);
        assert_eq!(ended(op, asked), good(op));
        for write in [first, second] {
            assert!(objects::ended(write).outcome.is_success());
        }
    }
}

#[test]
fn an_operation_that_finds_the_queue_full_fails() {
    for op in all() {
        let (below, io) = Asked::new();
        let io: Limit<_> = Limit::new(io, limits(1, 1));
        below.hold(true);
        let first = send(&io, ControlOp::SyncAll);
        let second = send(&io, ControlOp::SyncData);
        assert_eq!(ask(&io, op), Err(ErrorKind::LimitReached));
        assert_eq!(io.refused(), 1);
        below.log();
        for op in empty() {
            // It is answered below, and held there.
            drop(send(&io, op));
            assert_eq!(below.log(), [op]);
        }
        below.hold(false);
        while below.release() {}
        assert_eq!(ended(ControlOp::SyncAll, first), Ok(vec![]));
        assert_eq!(ended(ControlOp::SyncData, second), Ok(vec![]));
    }
}

#[test]
fn an_abandoned_question_leaves_the_queue_and_others_are_carried_out() {
    for op in all() {
        let (below, io) = Asked::new();
        let io: Limit<_> = Limit::new(io, limits(1, 1));
        below.hold(true);
        let first = send(&io, ControlOp::SyncAll);
        drop(send(&io, op));
        assert_eq!(io.waiting(), usize::from(!is_question(op)));
        // Its place is free, or not.
        let last = send(&io, ControlOp::SyncData);
        below.hold(false);
        below.release();
        assert_eq!(ended(ControlOp::SyncAll, first), Ok(vec![]));
        let last = ended(ControlOp::SyncData, last);
        if is_question(op) {
            assert_eq!(last, Ok(vec![]));
            assert_eq!(below.log(), [ControlOp::SyncAll, ControlOp::SyncData]);
        } else {
            assert_eq!(last, Err(ErrorKind::LimitReached));
            assert_eq!(below.log(), [ControlOp::SyncAll, op]);
        }
        assert_eq!(io.in_flight(), (0, 0));
    }
}

#[test]
fn queued_operations_end_with_the_layer_and_sent_ones_do_not() {
    for op in all() {
        let (below, io) = Asked::new();
        let io: Limit<_> = Limit::new(io, limits(1, 9));
        below.hold(true);
        let (sent, queued) = (send(&io, op), send(&io, op));
        drop(io);
        assert_eq!(ended(op, queued), Err(ErrorKind::Dropped));
        assert!(below.release());
        assert_eq!(ended(op, sent), good(op));
    }
}

#[test]
fn an_operation_counts_towards_the_rate_of_operations_only() {
    for op in all() {
        let (below, io) = Asked::new();
        let clock = ManualClock::new();
        let limits = Limits {
            operation_rate: Some(Rate::per_second(1)),
            byte_rate: Some(Rate::per_second(1)),
            ..Limits::default()
        };
        let io: Limit<_> = Limit::with_clock(io, limits, clock.clone());
        assert_eq!(ask(&io, op), good(op));
        let second = send(&io, op);
        let third = send(&io, op);
        for sent in 1..=3 {
            assert_eq!(below.log().len(), 1, "operation {sent}");
            clock.advance(Duration::from_secs(1));
        }
        assert_eq!(ended(op, second), good(op));
        assert_eq!(ended(op, third), good(op));
    }
}
