//! The ends of views and of operations: dropped, empty, split, asked for twice.

use super::poll;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Read, Write};
use mfio::packet::{Packet, View};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

#[test]
fn a_view_dropped_unresolved_is_a_failure() {
    let (in_flight, view) = Packet::new([0u8; 8]).start::<Read>();
    let (good, lost) = view.split_at(5);
    drop(lost);
    good.done();
    let outcome = in_flight.try_end().unwrap().outcome;
    assert!(!outcome.is_success());
    assert_eq!(outcome.good_prefix(), 5);
    assert_eq!(outcome.first_error(), Some(Cause::new(ErrorKind::Dropped)));
}

#[test]
fn an_empty_view_that_fails_fails_no_bytes() {
    type End = fn(View<Read>);
    let ends: [End; 3] = [
        drop,
        |view| view.fail(ErrorKind::Busy),
        |view| view.done_prefix(0, ErrorKind::Busy),
    ];
    for at in [0, 3, 8] {
        for end in ends {
            for empty_first in [true, false] {
                let (in_flight, view) = Packet::new([0u8; 8]).start::<Read>();
                let (head, tail) = view.split_at(at);
                let (empty, tail) = tail.split_at(0);
                if empty_first {
                    end(empty);
                    head.done();
                    tail.done();
                } else {
                    head.done();
                    tail.done();
                    end(empty);
                }
                let outcome = in_flight.try_end().unwrap().outcome;
                assert!(outcome.is_success(), "{outcome:?}");
                assert_eq!(outcome.good_prefix(), 8);
                assert_eq!(outcome.first_error(), None);
            }
        }
    }
}

#[test]
fn an_empty_request_fails_once_where_a_view_of_it_fails() {
    for done_first in [true, false] {
        let (in_flight, view) = Packet::new([0u8; 8]).start_prefix::<Read>(0);
        let (done, lost) = view.split_at(0);
        let (busy, lost) = lost.split_at(0);
        if done_first {
            done.done();
            busy.fail(ErrorKind::Busy);
        } else {
            busy.fail(ErrorKind::Busy);
            done.done();
        }
        drop(lost);
        let outcome = in_flight.try_end().unwrap().outcome;
        assert!(!outcome.is_success());
        assert_eq!((outcome.len(), outcome.good_prefix()), (0, 0));
        assert_eq!(outcome.failures().count(), 1);
        assert_eq!(outcome.first_error(), Some(Cause::new(ErrorKind::Busy)));
    }
}

#[test]
#[should_panic(expected = "gave its packet back already")]
fn ending_an_operation_that_a_poll_has_ended_panics_and_says_why() {
    let (mut in_flight, view) = Packet::new([0u8; 8]).start::<Read>();
    view.done();
    assert!(poll(&mut in_flight, Waker::noop()).is_ready());
    assert!(in_flight.is_ended());
    let _ = in_flight.try_end();
}

#[test]
fn splitting_beyond_the_end_panics_and_fails_the_range() {
    let (in_flight, view) = Packet::new([0u8; 4]).start::<Read>();
    assert!(catch_unwind(AssertUnwindSafe(|| view.split_at(5))).is_err());
    let outcome = in_flight.try_end().unwrap().outcome;
    assert_eq!(outcome.first_error(), Some(ErrorKind::Dropped.into()));
}

#[test]
fn an_empty_packet_ends_like_any_other() {
    let (in_flight, view) = Packet::new(Vec::new()).start::<Write>();
    assert!(view.is_empty() && view.bytes().is_empty() && !view.as_ptr().is_null());
    view.done_prefix(0, ErrorKind::UnexpectedEof);
    let ended = in_flight.try_end().unwrap();
    assert!(ended.outcome.is_success());
    let (in_flight, view) = ended.packet.start::<Read>();
    view.fail(ErrorKind::NotSupported);
    let ended = in_flight.try_end().unwrap();
    assert_eq!(
        ended.outcome.first_error(),
        Some(ErrorKind::NotSupported.into())
    );
    assert_eq!(ended.outcome.good_prefix(), 0);
}
