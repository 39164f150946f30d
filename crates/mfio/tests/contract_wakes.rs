//! Wakes: rules 4 and 5 of the backend's contract (the wake flags, and that no wake is lost), seen
//! from outside, through real descriptors.
#![cfg(any(unix, windows))]

mod common;

#[cfg(unix)]
use common::tokio_here;
use common::{Adder, Bell, Count, Object, must_end, panic_of, poll, yield_now};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

const WOKEN: u8 = 0b001;
const POLLING: u8 = 0b010;
const CLOSED: u8 = 0b100;

/// The bytes that one wake writes.
const ONE: [u8; 8] = 1u64.to_ne_bytes();
const NOTHING: [u8; 0] = [];

fn bells() -> [Bell; 2] {
    [Bell::eventfd(), Bell::socket_pair()]
}

/// An object whose backend calls `f` with the number of the round, and leaves the descriptor alone.
fn counted(
    bell: Bell,
    mut f: impl FnMut(usize) + Send + 'static,
) -> (Object, Arc<AtomicUsize>, Arc<AtomicU8>) {
    let rounds = Arc::new(AtomicUsize::new(0));
    let flags = bell.flags();
    let counter = rounds.clone();
    let mut object = Object::bare_fn(move |_| f(counter.fetch_add(1, SeqCst) + 1));
    object.bell = Some(bell);
    (object, rounds, flags)
}

#[test]
fn rule_4_n_wakes_make_one_write_of_eight_bytes() {
    let threads = 4;
    for bell in bells() {
        let at_once = Barrier::new(threads);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let waker = bell.waker();
                    at_once.wait();
                    (0..1000).for_each(|_| waker.wake_by_ref());
                    waker.wake();
                });
            }
        });
        assert_eq!(bell.flags().load(SeqCst), WOKEN);
        assert_eq!(bell.drain(), ONE, "of 4004 wakes");
        let (object, _, flags) = counted(bell, |_| {});
        let (both, handle) = object.with_backend(pending::<()>());
        let mut both = pin!(both);
        let waker = handle.unwrap().waker;
        for _ in 0..3 {
            assert!(poll(both.as_mut()).is_pending());
            assert_eq!(flags.load(SeqCst), 0, "seen");
            (0..1000).for_each(|_| waker.wake_by_ref());
            assert_eq!(object.bell().drain(), ONE, "once between two rounds");
        }
    }
}

#[test]
fn rule_4_a_wake_that_the_loop_has_seen_costs_no_second_round() {
    for bell in bells() {
        let waker = bell.waker();
        let (object, rounds, flags) = counted(bell, |_| {});
        let polls = AtomicUsize::new(0);
        let (both, _) = object.with_backend(poll_fn(|_| {
            polls.fetch_add(1, SeqCst);
            Poll::<()>::Pending
        }));
        let mut both = pin!(both);
        for round in 1..=5 {
            waker.wake_by_ref();
            waker.wake_by_ref();
            assert_eq!(object.bell().drain(), ONE);
            assert!(poll(both.as_mut()).is_pending());
            assert_eq!((polls.load(SeqCst), rounds.load(SeqCst)), (round, round));
            assert_eq!(flags.load(SeqCst), 0);
        }
    }
}

#[test]
fn rule_4_a_wake_during_the_round_is_only_recorded_and_runs_another() {
    for bell in bells() {
        let waker = bell.waker();
        let from_another_thread = waker.clone();
        let seen = bell.flags();
        let (object, rounds, flags) = counted(bell, move |round| {
            assert_eq!(seen.load(SeqCst), POLLING);
            if round == 1 {
                thread::scope(|scope| {
                    scope.spawn(|| (0..3).for_each(|_| from_another_thread.wake_by_ref()));
                });
                assert_eq!(seen.load(SeqCst), POLLING | WOKEN);
            }
        });
        let (both, _) = object.with_backend(pending::<()>());
        let mut both = pin!(both);
        assert!(poll(both.as_mut()).is_pending());
        assert_eq!(rounds.load(SeqCst), 2, "one more for all three");
        assert_eq!(flags.load(SeqCst), 0);
        assert_eq!(object.bell().drain(), NOTHING);
        waker.wake_by_ref();
        assert_eq!(
            object.bell().drain(),
            ONE,
            "the next one, between rounds, is written"
        );
    }
}

#[test]
fn rule_4_a_future_that_wakes_itself_under_block_on_touches_no_descriptor() {
    must_end(|| {
        for bell in bells() {
            let (object, rounds, flags) = counted(bell, |_| {});
            object.block_on(async {
                for _ in 0..100 {
                    yield_now().await;
                }
            });
            assert_eq!(rounds.load(SeqCst), 101);
            assert_eq!(object.bell().drain(), NOTHING);
            assert_eq!(flags.load(SeqCst), 0);
        }
    });
}

#[test]
fn rule_4_nobody_clears_another_partys_bit() {
    for stored in 0..=u8::MAX {
        let bell = Bell::eventfd();
        let waker = bell.waker();
        let (object, rounds, flags) = counted(bell, move |round| {
            if round == 2 {
                waker.wake_by_ref();
            }
        });
        let (both, _) = object.with_backend(pending::<()>());
        let mut both = Box::pin(both);
        flags.store(stored, SeqCst);
        assert!(poll(both.as_mut()).is_pending());
        assert_eq!(rounds.load(SeqCst), 1);
        assert_eq!(
            flags.load(SeqCst),
            stored & !WOKEN,
            "only what a wake left is consumed"
        );
        // A second round for the wake within it: whoever set POLLING before, still has it.
        assert!(poll(both.as_mut()).is_pending());
        assert_eq!(rounds.load(SeqCst), 3);
        assert_eq!(flags.load(SeqCst), stored & !WOKEN);
        drop(both);
        assert_eq!(flags.load(SeqCst), stored & !WOKEN);
    }
}

#[test]
fn rule_4_a_closed_waker_stays_closed_whatever_is_polled() {
    for bell in bells() {
        let waker = bell.waker();
        let (object, rounds, flags) = counted(bell, |_| {});
        object.bell().close();
        let (both, _) = object.with_backend(pending::<()>());
        let mut both = pin!(both);
        for _ in 0..3 {
            assert!(poll(both.as_mut()).is_pending());
            waker.wake_by_ref();
        }
        assert_eq!(rounds.load(SeqCst), 3);
        assert_eq!(flags.load(SeqCst), CLOSED | WOKEN);
        assert_eq!(object.bell().drain(), NOTHING);
    }
}

/// Whatever is stored in the byte, whenever: polls end, and once it is left alone everything works
/// again.
#[test]
fn rule_4_the_byte_is_advisory() {
    must_end(|| {
        for stored in 0..=u8::MAX {
            let bell = Bell::eventfd();
            let scribbled = bell.flags();
            let scribbling = Arc::new(AtomicBool::new(true));
            let goes_on = scribbling.clone();
            let (object, rounds, flags) = counted(bell, move |_| {
                if goes_on.load(SeqCst) {
                    scribbled.store(stored, SeqCst);
                }
            });
            let (both, _) = object.with_backend(ready(1));
            assert_eq!(poll(pin!(both)), Poll::Ready(1));
            let (both, _) = object.with_backend(pending::<()>());
            assert!(poll(pin!(both)).is_pending());
            let limit = if stored & WOKEN == 0 { 2 } else { 64 };
            assert!(rounds.load(SeqCst) <= limit);
            scribbling.store(false, SeqCst);
            flags.store(0, SeqCst);
            object.block_on(yield_now());
            assert_eq!(flags.load(SeqCst), 0);
        }
    });
}

#[test]
fn rule_4_a_backend_that_keeps_waking_itself_yields_to_the_executor() {
    for bell in bells() {
        let waker = bell.waker();
        let (object, rounds, _) = counted(bell, move |_| waker.wake_by_ref());
        let (both, _) = object.with_backend(pending::<()>());
        let mut both = pin!(both);
        let (woken, waker) = Count::new();
        for turn in 1..=3 {
            assert!(
                both.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            assert_eq!(woken.get(), turn, "and comes back");
            assert!(rounds.load(SeqCst) <= turn * 64);
        }
    }
}

#[test]
fn rule_4_a_holder_that_leaves_hands_a_recorded_wake_to_the_next() {
    for bell in bells() {
        let waker = bell.waker();
        let (object, rounds, flags) = counted(bell, move |round| {
            if round == 1 {
                waker.wake_by_ref();
            }
        });
        let (both, _) = object.with_backend(ready(()));
        assert_eq!(poll(pin!(both)), Poll::Ready(()));
        assert_eq!(
            flags.load(SeqCst),
            WOKEN,
            "left to the next, and POLLING is not"
        );
        let (both, _) = object.with_backend(pending::<()>());
        let mut both = pin!(both);
        assert!(poll(both.as_mut()).is_pending());
        assert_eq!((flags.load(SeqCst), rounds.load(SeqCst)), (0, 2));
        assert_eq!(object.bell().drain(), NOTHING);
    }
}

#[test]
fn rule_4_a_holder_that_leaves_clears_only_its_own_polling() {
    for bell in bells() {
        let waker = bell.waker();
        let (object, _, flags) = counted(bell, |_| {});
        // Dropped between two rounds, with a wake that it never saw.
        let (both, _) = object.with_backend(pending::<()>());
        let mut both = Box::pin(both);
        assert!(poll(both.as_mut()).is_pending());
        waker.wake_by_ref();
        drop(both);
        assert_eq!(
            (flags.load(SeqCst), object.bell().drain()),
            (WOKEN, ONE.to_vec())
        );
        // Unwound, with a wake recorded in the round.
        let (both, _) = object.with_backend(poll_fn(|_| -> Poll<()> {
            waker.wake_by_ref();
            panic!("the user's")
        }));
        let mut both = Box::pin(both);
        assert_eq!(panic_of(|| poll(both.as_mut())), "the user's");
        assert_eq!(flags.load(SeqCst), WOKEN);
        // The same while POLLING is another's.
        flags.store(POLLING | CLOSED, SeqCst);
        assert_eq!(panic_of(|| poll(both.as_mut())), "the user's");
        assert_eq!(flags.load(SeqCst), WOKEN | POLLING | CLOSED);
        drop(both);
        assert_eq!(flags.load(SeqCst), WOKEN | POLLING | CLOSED);
    }
}

/// Something far away answers; how its answers arrive.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The waker of the user's future.
    UsersWaker,
    /// The waker that the backend was polled with.
    BackendsWaker,
    /// The waker of the polling handle.
    Bell,
}

#[derive(Default)]
struct Remote {
    arrived: AtomicUsize,
    answered: AtomicUsize,
    backend: Mutex<Option<Waker>>,
    user: Mutex<Option<Waker>>,
}

impl Remote {
    fn round(&self, cx: &Context<'_>) {
        *self.backend.lock().unwrap() = Some(cx.waker().clone());
        let arrived = self.arrived.load(SeqCst);
        if arrived > self.answered.load(SeqCst) {
            self.answered.store(arrived, SeqCst);
            wake(&self.user);
        }
    }

    fn answer(&self, n: usize, by: By, bell: Option<&Waker>) {
        match by {
            By::UsersWaker => {
                self.answered.store(n, SeqCst);
                wake(&self.user);
            }
            By::BackendsWaker => {
                self.arrived.store(n, SeqCst);
                wake(&self.backend);
            }
            By::Bell => {
                self.arrived.store(n, SeqCst);
                bell.unwrap().wake_by_ref();
            }
        }
    }

    async fn ask(&self, n: usize, questions: &mpsc::Sender<usize>) {
        let mut asked = false;
        poll_fn(|cx| {
            *self.user.lock().unwrap() = Some(cx.waker().clone());
            if !std::mem::replace(&mut asked, true) {
                questions.send(n).unwrap();
            }
            match self.answered.load(SeqCst) >= n {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

fn wake(waker: &Mutex<Option<Waker>>) {
    let waker = waker.lock().unwrap().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// So many questions, each answered from another thread before the next is asked: one lost wake,
/// and this never ends.
fn questions(bell: Option<Bell>, by: By, run: impl FnOnce(&mut Object, &mut dyn FnMut() -> Asked)) {
    let remote = Arc::new(Remote::default());
    let waker = bell.as_ref().map(Bell::waker);
    let backend = {
        let remote = remote.clone();
        poll_fn(move |cx| {
            remote.round(cx);
            Poll::Pending
        })
    };
    let mut object = match bell {
        Some(bell) => Object::with_bell(bell, backend),
        None => Object::bare(backend),
    };
    let (ask, asked) = mpsc::channel();
    let answers = {
        let remote = remote.clone();
        thread::spawn(move || {
            asked
                .iter()
                .for_each(|n| remote.answer(n, by, waker.as_ref()))
        })
    };
    let mut begin = Some(ask);
    run(&mut object, &mut || {
        let (remote, ask) = (remote.clone(), begin.take().unwrap());
        Box::pin(async move {
            for n in 1..=3000 {
                remote.ask(n, &ask).await;
            }
        })
    });
    answers.join().unwrap();
}

type Asked = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[test]
fn rule_5_no_wake_is_lost_by_block_on() {
    must_end(|| {
        for by in [By::UsersWaker, By::BackendsWaker] {
            questions(None, by, |io, asked| io.block_on(asked()));
        }
        for by in [By::UsersWaker, By::BackendsWaker, By::Bell] {
            for bell in bells() {
                questions(Some(bell), by, |io, asked| io.block_on(asked()));
            }
        }
    });
}

#[test]
fn rule_5_no_wake_is_lost_by_a_loop_of_ones_own() {
    must_end(|| {
        for by in [By::UsersWaker, By::BackendsWaker, By::Bell] {
            for bell in bells() {
                questions(Some(bell), by, |io, asked| {
                    let (both, handle) = io.with_backend(asked());
                    let (mut both, handle) = (pin!(both), handle.unwrap());
                    let mut cx = Context::from_waker(&handle.waker);
                    while both.as_mut().poll(&mut cx).is_pending() {
                        handle.handle.poll(handle.cur_flags);
                    }
                });
            }
        }
    });
}

#[test]
fn rule_5_no_wake_is_lost_in_integrations() {
    must_end(|| {
        for by in [By::UsersWaker, By::BackendsWaker] {
            questions(None, by, |io, asked| {
                pollster::block_on(Null::run_with_mut(io, |_| asked()));
            });
        }
        #[cfg(unix)]
        for by in [By::UsersWaker, By::BackendsWaker, By::Bell] {
            for bell in bells() {
                questions(Some(bell), by, |io, asked| {
                    tokio_here().block_on(Tokio::run_with_mut(io, |_| asked()));
                });
            }
            for bell in bells() {
                questions(Some(bell), by, |io, asked| {
                    smol::block_on(AsyncIo::run_with_mut(io, |_| asked()));
                });
            }
        }
    });
}

/// Wakes from everywhere, while the backend is held, let go and held again by two threads in turn.
#[test]
fn rule_5_no_wake_is_lost_between_two_holders() {
    must_end(|| {
        for bell in bells() {
            let io = Adder::with_bell(bell);
            let turn = Mutex::new(());
            let waker = io.polling_handle().unwrap().waker;
            let done = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for n in 0..1000 {
                            let _turn = turn.lock().unwrap();
                            assert_eq!(io.block_on(io.add_one(n)), n + 1);
                        }
                        done.fetch_add(1, SeqCst);
                    });
                }
                scope.spawn(|| {
                    while done.load(SeqCst) < 2 {
                        waker.wake_by_ref();
                        thread::yield_now();
                    }
                });
            });
        }
    });
}
