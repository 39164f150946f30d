//! Faults of the past in parking between polls.

use mfio::poller::{ParkHandle, block_on, block_on_parked};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

#[path = "common/asleep.rs"]
mod asleep;
use asleep::Watched;

/// Only a hang takes as long.
const SOON: Duration = Duration::from_secs(60);

/// `f` on a thread of its own; fails, instead of hanging, when it does not end.
fn must_end<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, ended) = channel();
    thread::spawn(move || tell.send(f()));
    ended
        .recv_timeout(SOON)
        .expect("it neither hangs nor panics")
}

/// Counts; its `park` tells that it is about to park, and waits for a token.
struct Counting {
    parks: mpsc::Sender<()>,
    unparks: AtomicUsize,
    token: Mutex<bool>,
    available: Condvar,
    /// Held, it keeps the thread in `park`.
    release: Mutex<()>,
}

impl Counting {
    fn new() -> (Arc<Self>, mpsc::Receiver<()>) {
        let (parks, parked) = channel();
        let this = Self {
            parks,
            unparks: AtomicUsize::new(0),
            token: Mutex::new(false),
            available: Condvar::new(),
            release: Mutex::new(()),
        };
        (Arc::new(this), parked)
    }
}

impl ParkHandle for Counting {
    fn park(&self) {
        let _ = self.parks.send(());
        let token = self.token.lock().unwrap();
        *self.available.wait_while(token, |token| !*token).unwrap() = false;
        drop(self.release.lock().unwrap());
    }

    fn unpark(&self) {
        self.unparks.fetch_add(1, Ordering::Relaxed);
        *self.token.lock().unwrap() = true;
        self.available.notify_one();
    }
}

#[test]
fn a_futex_call_on_every_wake_even_when_nobody_is_parked() {
    let (parker, parked) = Counting::new();
    let unparks = parker.clone();
    must_end(move || {
        let mut polls = 0;
        let wakes_itself = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            let own = cx.waker().clone();
            own.wake();
            polls += 1;
            if polls == 1000 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        block_on_parked(wakes_itself, parker);
    });
    assert_eq!(unparks.unparks.load(Ordering::Relaxed), 0);
    assert_eq!(parked.try_iter().count(), 0, "nor is there a park");
}

#[test]
fn an_unpark_for_every_wake_of_a_parked_thread() {
    let (parker, parked) = Counting::new();
    let counted = parker.clone();
    let (give, waker) = channel();
    // Until all wakes are over, the thread stays in `park`.
    let held_back = counted.release.lock().unwrap();
    let blocked = thread::spawn(move || {
        let mut polled = false;
        let once_pending = poll_fn(move |cx| {
            if polled {
                return Poll::Ready(());
            }
            polled = true;
            give.send(cx.waker().clone()).unwrap();
            Poll::Pending
        });
        block_on_parked(once_pending, parker);
    });
    let waker: Waker = waker.recv_timeout(SOON).unwrap();
    parked.recv_timeout(SOON).expect("it parks");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| waker.wake_by_ref()));
        }
    });
    assert_eq!(counted.unparks.load(Ordering::Relaxed), 1);
    drop(held_back);
    must_end(move || blocked.join().unwrap());
    waker.wake();
    assert_eq!(
        counted.unparks.load(Ordering::Relaxed),
        1,
        "nobody is parked any more"
    );
}

/// Ready, and woken, once the thread that polled it sleeps; each poll calls `polled`.
async fn nap(mut polled: impl FnMut(u32)) {
    let (mut polls, over) = (0, Arc::new(AtomicBool::new(false)));
    poll_fn(|cx| {
        polls += 1;
        polled(polls);
        if over.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if polls == 1 {
            let (own, over) = (cx.waker().clone(), over.clone());
            let sleeper = Watched::this();
            thread::spawn(move || {
                sleeper.until_asleep();
                over.store(true, Ordering::Release);
                own.wake();
            });
        }
        Poll::Pending
    })
    .await;
}

/// A nap in whose course `other` is woken, once.
async fn nap_waking(other: Waker) {
    nap(|polls| {
        if polls == 1 {
            other.wake_by_ref();
        }
    })
    .await;
}

#[test]
fn a_nested_block_on_stealing_the_outer_wake_up() {
    must_end(|| {
        // The second time, the thread has a parker of its own ready.
        for _ in 0..2 {
            let mut slept = false;
            let outer = poll_fn(move |cx| {
                if slept {
                    return Poll::Ready(());
                }
                slept = true;
                // The outer future is woken while the inner call is parked, and once only.
                block_on(nap_waking(cx.waker().clone()));
                Poll::Pending
            });
            block_on(outer);
        }
    });
}

#[test]
fn a_nested_call_on_the_same_handle_stealing_the_outer_wake_up() {
    must_end(|| {
        let (parker, _parked) = Counting::new();
        let inner = parker.clone();
        let mut slept = false;
        let outer = poll_fn(move |cx| {
            if slept {
                return Poll::Ready(());
            }
            slept = true;
            block_on_parked(nap_waking(cx.waker().clone()), inner.clone());
            Poll::Pending
        });
        block_on_parked(outer, parker);
    });
}

#[test]
fn strangers_that_unpark_the_thread_polling_the_future() {
    let polls = must_end(|| {
        let mut polls = 0;
        block_on(nap(|nth| {
            polls = nth;
            let stranger = thread::current();
            thread::spawn(move || {
                for _ in 0..10 {
                    stranger.unpark();
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }));
        polls
    });
    assert_eq!(polls, 2);
}

#[test]
fn a_wake_before_the_park_is_not_lost() {
    must_end(|| {
        for _ in 0..2_000 {
            block_on(poll_fn({
                let mut polled = false;
                move |cx| {
                    if polled {
                        return Poll::Ready(());
                    }
                    polled = true;
                    let waker = cx.waker().clone();
                    thread::spawn(move || waker.wake());
                    Poll::Pending
                }
            }));
        }
    });
}
