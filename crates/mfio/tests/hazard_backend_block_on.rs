//! Faults of the past in threads that wait for a backend.
#![cfg(any(unix, windows))]

mod common;

use common::{Adder, Bell, Object, must_end};
use mfio::backend::*;
use std::future::{pending, poll_fn};
use std::mem::replace;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Poll, Wake, Waker};
use std::thread;

#[test]
fn send_and_return_sending_nothing() {
    must_end(|| {
        for io in Adder::each() {
            io.block_on(async { io.send(1) });
            assert_eq!(io.submitted(), 1, "ready in the first round");
            io.block_on(async {
                io.add_one(1).await;
                io.send(1);
            });
            assert_eq!(io.submitted(), 3, "ready in a later one");
            let handle = io.polling_handle();
            block_on::<DefaultHandle, _, Adder>(async { io.send(1) }, io.get_backend(), handle);
            assert_eq!(io.submitted(), 4);
        }
    });
}

/// One after the other is woken by another thread: the outer call while the inner one sleeps, and
/// then the inner one.
#[test]
fn a_nested_block_on_of_another_backend_stealing_the_outer_wake_up() {
    fn idle() -> [Object; 3] {
        Object::each(pending)
    }
    must_end(|| {
        for outer in idle() {
            for inner in idle() {
                for _ in 0..50 {
                    let woken = Arc::new(Mutex::new((false, false)));
                    let mut begun = false;
                    outer.block_on(poll_fn(|cx| {
                        if replace(&mut begun, true) {
                            return if woken.lock().unwrap().0 {
                                Poll::Ready(())
                            } else {
                                Poll::Pending
                            };
                        }
                        inner.block_on(sleeps(&woken, cx.waker().clone()));
                        // Only the wake that came meanwhile can bring this future back.
                        Poll::Pending
                    }));
                }
            }
        }
    });
}

/// Sleeps until a thread has woken `outer`, and then this very future.
fn sleeps(woken: &Arc<Mutex<(bool, bool)>>, outer: Waker) -> impl Future<Output = ()> {
    let woken = woken.clone();
    let mut outer = Some(outer);
    poll_fn(move |cx| {
        if woken.lock().unwrap().1 {
            return Poll::Ready(());
        }
        if let Some(outer) = outer.take() {
            let (woken, inner) = (woken.clone(), cx.waker().clone());
            thread::spawn(move || {
                woken.lock().unwrap().0 = true;
                outer.wake();
                thread::yield_now();
                woken.lock().unwrap().1 = true;
                inner.wake();
            });
        }
        Poll::Pending
    })
}

/// A handle of one's own, which no operating system knows.
#[derive(Clone, Default)]
struct Doorbell(Arc<Button>);

#[derive(Default)]
struct Button {
    pressed: Mutex<bool>,
    bell: Condvar,
    waits: AtomicUsize,
    interests: AtomicUsize,
}

impl Wake for Button {
    fn wake(self: Arc<Self>) {
        *self.pressed.lock().unwrap() = true;
        self.bell.notify_all();
    }
}

impl Pollable for Doorbell {
    fn poll(&self, flags: &PollingFlags) {
        let (read, write) = flags.get();
        self.0
            .interests
            .store(usize::from(read) + 2 * usize::from(write), SeqCst);
        self.0.waits.fetch_add(1, SeqCst);
        let mut pressed = self.0.pressed.lock().unwrap();
        while !replace(&mut *pressed, false) {
            pressed = self.0.bell.wait(pressed).unwrap();
        }
    }
}

struct House {
    object: Object,
    doorbell: Doorbell,
    interests: PollingFlags,
}

impl IoBackend<Doorbell> for House {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_, Doorbell>> {
        Some(PollingHandle {
            handle: self.doorbell.clone(),
            cur_flags: &self.interests,
            max_flags: PollingFlags::all(),
            waker: Waker::from(self.doorbell.0.clone()),
        })
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.object.get_backend()
    }
}

#[test]
fn a_decorative_handle_parameter() {
    must_end(|| {
        let house = House {
            object: Object::bare(pending()),
            doorbell: Doorbell::default(),
            interests: PollingFlags::new().write(true),
        };
        let waits = &house.doorbell.0.waits;
        // The thread answers once somebody waits with the handle: whoever parks elsewhere is never
        // woken.
        let visitor = || {
            let (ask, asked) = mpsc::channel::<Waker>();
            let (doorbell, before) = (house.doorbell.clone(), waits.load(SeqCst));
            let answered = Arc::new(AtomicUsize::new(0));
            let answer = answered.clone();
            thread::spawn(move || {
                let waker = asked.recv().unwrap();
                while doorbell.0.waits.load(SeqCst) == before {
                    thread::yield_now();
                }
                answer.store(1, SeqCst);
                waker.wake();
            });
            let mut ask = Some(ask);
            poll_fn(move |cx| {
                if let Some(ask) = ask.take() {
                    ask.send(cx.waker().clone()).unwrap();
                }
                match answered.load(SeqCst) {
                    0 => Poll::Pending,
                    _ => Poll::Ready(7),
                }
            })
        };
        assert_eq!(house.block_on(visitor()), 7);
        assert_eq!(waits.load(SeqCst), 1);
        assert_eq!(
            house.doorbell.0.interests.load(SeqCst),
            2,
            "told what to wait for"
        );
        let handle = house.polling_handle();
        let answer = block_on::<Doorbell, _, House>(visitor(), house.get_backend(), handle);
        assert_eq!((answer, waits.load(SeqCst)), (7, 2));
        // By hand.
        let (both, handle) = house.with_backend(visitor());
        let (mut both, handle) = (Box::pin(both), handle.unwrap());
        let mut cx = std::task::Context::from_waker(&handle.waker);
        while both.as_mut().poll(&mut cx).is_pending() {
            handle.handle.poll(handle.cur_flags);
        }
        assert_eq!(waits.load(SeqCst), 3);
    });
}

/// The waker is that of a descriptor: a handle whose wakes the loop would not hear otherwise.
#[test]
fn empty_interests_hanging_in_block_on() {
    must_end(|| {
        for interests in [PollingFlags::new(), PollingFlags::new().write(true)] {
            let mut bell = Bell::socket_pair();
            bell.interests = interests;
            let io = Object::with_bell(bell, pending());
            let mut asked = false;
            io.block_on(poll_fn(|cx| {
                if replace(&mut asked, true) {
                    return Poll::Ready(());
                }
                let waker = cx.waker().clone();
                thread::spawn(move || waker.wake());
                Poll::Pending
            }));
        }
    });
}
