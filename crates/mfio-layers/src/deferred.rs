//! [`Deferred`]: what a layer goes on with at a given time.

use crate::clock::{Alarm, Clock};
use crate::layer_alarm::LayerAlarm;
use crate::steps::{OnPanic, Steps};
use alloc::collections::BinaryHeap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};
use core::time::Duration;
use mfio::lock::Lock;

/// Things by the time when they are due; those of the same time in the order in which they came. The memory stays.
pub(crate) struct Deferred<T> {
    alarm: LayerAlarm,
    queue: Lock<Queue<T>>,
}

/// A queue that grew to this length since it was swept last is swept again.
const SWEPT_AT: usize = 64;

struct Queue<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    /// Twice what the last sweep left, so that a sweep costs each thing that comes a look at two others.
    swept_at: usize,
    number: u64,
    closed: bool,
}

struct Due<T> {
    at: Duration,
    number: u64,
    what: T,
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Due<T> {}

impl<T> Deferred<T> {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            alarm: LayerAlarm::new(clock),
            queue: Lock::new(Queue {
                heap: BinaryHeap::new(),
                swept_at: SWEPT_AT,
                number: 0,
                closed: false,
            }),
        }
    }

    /// Keeps `what` until `delay` has passed; then `layer` is rung, and calls [`due`](Self::due). A layer that has gone gets
    /// it back.
    pub(crate) fn keep<A: Alarm + 'static>(
        &self,
        delay: Duration,
        what: T,
        layer: &Arc<A>,
    ) -> Result<(), T> {
        let at = self.alarm.now().saturating_add(delay);
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(what);
        }
        queue.number += 1;
        let number = queue.number;
        queue.heap.push(Reverse(Due { at, number, what }));
        drop(queue);
        self.alarm.arm_by(at, layer);
        Ok(())
    }

    /// Takes out what is unwanted, where the queue has grown much since that was done last. The caller ends it.
    pub(crate) fn sweep(&self, is_unwanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut queue = self.queue.lock();
        if queue.heap.len() < queue.swept_at {
            return Vec::new();
        }
        let mut all = core::mem::take(&mut queue.heap).into_vec();
        let unwanted = all.extract_if(.., |Reverse(due)| is_unwanted(&due.what));
        let unwanted = unwanted.map(|Reverse(due)| due.what).collect();
        queue.swept_at = SWEPT_AT.max(2 * all.len());
        queue.heap = all.into();
        unwanted
    }

    /// The layer was rung: gives what is due to `go_on`, one after another and without a lock.
    pub(crate) fn due<A: Alarm + 'static>(&self, layer: &Arc<A>, mut go_on: impl FnMut(T)) {
        let now = self.alarm.fired();
        let rest = OnPanic(|| self.arm_for_next(layer));
        let mut steps = Steps::default();
        while let Some(what) = self.pop(now) {
            steps.run(|| go_on(what));
        }
        core::mem::forget(rest);
        self.arm_for_next(layer);
        steps.over();
    }

    /// Takes out the first thing that is due.
    fn pop(&self, now: Duration) -> Option<T> {
        let mut queue = self.queue.lock();
        let Reverse(first) = queue.heap.peek()?;
        if first.at > now {
            return None;
        }
        queue.heap.pop().map(|Reverse(due)| due.what)
    }

    fn arm_for_next<A: Alarm + 'static>(&self, layer: &Arc<A>) {
        // The lock is released at the end of this line.
        let next = self.queue.lock().heap.peek().map(|Reverse(next)| next.at);
        if let Some(at) = next {
            self.alarm.arm_by(at, layer);
        }
    }

    /// The layer goes: nothing will be due any more. Gives what is left to `end`.
    pub(crate) fn close(&self, mut end: impl FnMut(T)) {
        self.alarm.close();
        let left = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            core::mem::take(&mut queue.heap)
        };
        left.into_iter().for_each(|Reverse(due)| end(due.what));
    }
}
