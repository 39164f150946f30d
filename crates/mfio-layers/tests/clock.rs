//! Clocks ring in time, in order, and not after they were told not to.

use mfio_layers::clock::{Alarm, Clock, ManualClock, ThreadClock};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Says its name, and when it rang.
struct Say<C> {
    name: u32,
    clock: C,
    to: Mutex<Sender<(u32, Duration)>>,
}

fn say<C: Clock + Clone>(clock: &C, name: u32, to: &Sender<(u32, Duration)>) -> Arc<Say<C>> {
    Arc::new(Say {
        name,
        clock: clock.clone(),
        to: Mutex::new(to.clone()),
    })
}

impl<C: Clock> Alarm for Say<C> {
    fn fire(self: Arc<Self>) {
        let now = self.clock.now();
        self.to.lock().unwrap().send((self.name, now)).unwrap();
    }
}

fn next<T>(from: &Receiver<T>) -> T {
    from.recv_timeout(Duration::from_secs(30))
        .expect("it rings")
}

#[test]
fn a_manual_clock_fires_in_order_at_the_requested_time() {
    let clock = ManualClock::new();
    let (to, from) = channel();
    for (name, at) in [(3, 30), (1, 10), (2, 20), (4, 30)] {
        clock.arm(ms(at), say(&clock, name, &to));
    }
    assert_eq!(clock.next_alarm(), Some(ms(10)));
    clock.advance(ms(25));
    let rung: Vec<_> = from.try_iter().collect();
    assert_eq!(rung, [(1, ms(10)), (2, ms(20))]);
    clock.advance_to(ms(5));
    assert_eq!(clock.now(), ms(25), "time does not run backwards");
    clock.advance_to(ms(30));
    let rung: Vec<_> = from.try_iter().map(|(name, _)| name).collect();
    assert_eq!(rung, [3, 4]);
    assert_eq!(clock.next_alarm(), None);
}

#[test]
fn late_alarms_fire_when_the_clock_moves_and_not_when_they_are_armed() {
    let clock = ManualClock::new();
    clock.advance(ms(100));
    let (to, from) = channel();
    clock.arm(ms(50), say(&clock, 1, &to));
    assert!(from.try_recv().is_err());
    clock.advance(ms(0));
    assert_eq!(from.try_recv(), Ok((1, ms(100))));
}

/// Arms itself again within the ring, so many times.
struct Again(ManualClock, Mutex<u32>);

impl Alarm for Again {
    fn fire(self: Arc<Self>) {
        let mut left = self.1.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            let at = self.0.now() + ms(1);
            self.0.arm(at, self.clone());
        }
    }
}

#[test]
fn alarms_may_arm() {
    let clock = ManualClock::new();
    let again = Arc::new(Again(clock.clone(), Mutex::new(5)));
    clock.arm(ms(1), again.clone());
    clock.advance(ms(3));
    assert_eq!(*again.1.lock().unwrap(), 2);
    clock.advance(ms(10));
    assert_eq!(*again.1.lock().unwrap(), 0);
}

#[test]
fn hazard_a_timer_that_fires_after_it_was_cancelled() {
    let clock = ManualClock::new();
    let (to, from) = channel();
    let alarm = say(&clock, 1, &to);
    let timer = clock.arm(ms(10), alarm.clone());
    assert!(clock.cancel(timer));
    assert!(!clock.cancel(timer), "it was cancelled already");
    assert_eq!(Arc::strong_count(&alarm), 1, "the clock keeps nothing");
    // The place is used again: the old name does not reach the new alarm.
    clock.arm(ms(10), say(&clock, 2, &to));
    assert!(!clock.cancel(timer));
    clock.advance(ms(10));
    assert_eq!(
        from.try_iter().map(|(name, _)| name).collect::<Vec<_>>(),
        [2]
    );

    let threads = ThreadClock::new().unwrap();
    let mut due = ms(20);
    loop {
        let now = threads.now();
        let timer = threads.arm(now + due, say(&clock, 3, &to));
        threads.arm(now + 2 * due, say(&clock, 4, &to));
        if threads.cancel(timer) {
            break;
        }
        // This thread was held up until the alarm had rung.
        assert_eq!(next(&from).0, 3, "what cannot be cancelled rings");
        assert_eq!(next(&from).0, 4);
        due *= 2;
    }
    assert_eq!(next(&from).0, 4);
}

#[test]
fn a_thread_fires_no_earlier_than_requested() {
    let clock = ThreadClock::new().unwrap();
    let (to, from) = channel();
    let start = clock.now();
    // The later one first: the thread must be woken for the earlier one.
    clock.arm(start + ms(60_000), say(&clock, 9, &to));
    clock.arm(start + ms(30), say(&clock, 2, &to));
    clock.arm(start + ms(10), say(&clock, 1, &to));
    let (first, second) = (next(&from), next(&from));
    assert_eq!((first.0, second.0), (1, 2));
    assert!(first.1 >= start + ms(10) && second.1 >= start + ms(30));
    assert!(second.1 < start + ms(50_000));
}

struct Panics;

impl Alarm for Panics {
    fn fire(self: Arc<Self>) {
        panic!("meant: an alarm panics");
    }
}

#[test]
fn an_alarm_that_panics_stops_nobody_else() {
    let clock = ThreadClock::new().unwrap();
    let (to, from) = channel();
    clock.arm(clock.now(), Arc::new(Panics));
    clock.arm(clock.now() + ms(5), say(&clock, 1, &to));
    assert_eq!(next(&from).0, 1);
}
