//! `Timeout` while others do something between any two steps of it: the clock is where they come
//! in.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read};
use mfio::packet::{InFlight, Packet};
use mfio_layers::clock::{Alarm, Clock, ManualClock, Timer};
use mfio_layers::{Fault, Rule, Timeout, TimeoutLimits};
use objects::{Bytes, ended, failures, send};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

type Hook = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// A clock moved by hand, in which something happens when it is read next, before that or after, or
/// when it was armed.
#[derive(Clone, Default)]
struct Hooked {
    clock: ManualClock,
    before: Arc<Hook>,
    after: Arc<Hook>,
    armed: Arc<Hook>,
}

fn run(hook: &Hook) {
    let hook = hook.lock().unwrap().take();
    if let Some(hook) = hook {
        hook();
    }
}

fn hang(hook: &Hook, what: impl FnOnce() + Send + 'static) {
    *hook.lock().unwrap() = Some(Box::new(what));
}

impl Clock for Hooked {
    fn now(&self) -> Duration {
        run(&self.before);
        let now = Clock::now(&self.clock);
        run(&self.after);
        now
    }

    fn arm(&self, at: Duration, alarm: Arc<dyn Alarm>) -> Timer {
        let timer = self.clock.arm(at, alarm);
        run(&self.armed);
        timer
    }

    fn cancel(&self, timer: Timer) -> bool {
        self.clock.cancel(timer)
    }
}

type Io = Timeout<Fault<Bytes, u64>>;

/// An object that never answers.
fn stuck(hooked: &Hooked, slack: Duration) -> Arc<Io> {
    let fault = Fault::new(Bytes::new([7; 8]), [Rule::hold()]);
    let limits = TimeoutLimits {
        slack,
        ..TimeoutLimits::default()
    };
    Arc::new(Timeout::with_limits(fault, SECOND, hooked.clone(), limits))
}

fn begin(io: &Io) -> InFlight<Vec<u8>, Read> {
    send::<Read>(io, 0, [0; 8])
}

fn has_timed_out(request: InFlight<Vec<u8>, Read>) -> bool {
    failures(&ended(request)) == [(0, 8, ErrorKind::TimedOut)]
}

#[test]
fn hazard_a_thread_that_stalls_takes_the_time_of_others() {
    let hooked = Hooked::default();
    let io = stuck(&hooked, SECOND / 100);
    let (io_there, clock) = (io.clone(), hooked.clock.clone());
    let (tell, told) = channel();
    hang(&hooked.before, move || {
        let other = begin(&io_there);
        clock.advance(SECOND + SECOND / 100);
        tell.send(has_timed_out(other)).unwrap();
    });
    let stalled = begin(&io);
    assert!(told.recv().unwrap());
    hooked.clock.advance(SECOND + SECOND / 100);
    assert!(has_timed_out(stalled));
}

#[test]
fn hazard_a_clock_that_panics_leaves_a_request_waiting() {
    let hooked = Hooked::default();
    let io = stuck(&hooked, SECOND / 100);
    let (unlucky, view) = Packet::new(vec![0; 8]).start::<Read>();
    hang(&hooked.before, || panic!("the clock breaks"));
    let sent = catch_unwind(AssertUnwindSafe(|| io.send_io(0, view)));
    assert!(sent.is_err());
    assert_eq!(failures(&ended(unlucky)), [(0, 8, ErrorKind::Dropped)]);
    let next = begin(&io);
    hooked.clock.advance(SECOND + SECOND / 100);
    assert!(has_timed_out(next));
    assert_eq!((io.overdue(), io.timed_out()), (1, 1));
}

/// Between arming and saying so it rings.
#[test]
fn hazard_a_request_relies_on_an_alarm_that_has_fired() {
    let hooked = Hooked::default();
    let io = stuck(&hooked, SECOND / 100);
    let clock = hooked.clock.clone();
    hang(&hooked.armed, move || clock.advance(SECOND / 100));
    let first = begin(&io);
    let second = begin(&io);
    hooked.clock.advance_to(SECOND + 2 * SECOND / 100);
    assert!(has_timed_out(first));
    assert!(has_timed_out(second));
}

/// The time that a ring has read does not count for requests that begin after it.
#[test]
fn hazard_a_request_begun_while_the_alarm_fires_has_less_than_its_time() {
    for slack in [Duration::ZERO, SECOND / 100, SECOND, Duration::MAX] {
        let hooked = Hooked::default();
        let io = stuck(&hooked, slack);
        let first = begin(&io);
        let (io_there, clock) = (io.clone(), hooked.clock.clone());
        let (tell, told) = channel();
        hang(&hooked.after, move || {
            clock.advance(SECOND / 2);
            tell.send((Clock::now(&clock), begin(&io_there))).unwrap();
        });
        let most = slack.min(SECOND);
        hooked.clock.advance_to(SECOND + most);
        let (began, second) = told.recv().unwrap();
        assert!(has_timed_out(first), "{slack:?}");
        hooked
            .clock
            .advance_to(began + SECOND - Duration::from_nanos(1));
        assert!(!second.is_ended(), "{slack:?}");
        hooked.clock.advance_to(began + SECOND + most);
        assert!(has_timed_out(second), "{slack:?}");
    }
}

/// The request that began first reads the clock last.
#[test]
fn hazard_a_late_look_at_the_clock_delays_others() {
    let hooked = Hooked::default();
    let io = stuck(&hooked, Duration::ZERO);
    let (stalls, stalled) = channel();
    let (go_on, goes_on) = channel();
    hang(&hooked.before, move || {
        stalls.send(()).unwrap();
        goes_on.recv().unwrap();
    });
    let io_there = io.clone();
    let slow = std::thread::spawn(move || begin(&io_there));
    stalled.recv().unwrap();
    let clock = hooked.clock.clone();
    let (tell, told) = channel();
    hang(&hooked.after, move || {
        clock.advance(9 * SECOND / 10);
        go_on.send(()).unwrap();
        tell.send(slow.join().unwrap()).unwrap();
    });
    let quick = begin(&io);
    hooked.clock.advance_to(SECOND);
    assert!(has_timed_out(quick));
    assert!(has_timed_out(told.recv().unwrap()), "it began before");
}
