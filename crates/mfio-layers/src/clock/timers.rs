//! Armed alarms: a binary heap by time with removal at any place.

use super::alarm::Alarm;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// The key of an armed alarm, for [`Clock::cancel`](super::Clock::cancel). No two alarms have the
/// same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    slot: usize,
    number: u64,
}

impl Timer {
    /// Creates a key, for implementations of [`Clock`](super::Clock): a slot, and a number that no
    /// other alarm in that slot ever has.
    pub const fn new(slot: usize, number: u64) -> Self {
        Self { slot, number }
    }

    /// Returns the slot.
    pub const fn slot(self) -> usize {
        self.slot
    }

    /// Returns the number.
    pub const fn number(self) -> u64 {
        self.number
    }
}

/// The armed alarms. Takes the memory of the most that were armed at once; alarms that have fired
/// or were cancelled leave nothing behind.
#[derive(Default)]
pub(super) struct Timers {
    slots: Vec<ArmedSlot>,
    /// The slots in use, as a binary heap: the first is due first.
    heap: Vec<usize>,
    free: Vec<usize>,
    /// The number of the last alarm.
    armed: u64,
}

struct ArmedSlot {
    due: Duration,
    number: u64,
    /// The index in the heap.
    place: usize,
    alarm: Option<Arc<dyn Alarm>>,
}

impl Timers {
    pub(super) fn arm(&mut self, due: Duration, alarm: Arc<dyn Alarm>) -> Timer {
        self.armed += 1;
        let slot = ArmedSlot {
            due,
            number: self.armed,
            place: self.heap.len(),
            alarm: Some(alarm),
        };
        let timer = Timer::new(self.free.pop().unwrap_or(self.slots.len()), slot.number);
        if timer.slot == self.slots.len() {
            self.slots.push(slot);
        } else {
            self.slots[timer.slot] = slot;
        }
        self.heap.push(timer.slot);
        self.rise(self.heap.len() - 1);
        timer
    }

    /// Takes an alarm out, which the caller drops without a lock.
    pub(super) fn cancel(&mut self, timer: Timer) -> Option<Arc<dyn Alarm>> {
        let slot = self.slots.get(timer.slot)?;
        if slot.number != timer.number || slot.alarm.is_none() {
            return None;
        }
        self.take(slot.place)
    }

    /// Returns when the next alarm is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.first().map(|&slot| self.slots[slot].due)
    }

    /// Takes the next alarm out if it is due by `now`, with its time. Of several for the same time,
    /// the one that was armed first.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Duration, Arc<dyn Alarm>)> {
        let due = self.next().filter(|due| *due <= now)?;
        self.take(0).map(|alarm| (due, alarm))
    }

    fn take(&mut self, place: usize) -> Option<Arc<dyn Alarm>> {
        let slot = self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.slots[self.heap[place]].place = place;
            let place = self.rise(place);
            self.sink(place);
        }
        self.free.push(slot);
        self.slots[slot].alarm.take()
    }

    fn before(&self, a: usize, b: usize) -> bool {
        let key = |place: usize| {
            let slot = &self.slots[self.heap[place]];
            (slot.due, slot.number)
        };
        key(a) < key(b)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.slots[self.heap[a]].place = a;
        self.slots[self.heap[b]].place = b;
    }

    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 && self.before(place, (place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        place
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let children = 2 * place + 1..self.heap.len().min(2 * place + 3);
            let Some(first) = children.reduce(|a, b| if self.before(b, a) { b } else { a }) else {
                return;
            };
            if !self.before(first, place) {
                return;
            }
            self.swap(place, first);
            place = first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    struct Silent;
    impl Alarm for Silent {
        fn fire(self: Arc<Self>) {}
    }

    #[derive(Clone, Debug)]
    enum Op {
        Arm(u64),
        Cancel(usize),
        Pop(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0..20u64).prop_map(Op::Arm),
            any::<usize>().prop_map(Op::Cancel),
            (0..20u64).prop_map(Op::Pop),
        ]
    }

    proptest! {
        #[test]
        fn the_heap_is_a_sorted_map_from_which_things_are_taken(
            ops in prop::collection::vec(op(), 1..200),
        ) {
            let mut timers = Timers::default();
            let mut model: BTreeMap<(Duration, u64), Timer> = BTreeMap::new();
            let mut all: Vec<(Duration, Timer)> = Vec::new();
            let mut most = 0;
            for op in ops {
                match op {
                    Op::Arm(due) => {
                        let due = Duration::from_nanos(due);
                        let timer = timers.arm(due, Arc::new(Silent));
                        model.insert((due, timer.number), timer);
                        all.push((due, timer));
                    }
                    Op::Cancel(which) if !all.is_empty() => {
                        let (due, timer) = all[which % all.len()];
                        let there = model.remove(&(due, timer.number)).is_some();
                        prop_assert_eq!(timers.cancel(timer).is_some(), there);
                    }
                    Op::Cancel(_) => {}
                    Op::Pop(now) => {
                        let now = Duration::from_nanos(now);
                        let first = model.keys().next().copied().filter(|(due, _)| *due <= now);
                        if let Some(first) = first {
                            model.remove(&first);
                        }
                        let popped = timers.pop(now).map(|(due, _)| due);
                        prop_assert_eq!(popped, first.map(|(due, _)| due));
                    }
                }
                most = most.max(model.len());
                prop_assert_eq!(timers.next(), model.keys().next().map(|(due, _)| *due));
                prop_assert_eq!(timers.heap.len(), model.len());
                prop_assert!(timers.slots.len() <= most, "nothing is left of what is over");
            }
        }
    }
}
