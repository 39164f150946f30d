//! Who is read from next, and who is not.
//!
//! Invariant: a replica is not stale. Bits are set only by [`Replicas::mark`], which looks at all of them in one
//! read-modify-write; so of two writes that would leave nobody, the second one finds that it has failed.

use core::fmt;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// How many replicas a mirror has at most.
#[doc(alias = "MOST_REPLICAS")]
pub const MAX_REPLICAS: usize = 32;

/// Whether requests of one direction must follow each other. The objects are asked once.
pub(super) struct InOrder(AtomicU8);

const UNKNOWN: u8 = 0;
const ANY_ORDER: u8 = 1;
const IN_ORDER: u8 = 2;

impl InOrder {
    pub(super) const fn new() -> Self {
        Self(AtomicU8::new(UNKNOWN))
    }

    /// Threads that race may ask twice, and are told the same.
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

/// Replicas as bits.
pub(super) type Mask = u32;

pub(super) struct Replicas {
    number: usize,
    /// Who is read from next.
    turn: AtomicUsize,
    stale: AtomicU32,
}

impl Replicas {
    pub(super) fn new(number: usize) -> Option<Self> {
        (1..=MAX_REPLICAS).contains(&number).then(|| Self {
            number,
            turn: AtomicUsize::new(0),
            stale: AtomicU32::new(0),
        })
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Who is asked next: one that is not stale. Threads that race may ask the same one.
    #[inline]
    pub(super) fn choose(&self) -> usize {
        let turn = self.turn.load(Ordering::Relaxed);
        let next = if turn + 1 < self.number { turn + 1 } else { 0 };
        self.turn.store(next, Ordering::Relaxed);
        if self.is_stale(turn) {
            self.after(turn, self.number - 1)
                .map_or(turn, |(replica, _)| replica)
        } else {
            turn
        }
    }

    /// The first that is not stale.
    pub(super) fn first(&self) -> usize {
        self.fresh().next().unwrap_or(0)
    }

    /// Who is asked after `replica`, where `left` are left to be asked, and how many are left then.
    #[cold]
    pub(super) fn after(&self, replica: usize, left: usize) -> Option<(usize, usize)> {
        (1..=left)
            .map(|step| ((replica + step) % self.number, left - step))
            .find(|(next, _)| !self.is_stale(*next))
    }

    /// Acquire: with who has marked it.
    #[inline]
    pub(super) fn is_stale(&self, replica: usize) -> bool {
        replica < self.number && self.stale.load(Ordering::Acquire) >> replica & 1 == 1
    }

    /// Who is not stale, all of them as of one moment: somebody.
    pub(super) fn fresh(&self) -> impl Iterator<Item = usize> {
        let stale = self.stale.load(Ordering::Acquire);
        (0..self.number).filter(move |replica| stale >> replica & 1 == 0)
    }

    /// A write of a range has ended, and these replicas have failed it. Those of them become stale, if one that is not
    /// has the range. Returns which of the others are not stale: if there are none, nobody has the range.
    pub(super) fn mark(&self, failed: Mask) -> Mask {
        let all = Mask::MAX >> (MAX_REPLICAS - self.number);
        let good = |stale: Mask| all & !stale & !failed;
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
    fn everybody_has_a_turn_but_the_stale() {
        let replicas = Replicas::new(3).unwrap();
        let turns = |n| (0..n).map(|_| replicas.choose()).collect::<Vec<_>>();
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
