//! `Fault`: rules hit operations.

use super::asked::{Asked, all, ask, empty, ended, good, passes_all, send};
use super::objects;
use mfio::control::{ControlIo, ControlKind};
use mfio::error::ErrorKind;
use mfio::io::{Read, Write};
use mfio_layers::clock::ManualClock;
use mfio_layers::{Fault, Rule};
use std::time::Duration;

/// The rule that is used where one hits.
fn busy() -> Rule {
    Rule::fail(ErrorKind::Busy)
}

#[test]
fn a_script_without_hits_passes_every_operation_on() {
    let (below, io) = Asked::new();
    let rules = [
        busy().reads(),
        busy().writes(),
        Rule::short(0),
        busy().controls().times(0),
        busy().within(20..30),
    ];
    let io: Fault<_> = Fault::new(io, rules);
    let handle = io.handle();
    passes_all(&io, &below);
    let seen = (0..5).map(|rule| handle.seen(rule) > 0);
    assert!(seen.eq([false, false, false, true, false]));
}

#[test]
fn rules_select_operations_and_are_counted() {
    for op in all() {
        let other = match op.kind() {
            ControlKind::Len => ControlKind::SyncAll,
            _ => ControlKind::Len,
        };
        let touches = op.span().is_some();
        let cells = [
            (busy(), true),
            (busy().controls(), true),
            (busy().control(op.kind()), true),
            (busy().control(other), false),
            (busy().within(0..11), touches),
            (busy().within(19..20), touches),
            (busy().within(0..10), false),
        ];
        for (rule, hit) in cells {
            let (below, io) = Asked::new();
            let io: Fault<_> = Fault::new(io, [rule.clone()]);
            let handle = io.handle();
            let result = if hit { Err(ErrorKind::Busy) } else { good(op) };
            assert_eq!(ask(&io, op), result, "{rule:?} of {op:?}");
            assert_eq!(below.log().len(), usize::from(!hit));
            assert_eq!(handle.hits(0), u64::from(hit));
        }
    }
}

#[test]
fn every_fault_is_one_of_operations_too() {
    for op in all() {
        let (below, io) = Asked::new();
        let clock = ManualClock::new();
        let rules = [
            Rule::dropped().nth(1),
            Rule::hold().nth(1),
            Rule::delay(Duration::from_secs(1)).nth(1),
            Rule::hold().nth(1),
        ];
        let io: Fault<_> = Fault::with_clock(io, rules, clock.clone());
        let handle = io.handle();
        assert_eq!(ask(&io, op), Err(ErrorKind::Dropped));
        let (held, delayed, failed) = (send(&io, op), send(&io, op), send(&io, op));
        assert_eq!(handle.held(), 2);
        assert!(below.log().is_empty());
        assert!(handle.release());
        assert_eq!(ended(op, held), good(op));
        assert!(handle.fail(ErrorKind::StorageFull));
        assert_eq!(ended(op, failed), Err(ErrorKind::StorageFull));
        clock.advance(Duration::from_secs(1));
        assert_eq!(ended(op, delayed), good(op));
        assert_eq!(below.log(), [op, op]);
    }
}

#[test]
fn a_rule_hits_what_the_object_does_not_support() {
    for op in all() {
        let (below, io) = Asked::new();
        below.unsupport(Some(op.kind()));
        let io: Fault<_> = Fault::new(io, [busy().nth(1)]);
        assert_eq!(ask(&io, op), Err(ErrorKind::Busy));
        assert_eq!(ask(&io, op), Err(ErrorKind::NotSupported));
        assert!(!io.capabilities().supports(op));
    }
}

#[test]
fn a_held_operation_is_carried_out_though_it_is_dropped_and_ends_with_the_layer() {
    for op in all() {
        let (below, io) = Asked::new();
        let io: Fault<_> = Fault::new(io, [Rule::hold().controls()]);
        let handle = io.handle();
        drop(send(&io, op));
        assert!(handle.release());
        assert_eq!(below.log(), [op]);
        let held = send(&io, op);
        drop(io);
        assert_eq!(ended(op, held), Err(ErrorKind::Dropped));
        assert!(below.log().is_empty());
    }
}

#[test]
fn empty_ranges_and_transfers_are_not_hit() {
    let (below, io) = Asked::new();
    let io: Fault<_> = Fault::new(io, [busy().controls()]);
    let handle = io.handle();
    for op in empty() {
        assert!(ask(&io, op).is_ok());
        assert_eq!(below.log(), [op]);
    }
    let read = objects::send::<Read>(&io, 0, [0; 4]);
    let write = objects::send::<Write>(&io, 0, [0; 4]);
    assert!(objects::ended(read).outcome.is_success());
    assert!(objects::ended(write).outcome.is_success());
    assert_eq!(handle.seen(0), 0);
}
