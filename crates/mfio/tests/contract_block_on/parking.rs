//! The place where `block_on` waits: rules 6 and 9.

use super::{afar, afar_after, answered_from_afar};
use crate::common::{Adder, Bell, Object, must_end};
use mfio::backend::*;
use mfio::poller::{ParkHandle, block_on_handle};
use std::future::{pending, poll_fn};
use std::mem::replace;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// The call of 0.1: the polling handle is what the thread parks on.
#[test]
fn rule_6_a_polling_handle_is_a_park_handle() {
    fn parks(on: &impl ParkHandle) {
        on.unpark();
        on.park();
    }
    must_end(|| {
        let ask = afar();
        for bell in [Bell::eventfd(), Bell::socket_pair()] {
            let io = Adder::with_bell(bell);
            for _ in 0..3 {
                let (future, handle) = io.with_backend(async {
                    answered_from_afar(&ask).await;
                    io.hundred().await
                });
                let handle = handle.unwrap();
                assert_eq!(block_on_handle(future, &handle, &handle.waker), 100);
            }
            parks(&io.polling_handle().unwrap());
        }
    });
}

/// An object that counts how it is waited for.
struct Counted {
    object: Object,
    waits: AtomicUsize,
    deadline: Option<Duration>,
    seen: Mutex<Vec<Option<Duration>>>,
}

impl IoBackend for Counted {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.object.polling_handle()
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.object.get_backend()
    }

    fn wait(&self, handle: &PollingHandle<'_>, timeout: Option<Duration>) {
        self.waits.fetch_add(1, SeqCst);
        self.seen.lock().unwrap().push(timeout);
        handle.handle.poll_timeout(handle.cur_flags, timeout);
    }

    fn next_timeout(&self) -> Option<Duration> {
        self.deadline
    }
}

fn counted(object: Object, deadline: Option<Duration>) -> Counted {
    Counted {
        object,
        waits: AtomicUsize::new(0),
        deadline,
        seen: Mutex::default(),
    }
}

#[test]
fn rule_6_a_backend_waits_in_its_own_way_and_is_told_the_deadline() {
    must_end(|| {
        let ask = afar();
        let io = counted(Object::with_bell(Bell::eventfd(), pending()), None);
        io.block_on(async {
            for _ in 0..10 {
                answered_from_afar(&ask).await;
            }
        });
        assert!(
            io.waits.load(SeqCst) <= 10,
            "no busy loop: at most once for each answer"
        );
        assert!(io.seen.lock().unwrap().iter().all(Option::is_none));

        // Nothing ever wakes this one but its deadlines, which the backend counts.
        let rounds = Arc::new(AtomicUsize::new(0));
        let counter = rounds.clone();
        let backend = poll_fn(move |cx| {
            if counter.fetch_add(1, SeqCst) == 4 {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        let soon = Some(Duration::from_millis(1));
        let io = counted(Object::with_bell(Bell::eventfd(), backend), soon);
        let five = poll_fn(|_| match rounds.load(SeqCst) {
            5 => Poll::Ready(()),
            _ => Poll::Pending,
        });
        io.block_on(five);
        assert!(io.seen.lock().unwrap().len() >= 4);
        assert!(io.seen.lock().unwrap().iter().all(|seen| *seen == soon));
    });
}

#[test]
fn rule_6_without_a_handle_the_parker_is_of_the_call() {
    must_end(|| {
        // Long enough for whoever does not park to be seen, on a machine that has little time for
        // this thread, too.
        let ask = afar_after(Duration::from_millis(100));
        let io = counted(Object::bare(pending()), None);
        let mut rounds = 0;
        let mut answered = pin!(answered_from_afar(&ask));
        io.block_on(poll_fn(|cx| {
            rounds += 1;
            answered.as_mut().poll(cx)
        }));
        assert!(rounds <= 3, "no busy loop: {rounds}");
        assert_eq!(io.waits.load(SeqCst), 0, "there is no handle to wait on");
    });
}

/// A parker of the user's.
#[derive(Default)]
struct Bench {
    called: Mutex<bool>,
    bell: Condvar,
    parks: AtomicUsize,
}

impl ParkHandle for Bench {
    fn park(&self) {
        self.parks.fetch_add(1, SeqCst);
        let mut called = self.called.lock().unwrap();
        while !replace(&mut *called, false) {
            called = self.bell.wait(called).unwrap();
        }
    }

    fn unpark(&self) {
        *self.called.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

#[test]
fn rule_6_the_parker_may_be_the_users() {
    must_end(|| {
        let bench = Arc::new(Bench::default());
        let ask = afar();
        let io = Object::bare(pending());
        for _ in 0..100 {
            io.block_on_parked(answered_from_afar(&ask), bench.clone());
        }
        let adder = Adder::bare();
        assert_eq!(adder.block_on_parked(adder.hundred(), bench.clone()), 100);
        // Answered only after it was parked: so it is this parker that is parked.
        let late = poll_fn(|cx| {
            if bench.parks.load(SeqCst) > 0 {
                return Poll::Ready(());
            }
            let (bench, waker) = (bench.clone(), cx.waker().clone());
            thread::spawn(move || {
                while bench.parks.load(SeqCst) == 0 {
                    thread::yield_now();
                }
                waker.wake();
            });
            Poll::Pending
        });
        bench.parks.store(0, SeqCst);
        io.block_on_parked(late, bench.clone());
        assert!(bench.parks.load(SeqCst) > 0);
    });
}

#[test]
fn rule_6_block_on_nests_for_other_backends_on_the_same_thread() {
    must_end(|| {
        for outer in Adder::each() {
            for inner in Adder::each() {
                let third = Adder::bare();
                let answer = outer.block_on(async {
                    let mut n = 0;
                    for _ in 0..20 {
                        n = outer.add_one(n).await;
                        n = inner.block_on(async {
                            let m = inner.add_one(n).await;
                            third.block_on(third.add_one(m))
                        });
                    }
                    n
                });
                assert_eq!(answer, 60);
            }
        }
    });
}

#[test]
fn rule_9_without_a_handle_wakes_come_from_elsewhere_and_parking_suffices() {
    must_end(|| {
        // The backend gives its work to a thread, which wakes it when the work is done.
        let (work, worked) = mpsc::channel::<Waker>();
        let (ended, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let worker = {
            let ended = ended.clone();
            thread::spawn(move || {
                for waker in worked {
                    ended.fetch_add(1, SeqCst);
                    waker.wake();
                }
            })
        };
        let mut begun = 0;
        let io = Object::bare({
            let done = done.clone();
            poll_fn(move |cx| {
                let ended = ended.load(SeqCst);
                if done.swap(ended, SeqCst) != ended {
                    // Whoever waits for it is the same task.
                    cx.waker().wake_by_ref();
                }
                if begun == ended && begun < 500 {
                    begun += 1;
                    work.send(cx.waker().clone()).unwrap();
                }
                Poll::Pending
            })
        });
        assert!(io.polling_handle().is_none());
        io.block_on(poll_fn(|_| match done.load(SeqCst) {
            500 => Poll::Ready(()),
            _ => Poll::Pending,
        }));
        drop(io);
        worker.join().unwrap();
    });
}
