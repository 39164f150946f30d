//! [`Gate`]: the [`Order`] of writes, behind a word that suffices while one write at a time is in
//! flight.
//!
//! Invariants:
//! 1. The word is FREE where no write is under way, the range of a write where that is the only
//!    one, and TABLE where all writes under way are in the order. A write that the word stands for
//!    is not in the order, and has the number SOLO.
//! 2. The word becomes TABLE, and FREE after that, only under the lock of the order. The thread
//!    that makes it TABLE enters the write that it stood for into the order, under the same lock.
//!
//! So a write that is alone costs two read-modify-writes of the word, half as many as two locks.

use crate::order::{Number, Order};
use crate::steps::{OnPanic, Steps};
use core::sync::atomic::{AtomicUsize, Ordering};
use mfio::lock::{Lock, LockGuard};

const FREE: usize = 0;
const TABLE: usize = 1;
/// A bit of words that are ranges.
const RANGE: usize = 2;

/// The number of a write that is not in the order.
const SOLO: Number = Number::MAX - 1;

/// The bits of a word for a range, and those of them for its length: with 64 bits up to 1 MiB
/// within 4 TiB.
const BITS: u32 = usize::BITS - 2;
const LEN_BITS: u32 = BITS / 3;

/// The order of writes; see the module.
pub(crate) struct Gate<W> {
    word: AtomicUsize,
    order: Lock<Order<W>>,
}

impl<W> Gate<W> {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicUsize::new(FREE),
            order: Lock::new(Order::new()),
        }
    }

    /// Locks the order, to look at it, or to use a number that it gave.
    pub(crate) fn order(&self) -> LockGuard<'_, Order<W>> {
        self.order.lock()
    }

    /// Enters a write of the bytes from `first` to `last`, and returns its number, if no other one
    /// is under way.
    #[inline]
    pub(crate) fn alone(&self, first: u64, last: u64) -> Option<Number> {
        let word = pack(first, last)?;
        let free = self.word.load(Ordering::Relaxed) == FREE;
        // Acquire: pairs with the end of the write before.
        let taken = free && self.replace(FREE, word).is_ok();
        taken.then_some(SOLO)
    }

    /// Locks the order for a write that is not alone, which the caller enters.
    pub(crate) fn enter(&self) -> LockGuard<'_, Order<W>> {
        let mut order = self.order.lock();
        let mut word = self.word.load(Ordering::Relaxed);
        while word != TABLE {
            match self.replace(word, TABLE) {
                Ok(()) => {
                    if let Some((first, last)) = unpack(word) {
                        order.enter_solo(first, last);
                    }
                    break;
                }
                Err(now) => word = now,
            }
        }
        order
    }

    /// Takes out a write that has ended. Returns whether the caller is to send the writes that are
    /// ready, as no loop does.
    #[inline]
    #[must_use]
    pub(crate) fn finish(&self, number: Number) -> bool {
        if number == SOLO {
            // Its own range, or TABLE since another write has come.
            let word = self.word.load(Ordering::Relaxed);
            if word != TABLE && self.replace(word, FREE).is_ok() {
                return false;
            }
        }
        self.finish_in_order(number)
    }

    #[inline(never)]
    fn finish_in_order(&self, number: Number) -> bool {
        let mut order = self.order.lock();
        let number = match number {
            SOLO => order.solo(),
            number => number,
        };
        let starts = order.finish(number);
        if order.is_empty() {
            self.word.store(FREE, Ordering::Release);
        }
        starts
    }

    /// Passes the writes that are ready to `send`, each with its number, and without the write
    /// itself where the layer is dropped. One loop at a time does so: a write that ends within it
    /// leaves the next ones to it, so that calls do not nest.
    pub(crate) fn start_ready(&self, mut send: impl FnMut(Number, Option<W>)) {
        if !self.order().begin_starting() {
            return;
        }
        let left = OnPanic(|| while self.give_up_next() {});
        let mut steps = Steps::default();
        loop {
            // Takes the lock for this line only.
            let next = self.order().next();
            let Some((number, write)) = next else {
                break;
            };
            steps.run(|| send(number, write));
        }
        core::mem::forget(left);
        steps.over();
    }

    fn give_up_next(&self) -> bool {
        // Takes the lock for this line only.
        let next = self.order().next();
        let found = next.is_some();
        if let Some((number, write)) = next {
            self.give_up(number, write);
        }
        found
    }

    /// Drops a write that is not sent, within the loop that sends the writes that become ready by
    /// that.
    pub(crate) fn give_up(&self, number: Number, write: Option<W>) {
        let starts = self.finish(number);
        debug_assert!(!starts, "this is the loop");
        drop(write);
    }

    #[inline]
    fn replace(&self, old: usize, new: usize) -> Result<(), usize> {
        let replaced = self
            .word
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
        replaced.map(drop)
    }
}

/// Packs a range into a word, where it fits.
#[inline]
fn pack(first: u64, last: u64) -> Option<usize> {
    let more = last - first;
    let fits = more >> LEN_BITS == 0 && first >> (BITS - LEN_BITS) == 0;
    // The shifted number has as many bits as a word.
    fits.then_some(((first << LEN_BITS | more) as usize) << 2 | RANGE)
}

fn unpack(word: usize) -> Option<(u64, u64)> {
    let range = (word >> 2) as u64;
    let (first, more) = (range >> LEN_BITS, range & ((1 << LEN_BITS) - 1));
    (word & RANGE != 0).then_some((first, first + more))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Entry;

    #[test]
    fn ranges_fit_into_words_or_do_not() {
        let longest = (1 << LEN_BITS) - 1;
        let farthest = (1 << (BITS - LEN_BITS)) - 1;
        for range in [(0, 0), (5, 9), (0, longest), (farthest, farthest + longest)] {
            let word = pack(range.0, range.1).unwrap();
            assert_eq!(unpack(word), Some(range));
            assert!(word != FREE && word != TABLE);
        }
        assert_eq!(pack(0, longest + 1), None);
        assert_eq!(pack(farthest + 1, farthest + 1), None);
        assert_eq!(pack(0, u64::MAX), None);
        assert_eq!((unpack(FREE), unpack(TABLE)), (None, None));
    }

    #[test]
    fn a_write_that_was_alone_is_waited_for() {
        let gate = Gate::<()>::new();
        let solo = gate.alone(4, 7).unwrap();
        assert_eq!(gate.alone(8, 9), None);
        let mut order = gate.enter();
        let Entry::Begins(beside) = order.enter(8, 9) else {
            panic!("they do not overlap");
        };
        let Entry::Waits(behind) = order.enter(7, 7) else {
            panic!("it overlaps the first");
        };
        drop(order);
        assert!(!gate.finish(beside));
        assert!(gate.finish(solo), "one is ready");
        assert_eq!(gate.alone(0, 0), None, "all are in the order");
        assert!(gate.order().begin_starting());
        assert_eq!(gate.order().next(), Some((behind, None)));
        assert!(!gate.finish(behind));
        assert_eq!(gate.order().next(), None);
        assert!(gate.alone(0, 0).is_some_and(|alone| !gate.finish(alone)));
    }
}
