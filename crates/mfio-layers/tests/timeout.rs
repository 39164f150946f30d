//! Requests that take too long time out, and late ends do no harm.

#[path = "common/objects.rs"]
mod objects;

use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::{Read, Write};
use mfio::memory::Memory;
use mfio::traits::IoRead;
use mfio_layers::clock::{Alarm, Clock, ManualClock, Timer};
use mfio_layers::{Fault, Limit, Limits, Rule, Timeout, TimeoutLimits};
use objects::{Bytes, ended, failures, read, send, write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn requests_in_time_are_copied_in_and_out() {
    let clock = ManualClock::new();
    let below = Bytes::new(*b"0123456789");
    let limits = TimeoutLimits {
        chunk: 4,
        ..TimeoutLimits::default()
    };
    let io = Timeout::with_limits(below.clone(), SECOND, clock.clone(), limits);
    assert!(write(&io, 1, b"abcdef").outcome.is_success());
    assert_eq!(below.log(), [(false, 1, 4), (false, 5, 2)]);
    let ended = read(&io, 0, 12);
    assert_eq!(&ended.packet.buffer()[..10], b"0abcdef789");
    assert_eq!(failures(&ended), [(10, 2, ErrorKind::UnexpectedEof)]);
    assert!(read(&io, 3, 0).outcome.is_success());
    clock.advance(10 * SECOND);
    assert_eq!((io.timed_out(), clock.next_alarm()), (0, None));
}

#[test]
fn long_requests_are_copied_too() {
    let bytes: Vec<u8> = (0..100_000).map(|n| (n % 251) as u8).collect();
    let below = Bytes::new(vec![0; 99_000]);
    let io = Timeout::new(below.clone(), SECOND, ManualClock::new());
    let written = write(&io, 0, &bytes);
    assert_eq!(below.log(), [(false, 0, 65_536), (false, 65_536, 34_464)]);
    let past_the_end = [(99_000, 1000, ErrorKind::UnexpectedEof)];
    assert_eq!(failures(&written), past_the_end);
    assert_eq!(below.to_vec(), bytes[..99_000]);
    let ended = read(&io, 0, 100_000);
    assert_eq!(failures(&ended), past_the_end);
    assert_eq!(ended.packet.buffer()[..99_000], bytes[..99_000]);
    assert_eq!(read(&io, 1, 65_536).packet.buffer(), &bytes[1..65_537]);
}

/// The object has memory of the layer, so it may do with it what it wants and when it wants; what
/// was sent is the initiator's again.
#[test]
fn hazard_a_late_end_touches_a_timed_out_request() {
    let clock = ManualClock::new();
    let below = Bytes::new([7; 8]);
    let fault = Fault::new(below.clone(), [Rule::hold()]);
    let handle = fault.handle();
    let io = Timeout::new(fault, SECOND, clock.clone());
    let reading = send::<Read>(&io, 0, [1; 8]);
    let writing = send::<Write>(&io, 0, [2; 4]);
    clock.advance(SECOND);
    let (read_packet, written) = (ended(reading), ended(writing));
    assert_eq!(failures(&read_packet), [(0, 8, ErrorKind::TimedOut)]);
    assert_eq!(failures(&written), [(0, 4, ErrorKind::TimedOut)]);
    assert_eq!((io.overdue(), io.timed_out()), (2, 2));
    // The initiator uses its memory for something else.
    let (_, mut buffer) = read_packet.into_buffer();
    buffer.fill(3);
    let (_, mut written) = written.into_buffer();
    written.fill(4);
    handle.release_all();
    assert_eq!(buffer, [3; 8]);
    assert_eq!(
        below.to_vec(),
        [2, 2, 2, 2, 7, 7, 7, 7],
        "a late write, of what was asked for then"
    );
    assert_eq!((io.overdue(), io.timed_out()), (0, 2));
    assert_eq!(clock.next_alarm(), None);
}

#[test]
fn each_waits_for_its_own_time() {
    let clock = ManualClock::new();
    let fault = Fault::new(Bytes::new([7; 8]), [Rule::hold()]);
    let handle = fault.handle();
    let io = Timeout::new(fault, SECOND, clock.clone());
    let mut requests = Vec::new();
    for _ in 0..4 {
        requests.push(Some(send::<Read>(&io, 0, [0; 8])));
        clock.advance(SECOND / 4);
    }
    // The first one is over; the second one, in the middle of those that wait, ends in time.
    assert_eq!(io.timed_out(), 1);
    let mut take = |n: usize| ended(requests[n].take().unwrap());
    assert_eq!(failures(&take(0)), [(0, 8, ErrorKind::TimedOut)]);
    handle.release();
    handle.release();
    assert!(take(1).outcome.is_success());
    clock.advance(3 * SECOND / 4);
    assert_eq!(io.timed_out(), 3);
    assert_eq!(failures(&take(3)), [(0, 8, ErrorKind::TimedOut)]);
    assert_eq!(
        (io.overdue(), handle.release_all(), io.overdue()),
        (2, 2, 0)
    );
}

#[test]
fn hazard_overdue_requests_without_bound() {
    let clock = ManualClock::new();
    let fault = Fault::new(Bytes::new([7; 8]), [Rule::hold()]);
    let handle = fault.handle();
    let limits = TimeoutLimits {
        overdue: 3,
        requests: 5,
        slack: Duration::ZERO,
        ..TimeoutLimits::default()
    };
    let io = Timeout::with_limits(fault, SECOND, clock.clone(), limits);
    let sent = |n| {
        (0..n)
            .map(|_| send::<Read>(&io, 0, [0; 8]))
            .collect::<Vec<_>>()
    };
    let kinds = |requests: Vec<_>| {
        let kinds = requests.into_iter().map(|r| failures(&ended(r))[0].2);
        kinds.collect::<Vec<_>>()
    };
    let (late, refused) = (ErrorKind::TimedOut, ErrorKind::LimitReached);
    for _ in 0..3 {
        // No more than the object may have.
        let requests = sent(7);
        assert_eq!(handle.held(), 5);
        clock.advance(SECOND);
        assert_eq!(
            kinds(requests),
            [late, late, late, late, late, refused, refused]
        );
        assert_eq!((handle.release_all(), io.overdue()), (5, 0));
        // There would be room for one more, but too many are overdue.
        let requests = sent(4);
        clock.advance(SECOND);
        assert_eq!(
            (kinds(requests), kinds(sent(1))),
            (vec![late; 4], vec![refused])
        );
        // When one of them has ended there still are; after another one there is room.
        assert!(handle.release());
        assert_eq!((io.overdue(), kinds(sent(1))), (3, vec![refused]));
        assert!(handle.release());
        let last = sent(1);
        assert_eq!((handle.release_all(), io.overdue()), (3, 0));
        assert!(last.into_iter().all(|r| ended(r).outcome.is_success()));
    }
}

#[test]
fn a_chunk_without_a_bound_takes_no_memory_for_it() {
    let limits = TimeoutLimits {
        chunk: usize::MAX,
        ..TimeoutLimits::default()
    };
    let below = Bytes::new(vec![7; 3 << 20]);
    let io = Timeout::with_limits(below.clone(), SECOND, ManualClock::new(), limits);
    for len in [100, 5000, 3 << 20, 5000] {
        assert_eq!(read(&io, 0, len).packet.buffer(), &vec![7; len]);
        assert_eq!(below.log(), [(true, 0, len)]);
    }
}

#[test]
fn a_request_of_too_many_chunks_fails_with_advice() {
    let clock = ManualClock::new();
    let limits = TimeoutLimits {
        chunk: 8,
        requests: 2,
        ..TimeoutLimits::default()
    };
    let io = Timeout::with_limits(Memory::new(vec![7; 64]), SECOND, clock, limits);
    let error = io.block_on(io.read_vec_at(0, 64)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert!(
        error.to_string().contains("put a `Limit` over it"),
        "{error}"
    );
    let limit = Limits {
        bytes: 16,
        ..Limits::default()
    };
    let io: Limit<_> = Limit::new(io, limit);
    assert_eq!(io.block_on(io.read_vec_at(0, 64)).unwrap(), [7; 64]);
}

#[test]
fn a_layer_that_goes_keeps_nobody_waiting_and_late_ends_are_dropped() {
    let clock = ManualClock::new();
    let fault = Fault::new(Bytes::new([7; 8]), [Rule::hold()]);
    let handle = fault.handle();
    let fault = Arc::new(fault);
    let io = Timeout::new(fault.clone(), SECOND, clock.clone());
    let late = send::<Read>(&io, 0, [0; 8]);
    clock.advance(SECOND);
    let waiting = send::<Read>(&io, 0, [0; 8]);
    drop(io);
    assert_eq!(failures(&ended(late)), [(0, 8, ErrorKind::TimedOut)]);
    assert_eq!(failures(&ended(waiting)), [(0, 8, ErrorKind::Dropped)]);
    assert_eq!(clock.next_alarm(), None);
    assert_eq!(handle.release_all(), 2);
}

/// A clock that counts how often it is read.
#[derive(Clone)]
struct Counting(ManualClock, Arc<AtomicUsize>);

impl Clock for Counting {
    fn now(&self) -> Duration {
        self.1.fetch_add(1, Ordering::Relaxed);
        Clock::now(&self.0)
    }

    fn arm(&self, at: Duration, alarm: Arc<dyn Alarm>) -> Timer {
        self.0.arm(at, alarm)
    }

    fn cancel(&self, timer: Timer) -> bool {
        self.0.cancel(timer)
    }
}

#[test]
fn the_clock_is_read_once_for_many_requests() {
    let clock = Counting(ManualClock::new(), Arc::default());
    let io = Timeout::new(Bytes::new([7; 8]), SECOND, clock.clone());
    for _ in 0..1000 {
        assert!(read(&io, 0, 8).outcome.is_success());
    }
    assert_eq!(clock.1.load(Ordering::Relaxed), 1);
    // Nobody waits, so it rings once more at most, for nothing.
    clock.0.advance(SECOND / 10);
    assert_eq!(clock.0.next_alarm(), None);
    assert!(read(&io, 0, 8).outcome.is_success());
    assert!(clock.1.load(Ordering::Relaxed) <= 3);
}
