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
    queued: [AtomicUsize; 2],
    done: AtomicUsize,
    inside: AtomicUsize,
    bell: Mutex<bool>,
    rung: Condvar,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            turn: Turn::new(),
            queued: [AtomicUsize::new(0), AtomicUsize::new(0)],
            done: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            bell: Mutex::new(false),
            rung: Condvar::new(),
        })
    }

    /// The backend's poll: exclusive, and takes everything that was queued before.
    fn poll(&self) {
        assert_eq!(self.inside.fetch_add(1, Relaxed), 0, "two hold the turn");
        for place in &self.queued {
            // Loads, which may see an old value unless the turn orders them.
            if place.load(Relaxed) == 1 {
                place.store(0, Relaxed);
                self.done.fetch_add(1, Relaxed);
            }
        }
        self.inside.fetch_sub(1, Relaxed);
    }

    /// Queues without ordering of its own, so that only the turn's transitions order it.
    fn send(&self, sender: usize) -> Signalled {
        self.queued[sender].store(1, Relaxed);
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
                if world.send(1) == Signalled::Notify {
                    world.run();
                }
            })
        };
        if world.send(0) == Signalled::Notify {
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
            thread::spawn(move || match world.send(0) {
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
                if world.send(0) == Signalled::Notify && registered.load(Relaxed) != 0 {
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
