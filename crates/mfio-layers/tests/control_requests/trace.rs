//! `Trace`: operations are counted and timed.

use super::asked::{Asked, FORMS, all, ask, ended, good, passes_all, send};
use mfio::control::ControlKind;
use mfio::error::ErrorKind;
use mfio_layers::Trace;
use mfio_layers::clock::ManualClock;
use std::time::Duration;

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_trace_passes_every_operation_on_and_counts_it() {
    let (below, io) = Asked::new();
    let io = Trace::with_now(io, ManualClock::new());
    passes_all(&io, &below);
    let seen = io.snapshot();
    assert!(
        seen.controls
            .iter()
            .map(|c| c.kind)
            .eq(ControlKind::ALL.iter().copied())
    );
    for (op, counts) in all().into_iter().zip(&seen.controls) {
        // Each form with an answer, a failure and a refusal; three packets; an empty range.
        let forms = FORMS.len() as u64;
        let empty = u64::from(op.span().is_some());
        assert_eq!(counts.operations, 3 * forms + 3 + empty, "{op:?}");
        assert_eq!(counts.failures, 2 * forms, "{op:?}");
        assert_eq!(counts.latency.count(), counts.operations, "{op:?}");
    }
    assert_eq!((seen.reads.operations, seen.writes.operations), (0, 0));
    assert_eq!((seen.depth, seen.deepest), (0, 0));
    io.reset();
    assert!(io.snapshot().controls.is_empty());
}

#[test]
fn an_operation_counts_at_its_end_with_its_time() {
    for op in all() {
        let (below, io) = Asked::new();
        let clock = ManualClock::new();
        let io = Trace::with_now(io, clock.clone());
        below.hold(true);
        let asked = send(&io, op);
        assert_eq!(io.snapshot().control(op.kind()), None);
        clock.advance(MILLISECOND);
        below.release();
        assert_eq!(ended(op, asked), good(op));
        // Dropped ones count too.
        drop(send(&io, op));
        below.fail_next([ErrorKind::Busy]);
        below.release();
        let seen = io.snapshot();
        let counts = seen.control(op.kind()).unwrap();
        assert_eq!((counts.operations, counts.failures), (2, 1));
        let latency = counts.latency.max().unwrap();
        assert!(MILLISECOND <= latency && latency < MILLISECOND * 9 / 8);
        assert_eq!(seen.controls.len(), 1);
    }
}

#[test]
fn an_operation_that_is_not_supported_is_a_failure() {
    for op in all() {
        let (below, io) = Asked::new();
        below.unsupport(Some(op.kind()));
        let io = Trace::with_now(io, ManualClock::new());
        assert_eq!(ask(&io, op), Err(ErrorKind::NotSupported));
        let seen = io.snapshot();
        let counts = seen.control(op.kind()).unwrap();
        assert_eq!((counts.operations, counts.failures), (1, 1));
    }
}
