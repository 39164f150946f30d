//! The wakers of waiting tasks, and the loop that wakes all of them.

use crate::contain::wake_all;
use crate::slab::Slab;
use core::iter::from_fn;
use core::task::Waker;

/// The tasks that wait for the same thing, each with a number and, until it is woken, a waker.
///
/// Joining, leaving and setting a waker take a constant number of steps. The owner guards it by a
/// lock, under which no waker is cloned, woken or dropped.
#[derive(Debug, Default)]
pub(super) struct TaskWakers {
    slots: Slab<Option<Waker>>,
    /// The number of tasks that have a waker.
    wakers: usize,
}

impl TaskWakers {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds a task, and returns its number.
    pub(super) fn join(&mut self) -> usize {
        self.slots.insert(None)
    }

    /// Removes a task, and returns its waker.
    pub(super) fn leave(&mut self, task: usize) -> Option<Waker> {
        let waker = self.slots.remove(task).flatten();
        self.wakers -= usize::from(waker.is_some());
        waker
    }

    /// Returns whether the task's waker is one that wakes the same task as `waker`.
    pub(super) fn will_wake(&self, task: usize, waker: &Waker) -> bool {
        let current = self.slots.get(task).and_then(|slot| slot.as_ref());
        current.is_some_and(|current| current.will_wake(waker))
    }

    /// Sets the waker of a task. Returns the waker that it replaces, which the caller drops outside
    /// of the lock.
    pub(super) fn set_waker(&mut self, task: usize, waker: Waker) -> Option<Waker> {
        let Some(slot) = self.slots.get_mut(task) else {
            return Some(waker);
        };
        let before = slot.replace(waker);
        self.wakers += usize::from(before.is_none());
        before
    }

    /// Moves wakers of the tasks from `next` to `end` into `batch`, as many as fit, and advances
    /// `next`. Returns whether none is left.
    fn take(&mut self, next: &mut usize, end: usize, batch: &mut WakerBatch) -> bool {
        let end = end.min(self.slots.bound());
        while self.wakers != 0 && *next < end {
            if batch.is_full() {
                return false;
            }
            if let Some(waker) = self.slots.get_mut(*next).and_then(Option::take) {
                self.wakers -= 1;
                batch.push(waker);
            }
            *next += 1;
        }
        true
    }
}

/// The wakers that all tasks had at some moment, of which a batch has been taken out.
/// Each task keeps its number.
#[must_use = "wakers that were taken out are to be woken"]
pub(super) struct Taken {
    batch: WakerBatch,
    next: usize,
    end: usize,
    complete: bool,
}

impl Taken {
    /// Takes the first batch, under the lock of the tasks.
    pub(super) fn begin(tasks: &mut TaskWakers) -> Self {
        let (mut batch, mut next, end) = (WakerBatch::default(), 0, tasks.slots.bound());
        let complete = tasks.take(&mut next, end, &mut batch);
        Self {
            batch,
            next,
            end,
            complete,
        }
    }

    /// Wakes them all, in order. `with` calls a function with the tasks, under their lock, once for
    /// each further batch.
    ///
    /// A task that joins or sets its waker meanwhile may be woken too, but each number at most
    /// once, so the loop ends.
    pub(super) fn wake(mut self, with: impl Fn(&mut dyn FnMut(&mut TaskWakers))) {
        wake_all(from_fn(|| {
            if self.batch.is_empty() && !self.complete {
                with(&mut |tasks| {
                    self.complete = tasks.take(&mut self.next, self.end, &mut self.batch);
                });
            }
            self.batch.pop()
        }));
    }
}

/// A queue of a few wakers.
#[derive(Default)]
struct WakerBatch {
    wakers: [Option<Waker>; Self::SIZE],
    first: usize,
    len: usize,
}

impl WakerBatch {
    const SIZE: usize = 16;

    fn is_empty(&self) -> bool {
        self.first == self.len
    }

    fn is_full(&self) -> bool {
        self.len == Self::SIZE
    }

    fn push(&mut self, waker: Waker) {
        self.wakers[self.len] = Some(waker);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<Waker> {
        if self.is_empty() {
            return None;
        }
        let waker = self.wakers[self.first].take();
        self.first += 1;
        if self.is_empty() {
            (self.first, self.len) = (0, 0);
        }
        waker
    }
}

#[cfg(all(test, feature = "std", not(mfio_loom)))]
mod tests {
    use super::*;
    use crate::lock::Lock;
    use alloc::sync::Arc;
    use alloc::task::Wake;
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tasks_with(n: usize, waker: &Waker) -> Lock<TaskWakers> {
        let mut tasks = TaskWakers::default();
        for _ in 0..n {
            let task = tasks.join();
            assert!(tasks.set_waker(task, waker.clone()).is_none());
        }
        Lock::new(tasks)
    }

    fn wake(tasks: &Lock<TaskWakers>) {
        let taken = Taken::begin(&mut tasks.lock());
        taken.wake(|f| f(&mut tasks.lock()));
    }

    #[test]
    fn every_task_with_a_waker_is_woken_once() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        for n in [0, 1, 15, 16, 17, 32, 1000] {
            count.0.store(0, Ordering::Relaxed);
            let tasks = tasks_with(n, &waker);
            if n > 2 {
                drop(tasks.lock().leave(1));
            }
            for times in [1, 0] {
                wake(&tasks);
                let woken = count.0.swap(0, Ordering::Relaxed);
                assert_eq!(woken, times * (n - usize::from(n > 2)));
            }
        }
    }

    /// A task that sets its waker again as it is woken does not keep the loop going.
    #[test]
    fn waking_ends_though_tasks_set_their_wakers_again() {
        struct SetsAgain(Arc<Lock<TaskWakers>>, AtomicUsize);
        impl Wake for SetsAgain {
            fn wake(self: Arc<Self>) {
                self.1.fetch_add(1, Ordering::Relaxed);
                let waker = Waker::from(self.clone());
                let mut tasks = self.0.lock();
                let task = tasks.join();
                drop(tasks.set_waker(task, waker.clone()));
                let before = tasks.set_waker(0, waker);
                drop(tasks);
                drop(before);
            }
        }
        let tasks = Arc::new(tasks_with(100, Waker::noop()));
        let again = Arc::new(SetsAgain(tasks.clone(), AtomicUsize::new(0)));
        for task in 0..100 {
            let waker = Waker::from(again.clone());
            let before = tasks.lock().set_waker(task, waker);
            drop(before);
        }
        wake(&tasks);
        assert_eq!(again.1.load(Ordering::Relaxed), 100);
        // They own each other.
        *tasks.lock() = TaskWakers::default();
    }

    #[test]
    fn tasks_that_leave_give_their_memory_back() {
        let tasks = tasks_with(100_000, Waker::noop());
        let mut tasks = tasks.lock();
        let order: Vec<_> = (0..100_000).map(|n| n * 7919 % 100_000).collect();
        for task in order {
            assert!(tasks.leave(task).is_some());
        }
        assert!(tasks.is_empty() && tasks.wakers == 0);
        assert!(tasks.slots.capacity() <= 128, "{}", tasks.slots.capacity());
    }
}
