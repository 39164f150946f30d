//! A foreign loop whose futures are polled with the handle's waker: whatever wakes it while it
//! turns keeps it from sleeping.

use crate::common::{Object, must_end};
use crate::object::Waited;
use mfio::backend::*;
use mfio::traits::IoRead;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// Whether a loop that waits for the handle would not sleep now.
fn is_ready<B: IoBackend>(driver: &ForeignLoop<'_, B>) -> bool {
    crate::common::is_ready(driver.handle().unwrap().handle)
}

fn turn<B: IoBackend>(driver: &mut ForeignLoop<'_, B>) {
    while driver.tick() == Tick::Again {}
}

/// Which of the handle's wakers a future is polled with.
#[derive(Clone, Copy)]
enum With {
    Loop,
    Backend,
}

fn waker(io: &Waited, driver: &ForeignLoop<'_, Waited>, with: With) -> Waker {
    match with {
        With::Loop => driver.handle().unwrap().waker.clone(),
        With::Backend => io.bell(),
    }
}

/// The backend has drained its descriptor by the time at which it ends the read, and drains it
/// again in the next round.
#[test]
fn a_future_that_ends_within_a_tick_keeps_the_loop_from_sleeping() {
    for with in [With::Loop, With::Backend] {
        must_end(move || {
            let io = Waited::with_handle();
            let mut driver = ForeignLoop::new(&io);
            turn(&mut driver);
            let waker = waker(&io, &driver, with);
            let mut cx = Context::from_waker(&waker);
            let mut read = pin!(io.read_value_at::<u8>(0));
            for _ in 0..3 {
                assert!(!is_ready(&driver), "nothing has happened");
                assert!(read.as_mut().poll(&mut cx).is_pending());
                turn(&mut driver);
                assert!(is_ready(&driver), "the read has ended");
                // The loop does not sleep, and polls its futures.
                assert!(matches!(read.as_mut().poll(&mut cx), Poll::Ready(Ok(0))));
                read.set(io.read_value_at::<u8>(0));
                turn(&mut driver);
                assert!(!is_ready(&driver), "it is told once");
            }
        });
    }
}

/// The loop has polled its futures already, and the turn drains what woke it.
#[test]
fn a_wake_before_the_tick_keeps_the_loop_from_sleeping_after_it() {
    must_end(|| {
        let io = Waited::with_handle();
        let mut driver = ForeignLoop::new(&io);
        turn(&mut driver);
        let waker = waker(&io, &driver, With::Loop);
        for _ in 0..3 {
            waker.wake_by_ref();
            turn(&mut driver);
            assert!(is_ready(&driver));
            // And again, before the loop has seen that.
            waker.wake_by_ref();
            turn(&mut driver);
            assert!(is_ready(&driver));
            turn(&mut driver);
            assert!(!is_ready(&driver));
        }
    });
}

/// A signal is the backend's business, and the turn has seen to it.
#[test]
fn a_signal_that_was_consumed_lets_the_loop_sleep() {
    must_end(|| {
        let io = Waited::with_handle();
        let mut driver = ForeignLoop::new(&io);
        turn(&mut driver);
        assert!(!is_ready(&driver));
        io.backend.sharing().signal();
        assert!(is_ready(&driver));
        turn(&mut driver);
        assert!(!is_ready(&driver));
    });
}

/// An object that is not shared, whose backend wakes a future as it is polled.
#[test]
fn a_wake_within_a_tick_of_an_exclusive_object_keeps_the_loop_from_sleeping() {
    must_end(|| {
        let future: Arc<Mutex<Option<Waker>>> = Arc::default();
        let wakes = future.clone();
        let backend = move || {
            let wakes = wakes.clone();
            poll_fn(move |_| {
                let waker = wakes.lock().unwrap().take();
                waker.into_iter().for_each(Waker::wake);
                Poll::Pending
            })
        };
        let [_, sockets, eventfd] = Object::each(backend);
        for io in [sockets, eventfd] {
            let mut driver = ForeignLoop::new(&io);
            turn(&mut driver);
            assert!(!is_ready(&driver));
            *future.lock().unwrap() = Some(driver.handle().unwrap().waker.clone());
            turn(&mut driver);
            assert!(is_ready(&driver));
            turn(&mut driver);
            assert!(!is_ready(&driver));
        }
    });
}
