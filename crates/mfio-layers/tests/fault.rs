//! Faults hit what the script says, and nothing else.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::{Cause, ErrorKind};
use mfio::io::{Read, Write};
use mfio_layers::clock::ManualClock;
use mfio_layers::{Fault, Rule};
use objects::{Bytes, ended, failures, read, send, write};
use std::time::Duration;

#[test]
fn a_range_fails_alone_and_with_the_number_of_the_system() {
    let eio = Cause::with_errno(ErrorKind::Other, 5);
    let below = Bytes::new(*b"abcdefgh");
    let io: Fault<_> = Fault::new(below.clone(), [Rule::fail(eio).within(3..5)]);
    let ended = read(&io, 1, 6);
    assert_eq!(failures(&ended), [(2, 2, ErrorKind::Other)]);
    assert_eq!(ended.outcome.first_error().and_then(Cause::errno), Some(5));
    assert_eq!(ended.packet.buffer(), b"bc\0\0fg");
    let mut log = below.log();
    log.sort_unstable();
    assert_eq!(log, [(true, 1, 2), (true, 5, 2)]);
    let handle = io.handle();
    assert_eq!((handle.seen(0), handle.hits(0)), (1, 1));
    assert!(read(&io, 5, 3).outcome.is_success());
    assert_eq!(handle.seen(0), 1, "it did not touch the range");
}

#[test]
fn rules_count_and_choose_a_way() {
    let io: Fault<_> = Fault::new(
        Bytes::new([0; 8]),
        [
            Rule::fail(ErrorKind::Busy).reads().every(3).times(2),
            Rule::dropped().writes().nth(2),
        ],
    );
    let reads: Vec<_> = (0..10)
        .map(|_| read(&io, 0, 1).outcome.is_success())
        .collect();
    let failed: Vec<_> = (1..=10).filter(|n| !reads[n - 1]).collect();
    assert_eq!(failed, [3, 6], "twice");
    let writes = [(); 3].map(|()| failures(&write(&io, 0, &[1])));
    assert_eq!(writes, [vec![], vec![(0, 1, ErrorKind::Dropped)], vec![]]);
    assert_eq!((io.handle().hits(0), io.handle().hits(1)), (2, 1));
}

#[test]
fn short_transfers_fail_as_the_end_does() {
    let below = Bytes::new([7; 8]);
    let io: Fault<_> = Fault::new(below.clone(), [Rule::short(3)]);
    assert_eq!(
        failures(&read(&io, 0, 5)),
        [(3, 2, ErrorKind::UnexpectedEof)]
    );
    assert_eq!(
        failures(&write(&io, 0, &[1; 5])),
        [(3, 2, ErrorKind::WriteZero)]
    );
    assert!(read(&io, 0, 3).outcome.is_success());
    assert_eq!(below.to_vec(), [1, 1, 1, 7, 7, 7, 7, 7]);
    let nothing: Fault<_> = Fault::new(below, [Rule::short(0)]);
    assert_eq!(
        failures(&read(&nothing, 0, 5)),
        [(0, 5, ErrorKind::UnexpectedEof)]
    );
}

#[test]
fn the_first_rule_has_its_range_and_the_others_the_rest() {
    let io: Fault<_> = Fault::new(
        Bytes::new([0; 12]),
        [
            Rule::fail(ErrorKind::Busy).within(4..6),
            Rule::fail(ErrorKind::TimedOut).within(2..8),
        ],
    );
    let expected = [
        (2, 2, ErrorKind::TimedOut),
        (4, 2, ErrorKind::Busy),
        (6, 2, ErrorKind::TimedOut),
    ];
    assert_eq!(failures(&read(&io, 0, 12)), expected);
}

#[test]
fn empty_requests_go_through_and_can_be_hit() {
    let rules = [Rule::short(0).nth(2), Rule::hold().nth(1)];
    let io: Fault<_> = Fault::new(Bytes::new([0; 4]), rules);
    let held = send::<Read>(&io, 0, []);
    assert!(io.handle().release());
    assert!(ended(held).outcome.is_success());
    assert!(read(&io, 0, 0).outcome.is_success());
}

#[test]
fn held_requests_are_released_or_failed_in_order() {
    let below = Bytes::new([0; 8]);
    let io: Fault<_> = Fault::new(below.clone(), [Rule::hold()]);
    let handle = io.handle();
    let mut requests: Vec<_> = (0..4u8)
        .map(|n| send::<Write>(&io, n.into(), [n + 1]))
        .collect();
    assert_eq!(handle.held(), 4);
    assert!(below.log().is_empty());
    assert!(handle.release());
    assert_eq!(below.log(), [(false, 0, 1)]);
    assert!(handle.fail(ErrorKind::Busy));
    assert_eq!(handle.release_all(), 2);
    assert!(!handle.release());
    let results: Vec<_> = requests
        .drain(..)
        .map(|r| ended(r).outcome.is_success())
        .collect();
    assert_eq!(results, [true, false, true, true]);
    assert_eq!(below.to_vec(), [1, 0, 3, 4, 0, 0, 0, 0]);
}

#[test]
fn delayed_requests_end_by_the_clock() {
    let clock = ManualClock::new();
    let seconds = Duration::from_secs;
    let io: Fault<_> = Fault::with_clock(
        Bytes::new([0; 8]),
        [
            Rule::delay(seconds(9)).reads(),
            Rule::delay(seconds(3)).writes(),
        ],
        clock.clone(),
    );
    let slow = send::<Read>(&io, 0, [9; 4]);
    // It is due before what is armed already.
    let fast = send::<Write>(&io, 0, [1; 4]);
    clock.advance(seconds(3));
    assert!(ended(fast).outcome.is_success());
    let slow = slow.try_end().expect_err("it takes longer");
    clock.advance(seconds(6));
    assert_eq!(ended(slow).packet.buffer(), [1; 4]);
    assert_eq!(clock.next_alarm(), None);
}

#[test]
fn a_layer_that_goes_keeps_nobody_waiting() {
    let clock = ManualClock::new();
    let io: Fault<_> = Fault::with_clock(
        Bytes::new([0; 8]),
        [Rule::hold().nth(1), Rule::delay(Duration::from_secs(1))],
        clock.clone(),
    );
    let handle = io.handle();
    let held = send::<Read>(&io, 0, [9; 4]);
    let delayed = send::<Read>(&io, 0, [9; 4]);
    drop(io);
    for request in [held, delayed] {
        assert_eq!(failures(&ended(request)), [(0, 4, ErrorKind::Dropped)]);
    }
    assert_eq!((handle.held(), clock.next_alarm()), (0, None));
}
