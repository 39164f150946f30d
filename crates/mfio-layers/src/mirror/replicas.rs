//! The choice of the replica to read from, and the marks of stale ones.
//!
//! Invariant: one replica at least is not stale. Only [`Replicas::mark`] sets marks. It looks at
//! all of them in one read-modify-write, so of two writes that together would mark every replica,
//! the second one fails.

use core::fmt;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// Upper bound on the replicas of a [`Mirror`](super::Mirror).
#[doc(alias = "MOST_REPLICAS")]
pub const MAX_REPLICAS: usize = 32;

/// Whether requests of one direction must follow each other: an answer of the objects that is kept.
pub(super) struct InOrder(AtomicU8);

const UNKNOWN: u8 = 0;
const ANY_ORDER: u8 = 1;
const IN_ORDER: u8 = 2;

impl InOrder {
    pub(super) const fn new() -> Self {
        Self(AtomicU8::new(UNKNOWN))
    }

    /// Returns the answer, and asks where it is not known. Threads that race may ask twice, and get
    /// the same answer.
    #[inline]
    pub(super) fn get(&self, ask: impl FnOnce() -> bool) -> bool {
        match self.0.load(Ordering::Relaxed) {
            UNKNOWN => {
                let in_order = ask();
                let known = if in_order { IN_ORDER } else { ANY_ORDER };
                self.0.store(known, Ordering::Relaxed);
                in_order
            }
            known => known == IN_ORDER,
        }
    }
}

/// A set of replicas, one bit for each.
pub(super) type Mask = u32;

pub(super) struct Replicas {
    number: usize,
    /// The replica that is read from next.
    next: AtomicUsize,
    stale: AtomicU32,
}

impl Replicas {
    pub(super) fn new(number: usize) -> Option<Self> {
        (1..=MAX_REPLICAS).contains(&number).then(|| Self {
            number,
            next: AtomicUsize::new(0),
            stale: AtomicU32::new(0),
        })
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Returns the replica to read from, one that is not stale, in turn. Threads that race may get
    /// the same one.
    #[inline]
    pub(super) fn next(&self) -> usize {
        let replica = self.next.load(Ordering::Relaxed);
        let behind = if replica + 1 < self.number {
            replica + 1
        } else {
            0
        };
        self.next.store(behind, Ordering::Relaxed);
        if self.is_stale(replica) {
            self.after(replica, self.number - 1)
                .map_or(replica, |(fresh, _)| fresh)
        } else {
            replica
        }
    }

    /// Returns the first replica that is not stale.
    pub(super) fn first(&self) -> usize {
        self.fresh().next().unwrap_or(0)
    }

    /// Returns the replica to ask after `replica`, where `left` are left to be asked, and how many
    /// are left then. `None` where all of those are stale.
    #[cold]
    pub(super) fn after(&self, replica: usize, left: usize) -> Option<(usize, usize)> {
        (1..=left)
            .map(|step| ((replica + step) % self.number, left - step))
            .find(|(next, _)| !self.is_stale(*next))
    }

    /// Whether a replica is stale. Acquire: pairs with the marks, so that the bytes of the write
    /// that marked it are seen.
    #[inline]
    pub(super) fn is_stale(&self, replica: usize) -> bool {
        replica < self.number && self.stale.load(Ordering::Acquire) >> replica & 1 == 1
    }

    /// Returns the replicas that are not stale as of one moment, at least one.
    pub(super) fn fresh(&self) -> impl Iterator<Item = usize> {
        let fresh = self.fresh_mask();
        (0..self.number).filter(move |replica| fresh >> replica & 1 == 1)
    }

    /// Returns the set of those replicas.
    pub(super) fn fresh_mask(&self) -> Mask {
        self.all() & !self.stale.load(Ordering::Acquire)
    }

    fn all(&self) -> Mask {
        Mask::MAX >> (MAX_REPLICAS - self.number)
    }

    /// Marks the replicas that failed a write, if another one that is not stale has the range.
    /// Returns the replicas that have it and are not stale; where there are none, nothing is
    /// marked.
    pub(super) fn mark(&self, failed: Mask) -> Mask {
        let good = |stale: Mask| self.all() & !stale & !failed;
        let marked = self
            .stale
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |stale| {
                (good(stale) != 0).then_some(stale | failed)
            });
        marked.map_or(0, good)
    }

    pub(super) fn mark_one(&self, replica: usize) -> bool {
        replica < self.number && self.mark(1 << replica) != 0
    }

    pub(super) fn clear(&self, replica: usize) {
        if replica < self.number {
            self.stale.fetch_and(!(1 << replica), Ordering::AcqRel);
        }
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stale = (0..self.number).filter(|&replica| self.is_stale(replica));
        f.debug_list().entries(stale).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replica_is_read_round_robin_but_stale_ones() {
        let replicas = Replicas::new(3).unwrap();
        let turns = |n| (0..n).map(|_| replicas.next()).collect::<Vec<_>>();
        assert_eq!(turns(4), [0, 1, 2, 0]);
        assert!(replicas.mark_one(1));
        assert_eq!(turns(3), [2, 2, 0]);
        assert_eq!(replicas.first(), 0);
        assert_eq!(replicas.after(0, 2), Some((2, 0)));
        assert!(replicas.fresh().eq([0, 2]));
        assert_eq!(replicas.after(2, 1), Some((0, 0)));
        assert_eq!(replicas.after(0, 1), None);
    }

    #[test]
    fn the_last_one_is_never_stale() {
        let replicas = Replicas::new(2).unwrap();
        assert_eq!(replicas.mark(0b01), 0b10);
        assert_eq!(replicas.mark(0b10), 0, "only a stale one has it");
        assert!(!replicas.mark_one(1));
        assert!(replicas.is_stale(0) && !replicas.is_stale(1));
        replicas.clear(0);
        assert_eq!(replicas.mark(0b11), 0, "nobody has it");
        assert!(!replicas.is_stale(0) && !replicas.is_stale(1));
        let many = Replicas::new(32).unwrap();
        assert_eq!(many.mark(1), !1);
        assert!(Replicas::new(33).is_none() && Replicas::new(0).is_none());
    }
}
