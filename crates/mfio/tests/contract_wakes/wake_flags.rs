//! The wake flags: rule 4.

use super::bells;
use crate::common::{Bell, Count, Object, must_end, panic_of, poll, yield_now};
use mfio::backend::*;
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll};
use std::thread;

const WOKEN: u8 = 0b001;
const POLLING: u8 = 0b010;
const CLOSED: u8 = 0b100;

/// The bytes that one wake writes.
const ONE: [u8; 8] = 1u64.to_ne_bytes();
const NOTHING: [u8; 0] = [];

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
