//! `Retry`: operations that may be repeated are.

use super::asked::{
    Asked, FORMS, Form, all, ask, ask_as, ended, good, is_question, passes_all, send,
};
use mfio::control::{ControlKind, ControlOp};
use mfio::error::ErrorKind;
use mfio_layers::clock::ManualClock;
use mfio_layers::{Retry, RetryPolicy};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The operations that the documentation says are retried.
fn is_retried(op: ControlOp) -> bool {
    match op.kind() {
        ControlKind::SyncData | ControlKind::SyncAll => false,
        ControlKind::SetLen | ControlKind::Shutdown => false,
        ControlKind::Discard | ControlKind::WriteZeroes | ControlKind::Allocate => true,
        ControlKind::Len | ControlKind::Extents | ControlKind::Prefetch => true,
        other => panic!("the table has no {other}"),
    }
}

#[test]
fn a_retry_passes_every_operation_on() {
    let (below, io) = Asked::new();
    let io: Retry<_> = Retry::new(io, RetryPolicy::new(3));
    passes_all(&io, &below);
}

#[test]
fn only_operations_that_may_be_repeated_are() {
    for op in all() {
        for failures in 1..=4 {
            let (below, io) = Asked::new();
            // Whatever the policy says.
            let policy = RetryPolicy::new(3).when(|_| true);
            let io: Retry<_> = Retry::new(io, policy);
            below.fail_next((0..failures).map(|_| ErrorKind::Busy));
            let (result, sent) = match is_retried(op) {
                true if failures < 3 => (good(op), failures + 1),
                true => (Err(ErrorKind::Busy), 3),
                false => (Err(ErrorKind::Busy), 1),
            };
            assert_eq!(ask(&io, op), result, "{failures} failures of {op:?}");
            assert_eq!(below.log(), vec![op; sent]);
        }
    }
}

#[test]
fn a_flush_is_sent_once_in_every_form() {
    for op in all().into_iter().filter(|op| !is_retried(*op)) {
        for form in FORMS {
            for kind in [ErrorKind::Busy, ErrorKind::Interrupted, ErrorKind::Other] {
                let (below, io) = Asked::new();
                let io: Retry<_> = Retry::new(io, RetryPolicy::new(9).when(|_| true));
                below.fail_next([kind]);
                assert_eq!(ask_as(&io, &below, form, op), Err(kind));
                assert_eq!(below.log(), [op], "{form:?}");
            }
        }
    }
}

#[test]
fn every_form_retries_the_others() {
    for op in all().into_iter().filter(|op| is_retried(*op)) {
        for form in FORMS {
            let (below, io) = Asked::new();
            let io: Retry<_> = Retry::new(io, RetryPolicy::new(3));
            below.fail_next([ErrorKind::Busy]);
            assert_eq!(ask_as(&io, &below, form, op), good(op));
            // After the short cut come the attempts of a packet.
            assert_eq!(below.log().len(), 2, "{form:?} of {op:?}");
            below.fail_next([ErrorKind::StorageFull]);
            assert_eq!(ask_as(&io, &below, form, op), Err(ErrorKind::StorageFull));
            assert_eq!(below.log().len(), 1);
            below.fail_next([ErrorKind::Busy; 9]);
            assert_eq!(ask_as(&io, &below, form, op), Err(ErrorKind::Busy));
            let short_cut = usize::from(matches!(form, Form::ShortCut));
            assert_eq!(below.log().len(), 3 + short_cut);
            below.heal();
        }
    }
}

#[test]
fn what_is_not_supported_is_sent_once_unless_the_policy_retries_it() {
    for op in all() {
        let (below, io) = Asked::new();
        below.unsupport(Some(op.kind()));
        let io: Retry<_> = Retry::new(io, RetryPolicy::new(3));
        assert_eq!(ask(&io, op), Err(ErrorKind::NotSupported));
        assert_eq!(below.log(), [op]);
        let eager = RetryPolicy::new(2).when(|cause| cause.kind() == ErrorKind::NotSupported);
        let io: Retry<_> = Retry::new(io, eager);
        assert_eq!(ask(&io, op), Err(ErrorKind::NotSupported));
        assert_eq!(below.log().len(), 1 + usize::from(is_retried(op)));
    }
}

#[test]
fn attempts_have_pauses_which_end_with_the_layer() {
    for op in all().into_iter().filter(|op| is_retried(*op)) {
        let (below, io) = Asked::new();
        let clock = ManualClock::new();
        let policy = RetryPolicy::new(3).backoff(clock.clone(), SECOND, SECOND);
        let io: Retry<_> = Retry::new(io, policy);
        below.fail_next([ErrorKind::Busy; 2]);
        let asked = send(&io, op);
        for sent in [1, 2] {
            clock.advance(SECOND / 2);
            assert_eq!(below.log().len(), 1, "attempt {sent}");
            clock.advance(SECOND / 2);
        }
        assert_eq!(below.log().len(), 1);
        assert_eq!(ended(op, asked), good(op));

        below.fail_next([ErrorKind::Busy]);
        let waiting = send(&io, op);
        drop(io);
        assert_eq!(ended(op, waiting), Err(ErrorKind::Busy));
    }
}

#[test]
fn an_abandoned_question_is_not_retried_and_others_are() {
    for op in all().into_iter().filter(|op| is_retried(*op)) {
        let (below, io) = Asked::new();
        let clock = ManualClock::new();
        let policy = RetryPolicy::new(3).backoff(clock.clone(), SECOND, SECOND);
        let io: Retry<_> = Retry::new(io, policy);
        // While it waits for its second attempt, and before that.
        below.fail_next([ErrorKind::Busy]);
        drop(send(&io, op));
        clock.advance(SECOND);
        let attempts = if is_question(op) { 1 } else { 2 };
        assert_eq!(below.log(), vec![op; attempts]);

        below.hold(true);
        drop(send(&io, op));
        below.hold(false);
        below.fail_next([ErrorKind::Busy]);
        below.release();
        clock.advance(SECOND);
        assert_eq!(below.log(), vec![op; attempts]);
    }
}
