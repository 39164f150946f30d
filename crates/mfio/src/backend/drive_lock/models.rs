//! Loom models of the drive lock: two or three threads, at most three preemptions. Relaxed
//! variables stand for the memory that the drive lock protects.

use super::*;
use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

fn check(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

/// A backend that counts the operations that senders queue, which are marked in `queued` (no lock
/// of its own).
struct Model {
    lock: DriveLock,
    queued: [AtomicUsize; 2],
    done: AtomicUsize,
    polling: AtomicUsize,
    token: Mutex<bool>,
    unparked: Condvar,
}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lock: DriveLock::new(),
            queued: [AtomicUsize::new(0), AtomicUsize::new(0)],
            done: AtomicUsize::new(0),
            polling: AtomicUsize::new(0),
            token: Mutex::new(false),
            unparked: Condvar::new(),
        })
    }

    /// Polls the backend: exclusive, and takes all operations that were queued before.
    fn poll(&self) {
        assert_eq!(
            self.polling.fetch_add(1, Relaxed),
            0,
            "two parties hold the lock"
        );
        for mark in &self.queued {
            // Loads, which may see an old value unless the drive lock orders them.
            if mark.load(Relaxed) == 1 {
                mark.store(0, Relaxed);
                self.done.fetch_add(1, Relaxed);
            }
        }
        self.polling.fetch_sub(1, Relaxed);
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

/// Two senders that each drive when `signal` says so: nothing stays queued, and the lock is
/// exclusive.
#[test]
fn loom_a_signal_is_served_by_its_sender_or_by_the_holder() {
    check(|| {
        let model = Model::new();
        let other = {
            let model = model.clone();
            thread::spawn(move || {
                if model.send(1) == SignalAction::WakeWaiters {
                    model.drive();
                }
            })
        };
        if model.send(0) == SignalAction::WakeWaiters {
            model.drive();
        }
        other.join().unwrap();
        assert_eq!(model.done.load(Relaxed), 2);
    });
}

/// A thread that is parked with the lock is unparked for every signal that it has not seen.
#[test]
fn loom_a_parked_holder_is_unparked() {
    check(|| {
        let model = Model::new();
        let sender = {
            let model = model.clone();
            thread::spawn(move || match model.send(0) {
                SignalAction::UnparkHolder => model.unpark(),
                // No thread was parked yet: the waiter finds the signal when it locks.
                SignalAction::WakeWaiters | SignalAction::Nothing => {}
            })
        };
        model.lock.try_lock().unwrap();
        model.poll();
        while model.done.load(Relaxed) == 0 {
            if model.lock.begin_park() {
                model.park();
                model.lock.end_park();
            }
            model.poll();
        }
        sender.join().unwrap();
    });
}

/// The owner of a `BackendHandle` that polls by hand is unparked for every signal that it has not
/// seen.
#[test]
fn loom_the_owner_of_a_handle_is_unparked() {
    check(|| {
        let model = Model::new();
        model.lock.try_lock_exclusive().unwrap();
        let sender = {
            let model = model.clone();
            thread::spawn(move || {
                if model.send(0) == SignalAction::UnparkHolder {
                    model.unpark();
                }
            })
        };
        loop {
            model.lock.consume_signal();
            model.poll();
            if model.done.load(Relaxed) != 0 {
                break;
            }
            model.park();
        }
        sender.join().unwrap();
    });
}

/// A task that registers and looks again misses no signal.
#[test]
fn loom_a_waiter_that_rechecks_misses_no_signal() {
    check(|| {
        let model = Model::new();
        let registered = Arc::new(AtomicUsize::new(0));
        let sender = {
            let (model, registered) = (model.clone(), registered.clone());
            thread::spawn(move || {
                if model.send(0) == SignalAction::WakeWaiters && registered.load(Relaxed) != 0 {
                    model.unpark();
                }
            })
        };
        registered.store(1, Relaxed);
        if model.lock.recheck() {
            model.drive();
        } else if model.done.load(Relaxed) == 0 {
            model.park();
            model.drive();
        }
        sender.join().unwrap();
        assert_eq!(model.done.load(Relaxed), 1);
    });
}

/// A thread that queues for a held lock is woken by the unlock, or sees that the lock is free.
#[test]
fn loom_a_queued_thread_is_woken_by_the_unlock() {
    check(|| {
        let model = Model::new();
        let queue = Arc::new(AtomicUsize::new(0));
        model.lock.try_lock().unwrap();
        let follower = {
            let (model, queue) = (model.clone(), queue.clone());
            thread::spawn(move || {
                queue.store(1, Relaxed);
                if model.lock.contend() {
                    model.park();
                }
                model.lock.try_lock().unwrap();
                model.poll();
            })
        };
        model.poll();
        let Unlocked::Free { contended, .. } = model.lock.unlock(false) else {
            unreachable!()
        };
        if contended && queue.load(Relaxed) == 1 {
            model.unpark();
        }
        follower.join().unwrap();
    });
}

/// A task that registers while the backend dies is either woken or sees it.
#[test]
fn loom_a_waiter_sees_that_the_backend_died() {
    check(|| {
        let model = Model::new();
        let registered = Arc::new(AtomicUsize::new(0));
        let holder = {
            let (model, registered) = (model.clone(), registered.clone());
            thread::spawn(move || {
                model.lock.try_lock().unwrap();
                model.lock.set_panicked();
                let _ = model.lock.unlock(false);
                if registered.load(Relaxed) != 0 {
                    model.unpark();
                }
            })
        };
        registered.store(1, Relaxed);
        if !model.lock.recheck() {
            model.park();
        }
        holder.join().unwrap();
        assert_eq!(model.lock.check(), Err(LockError::Panicked));
    });
}

/// Arming that is deferred to the holder of the lock is done by exactly one of the two.
#[test]
fn loom_a_deferred_rearm_is_done_once() {
    check(|| {
        let model = Model::new();
        let (rearm_pending, armed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        model.lock.try_lock().unwrap();
        let reactor = {
            let (model, rearm_pending, armed) =
                (model.clone(), rearm_pending.clone(), armed.clone());
            thread::spawn(move || {
                if model.lock.handle_ready() == HandleReady::Locked {
                    let _ = rearm_pending.swap(1, AcqRel);
                    if model.lock.still_locked() || rearm_pending.swap(0, AcqRel) == 0 {
                        return;
                    }
                }
                armed.fetch_add(1, Relaxed);
            })
        };
        let Unlocked::Free { .. } = model.lock.unlock(false) else {
            unreachable!()
        };
        if rearm_pending.swap(0, AcqRel) == 1 {
            armed.fetch_add(1, Relaxed);
        }
        reactor.join().unwrap();
        assert_eq!(armed.load(Relaxed), 1);
    });
}

/// The container goes away while a reactor drives: exactly one of them gets the backend.
#[test]
fn loom_a_close_gives_the_backend_to_one_party() {
    check(|| {
        let model = Model::new();
        let dropped = Arc::new(AtomicUsize::new(0));
        let reactor = {
            let (model, dropped) = (model.clone(), dropped.clone());
            thread::spawn(move || {
                if model.lock.try_lock().is_ok() {
                    model.poll();
                    if model.lock.unlock(false) == Unlocked::Closed {
                        dropped.fetch_add(1, Relaxed);
                    }
                }
            })
        };
        if model.lock.close() {
            assert_eq!(model.polling.load(Relaxed), 0);
            dropped.fetch_add(1, Relaxed);
        }
        reactor.join().unwrap();
        assert_eq!(dropped.load(Relaxed), 1);
    });
}
