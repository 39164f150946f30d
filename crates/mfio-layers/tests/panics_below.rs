//! A panic of an object below fails the request that met it, or reaches the caller. No other
//! request waits for ever, and what was counted or reserved for it is given back.

#[path = "common/objects.rs"]
mod objects;
#[path = "common/touchy.rs"]
mod touchy;

use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read, Write};
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    Cache, Fault, Limit, Limits, Mirror, Overlay, Retry, RetryPolicy, Rule, Stripe, Timeout,
    TimeoutLimits, Trace,
};
use objects::{ended, failures, send};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use touchy::Act::{Fail, Hold, Panic, Pass};
use touchy::Touchy;

const SECOND: Duration = Duration::from_secs(1);

/// Does something that panics.
fn panics(what: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(what)).is_err(), "it panics");
}

/// Does something that may panic.
fn may_panic(what: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(what));
}

fn limits(operations: usize) -> Limits {
    Limits {
        operations,
        ..Limits::default()
    }
}

const DROPPED: [(usize, usize, ErrorKind); 1] = [(0, 4, ErrorKind::Dropped)];

#[test]
fn a_panic_below_a_limit_leaves_nobody_waiting() {
    let below = Touchy::new();
    below.script([Hold, Panic, Pass, Panic, Pass]);
    let io: Limit<_> = Limit::new(below.clone(), limits(1));
    let requests: Vec<_> = (0..5).map(|n| send::<Read>(&io, n * 4, [0; 4])).collect();
    assert_eq!((io.in_flight().0, io.waiting()), (1, 4));
    may_panic(|| below.release());
    assert_eq!((io.in_flight(), io.waiting()), ((0, 0), 0));
    for (n, request) in requests.into_iter().enumerate() {
        let expected = if n % 2 == 1 { &DROPPED[..] } else { &[] };
        assert_eq!(failures(&ended(request)), expected, "request {n}");
    }
    // And where the caller meets it, and where the object cannot even say what it wants.
    below.script([Panic]);
    panics(|| drop(send::<Read>(&io, 0, [0; 4])));
    below.script([Hold]);
    let held = send::<Read>(&io, 0, [0; 4]);
    below.0.alignments.store(1, Relaxed);
    panics(|| drop(send::<Read>(&io, 0, [0; 4])));
    below.release();
    assert!(ended(held).outcome.is_success());
    assert!(ended(send::<Read>(&io, 0, [0; 4])).outcome.is_success());
}

#[test]
fn a_panic_below_a_limit_with_a_rate_leaves_nobody_waiting() {
    let (below, clock) = (Touchy::new(), ManualClock::new());
    let rate = Limits {
        operation_rate: Some(mfio_layers::Rate::per_second(1)),
        ..Limits::default()
    };
    let io: Limit<_> = Limit::with_clock(below.clone(), rate, clock.clone());
    below.script([Pass, Panic]);
    let requests: Vec<_> = (0..4).map(|n| send::<Read>(&io, n, [0; 4])).collect();
    for _ in 0..8 {
        may_panic(|| clock.advance(SECOND));
    }
    let failed: Vec<_> = requests
        .into_iter()
        .map(|r| failures(&ended(r)).len())
        .collect();
    assert_eq!(failed.iter().sum::<usize>(), 1);
    assert_eq!((io.in_flight(), io.waiting()), ((0, 0), 0));
}

#[test]
fn a_panic_of_an_attempt_leaves_no_other_range_waiting() {
    let below = Touchy::new();
    let io: Retry<_> = Retry::new(below.clone(), RetryPolicy::new(3));
    below.script([Fail, Panic]);
    let first = send::<Read>(&io, 0, [0; 4]);
    assert_eq!(failures(&ended(first)), DROPPED);
    below.script([Fail, Fail, Pass]);
    assert!(ended(send::<Read>(&io, 0, [0; 4])).outcome.is_success());

    // A policy that tries that again, too.
    let io: Retry<_> = Retry::new(below.clone(), RetryPolicy::new(3).when(|_| true));
    below.script([Panic, Panic, Pass]);
    let (in_flight, view) = mfio::packet::Packet::new(vec![0; 4]).start::<Read>();
    may_panic(|| io.send_io(0, view));
    assert!(ended(in_flight).outcome.is_success());
    below.script([Fail, Pass]);
    assert!(ended(send::<Read>(&io, 0, [0; 4])).outcome.is_success());
}

#[test]
fn a_panic_when_it_is_time_leaves_nobody_waiting() {
    let (below, clock) = (Touchy::new(), ManualClock::new());
    let policy = RetryPolicy::new(2).backoff(clock.clone(), SECOND, SECOND);
    let io: Retry<_> = Retry::new(below.clone(), policy);
    below.script([Fail, Fail, Fail, Panic, Pass, Panic]);
    let requests: Vec<_> = (0..3).map(|n| send::<Write>(&io, n * 4, [1; 4])).collect();
    may_panic(|| clock.advance(SECOND));
    may_panic(|| clock.advance(SECOND));
    let results = requests.into_iter().map(|r| failures(&ended(r)));
    let expected = [DROPPED.to_vec(), vec![], DROPPED.to_vec()];
    assert!(results.eq(expected));

    let rules = [Rule::delay(SECOND)];
    let io: Fault<_> = Fault::with_clock(below.clone(), rules, clock.clone());
    below.script([Panic, Pass]);
    let requests = [0, 4].map(|pos| send::<Read>(&io, pos, [0; 4]));
    may_panic(|| clock.advance(SECOND));
    may_panic(|| clock.advance(SECOND));
    let results = requests.map(|request| failures(&ended(request)));
    assert_eq!(results, [DROPPED.to_vec(), vec![]]);
}

#[test]
fn a_panic_leaves_held_requests_to_be_released() {
    let below = Touchy::new();
    let io: Fault<_> = Fault::new(below.clone(), [Rule::hold()]);
    let requests = [0, 4].map(|pos| send::<Read>(&io, pos, [0; 4]));
    below.script([Panic]);
    let handle = io.handle();
    panics(|| assert!(handle.release()));
    assert!(handle.release() && !handle.release());
    let results = requests.map(|request| failures(&ended(request)));
    assert_eq!(results, [DROPPED.to_vec(), vec![]]);
}

fn overlay(base: &Touchy, top: &Touchy) -> Overlay<Touchy, Touchy> {
    Overlay::new(base.clone(), top.clone(), 64, 16).unwrap()
}

#[test]
fn a_panic_below_an_overlay_leaves_its_granule_free() {
    // Of the base, of the top, and of what they say that they want.
    for (base_acts, top_acts, alignments) in [
        (vec![Panic], vec![], 0),
        (vec![], vec![Panic], 0),
        (vec![], vec![], 1),
    ] {
        let (base, top) = (Touchy::new(), Touchy::new());
        base.script(base_acts);
        top.script(top_acts);
        let io = overlay(&base, &top);
        base.0.alignments.store(alignments, Relaxed);
        let (in_flight, view) = mfio::packet::Packet::new(vec![1; 4]).start::<Write>();
        may_panic(|| io.send_io(4, view));
        assert_eq!(failures(&ended(in_flight)), DROPPED);
        assert_eq!(io.present_len(), 0);
        assert!(ended(send::<Write>(&io, 4, [2; 4])).outcome.is_success());
        assert_eq!(io.present_len(), 16);
    }
    // Whole granules.
    let (base, top) = (Touchy::new(), Touchy::new());
    let io = overlay(&base, &top);
    top.script([Panic]);
    panics(|| drop(send::<Write>(&io, 0, [1; 16])));
    assert!(ended(send::<Write>(&io, 0, [1; 16])).outcome.is_success());
}

#[test]
fn a_panic_below_an_overlay_leaves_nobody_waiting_for_its_granule() {
    let (base, top) = (Touchy::new(), Touchy::new());
    let io = overlay(&base, &top);
    base.script([Hold]);
    let writes: Vec<_> = (0..5).map(|n| send::<Write>(&io, n, [1; 4])).collect();
    // The first is stored, the second and the fourth panic.
    top.script([Pass, Panic, Pass, Panic]);
    may_panic(|| base.release());
    for (n, write) in writes.into_iter().enumerate() {
        let expected = if n % 2 == 1 { &DROPPED[..] } else { &[] };
        assert_eq!(failures(&ended(write)), expected, "write {n}");
    }
    base.script([Hold]);
    let writes = [20, 22].map(|pos| send::<Write>(&io, pos, [1; 4]));
    base.release();
    assert!(
        writes
            .map(ended)
            .iter()
            .all(|write| write.outcome.is_success())
    );
}

#[test]
fn a_panic_below_a_cache_leaves_nobody_waiting_for_its_block() {
    let below = Touchy::new();
    let io = Cache::new(below.clone(), 16, 16).unwrap();
    for alignments in [1, 2] {
        below.0.alignments.store(alignments, Relaxed);
        let (in_flight, view) = mfio::packet::Packet::new(vec![0; 4]).start::<Read>();
        panics(|| io.send_io(0, view));
        assert_eq!(failures(&ended(in_flight)), DROPPED);
    }
    below.script([Panic]);
    panics(|| drop(send::<Read>(&io, 4, [0; 4])));
    let read = ended(send::<Read>(&io, 0, [0; 4]));
    assert!(read.outcome.is_success());
    assert_eq!((read.packet.buffer(), io.ready()), (&[7; 4][..], 1));
    assert_eq!(io.stats().bypassed, 0, "its place was free");
}

#[test]
fn a_blocking_write_that_panics_leaves_nothing_old_in_a_cache() {
    let below = Touchy::new();
    let io = Cache::new(below.clone(), 64, 16).unwrap();
    assert!(ended(send::<Read>(&io, 0, [0; 4])).outcome.is_success());
    below.script([Panic]);
    panics(|| assert!(PacketIo::<Write>::transfer_blocking(&io, 0, &[1; 4]).is_some()));
    let read = ended(send::<Read>(&io, 0, [0; 4]));
    assert_eq!(read.packet.buffer(), [1; 4], "it may have been written");
}

#[test]
fn a_panic_of_a_replica_leaves_no_write_waiting() {
    let replicas = [Touchy::new(), Touchy::new()];
    let io: Mirror<_> = Mirror::new(replicas.clone()).unwrap();
    // The first is held. The second panics, the third waits for it; the fourth waits for the first.
    replicas[0].script([Hold, Panic]);
    let places = [(0, 8), (4, 8), (8, 8), (0, 4)];
    let writes = places.map(|(pos, len)| send::<Write>(&io, pos, vec![1; len]));
    assert_eq!(io.waiting(), 3);
    may_panic(|| replicas[0].release());
    let failed = writes.map(|write| failures(&ended(write)).len());
    assert_eq!((failed, io.waiting()), ([0, 1, 0, 0], 0));
    // Where the caller meets it.
    for panicking in &replicas {
        panicking.script([Panic]);
        panics(|| drop(send::<Write>(&io, 0, [2; 4])));
        assert!(ended(send::<Write>(&io, 0, [3; 4])).outcome.is_success());
    }
}

#[test]
fn a_replica_that_panics_is_read_around() {
    let replicas = [Touchy::new(), Touchy::new()];
    let io: Mirror<_> = Mirror::new(replicas.clone()).unwrap();
    replicas[0].script([Panic]);
    let (in_flight, view) = mfio::packet::Packet::new(vec![0; 4]).start::<Read>();
    panics(|| io.send_io(0, view));
    assert_eq!(
        ended(in_flight).packet.buffer(),
        [7; 4],
        "the other one has it"
    );
}

#[test]
fn a_panic_below_a_timeout_gives_its_place_back() {
    let below = Touchy::new();
    let one = TimeoutLimits {
        requests: 1,
        ..TimeoutLimits::default()
    };
    let io = Timeout::with_limits(below.clone(), SECOND, ManualClock::new(), one);
    below.script([Panic, Pass]);
    panics(|| drop(send::<Write>(&io, 0, [1; 4])));
    assert!(ended(send::<Write>(&io, 0, [1; 4])).outcome.is_success());
    below.0.alignments.store(1, Relaxed);
    panics(|| drop(send::<Write>(&io, 0, [1; 4])));
    assert!(ended(send::<Write>(&io, 0, [1; 4])).outcome.is_success());
    assert_eq!(io.overdue(), 0);
}

#[test]
fn a_panic_below_a_trace_is_not_in_flight_for_ever() {
    let below = Touchy::new();
    let io = Trace::with_now(below.clone(), || SECOND);
    below.script([Panic, Panic, Panic]);
    panics(|| drop(send::<Read>(&io, 0, [0; 4])));
    panics(|| assert!(PacketIo::<Read>::transfer_blocking(&io, 0, &mut [0; 4]).is_some()));
    panics(|| assert!(PacketIo::<Write>::transfer_blocking(&io, 0, &[0; 4]).is_some()));
    assert_eq!(io.snapshot().depth, 0);
}

#[test]
fn a_panic_at_a_piece_fails_the_rest() {
    let below = Touchy::new();
    let io = Stripe::new([below.clone(), below.clone()], 4).unwrap();
    below.script([Pass, Panic]);
    let (in_flight, view) = mfio::packet::Packet::new(vec![0; 12]).start::<Read>();
    panics(|| io.send_io(0, view));
    assert_eq!(failures(&ended(in_flight)), [(4, 8, ErrorKind::Dropped)]);
}
