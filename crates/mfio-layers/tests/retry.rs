//! Retries send what failed, and only that, and not for ever.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::{Cause, ErrorKind};
use mfio::io::{Read, Write};
use mfio_layers::clock::ManualClock;
use mfio_layers::{Fault, Retry, RetryPolicy, Rule};
use objects::{Bytes, ended, failures, read, send, write};
use std::time::Duration;

#[test]
fn hazard_a_retry_sends_succeeded_ranges_again() {
    let below = Bytes::new([0; 8]);
    let busy = Rule::fail(ErrorKind::Busy).within(2..4).times(2);
    let fault = Fault::new(below.clone(), [busy]);
    let handle = fault.handle();
    let io: Retry<_> = Retry::new(fault, RetryPolicy::new(3));
    assert!(write(&io, 0, &[1; 8]).outcome.is_success());
    assert_eq!(handle.hits(0), 2);
    let mut log = below.log();
    log.sort_unstable();
    assert_eq!(
        log,
        [(false, 0, 2), (false, 2, 2), (false, 4, 4)],
        "each byte once"
    );
    assert_eq!(below.to_vec(), [1; 8]);
}

#[test]
fn ranges_out_of_attempts_fail_alone_with_their_last_cause() {
    let fault = Fault::new(
        Bytes::new(*b"abcdefgh"),
        [
            Rule::fail(ErrorKind::Busy).within(1..2).times(2),
            Rule::fail(ErrorKind::TimedOut).within(1..2),
            Rule::fail(ErrorKind::NotFound).within(5..6),
        ],
    );
    let handle = fault.handle();
    let io: Retry<_> = Retry::new(fault, RetryPolicy::new(4));
    let ended = read(&io, 0, 8);
    let expected = [(1, 1, ErrorKind::TimedOut), (5, 1, ErrorKind::NotFound)];
    assert_eq!(failures(&ended), expected);
    assert_eq!(ended.packet.buffer(), b"a\0cde\0gh");
    assert_eq!(
        [0, 1, 2].map(|rule| handle.hits(rule)),
        [2, 2, 1],
        "four attempts, and one"
    );
}

#[test]
fn hazard_attempts_that_nest_or_have_no_bound() {
    let fault = Fault::new(Bytes::new([0; 8]), [Rule::fail(ErrorKind::Busy)]);
    let handle = fault.handle();
    let io: Retry<_> = Retry::new(fault, RetryPolicy::new(u8::MAX).when(|_| true));
    let small_stack = std::thread::Builder::new().stack_size(128 << 10);
    let failed = small_stack
        .spawn(move || failures(&read(&io, 0, 8)))
        .unwrap();
    assert_eq!(failed.join().unwrap(), [(0, 8, ErrorKind::Busy)]);
    assert_eq!(handle.hits(0), 255);
}

#[test]
fn pauses_grow_and_the_clock_is_left_empty() {
    let clock = ManualClock::new();
    let ms = Duration::from_millis;
    let fault = Fault::new(
        Bytes::new([7; 4]),
        [Rule::fail(Cause::with_errno(ErrorKind::Other, 5)).times(3)],
    );
    let handle = fault.handle();
    let policy = RetryPolicy::new(9)
        .when(|cause| cause.errno() == Some(5))
        .backoff(clock.clone(), ms(10), ms(25));
    let io: Retry<_> = Retry::new(fault, policy);
    let request = send::<Read>(&io, 0, [0; 4]);
    let mut seen = Vec::new();
    for _ in 0..60 {
        seen.push(handle.hits(0));
        clock.advance(ms(1));
    }
    let at = |n| seen.iter().position(|&hits| hits == n);
    assert_eq!([at(1), at(2), at(3)], [Some(0), Some(10), Some(30)]);
    assert_eq!(ended(request).packet.buffer(), [7; 4], "after 55 ms");
    assert_eq!(clock.next_alarm(), None);
}

#[test]
fn an_abandoned_read_is_not_retried_and_a_write_is() {
    let clock = ManualClock::new();
    let fault = Fault::new(Bytes::new([7; 4]), [Rule::fail(ErrorKind::Busy)]);
    let handle = fault.handle();
    let second = Duration::from_secs(1);
    let policy = RetryPolicy::new(100).backoff(clock.clone(), second, second);
    let io: Retry<_> = Retry::new(fault, policy);
    let read = send::<Read>(&io, 0, [0; 4]);
    clock.advance(second);
    assert_eq!(handle.hits(0), 2);
    drop(read);
    clock.advance(100 * second);
    assert_eq!(handle.hits(0), 2);
    assert_eq!(clock.next_alarm(), None);
    drop(send::<Write>(&io, 0, [0; 4]));
    clock.advance(200 * second);
    assert_eq!(handle.hits(0), 2 + 100, "what was sent is carried out");
}

#[test]
fn empty_requests_end() {
    let io: Retry<_> = Retry::new(Bytes::new([]), RetryPolicy::new(3));
    assert!(read(&io, 5, 0).outcome.is_success());
    let fault = Fault::new(Bytes::new([]), [Rule::fail(ErrorKind::Busy)]);
    let io: Retry<_> = Retry::new(fault, RetryPolicy::new(3));
    assert_eq!(failures(&read(&io, 5, 0)), [(0, 0, ErrorKind::Busy)]);
}

#[test]
fn requests_between_attempts_fail_with_the_layer() {
    let clock = ManualClock::new();
    let second = Duration::from_secs(1);
    let fault = Fault::new(
        Bytes::new([7; 4]),
        [Rule::fail(ErrorKind::Busy).within(1..2)],
    );
    let policy = RetryPolicy::new(100).backoff(clock.clone(), second, second);
    let io: Retry<_> = Retry::new(fault, policy);
    let request = send::<Read>(&io, 0, [0; 4]);
    drop(io);
    assert_eq!(failures(&ended(request)), [(1, 1, ErrorKind::Busy)]);
    assert_eq!(
        clock.next_alarm(),
        None,
        "the clock does not keep the layer"
    );
}
