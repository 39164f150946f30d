//! Ends of requests under a timeout race with its clock.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{Read, Write};
use mfio_layers::clock::{Clock, ManualClock, ThreadClock};
use mfio_layers::{Fault, Rule, Timeout, TimeoutLimits};
use objects::{Bytes, failures, send};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Ends and alarms race: each request ends once, in one way or the other.
#[test]
fn ends_and_alarms_may_race() {
    let fault = Fault::new(Bytes::new([7; 8]), [Rule::hold()]);
    let handle = fault.handle();
    let clock = ThreadClock::new().unwrap();
    let io: Arc<Timeout<_>> = Arc::new(Timeout::new(fault, Duration::from_micros(200), clock));
    let over = Arc::new(AtomicBool::new(false));
    let releasing = {
        let over = over.clone();
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                handle.release();
                std::thread::yield_now();
            }
            handle.release_all();
        })
    };
    for _ in 0..2_000 {
        let mut request = send::<Read>(&*io, 0, [0; 8]);
        let ended = loop {
            match request.try_end() {
                Ok(ended) => break ended,
                Err(not_yet) => request = not_yet,
            }
            std::thread::yield_now();
        };
        match failures(&ended)[..] {
            [] => assert_eq!(ended.packet.buffer(), [7; 8]),
            // Where too many are overdue it is refused.
            [(0, 8, why)] => {
                assert!([ErrorKind::TimedOut, ErrorKind::LimitReached].contains(&why));
                assert_eq!(ended.packet.buffer(), [0; 8]);
            }
            ref other => panic!("{other:?}"),
        }
    }
    over.store(true, Ordering::Relaxed);
    releasing.join().unwrap();
    assert_eq!(io.overdue(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Read,
    Write,
    Release,
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Read),
        2 => Just(Step::Write),
        1 => Just(Step::Release),
        3 => (0..7u32).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Requests that begin at any time time out no earlier than theirs, and no later than the slack
    /// allows.
    #[test]
    fn hazard_a_request_that_times_out_early_or_late(
        steps in prop::collection::vec(step(), 1..200),
        slack in 0..6u32,
    ) {
        let ms = Duration::from_millis(1);
        let (timeout, slack) = (20 * ms, slack * ms);
        let clock = ManualClock::new();
        let fault = Fault::new(Bytes::new([7; 8]), [Rule::hold()]);
        let handle = fault.handle();
        let limits = TimeoutLimits { slack, ..TimeoutLimits::default() };
        let io = Timeout::with_limits(fault, timeout, clock.clone(), limits);
        let (mut reads, mut writes) = (Vec::new(), Vec::new());
        for step in steps {
            let now = Clock::now(&clock);
            match step {
                Step::Read => reads.push((now, Some(send::<Read>(&io, 0, [0; 8])))),
                Step::Write => writes.push((now, Some(send::<Write>(&io, 0, [0; 8])))),
                Step::Release => drop(handle.release()),
                Step::Wait(steps) => clock.advance(steps * ms / 2),
            }
            let now = Clock::now(&clock);
            let reads = reads.iter_mut().map(|(began, r)| (*began, polled(r)));
            let writes = writes.iter_mut().map(|(began, w)| (*began, polled(w)));
            for (began, state) in reads.chain(writes) {
                let waited = now - began;
                match state {
                    State::Waits => prop_assert!(waited < timeout + slack, "{waited:?}"),
                    State::TimedOut => prop_assert!(waited >= timeout, "{waited:?}"),
                    State::Over => {}
                }
            }
        }
        clock.advance(timeout + slack);
        handle.release_all();
        prop_assert_eq!((io.overdue(), clock.next_alarm()), (0, None));
    }
}

enum State {
    Waits,
    /// Just now.
    TimedOut,
    Over,
}

fn polled<D: mfio::io::Direction>(request: &mut Option<mfio::packet::InFlight<Vec<u8>, D>>) -> State
where
    Vec<u8>: mfio::packet::BufferFor<D>,
{
    match request.take().map(|request| request.try_end()) {
        Some(Ok(ended)) if ended.outcome.is_success() => State::Over,
        Some(Ok(ended)) => {
            assert_eq!(failures(&ended), [(0, 8, ErrorKind::TimedOut)]);
            State::TimedOut
        }
        Some(Err(waiting)) => {
            *request = Some(waiting);
            State::Waits
        }
        None => State::Over,
    }
}

/// The clock rings while others begin: each is seen by one of the two.
#[test]
fn nobody_is_forgotten_by_the_clock() {
    let fault = Fault::new(Bytes::new([7; 8]), [Rule::hold()]);
    let handle = fault.handle();
    let limits = TimeoutLimits {
        slack: Duration::from_micros(50),
        overdue: 4096,
        ..TimeoutLimits::default()
    };
    let clock = ThreadClock::new().unwrap();
    let io = Timeout::with_limits(fault, Duration::from_micros(100), clock, limits);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let began = Instant::now();
                    let mut request = send::<Read>(&io, 0, [0; 8]);
                    let ended = loop {
                        match request.try_end() {
                            Ok(ended) => break ended,
                            Err(not_yet) => request = not_yet,
                        }
                        assert!(began.elapsed() < Duration::from_secs(60), "it waits");
                        std::thread::yield_now();
                    };
                    assert_eq!(failures(&ended), [(0, 8, ErrorKind::TimedOut)]);
                }
            });
        }
    });
    assert_eq!(io.timed_out(), 3000);
    assert_eq!((handle.release_all(), io.overdue()), (3000, 0));
}
