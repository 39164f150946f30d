//! The turn: one word that says who may poll the backend, and who must next.
//!
//! Every transition is a single read-modify-write of this word, and no fences are used: whoever publishes something for
//! others (a queued operation, a registered waker) does so before its transition, and whoever acts on a transition sees it.
//!
//! Invariants
//!
//! * **T1** HELD is set by exactly one party at a time and cleared only by that party. Who set it may touch the backend.
//! * **T2** When EVENT is set while HELD, the holder sees it before it lets go: [`Turn::release`] and [`Turn::begin_wait`]
//!   compare-exchange against the very word that carries it. When it is set on a free turn, [`Turn::signal`] tells the one
//!   who set it to notify the watchers.
//! * **T3** Who parks for want of the turn sets WANTED after having queued itself, and looks at HELD in the same operation;
//!   who clears HELD sees WANTED in the same operation and promotes somebody.
//! * **T4** Once FINISHED, PANICKED or CLOSED is set, no one takes the turn any more. CLOSED on a free turn gives the
//!   backend to the closer, on a held one to the holder, who drops it instead of letting go.

use crate::sync::atomic::{AtomicU32, Ordering::AcqRel, Ordering::Acquire};

const HELD: u32 = 1 << 0;
/// The holder is a thread that waits for the handle or on its parker; only a bell makes it look.
const WAITING: u32 = 1 << 1;
/// The backend is to be polled.
const EVENT: u32 = 1 << 2;
/// A thread has queued itself for the turn.
const WANTED: u32 = 1 << 3;
const FINISHED: u32 = 1 << 4;
const PANICKED: u32 = 1 << 5;
const CLOSED: u32 = 1 << 6;
/// The holder is a raw handle: it polls when its owner pleases, or never.
const RAW: u32 = 1 << 7;
const DEAD: u32 = FINISHED | PANICKED | CLOSED;

#[derive(Debug)]
pub(crate) struct Turn(AtomicU32);

/// What the one who signalled has to do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// Nothing: somebody knows already, or the holder will see it.
    Seen,
    /// Ring the bell of the thread that waits with the turn.
    Ring,
    /// Notify the watchers: the turn is free.
    Notify,
}

/// What a reactor's readiness finds.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    /// Take the turn.
    Free,
    /// Somebody has it, and will see to it.
    Held,
    /// Nobody may take it any more.
    Dead,
}

/// Why the turn was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Held,
    Finished,
    Panicked,
    Closed,
}

#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// Still held: an event came; it has been consumed, poll again.
    Again,
    /// Let go. `wanted`: promote a thread. `event`: one is pending, notify the watchers.
    Free { wanted: bool, event: bool },
    /// Still held, for good: the container is gone, drop the backend.
    Closed,
}

impl Turn {
    #[cfg(not(mfio_loom))]
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    #[cfg(mfio_loom)]
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Sets EVENT.
    pub(crate) fn signal(&self) -> Signalled {
        let before = self.0.fetch_or(EVENT, AcqRel);
        if before & (EVENT | DEAD) != 0 {
            Signalled::Seen
        } else if before & WAITING != 0 {
            Signalled::Ring
        } else if before & HELD != 0 {
            Signalled::Seen
        } else {
            Signalled::Notify
        }
    }

    /// Takes the turn and consumes EVENT.
    pub(crate) fn try_take(&self) -> Result<(), Refused> {
        self.take(0, HELD).map(|_| ())
    }

    /// Takes the turn for a raw handle, and consumes EVENT.
    pub(crate) fn try_take_raw(&self) -> Result<(), Refused> {
        self.take(0, HELD | RAW).map(|_| ())
    }

    /// Whether a raw handle holds the turn.
    pub(crate) fn is_raw(&self) -> bool {
        self.0.load(Acquire) & RAW != 0
    }

    /// Takes the turn and consumes EVENT, if there is an event; `Ok(false)` when there is none.
    pub(crate) fn try_take_for_event(&self) -> Result<bool, Refused> {
        self.take(EVENT, HELD)
    }

    fn take(&self, only_if: u32, hold: u32) -> Result<bool, Refused> {
        let mut word = self.0.load(Acquire);
        loop {
            if word & DEAD != 0 {
                return Err(dead(word));
            }
            if word & only_if != only_if {
                return Ok(false);
            }
            if word & HELD != 0 {
                return Err(Refused::Held);
            }
            match self
                .0
                .compare_exchange_weak(word, (word | hold) & !EVENT, AcqRel, Acquire)
            {
                Ok(_) => return Ok(true),
                Err(now) => word = now,
            }
        }
    }

    /// Lets go, unless an event is pending and `rerun` is set.
    pub(crate) fn release(&self, rerun: bool) -> Released {
        let mut word = self.0.load(Acquire);
        loop {
            let (new, outcome) = if word & CLOSED != 0 {
                return Released::Closed;
            } else if rerun && word & EVENT != 0 {
                (word & !EVENT, Released::Again)
            } else {
                let free = Released::Free {
                    wanted: word & WANTED != 0,
                    event: word & EVENT != 0 && word & DEAD == 0,
                };
                (word & !(HELD | WAITING | WANTED | RAW), free)
            };
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    /// The holder is about to wait; `false`: an event came (consumed), poll first.
    #[must_use]
    pub(crate) fn begin_wait(&self) -> bool {
        let mut word = self.0.load(Acquire);
        loop {
            let (new, waits) = match word & EVENT {
                0 => (word | WAITING, true),
                _ => (word & !EVENT, false),
            };
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return waits,
                Err(now) => word = now,
            }
        }
    }

    /// The holder is back and will poll: events up to here are consumed.
    pub(crate) fn end_wait(&self) {
        self.0.fetch_and(!(WAITING | EVENT), AcqRel);
    }

    /// A queued thread wants the turn; `true` when it is still held and may be slept for.
    #[must_use]
    pub(crate) fn want(&self) -> bool {
        let before = self.0.fetch_or(WANTED, AcqRel);
        before & HELD != 0 && before & DEAD == 0
    }

    /// After having registered: whether an event is pending on a turn that nobody holds, or nothing will ever come.
    #[must_use]
    pub(crate) fn look(&self) -> bool {
        let word = self.0.fetch_or(0, AcqRel);
        word & DEAD != 0 || (word & EVENT != 0 && word & HELD == 0)
    }

    /// A reactor says that the handle is ready: sets EVENT, unless a thread waits for the same handle with the turn and
    /// sees it itself.
    pub(crate) fn ready(&self) -> Ready {
        let mut word = self.0.load(Acquire);
        loop {
            let (new, outcome) = match word {
                _ if word & DEAD != 0 => return Ready::Dead,
                _ if word & WAITING != 0 => (word, Ready::Held),
                _ if word & HELD != 0 => (word | EVENT, Ready::Held),
                _ => (word | EVENT, Ready::Free),
            };
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    /// After having left something for the holder to do when it lets go: whether there still is a holder.
    #[must_use]
    pub(crate) fn still_held(&self) -> bool {
        self.0.fetch_or(0, AcqRel) & HELD != 0
    }

    /// Whether there is an event to run for. A hint: misses nothing that happened before on this thread.
    pub(crate) fn has_event(&self) -> bool {
        self.0.load(Acquire) & EVENT != 0
    }

    /// The holder says that the backend completed.
    pub(crate) fn finish(&self) {
        self.0.fetch_or(FINISHED, AcqRel);
    }

    /// The holder says that the backend panicked.
    pub(crate) fn panicked(&self) {
        self.0.fetch_or(PANICKED, AcqRel);
    }

    /// The container goes away; `true` when the backend is the caller's to drop.
    #[must_use]
    pub(crate) fn close(&self) -> bool {
        self.0.fetch_or(CLOSED, AcqRel) & HELD == 0
    }

    /// `Err` when the backend cannot be used any more.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let word = self.0.load(Acquire);
        if word & DEAD != 0 {
            Err(dead(word))
        } else {
            Ok(())
        }
    }
}

fn dead(word: u32) -> Refused {
    if word & PANICKED != 0 {
        Refused::Panicked
    } else if word & FINISHED != 0 {
        Refused::Finished
    } else {
        Refused::Closed
    }
}

#[cfg(all(test, mfio_loom))]
mod models {
    //! Two or three threads, at most three preemptions. The queue and the registry are what the turn protects in earnest.

    use super::*;
    use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    fn model(f: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(f);
    }

    /// A backend that counts what it was given, with `queued` standing for what senders queue (no lock of its own).
    struct World {
        turn: Turn,
        queued: AtomicUsize,
        done: AtomicUsize,
        inside: AtomicUsize,
        bell: Mutex<bool>,
        rung: Condvar,
    }

    impl World {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                turn: Turn::new(),
                queued: AtomicUsize::new(0),
                done: AtomicUsize::new(0),
                inside: AtomicUsize::new(0),
                bell: Mutex::new(false),
                rung: Condvar::new(),
            })
        }

        /// The backend's poll: exclusive, and takes everything that was queued before.
        fn poll(&self) {
            assert_eq!(self.inside.fetch_add(1, Relaxed), 0, "two hold the turn");
            let taken = self.queued.swap(0, Relaxed);
            self.done.fetch_add(taken, Relaxed);
            self.inside.fetch_sub(1, Relaxed);
        }

        /// Queues without ordering of its own, so that only the turn's transitions order it.
        fn send(&self) -> Signalled {
            self.queued.fetch_add(1, Relaxed);
            self.turn.signal()
        }

        fn run(&self) {
            if self.turn.try_take_for_event() != Ok(true) {
                return;
            }
            loop {
                self.poll();
                match self.turn.release(true) {
                    Released::Again => {}
                    _ => return,
                }
            }
        }

        fn ring(&self) {
            *self.bell.lock().unwrap() = true;
            self.rung.notify_one();
        }

        fn sleep(&self) {
            let mut bell = self.bell.lock().unwrap();
            while !*bell {
                bell = self.rung.wait(bell).unwrap();
            }
            *bell = false;
        }
    }

    /// Two senders that each run the turn when told to: nothing stays queued, and the turn is exclusive.
    #[test]
    fn loom_a_signal_is_served_by_its_sender_or_by_the_holder() {
        model(|| {
            let world = World::new();
            let other = {
                let world = world.clone();
                thread::spawn(move || {
                    if world.send() == Signalled::Notify {
                        world.run();
                    }
                })
            };
            if world.send() == Signalled::Notify {
                world.run();
            }
            other.join().unwrap();
            assert_eq!(world.done.load(Relaxed), 2);
        });
    }

    /// A thread that waits with the turn is rung for every event that it has not seen.
    #[test]
    fn loom_a_waiting_thread_is_rung() {
        model(|| {
            let world = World::new();
            let sender = {
                let world = world.clone();
                thread::spawn(move || match world.send() {
                    Signalled::Ring => world.ring(),
                    // Nobody waited yet: the waiter finds the event when it takes the turn.
                    Signalled::Notify | Signalled::Seen => {}
                })
            };
            world.turn.try_take().unwrap();
            world.poll();
            while world.done.load(Relaxed) == 0 {
                if world.turn.begin_wait() {
                    world.sleep();
                    world.turn.end_wait();
                }
                world.poll();
            }
            sender.join().unwrap();
        });
    }

    /// A task that registers and looks again misses no event; one that finds the turn held need not.
    #[test]
    fn loom_who_registers_and_looks_misses_nothing() {
        model(|| {
            let world = World::new();
            let registered = Arc::new(AtomicUsize::new(0));
            let sender = {
                let (world, registered) = (world.clone(), registered.clone());
                thread::spawn(move || {
                    if world.send() == Signalled::Notify && registered.load(Relaxed) != 0 {
                        world.ring();
                    }
                })
            };
            registered.store(1, Relaxed);
            if world.turn.look() {
                world.run();
            } else if world.done.load(Relaxed) == 0 {
                world.sleep();
                world.run();
            }
            sender.join().unwrap();
            assert_eq!(world.done.load(Relaxed), 1);
        });
    }

    /// Who queues for a held turn is promoted by the one who lets go of it, or sees that it is free.
    #[test]
    fn loom_a_queued_thread_is_promoted() {
        model(|| {
            let world = World::new();
            let queue = Arc::new(AtomicUsize::new(0));
            world.turn.try_take().unwrap();
            let follower = {
                let (world, queue) = (world.clone(), queue.clone());
                thread::spawn(move || {
                    queue.store(1, Relaxed);
                    if world.turn.want() {
                        world.sleep();
                    }
                    world.turn.try_take().unwrap();
                    world.poll();
                })
            };
            world.poll();
            let Released::Free { wanted, .. } = world.turn.release(false) else {
                unreachable!()
            };
            if wanted && queue.load(Relaxed) == 1 {
                world.ring();
            }
            follower.join().unwrap();
        });
    }

    /// A task that registers while the backend dies is either told or sees it.
    #[test]
    fn loom_a_death_is_seen_by_who_registers() {
        model(|| {
            let world = World::new();
            let registered = Arc::new(AtomicUsize::new(0));
            let holder = {
                let (world, registered) = (world.clone(), registered.clone());
                thread::spawn(move || {
                    world.turn.try_take().unwrap();
                    world.turn.panicked();
                    let _ = world.turn.release(false);
                    if registered.load(Relaxed) != 0 {
                        world.ring();
                    }
                })
            };
            registered.store(1, Relaxed);
            if !world.turn.look() {
                world.sleep();
            }
            holder.join().unwrap();
            assert_eq!(world.turn.check(), Err(Refused::Panicked));
        });
    }

    /// A reactor's watch that leaves arming to the holder of the turn is armed by exactly one of the two.
    #[test]
    fn loom_a_watch_left_unarmed_is_armed() {
        model(|| {
            let world = World::new();
            let (unarmed, armed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            world.turn.try_take().unwrap();
            let reactor = {
                let (world, unarmed, armed) = (world.clone(), unarmed.clone(), armed.clone());
                thread::spawn(move || {
                    if world.turn.ready() == Ready::Held {
                        let _ = unarmed.swap(1, AcqRel);
                        if world.turn.still_held() || unarmed.swap(0, AcqRel) == 0 {
                            return;
                        }
                    }
                    armed.fetch_add(1, Relaxed);
                })
            };
            let Released::Free { .. } = world.turn.release(false) else {
                unreachable!()
            };
            if unarmed.swap(0, AcqRel) == 1 {
                armed.fetch_add(1, Relaxed);
            }
            reactor.join().unwrap();
            assert_eq!(armed.load(Relaxed), 1);
        });
    }

    /// The container goes away while a reactor runs the turn: exactly one of them gets the backend.
    #[test]
    fn loom_a_closed_turn_gives_the_backend_to_one() {
        model(|| {
            let world = World::new();
            let dropped = Arc::new(AtomicUsize::new(0));
            let reactor = {
                let (world, dropped) = (world.clone(), dropped.clone());
                thread::spawn(move || {
                    if world.turn.try_take().is_ok() {
                        world.poll();
                        if world.turn.release(false) == Released::Closed {
                            dropped.fetch_add(1, Relaxed);
                        }
                    }
                })
            };
            if world.turn.close() {
                assert_eq!(world.inside.load(Relaxed), 0);
                dropped.fetch_add(1, Relaxed);
            }
            reactor.join().unwrap();
            assert_eq!(dropped.load(Relaxed), 1);
        });
    }
}
