//! The state word of a packet: who may touch what, in one atomic.
//!
//! ```text
//!  63 …  7 |    6     |   5   |    4   |     3     |   2   |   1   |    0
//!   COUNT  | SEGMENTS | RELAY | FAILED | ABANDONED | EXTRA | WAKER | SENDING
//! ```
//!
//! * COUNT: views that have not ended. 0: the packet has ended and belongs to the initiator alone.
//! * SENDING: no waker is registered yet; who ends the last view wakes nobody.
//! * WAKER: the waker slot is filled and belongs to the side of the views.
//! * EXTRA: a later waker lies in the side slot, under the lock there.
//! * ABANDONED: the initiator has gone; who ends the last view frees the block.
//! * FAILED: some range failed; the record lies beside the side slot.
//! * RELAY: nobody waits; who ends the last view hands the block to the layer that made it. Set at the start.
//! * SEGMENTS: who ends a view says so beside the side slot, before the view is gone. Set at the start.
//!
//! Every transition after the start is a read-modify-write of this word, so each continues the release sequence of those
//! before it: who sees COUNT = 0, or is the last view, has seen all that was done with the other views.

use crate::sync::atomic::{AtomicUsize, Ordering};

const SENDING: usize = 1;
const WAKER: usize = 1 << 1;
const EXTRA: usize = 1 << 2;
const ABANDONED: usize = 1 << 3;
const FAILED: usize = 1 << 4;
const RELAY: usize = 1 << 5;
const SEGMENTS: usize = 1 << 6;
const ONE: usize = 1 << 7;
/// As many views at once as can never be reached without forgetting them; half of the range, so that threads that race
/// past it cannot overflow the word before they notice.
const MOST: usize = usize::MAX / 2;

/// A value of the state word.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(super) struct Word(usize);

impl Word {
    /// No view is left.
    pub(super) fn ended(self) -> bool {
        self.0 < ONE
    }

    /// One view is left.
    pub(super) fn last(self) -> bool {
        self.0 & !(ONE - 1) == ONE
    }

    pub(super) fn sending(self) -> bool {
        self.0 & SENDING != 0
    }

    pub(super) fn waker(self) -> bool {
        self.0 & WAKER != 0
    }

    pub(super) fn extra(self) -> bool {
        self.0 & EXTRA != 0
    }

    pub(super) fn abandoned(self) -> bool {
        self.0 & ABANDONED != 0
    }

    pub(super) fn failed(self) -> bool {
        self.0 & FAILED != 0
    }

    pub(super) fn relay(self) -> bool {
        self.0 & RELAY != 0
    }

    pub(super) fn segments(self) -> bool {
        self.0 & SEGMENTS != 0
    }

    fn with_failure(self, failed: bool) -> usize {
        if failed { self.0 | FAILED } else { self.0 }
    }
}

/// The word itself.
#[derive(Debug)]
pub(super) struct State(AtomicUsize);

impl State {
    /// Ended, nothing registered: an idle packet.
    pub(super) fn idle() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// One view, being sent. Only for who has the packet alone; the view carries this to other threads.
    pub(super) fn start(&self) {
        self.0.store(ONE | SENDING, Ordering::Relaxed);
    }

    /// As [`start`](Self::start), with any number of views, and with SEGMENTS where the initiator wants to hear of each.
    ///
    /// # Panics
    /// Where there are more views than can be counted.
    pub(super) fn start_many(&self, views: usize, segments: bool) {
        let flags = if segments {
            SENDING | SEGMENTS
        } else {
            SENDING
        };
        self.0.store(Self::units(views) | flags, Ordering::Relaxed);
    }

    /// As [`start`](Self::start), with any number of views and without an initiator: the last view to end has the block.
    ///
    /// # Panics
    /// Where there are more views than can be counted, or none, as nobody would ever hear of the end.
    pub(super) fn start_relay(&self, views: usize) {
        assert!(views != 0, "a relay without views would never end");
        self.0.store(Self::units(views) | RELAY, Ordering::Relaxed);
    }

    /// Says that something failed. Only for who has just started the packet, and has not sent its
    /// views. Relaxed: the views carry it to other threads.
    pub(super) fn set_failed(&self) {
        self.0.fetch_or(FAILED, Ordering::Relaxed);
    }

    /// How many views can be counted.
    pub(super) const MOST_VIEWS: usize = MOST / ONE - 1;

    /// Whether so many views can be counted.
    pub(super) fn counts(views: usize) -> bool {
        views < MOST / ONE
    }

    fn units(views: usize) -> usize {
        assert!(Self::counts(views), "{views} views of one packet");
        views * ONE
    }

    /// Acquire: pairs with [`leave`](Self::leave), [`finish`](Self::finish), [`arm`](Self::arm) and
    /// [`abandon`](Self::abandon).
    pub(super) fn load(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }

    /// The word without synchronisation: a hint.
    pub(super) fn hint(&self) -> Word {
        Word(self.0.load(Ordering::Relaxed))
    }

    /// So many views more. Only for who holds a view, so that COUNT is not 0. Says whether there was room.
    ///
    /// Relaxed, as in cloning an `Arc`: the view at hand keeps COUNT above 0, and the new one carries what it needs.
    #[must_use]
    pub(super) fn reserve(&self, views: usize) -> bool {
        if self.0.fetch_add(views * ONE, Ordering::Relaxed) < MOST {
            return true;
        }
        self.give_back(views);
        false
    }

    /// Takes back what was reserved for views that were not made. Only for who holds another view. Relaxed: no view has gone.
    pub(super) fn give_back(&self, views: usize) {
        self.0.fetch_sub(views * ONE, Ordering::Relaxed);
    }

    /// One view less, others stay. Release: what was done with the view is seen by who sees it gone.
    pub(super) fn leave(&self, seen: Word, failed: bool) -> Result<(), Word> {
        let next = seen.with_failure(failed) - ONE;
        self.0
            .compare_exchange_weak(seen.0, next, Ordering::Release, Ordering::Acquire)
            .map(drop)
            .map_err(Word)
    }

    /// The last view ends: the packet is the initiator's from here on. Only with `seen.last()`, neither EXTRA nor
    /// ABANDONED, and the waker slot emptied where WAKER is set. Release: as in [`leave`](Self::leave), and the slot.
    pub(super) fn finish(&self, seen: Word, failed: bool) -> Result<(), Word> {
        let next = (seen.with_failure(failed) - ONE) & !WAKER;
        self.0
            .compare_exchange(seen.0, next, Ordering::Release, Ordering::Acquire)
            .map(drop)
            .map_err(Word)
    }

    /// Hands the filled waker slot over: SENDING becomes WAKER. Returns the word before; where it had ended, the slot is
    /// the initiator's still. Release: the slot. Acquire: all that the views did, where it had ended.
    pub(super) fn arm(&self) -> Word {
        Word(self.0.fetch_xor(SENDING | WAKER, Ordering::AcqRel))
    }

    /// Says that the side slot was filled. Returns the word before. Orderings as in [`arm`](Self::arm).
    pub(super) fn set_extra(&self) -> Word {
        Word(self.0.fetch_or(EXTRA, Ordering::AcqRel))
    }

    /// Says that the side slot will be emptied; it must be emptied after this, not before. Returns the word after.
    pub(super) fn clear_extra(&self) -> Word {
        Word(self.0.fetch_and(!EXTRA, Ordering::AcqRel) & !EXTRA)
    }

    /// The initiator goes. Returns the word before; where it had ended, the block is the initiator's to free.
    /// Release: all that the initiator did to the block happens before it is freed by the last view.
    pub(super) fn abandon(&self) -> Word {
        Word(self.0.fetch_or(ABANDONED, Ordering::AcqRel))
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_what_was_done_to_it() {
        let state = State::idle();
        assert!(state.load().ended());
        state.start();
        let word = state.load();
        assert!(word.last() && word.sending() && !word.ended());
        assert!(state.reserve(1));
        let word = state.load();
        assert!(!word.last() && !word.ended());
        while state.leave(state.load(), true).is_err() {}
        assert!(state.load().last() && state.load().failed());
        assert!(state.arm().sending());
        let word = state.load();
        assert!(word.waker() && !word.sending());
        let _ = state.set_extra();
        assert!(state.load().extra());
        assert!(!state.clear_extra().extra());
        assert!(state.finish(state.load(), false).is_ok());
        let word = state.load();
        assert!(word.ended() && word.failed() && !word.waker() && !word.abandoned());
        assert!(state.abandon().ended());
        assert!(state.load().abandoned() && state.hint().abandoned());
    }

    #[test]
    fn flags_of_the_start_stay() {
        let state = State::idle();
        state.start_many(2, true);
        while state.leave(state.load(), false).is_err() {}
        let word = state.load();
        assert!(word.last() && word.segments() && word.sending() && !word.relay());
        state.start_relay(1);
        let word = state.load();
        assert!(word.last() && word.relay() && !word.segments() && !word.sending());
        state.start_many(0, false);
        assert!(state.load().ended());
    }

    #[test]
    fn hazard_count_of_forgotten_views_cannot_overflow() {
        let state = State(AtomicUsize::new(MOST - ONE));
        assert!(state.reserve(1));
        for _ in 0..3 {
            assert!(!state.reserve(1), "refused, again and again");
        }
    }
}
