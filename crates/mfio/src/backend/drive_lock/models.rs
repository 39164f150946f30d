//! Two or three threads, at most three preemptions. Relaxed variables stand for the memory that the
//! drive lock protects.

use super::*;
use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

/// A backend that counts the operations that senders queue, which are marked in `queued` (no lock
/// of its own).
struct World {
    lock: DriveLock,
    queued: [AtomicUsize; 2],
    done: AtomicUsize,
    inside: AtomicUsize,
    token: Mutex<bool>,
    unparked: Condvar,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lock: DriveLock::new(),
            queued: [AtomicUsize::new(0), AtomicUsize::new(0)],
            done: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            token: Mutex::new(false),
            unparked: Condvar::new(),
        })
    }

    /// Polls the backend: exclusive, and takes all operations that were queued before.
    fn poll(&self) {
        assert_eq!(
            self.inside.fetch_add(1, Relaxed),
            0,
            "two parties hold the lock"
        );
        for place in &self.queued {
            // Loads, which may see an old value unless the drive lock orders them.
            if place.load(Relaxed) == 1 {
                place.store(0, Relaxed);
                self.done.fetch_add(1, Relaxed);
            }
        }
        self.inside.fetch_sub(1, Relaxed);
    }

    /// Queues without ordering of its own, so that only the lock's transitions order it.
    fn send(&self, sender: usize) -> SignalAction {
        self.queued[sender].store(1, Relaxed);
        self.lock.signal()
    }

    fn drive(&self) {
        if self.lock.try_lock_if_signalled() != Ok(true) {
            return;
        }
        loop {
            self.poll();
            match self.lock.unlock(true) {
                Unlocked::Rerun => {}
                _ => return,
            }
        }
    }

    fn unpark(&self) {
        *self.token.lock().unwrap() = true;
        self.unparked.notify_one();
    }

    fn park(&self) {
        let mut token = self.token.lock().unwrap();
        while !*token {
            token = self.unparked.wait(token).unwrap();
        }
        *token = false;
    }
}

/// Two senders that each drive when told to: nothing stays queued, and the lock is exclusive.
#[test]
fn loom_a_signal_is_served_by_its_sender_or_by_the_holder() {
    model(|| {
        let world = World::new();
        let other = {
            let world = world.clone();
            thread::spawn(move || {
                if world.send(1) == SignalAction::WakeWaiters {
                    world.drive();
                }
            })
        };
        if world.send(0) == SignalAction::WakeWaiters {
            world.drive();
        }
        other.join().unwrap();
        assert_eq!(world.done.load(Relaxed), 2);
    });
}

/// A thread that is parked with the lock is unparked for every signal that it has not seen.
#[test]
fn loom_a_waiting_thread_is_rung() {
    model(|| {
        let world = World::new();
        let sender = {
            let world = world.clone();
            thread::spawn(move || match world.send(0) {
                SignalAction::UnparkHolder => world.unpark(),
                // No thread was parked yet: the waiter finds the signal when it locks.
                SignalAction::WakeWaiters | SignalAction::Nothing => {}
            })
        };
        world.lock.try_lock().unwrap();
        world.poll();
        while world.done.load(Relaxed) == 0 {
            if world.lock.begin_park() {
                world.park();
                world.lock.end_park();
            }
            world.poll();
        }
        sender.join().unwrap();
    });
}

/// A task that registers and looks again misses no signal.
#[test]
fn loom_who_registers_and_looks_misses_nothing() {
    model(|| {
        let world = World::new();
        let registered = Arc::new(AtomicUsize::new(0));
        let sender = {
            let (world, registered) = (world.clone(), registered.clone());
            thread::spawn(move || {
                if world.send(0) == SignalAction::WakeWaiters && registered.load(Relaxed) != 0 {
                    world.unpark();
                }
            })
        };
        registered.store(1, Relaxed);
        if world.lock.recheck() {
            world.drive();
        } else if world.done.load(Relaxed) == 0 {
            world.park();
            world.drive();
        }
        sender.join().unwrap();
        assert_eq!(world.done.load(Relaxed), 1);
    });
}

/// A thread that queues for a held lock is woken by the unlock, or sees that the lock is free.
#[test]
fn loom_a_queued_thread_is_promoted() {
    model(|| {
        let world = World::new();
        let queue = Arc::new(AtomicUsize::new(0));
        world.lock.try_lock().unwrap();
        let follower = {
            let (world, queue) = (world.clone(), queue.clone());
            thread::spawn(move || {
                queue.store(1, Relaxed);
                if world.lock.contend() {
                    world.park();
                }
                world.lock.try_lock().unwrap();
                world.poll();
            })
        };
        world.poll();
        let Unlocked::Free { contended, .. } = world.lock.unlock(false) else {
            unreachable!()
        };
        if contended && queue.load(Relaxed) == 1 {
            world.unpark();
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
                world.lock.try_lock().unwrap();
                world.lock.set_panicked();
                let _ = world.lock.unlock(false);
                if registered.load(Relaxed) != 0 {
                    world.unpark();
                }
            })
        };
        registered.store(1, Relaxed);
        if !world.lock.recheck() {
            world.park();
        }
        holder.join().unwrap();
        assert_eq!(world.lock.check(), Err(LockError::Panicked));
    });
}

/// A watch that leaves arming to the holder of the lock is armed by exactly one of the two.
#[test]
fn loom_a_watch_left_unarmed_is_armed() {
    model(|| {
        let world = World::new();
        let (unarmed, armed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        world.lock.try_lock().unwrap();
        let reactor = {
            let (world, unarmed, armed) = (world.clone(), unarmed.clone(), armed.clone());
            thread::spawn(move || {
                if world.lock.handle_ready() == HandleReady::Locked {
                    let _ = unarmed.swap(1, AcqRel);
                    if world.lock.still_locked() || unarmed.swap(0, AcqRel) == 0 {
                        return;
                    }
                }
                armed.fetch_add(1, Relaxed);
            })
        };
        let Unlocked::Free { .. } = world.lock.unlock(false) else {
            unreachable!()
        };
        if unarmed.swap(0, AcqRel) == 1 {
            armed.fetch_add(1, Relaxed);
        }
        reactor.join().unwrap();
        assert_eq!(armed.load(Relaxed), 1);
    });
}

/// The container goes away while a reactor drives: exactly one of them gets the backend.
#[test]
fn loom_a_closed_turn_gives_the_backend_to_one() {
    model(|| {
        let world = World::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let reactor = {
            let (world, dropped) = (world.clone(), dropped.clone());
            thread::spawn(move || {
                if world.lock.try_lock().is_ok() {
                    world.poll();
                    if world.lock.unlock(false) == Unlocked::Closed {
                        dropped.fetch_add(1, Relaxed);
                    }
                }
            })
        };
        if world.lock.close() {
            assert_eq!(world.inside.load(Relaxed), 0);
            dropped.fetch_add(1, Relaxed);
        }
        reactor.join().unwrap();
        assert_eq!(dropped.load(Relaxed), 1);
    });
}
