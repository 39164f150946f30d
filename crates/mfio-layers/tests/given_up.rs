//! Reads whose futures were dropped leave the queues of layers; writes that were sent are carried
//! out.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::{OnEnd, Outcome, Packet, Relay, View};
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    Cache, Fault, FaultHandle, Limit, Limits, Rate, Retry, RetryPolicy, Rule, Timeout,
};
use objects::{Bytes, ended, failures, send, write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Counts the reads that have ended, though nobody waits for them.
#[derive(Clone, Default)]
struct Ends(Arc<AtomicUsize>);

impl OnEnd<View<Read>> for Ends {
    fn on_end(relay: Relay<View<Read>, Self>, outcome: Outcome) {
        let (view, Self(ends)) = relay.into_parts();
        view.resolve(&outcome);
        ends.fetch_add(1, Ordering::Relaxed);
    }
}

impl Ends {
    /// Sends a read and gives it up.
    fn give_up(&self, io: &impl PacketIo<Read>, pos: u64) {
        let (in_flight, view) = Packet::new([0; 1]).start::<Read>();
        io.send_io(pos, Relay::new(view, self.clone()).start());
        drop(in_flight);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One operation at a time, the first of which is held, and a queue.
fn one_at_a_time(queue: usize) -> (Bytes, FaultHandle, Limit<Fault<Bytes>>) {
    let below = Bytes::new([7; 64]);
    let fault = Fault::new(below.clone(), [Rule::hold().times(1)]);
    let handle = fault.handle();
    let limits = Limits {
        operations: 1,
        queue,
        ..Limits::default()
    };
    (below, handle, Limit::new(fault, limits))
}

#[test]
fn a_queue_filled_by_dropped_reads_takes_the_next_request() {
    let (below, handle, io) = one_at_a_time(3);
    let first = send::<Read>(&io, 0, [0; 1]);
    let ends = Ends::default();
    (1..4).for_each(|pos| ends.give_up(&io, pos));
    let read = send::<Read>(&io, 4, [0; 1]);
    assert_eq!((ends.count(), io.refused(), io.waiting()), (3, 0, 1));
    ends.give_up(&io, 5);
    let written = send::<Write>(&io, 6, [1; 1]);
    ends.give_up(&io, 7);
    assert_eq!((io.waiting(), ends.count()), (2, 5), "these have left");
    let last = send::<Read>(&io, 8, [0; 1]);
    let refused = write(&io, 9, &[1; 1]);
    assert_eq!(failures(&refused), [(0, 1, ErrorKind::LimitReached)]);
    handle.release();
    for request in [first, read, last] {
        assert!(ended(request).outcome.is_success());
    }
    assert!(ended(written).outcome.is_success());
    let order: Vec<_> = below.log().into_iter().map(|(_, pos, _)| pos).collect();
    assert_eq!(order, [0, 4, 6, 8]);
}

#[test]
fn dropped_writes_keep_their_place_and_are_carried_out() {
    let (below, handle, io) = one_at_a_time(2);
    let first = send::<Read>(&io, 0, [0; 1]);
    drop(send::<Write>(&io, 1, [1; 1]));
    drop(send::<Write>(&io, 2, [2; 1]));
    let refused = write(&io, 3, &[3; 1]);
    assert_eq!(failures(&refused), [(0, 1, ErrorKind::LimitReached)]);
    assert_eq!(io.waiting(), 2);
    handle.release();
    assert!(ended(first).outcome.is_success());
    assert_eq!(below.to_vec()[..4], [7, 1, 2, 7]);
}

#[test]
fn dropped_reads_take_no_part_of_a_rate() {
    let clock = ManualClock::new();
    let below = Bytes::new([7; 64]);
    let limits = Limits {
        operation_rate: Some(Rate::per_second(1)),
        byte_rate: Some(Rate::per_second(8).burst(8)),
        queue: 2,
        ..Limits::default()
    };
    let io: Limit<_> = Limit::with_clock(below.clone(), limits, clock.clone());
    assert!(write(&io, 0, &[1; 8]).outcome.is_success());
    for pos in [1, 2] {
        drop(send::<Read>(&io, pos, [0; 8]));
    }
    let next = send::<Read>(&io, 3, [0; 8]);
    clock.advance(Duration::from_secs(1));
    assert!(
        ended(next).outcome.is_success(),
        "the next second is its own"
    );
    let order: Vec<_> = below.log().into_iter().map(|(_, pos, _)| pos).collect();
    assert_eq!(order, [0, 3]);
}

#[test]
fn the_rest_of_a_dropped_split_read_is_not_sent() {
    let below = Bytes::new([7; 64]);
    let fault = Fault::new(below.clone(), [Rule::hold().times(1)]);
    let handle = fault.handle();
    let limits = Limits {
        bytes: 4,
        queue: 1,
        ..Limits::default()
    };
    let io: Limit<_> = Limit::new(fault, limits);
    drop(send::<Read>(&io, 0, [0; 16]));
    assert_eq!((handle.held(), io.waiting()), (1, 0));
    let next = send::<Read>(&io, 32, [0; 4]);
    handle.release();
    assert!(ended(next).outcome.is_success());
    assert_eq!(below.log(), [(true, 0, 4), (true, 32, 4)]);
}

/// So many reads are given up, and most of them must end before anything else happens.
const MANY: usize = 1000;
const MOST: usize = MANY - 200;

#[test]
fn dropped_reads_do_not_pile_up_in_a_long_queue() {
    let (_, handle, io) = one_at_a_time(usize::MAX);
    // The second one is wanted, and waits before all others.
    let wanted = [0, 1].map(|pos| send::<Read>(&io, pos, [0; 1]));
    let ends = Ends::default();
    (0..MANY).for_each(|_| ends.give_up(&io, 1));
    assert!(ends.count() > MOST, "{} have left", ends.count());
    handle.release();
    for read in wanted {
        assert!(ended(read).outcome.is_success());
    }
    assert_eq!(ends.count(), MANY);
}

#[test]
fn timed_out_reads_leave_the_queue_of_a_limit_below() {
    let (below, handle, limit) = one_at_a_time(1);
    let limit = Arc::new(limit);
    let clock = ManualClock::new();
    let io = Timeout::new(limit.clone(), Duration::from_secs(9), clock.clone());
    let first = send::<Read>(&io, 0, [0; 1]);
    drop(send::<Read>(&io, 1, [0; 1]));
    let late = send::<Read>(&io, 2, [0; 1]);
    assert_eq!((limit.waiting(), limit.refused()), (1, 0));
    clock.advance(Duration::from_secs(10));
    assert_eq!(failures(&ended(late)), [(0, 1, ErrorKind::TimedOut)]);
    let last = send::<Read>(&io, 3, [0; 1]);
    assert_eq!((limit.waiting(), limit.refused()), (1, 0));
    handle.release();
    assert_eq!(failures(&ended(first)), [(0, 1, ErrorKind::TimedOut)]);
    assert!(ended(last).outcome.is_success());
    let order: Vec<_> = below.log().into_iter().map(|(_, pos, _)| pos).collect();
    assert_eq!(order, [0, 3]);
}

#[test]
fn dropped_reads_do_not_pile_up_in_the_pauses_of_a_retry() {
    let clock = ManualClock::new();
    let hour = Duration::from_secs(3600);
    let policy = RetryPolicy::new(9).backoff(clock.clone(), hour, hour);
    let fault = Fault::new(
        Bytes::new([7; 64]),
        [Rule::fail(ErrorKind::Busy).times(MANY as u64 + 2)],
    );
    let io: Retry<_> = Retry::new(fault, policy);
    let read = send::<Read>(&io, 0, [0; 1]);
    drop(send::<Write>(&io, 1, [1; 1]));
    let ends = Ends::default();
    (0..MANY).for_each(|_| ends.give_up(&io, 2));
    assert!(ends.count() > MOST, "{} have left", ends.count());
    clock.advance(hour * 2);
    assert!(ended(read).outcome.is_success());
    assert_eq!(ends.count(), MANY);
    assert_eq!(objects::read(&io, 1, 1).packet.buffer(), &[1]);
}

#[test]
fn dropped_reads_do_not_pile_up_at_a_block_that_a_cache_fetches() {
    let fault = Fault::new(Bytes::new([7; 64]), [Rule::hold().times(1)]);
    let handle = fault.handle();
    let io = Cache::new(fault, 64, 16).unwrap();
    let reads: Vec<_> = (0..9).map(|_| send::<Read>(&io, 3, [0; 1])).collect();
    let ends = Ends::default();
    (0..MANY).for_each(|_| ends.give_up(&io, 2));
    assert!(ends.count() > MOST, "{} have left", ends.count());
    handle.release();
    for read in reads {
        assert_eq!(ended(read).packet.buffer(), &[7]);
    }
    assert_eq!(ends.count(), MANY);
}
