//! [`Deferred`]: values that a layer continues with at a given time.

use crate::clock::{Alarm, Clock};
use crate::layer_alarm::LayerAlarm;
use crate::steps::{OnPanic, Steps};
use alloc::collections::BinaryHeap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};
use core::time::Duration;
use mfio::lock::Lock;

/// Values in the order of the time at which they are due, and of their arrival. Keeps its memory.
pub(crate) struct Deferred<T> {
    alarm: LayerAlarm,
    queue: Lock<Queue<T>>,
}

/// The length at which a queue is swept first.
const SWEPT_AT: usize = 64;

struct Queue<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    /// The length at which the queue is swept next: twice what the last sweep left, so that
    /// sweeping costs each value a look at two others.
    swept_at: usize,
    number: u64,
    closed: bool,
}

struct Due<T> {
    at: Duration,
    number: u64,
    value: T,
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

    /// Keeps `value` until `delay` has passed. Then the alarm of `layer` fires, which calls
    /// [`due`](Self::due). Returns the value where the layer is dropped.
    pub(crate) fn keep<A: Alarm + 'static>(
        &self,
        delay: Duration,
        value: T,
        layer: &Arc<A>,
    ) -> Result<(), T> {
        let at = self.alarm.now().saturating_add(delay);
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(value);
        }
        queue.number += 1;
        let number = queue.number;
        queue.heap.push(Reverse(Due { at, number, value }));
        drop(queue);
        self.alarm.arm_by(at, layer);
        Ok(())
    }

    /// Takes out unwanted values, where the queue has grown to twice its length since the last
    /// sweep. The caller ends them.
    pub(crate) fn sweep(&self, is_unwanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut queue = self.queue.lock();
        if queue.heap.len() < queue.swept_at {
            return Vec::new();
        }
        let mut all = core::mem::take(&mut queue.heap).into_vec();
        let unwanted = all.extract_if(.., |Reverse(due)| is_unwanted(&due.value));
        let unwanted = unwanted.map(|Reverse(due)| due.value).collect();
        queue.swept_at = SWEPT_AT.max(2 * all.len());
        queue.heap = all.into();
        unwanted
    }

    /// Passes the values that are due to `go_on`, one after another and without a lock. Called by
    /// the alarm of the layer.
    pub(crate) fn due<A: Alarm + 'static>(&self, layer: &Arc<A>, mut go_on: impl FnMut(T)) {
        let now = self.alarm.fired();
        let rest = OnPanic(|| self.arm_for_next(layer));
        let mut steps = Steps::default();
        while let Some(value) = self.pop(now) {
            steps.run(|| go_on(value));
        }
        core::mem::forget(rest);
        self.arm_for_next(layer);
        steps.over();
    }

    /// Takes out the first value that is due.
    fn pop(&self, now: Duration) -> Option<T> {
        let mut queue = self.queue.lock();
        let Reverse(first) = queue.heap.peek()?;
        if first.at > now {
            return None;
        }
        queue.heap.pop().map(|Reverse(due)| due.value)
    }

    fn arm_for_next<A: Alarm + 'static>(&self, layer: &Arc<A>) {
        // Takes the lock for this line only.
        let next = self.queue.lock().heap.peek().map(|Reverse(next)| next.at);
        if let Some(at) = next {
            self.alarm.arm_by(at, layer);
        }
    }

    /// Passes all values to `end`, as the layer is dropped.
    pub(crate) fn close(&self, mut end: impl FnMut(T)) {
        self.alarm.close();
        let left = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            core::mem::take(&mut queue.heap)
        };
        left.into_iter().for_each(|Reverse(due)| end(due.value));
    }
}
