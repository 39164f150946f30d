//! Limits hold, nobody overtakes, nothing waits for ever.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{Read, Write};
use mfio::traits::IoRead;
use mfio_layers::clock::ManualClock;
use mfio_layers::{Fault, Limit, Limits, Rate, Rule};
use objects::{Bytes, ended, failures, read, send, write};
use std::sync::{Arc, Barrier};
use std::time::Duration;

fn operations(operations: usize, queue: usize) -> Limits {
    Limits {
        operations,
        queue,
        ..Limits::default()
    }
}

#[test]
fn so_many_operations_at_once_and_the_others_in_order() {
    let below = Bytes::new([0; 16]);
    let fault = Fault::new(below.clone(), [Rule::hold()]);
    let handle = fault.handle();
    let io: Limit<_> = Limit::new(fault, operations(2, 100));
    let reads: Vec<_> = (0..3).map(|n| send::<Read>(&io, n, [0; 1])).collect();
    let writes: Vec<_> = (3..6).map(|n| send::<Write>(&io, n, [1; 1])).collect();
    assert_eq!(
        (handle.held(), io.in_flight(), io.waiting()),
        (2, (2, 2), 4)
    );
    for left in (0..4).rev() {
        assert!(handle.release());
        assert_eq!((handle.held(), io.waiting()), (2, left));
    }
    handle.release_all();
    assert_eq!(io.in_flight(), (0, 0));
    let order: Vec<_> = below.log().into_iter().map(|(_, pos, _)| pos).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5]);
    assert!(reads.into_iter().all(|r| ended(r).outcome.is_success()));
    assert!(writes.into_iter().all(|w| ended(w).outcome.is_success()));
}

#[test]
fn a_request_larger_than_the_limit_goes_in_parts_and_is_not_starved() {
    let below = Bytes::new(*b"0123456789abcdef");
    let fault = Fault::new(below.clone(), [Rule::hold()]);
    let handle = fault.handle();
    let limits = Limits {
        bytes: 6,
        ..Limits::default()
    };
    let io: Limit<_> = Limit::new(fault, limits);
    let small = send::<Read>(&io, 0, [0; 2]);
    let large = send::<Read>(&io, 0, [0; 16]);
    let late = send::<Read>(&io, 15, [0; 1]);
    assert_eq!(
        (handle.held(), io.waiting()),
        (1, 2),
        "the small one does not overtake"
    );
    while handle.release() {
        assert!(io.in_flight().1 <= 6);
    }
    let lens: Vec<_> = below
        .log()
        .into_iter()
        .map(|(_, pos, len)| (pos, len))
        .collect();
    assert_eq!(lens, [(0, 2), (0, 6), (6, 6), (12, 4), (15, 1)]);
    assert_eq!(ended(large).packet.buffer(), b"0123456789abcdef");
    assert_eq!(ended(late).packet.buffer(), b"f");
    assert!(ended(small).outcome.is_success());
}

#[test]
fn parts_beyond_the_last_position_end_as_the_data_does() {
    let limits = Limits {
        bytes: 7,
        ..Limits::default()
    };
    let io: Limit<_> = Limit::new(Bytes::new([0; 8]), limits);
    let ended = read(&io, u64::MAX - 6, 8);
    assert_eq!(failures(&ended), [(0, 8, ErrorKind::UnexpectedEof)]);
    assert_eq!((io.in_flight(), io.waiting()), ((0, 0), 0));
}

#[test]
fn a_full_queue_refuses_and_names_the_layer() {
    let fault = Fault::new(Bytes::new([0; 8]), [Rule::hold()]);
    let handle = fault.handle();
    let io: Limit<_> = Limit::new(fault, operations(1, 1));
    let [first, second] = [(); 2].map(|()| send::<Read>(&io, 0, [0; 1]));
    let mut third = std::pin::pin!(io.read_value_at::<u8>(0));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = third.as_mut().poll(&mut cx) else {
        panic!("it was refused");
    };
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    assert!(
        error
            .get_help()
            .is_some_and(|help| help.contains("queue of a limit"))
    );
    assert_eq!(io.refused(), 1);
    handle.release_all();
    handle.release_all();
    assert!(ended(first).outcome.is_success() && ended(second).outcome.is_success());
    let never: Limit<_> = Limit::new(Bytes::new([0; 8]), operations(0, 0));
    assert!(
        read(&never, 0, 8).outcome.is_success(),
        "one at a time needs no queue"
    );
}

#[test]
fn an_abandoned_read_is_not_sent_and_a_write_is() {
    let below = Bytes::new([0; 8]);
    let fault = Fault::new(below.clone(), [Rule::hold().nth(1)]);
    let handle = fault.handle();
    let io: Limit<_> = Limit::new(fault, operations(1, 9));
    let first = send::<Write>(&io, 0, [1; 1]);
    drop(send::<Read>(&io, 1, [0; 1]));
    drop(send::<Write>(&io, 2, [1; 1]));
    let last = send::<Read>(&io, 3, [9; 1]);
    handle.release();
    assert!(ended(first).outcome.is_success() && ended(last).outcome.is_success());
    let places: Vec<_> = below.log().into_iter().map(|(_, pos, _)| pos).collect();
    assert_eq!(places, [0, 2, 3]);
    assert_eq!(below.to_vec(), [1, 0, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn rates_hold_and_averages_are_exact() {
    let clock = ManualClock::new();
    let below = Bytes::new([0; 64]);
    let limits = Limits {
        operation_rate: Some(Rate::per_second(10).burst(3)),
        ..Limits::default()
    };
    let io: Limit<_> = Limit::with_clock(below.clone(), limits, clock.clone());
    let requests: Vec<_> = (0..10).map(|n| send::<Read>(&io, n, [9; 1])).collect();
    assert_eq!(below.log().len(), 3, "a burst");
    clock.advance(Duration::from_millis(99));
    assert_eq!(below.log().len(), 0);
    clock.advance(Duration::from_millis(1));
    assert_eq!(below.log().len(), 1);
    clock.advance(Duration::from_millis(550));
    assert_eq!(below.log().len(), 5);
    clock.advance(Duration::from_secs(1));
    assert!(requests.into_iter().all(|r| ended(r).outcome.is_success()));
    assert_eq!(clock.next_alarm(), None, "nothing waits");
}

#[test]
fn a_byte_rate_does_not_split_and_leaves_a_debt() {
    let clock = ManualClock::new();
    let below = Bytes::new([0; 64]);
    let limits = Limits {
        byte_rate: Some(Rate::per_second(10).burst(4)),
        ..Limits::default()
    };
    let io: Limit<_> = Limit::with_clock(below.clone(), limits, clock.clone());
    let large = send::<Write>(&io, 0, [1; 24]);
    assert_eq!(below.log(), [(false, 0, 24)]);
    let next = send::<Write>(&io, 0, [2; 1]);
    clock.advance(Duration::from_millis(2099));
    assert_eq!(io.waiting(), 1);
    clock.advance(Duration::from_millis(1));
    assert!(ended(next).outcome.is_success() && ended(large).outcome.is_success());
}

#[test]
fn a_layer_with_a_rate_that_goes_keeps_nobody_waiting() {
    let clock = ManualClock::new();
    let limits = Limits {
        operation_rate: Some(Rate::per_second(1)),
        ..Limits::default()
    };
    let io: Limit<_> = Limit::with_clock(Bytes::new([0; 8]), limits, clock.clone());
    assert!(read(&io, 0, 1).outcome.is_success());
    let waiting = send::<Read>(&io, 0, [0; 1]);
    drop(io);
    assert_eq!(failures(&ended(waiting)), [(0, 1, ErrorKind::Dropped)]);
    assert_eq!(clock.next_alarm(), None);
}

#[test]
fn hazard_a_limit_that_deadlocks_when_everything_ends_inline() {
    let io: Limit<_> = Limit::new(Bytes::new([0; 8]), operations(1, 9));
    for _ in 0..10 {
        assert!(read(&io, 0, 8).outcome.is_success());
        assert!(write(&io, 0, &[1; 8]).outcome.is_success());
    }
    let clock = ManualClock::new();
    let limits = Limits {
        bytes: 2,
        operation_rate: Some(Rate::per_second(1000).burst(1)),
        ..Limits::default()
    };
    let io: Limit<_> = Limit::with_clock(Bytes::new([7; 8]), limits, clock.clone());
    let parts = send::<Read>(&io, 0, [0; 8]);
    clock.advance(Duration::from_millis(3));
    assert_eq!(ended(parts).packet.buffer(), [7; 8]);
}

#[test]
fn hazard_unbounded_recursion_in_a_limits_pump() {
    const REQUESTS: usize = 50_000;
    let run = || {
        let fault = Fault::new(Bytes::new([0; 8]), [Rule::hold().nth(1)]);
        let handle = fault.handle();
        let io: Limit<_> = Limit::new(fault, operations(1, REQUESTS));
        let requests: Vec<_> = (0..REQUESTS)
            .map(|_| send::<Read>(&io, 0, [0; 1]))
            .collect();
        // The first one that ends lets the second one go, which ends at once, and so on.
        handle.release();
        assert_eq!((io.in_flight(), io.waiting()), ((0, 0), 0));
        assert!(requests.into_iter().all(|r| ended(r).outcome.is_success()));
    };
    let small_stack = std::thread::Builder::new().stack_size(256 << 10);
    small_stack.spawn(run).unwrap().join().unwrap();
}

#[test]
fn hazard_a_request_that_waits_while_there_is_room() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 2_000;
    let io: Arc<Limit<_>> = Arc::new(Limit::new(Bytes::new([0; 64]), operations(1, 64)));
    let barrier = Arc::new(Barrier::new(THREADS as usize));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (io, barrier) = (io.clone(), barrier.clone());
            std::thread::spawn(move || {
                barrier.wait();
                let requests = (0..ROUNDS).map(|n| send::<Write>(&*io, thread, [n as u8]));
                let requests: Vec<_> = requests.collect();
                requests
                    .into_iter()
                    .map(|mut request| {
                        loop {
                            match request.try_end() {
                                Ok(ended) => break usize::from(ended.outcome.is_success()),
                                Err(not_yet) => request = not_yet,
                            }
                            std::thread::yield_now();
                        }
                    })
                    .sum::<usize>()
            })
        })
        .collect();
    let done: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    let refused = usize::try_from(io.refused()).unwrap();
    assert_eq!(done + refused, (THREADS * ROUNDS) as usize);
    assert_eq!((io.in_flight(), io.waiting()), ((0, 0), 0));
}
