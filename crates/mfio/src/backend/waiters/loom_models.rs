//! Models of senders and of drivers that leave.

use super::*;
use crate::backend::attendance::{FallbackPolicy, FallbackThread};
use crate::error::Cause;

/// Counts the threads that would have been started.
struct Started(AtomicUsize);

impl FallbackThread for Started {
    fn start(self: Arc<Self>) -> Result<(), Cause> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn dismiss(&self) {}

    fn stop(&self) {}
}

/// Returns the waiters of a backend with a task as its driver.
fn driven_by_a_task(in_flight: &Arc<AtomicUsize>) -> (Arc<Waiters>, Arc<Started>) {
    let policy = Policy::Fallback(FallbackPolicy::new(in_flight.clone()));
    let waiters = Arc::new(Waiters::new(policy));
    let started = Arc::new(Started(AtomicUsize::new(0)));
    waiters.attendance.set_fallback(started.clone());
    waiters.attendance.add_task();
    (waiters, started)
}

/// A sender and the last driver, which leaves: the operation is not left alone (A2).
#[test]
fn an_operation_sent_while_the_last_driver_leaves_is_attended() {
    loom::model(|| {
        let (waiters, started) = driven_by_a_task(&Arc::new(AtomicUsize::new(0)));
        let driver = waiters.clone();
        let leaves = loom::thread::spawn(move || driver.attendance.remove_task());
        waiters.signal();
        leaves.join().unwrap();
        assert!(started.0.load(Ordering::Relaxed) > 0);
    });
}

/// The signal of an operation is taken by a thread that goes, while the last task leaves: one
/// of the two sees that the operation is in flight (A3).
#[test]
fn an_operation_in_flight_while_all_drivers_leave_is_attended() {
    loom::model(|| {
        let in_flight = Arc::new(AtomicUsize::new(0));
        let (waiters, started) = driven_by_a_task(&in_flight);
        let task = waiters.clone();
        let leaves = loom::thread::spawn(move || task.attendance.remove_task());
        let thread = waiters.clone();
        let polls = loom::thread::spawn(move || {
            let lock = thread.drive_lock();
            if lock.try_lock_if_signalled() == Ok(true) {
                let _ = lock.unlock(false);
                thread.attendance.driver_left();
            }
        });
        in_flight.store(1, Ordering::Release);
        waiters.signal();
        leaves.join().unwrap();
        polls.join().unwrap();
        assert!(started.0.load(Ordering::Relaxed) > 0);
    });
}
