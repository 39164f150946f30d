//! The wake flags: one byte shared by a backend's wakers and its pollers.
//!
//! | bit | set by | cleared by | meaning |
//! |---|---|---|---|
//! | [`WOKEN`] | a wake | a poller, before it polls | a wake that no round has seen yet |
//! | [`POLLING`] | an exclusive poller | the same one, after its round | wakes are recorded only |
//! | [`CLOSED`] | the close | none | the descriptor is closed |
//!
//! A *round* is one poll of the backend. The holder of a
//! [`BackendHandle`](super::BackendHandle) is the only poller, so it sets `POLLING` for its rounds
//! ([`enter_round`]): a wake then need not touch the descriptor, because the poller looks at
//! `WOKEN` before it waits. Drivers of a shared backend never set it. Reactors and foreign loops
//! wait on the descriptor at the same time, and a wake for their futures must make it readable. So
//! these drivers only consume `WOKEN`, before and after the poll ([`consume_wake`]).
//!
//! Invariants
//!
//! 1. A wake touches the descriptor only when it finds no bit set; so N wakes make one write.
//! 2. No party clears another party's bit. Every transition is a read-modify-write, so none loses
//!    one, and each both acquires and releases: memory written before a wake is seen by the round
//!    that consumes it.
//! 3. `WOKEN` is consumed before the round that answers it, never after. A poller waits on the
//!    descriptor only after it has seen `WOKEN` clear after its last round: a set `WOKEN` may be
//!    all that a drained descriptor left of a wake.
//! 4. `POLLING` is cleared only together with a look at `WOKEN`, in one operation: a wake recorded
//!    without touching the descriptor is always found by the poller on whose `POLLING` it relied.
//! 5. The byte is public, and safe code may store anything in it at any time. So no transition
//!    loops on it, and only wakes depend on it: the right to close a descriptor is decided
//!    elsewhere (`closing`).
#![cfg_attr(
    not(all(feature = "std", any(unix, target_os = "wasi", windows))),
    allow(dead_code, reason = "without a descriptor none is woken or closed")
)]

use crate::sync::atomic::Ordering::AcqRel;

/// A wake that no round has seen yet.
pub(crate) const WOKEN: u8 = 0b001;
/// An exclusive poller is within a round, and looks at [`WOKEN`] before it waits.
pub(crate) const POLLING: u8 = 0b010;
/// The descriptor is closed.
pub(crate) const CLOSED: u8 = 0b100;

/// The byte: core's atomic (its public type), and loom's in models.
pub(crate) trait FlagByte {
    /// Sets `bits` and returns the byte before.
    fn set(&self, bits: u8) -> u8;
    /// Clears `bits` and returns the byte before.
    fn clear(&self, bits: u8) -> u8;
}

macro_rules! flag_byte {
    ($($atomic:ty),+) => {$(
        impl FlagByte for $atomic {
            fn set(&self, bits: u8) -> u8 {
                self.fetch_or(bits, AcqRel)
            }

            fn clear(&self, bits: u8) -> u8 {
                self.fetch_and(!bits, AcqRel)
            }
        }
    )+};
}

flag_byte!(core::sync::atomic::AtomicU8);
#[cfg(mfio_loom)]
flag_byte!(loom::sync::atomic::AtomicU8);

/// Records a wake. Returns whether the caller must touch the descriptor.
#[must_use = "a wake that does not reach the descriptor is lost"]
pub(crate) fn wake(byte: &impl FlagByte) -> bool {
    byte.set(WOKEN) == 0
}

/// Records that the descriptor is closed; later wakes do not touch it.
pub(crate) fn close(byte: &impl FlagByte) {
    byte.set(CLOSED);
}

/// Consumes a wake. Returns whether there was one.
///
/// For drivers of a shared backend, whose rounds do not set [`POLLING`]: consume, poll, and
/// *consume again, polling again if there was one*. A wake that arrives during the round makes the
/// descriptor readable, and the round may have drained that already; as long as [`WOKEN`] stays
/// set, no other wake makes it readable again (invariant 3).
#[must_use = "after a round, true means another round"]
pub(crate) fn consume_wake(byte: &impl FlagByte) -> bool {
    byte.clear(WOKEN) & WOKEN != 0
}

/// A round that has been entered. `ours`: this party set [`POLLING`], and clears it.
#[derive(Debug)]
#[must_use = "POLLING stays set until the round is left"]
pub(crate) struct Entered {
    ours: bool,
}

/// The step that follows a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Leave {
    /// A wake arrived during the round and is consumed now: the next round has begun. Poll again,
    /// then leave again.
    NextRound,
    /// No wake arrived; the next one touches the descriptor.
    Left,
}

/// Begins a round: consumes a wake that is already there and makes later ones only be recorded.
pub(crate) fn enter_round(byte: &impl FlagByte) -> Entered {
    let before = byte.set(POLLING);
    if before & WOKEN != 0 {
        byte.clear(WOKEN);
    }
    Entered {
        ours: before & POLLING == 0,
    }
}

/// Ends a round, or begins the next one if a wake was recorded.
///
/// After [`Leave::Left`] nothing is entered any more; leaving again or abandoning clears nothing.
pub(crate) fn leave_round(byte: &impl FlagByte, entered: &mut Entered) -> Leave {
    let before = byte.clear(entered.take());
    if before & WOKEN == 0 {
        return Leave::Left;
    }
    // Meanwhile `WOKEN` kept other wakes away from the descriptor; this round answers them all.
    entered.ours = byte.set(POLLING) & POLLING == 0;
    byte.clear(WOKEN);
    Leave::NextRound
}

/// Ends a round without another, whatever happened: the holder goes (yields, is dropped, unwinds).
///
/// Returns whether a wake was recorded, which did not touch the descriptor and is left in the byte
/// for the next holder.
pub(crate) fn abandon(byte: &impl FlagByte, entered: &mut Entered) -> bool {
    byte.clear(entered.take()) & WOKEN != 0
}

impl Entered {
    /// Takes the bits that this party clears.
    fn take(&mut self) -> u8 {
        if core::mem::take(&mut self.ours) {
            POLLING
        } else {
            0
        }
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

    #[test]
    fn the_first_of_many_wakes_touches_the_descriptor() {
        let byte = AtomicU8::new(0);
        assert_eq!(
            [wake(&byte), wake(&byte), wake(&byte)],
            [true, false, false]
        );
        assert!(consume_wake(&byte) && !consume_wake(&byte));
        assert!(wake(&byte));
    }

    #[test]
    fn a_wake_seen_at_the_start_costs_no_second_round() {
        let byte = AtomicU8::new(0);
        assert!(wake(&byte));
        let mut entered = enter_round(&byte);
        assert_eq!(leave_round(&byte, &mut entered), Leave::Left);
        assert_eq!(byte.load(Relaxed), 0);
    }

    #[test]
    fn a_wake_during_the_round_is_recorded_and_costs_one_more() {
        let byte = AtomicU8::new(0);
        let mut entered = enter_round(&byte);
        assert!(!wake(&byte) && !wake(&byte));
        assert_eq!(leave_round(&byte, &mut entered), Leave::NextRound);
        assert_eq!(byte.load(Relaxed), POLLING);
        assert_eq!(leave_round(&byte, &mut entered), Leave::Left);
        assert_eq!(byte.load(Relaxed), 0);
    }

    #[test]
    fn another_partys_bits_are_left_alone() {
        for others in [POLLING, CLOSED, POLLING | CLOSED, !(WOKEN | POLLING)] {
            let byte = AtomicU8::new(others);
            let mut entered = enter_round(&byte);
            assert!(!wake(&byte));
            assert_eq!(leave_round(&byte, &mut entered), Leave::NextRound);
            assert_eq!(leave_round(&byte, &mut entered), Leave::Left);
            let mut entered = enter_round(&byte);
            assert!(!abandon(&byte, &mut entered) && !abandon(&byte, &mut entered));
            assert_eq!(byte.load(Relaxed), others);
        }
    }

    #[test]
    fn an_abandoned_round_leaves_its_wake_to_the_next_holder() {
        let byte = AtomicU8::new(0);
        let mut entered = enter_round(&byte);
        assert!(!wake(&byte));
        assert!(abandon(&byte, &mut entered));
        assert_eq!(byte.load(Relaxed), WOKEN);
        let mut next = enter_round(&byte);
        assert_eq!(leave_round(&byte, &mut next), Leave::Left);
    }

    #[test]
    fn a_closed_descriptor_is_not_touched() {
        let byte = AtomicU8::new(0);
        close(&byte);
        let mut entered = enter_round(&byte);
        let _ = leave_round(&byte, &mut entered);
        let _ = consume_wake(&byte);
        assert!(!wake(&byte));
        assert_eq!(byte.load(Relaxed), CLOSED | WOKEN);
    }
}

#[cfg(all(test, mfio_loom))]
mod loom_models {
    use super::*;
    use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::Relaxed};
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    /// Every interleaving with at most this many preemptions (without a bound two wakers take
    /// minutes).
    fn model(f: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(f);
    }

    /// A poll loop, its wakers and the descriptor between them.
    #[derive(Default)]
    struct Model {
        byte: AtomicU8,
        /// Relaxed: only the flags (or the descriptor) order it.
        work: [AtomicBool; 2],
        readable: Mutex<usize>,
        ready: Condvar,
        writes: AtomicUsize,
    }

    impl Model {
        fn send_and_wake(&self, n: usize) {
            self.work[n].store(true, Relaxed);
            if wake(&self.byte) {
                self.writes.fetch_add(1, Relaxed);
                *self.readable.lock().unwrap() += 1;
                self.ready.notify_one();
            }
        }

        /// Polls as a backend does: drains the descriptor, takes the work. Returns whether it has
        /// it all.
        fn round(&self, wanted: usize) -> bool {
            *self.readable.lock().unwrap() = 0;
            self.work[..wanted].iter().all(|work| work.load(Relaxed))
        }

        /// poll(2), without a limit: a lost wake is a deadlock, which loom reports.
        fn park(&self) {
            let mut readable = self.readable.lock().unwrap();
            while *readable == 0 {
                readable = self.ready.wait(readable).unwrap();
            }
        }
    }

    fn wakers(model: &Arc<Model>, n: usize) -> Vec<thread::JoinHandle<()>> {
        let start = |n| {
            let model = model.clone();
            thread::spawn(move || model.send_and_wake(n))
        };
        (0..n).map(start).collect()
    }

    #[test]
    fn no_wake_is_lost_between_round_and_park() {
        for n in 1..=2 {
            model(move || {
                let model = Arc::new(Model::default());
                let wakers = wakers(&model, n);
                'done: loop {
                    let mut entered = enter_round(&model.byte);
                    loop {
                        if model.round(n) {
                            let _ = abandon(&model.byte, &mut entered);
                            break 'done;
                        }
                        match leave_round(&model.byte, &mut entered) {
                            Leave::NextRound => {}
                            Leave::Left => break,
                        }
                    }
                    model.park();
                }
                wakers.into_iter().for_each(|waker| waker.join().unwrap());
            });
        }
    }

    #[test]
    fn no_wake_is_lost_in_rounds_that_only_consume() {
        for n in 1..=2 {
            model(move || {
                let model = Arc::new(Model::default());
                let wakers = wakers(&model, n);
                let _ = consume_wake(&model.byte);
                while !model.round(n) {
                    if !consume_wake(&model.byte) {
                        model.park();
                        let _ = consume_wake(&model.byte);
                    }
                }
                wakers.into_iter().for_each(|waker| waker.join().unwrap());
            });
        }
    }

    #[test]
    fn many_wakes_make_one_write() {
        model(|| {
            let model = Arc::new(Model::default());
            let wakers = wakers(&model, 2);
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
            assert_eq!(model.writes.load(Relaxed), 1);
        });
    }

    #[test]
    fn a_wake_handed_on_reaches_the_next_holder() {
        model(|| {
            let model = Arc::new(Model::default());
            let wakers = wakers(&model, 1);
            let mut first = enter_round(&model.byte);
            let done = model.round(1);
            let handed_on = abandon(&model.byte, &mut first);
            if !done {
                // The next holder begins with a wait, unless a wake was handed on.
                if !handed_on {
                    model.park();
                }
                let mut next = enter_round(&model.byte);
                while !model.round(1) {
                    if leave_round(&model.byte, &mut next) == Leave::Left {
                        model.park();
                        next = enter_round(&model.byte);
                    }
                }
            }
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
        });
    }
}
