//! The state word of a packet: one atomic that says which side may touch which part of the block.
//!
//! ```text
//!  63 …  7 |    6     |   5   |    4   |     3     |      2      |   1   |      0
//!   COUNT  | SEGMENTS | RELAY | FAILED | ABANDONED | LATER_WAKER | WAKER | NO_WAKER_YET
//! ```
//!
//! * COUNT: number of views that have not ended. 0: the packet has ended and belongs to the
//!   initiator alone.
//! * NO_WAKER_YET: no waker is registered; the end of the last view wakes nothing.
//! * WAKER: the waker slot is filled and belongs to the views.
//! * LATER_WAKER: a waker that was registered later is in [`Side`](super::header::Side), under its
//!   lock.
//! * ABANDONED: the initiator is gone; the end of the last view frees the block.
//! * FAILED: some range failed; the record is in `Side`.
//! * RELAY: there is no initiator; the end of the last view passes the block to the layer that made
//!   it. Set at the start.
//! * SEGMENTS: the end of each view is recorded in `Side`, before the view is gone. Set at the
//!   start.
//!
//! Every transition after the start is a read-modify-write of this word, so each continues the
//! release sequence of those before it: a thread that sees COUNT = 0, or has the last view, sees
//! everything that was done with the other views.

use crate::sync::atomic::{AtomicUsize, Ordering};

const NO_WAKER_YET: usize = 1;
const WAKER: usize = 1 << 1;
const LATER_WAKER: usize = 1 << 2;
const ABANDONED: usize = 1 << 3;
const FAILED: usize = 1 << 4;
const RELAY: usize = 1 << 5;
const SEGMENTS: usize = 1 << 6;
const ONE: usize = 1 << 7;
/// Upper bound of the word; only `mem::forget` of views can reach it. Half of the range, so that
/// threads that race past it cannot overflow the word before they notice.
const MAX: usize = usize::MAX / 2;

/// A value of the state word.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(super) struct Word(usize);

impl Word {
    /// Returns whether no view is left.
    pub(super) fn ended(self) -> bool {
        self.0 < ONE
    }

    /// Returns whether one view is left.
    pub(super) fn last(self) -> bool {
        self.0 & !(ONE - 1) == ONE
    }

    pub(super) fn no_waker_yet(self) -> bool {
        self.0 & NO_WAKER_YET != 0
    }

    pub(super) fn waker(self) -> bool {
        self.0 & WAKER != 0
    }

    pub(super) fn later_waker(self) -> bool {
        self.0 & LATER_WAKER != 0
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

    /// Starts with one view. The caller has the packet alone. Relaxed: the view carries this to
    /// other threads.
    pub(super) fn start(&self) {
        self.0.store(ONE | NO_WAKER_YET, Ordering::Relaxed);
    }

    /// As [`start`](Self::start), with any number of views, and with SEGMENTS if the initiator asks
    /// for them.
    ///
    /// # Panics
    /// If there are more views than can be counted.
    pub(super) fn start_many(&self, views: usize, segments: bool) {
        let flags = if segments {
            NO_WAKER_YET | SEGMENTS
        } else {
            NO_WAKER_YET
        };
        self.0.store(Self::units(views) | flags, Ordering::Relaxed);
    }

    /// As [`start`](Self::start), with any number of views and without an initiator: the last view
    /// has the block.
    ///
    /// # Panics
    /// If there are more views than can be counted; if there are none, as the relay would never
    /// end.
    pub(super) fn start_relay(&self, views: usize) {
        assert!(views != 0, "a relay without views would never end");
        self.0.store(Self::units(views) | RELAY, Ordering::Relaxed);
    }

    /// Sets FAILED. The caller has just started the packet, and has all its views. Relaxed: the
    /// views carry it to other threads.
    pub(super) fn set_failed(&self) {
        self.0.fetch_or(FAILED, Ordering::Relaxed);
    }

    /// Upper bound of the number of views.
    pub(super) const MAX_VIEWS: usize = MAX / ONE - 1;

    /// Returns whether that many views can be counted.
    pub(super) fn counts(views: usize) -> bool {
        views < MAX / ONE
    }

    fn units(views: usize) -> usize {
        assert!(Self::counts(views), "{views} views of one packet");
        views * ONE
    }

    /// Loads the word. Acquire: pairs with [`leave`](Self::leave), [`finish`](Self::finish),
    /// [`arm`](Self::arm) and [`abandon`](Self::abandon).
    pub(super) fn load(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }

    /// Loads the word without synchronisation: a hint.
    pub(super) fn hint(&self) -> Word {
        Word(self.0.load(Ordering::Relaxed))
    }

    /// Counts more views. Returns whether there was room. The caller has a view, so COUNT is not 0.
    ///
    /// Relaxed, as in cloning an `Arc`: the caller's view keeps COUNT above 0, and carries
    /// everything to the new one.
    #[must_use]
    pub(super) fn reserve(&self, views: usize) -> bool {
        if self.0.fetch_add(views * ONE, Ordering::Relaxed) < MAX {
            return true;
        }
        self.give_back(views);
        false
    }

    /// Takes back [reserved](Self::reserve) views that were not made. The caller has another view.
    /// Relaxed: no view ended.
    pub(super) fn give_back(&self, views: usize) {
        self.0.fetch_sub(views * ONE, Ordering::Relaxed);
    }

    /// Ends a view that is not the last. Release: everything done with the view happens before its
    /// end is seen.
    pub(super) fn leave(&self, seen: Word, failed: bool) -> Result<(), Word> {
        let next = seen.with_failure(failed) - ONE;
        self.0
            .compare_exchange_weak(seen.0, next, Ordering::Release, Ordering::Acquire)
            .map(drop)
            .map_err(Word)
    }

    /// Ends the last view: the packet is the initiator's from here on. `seen` has one view, neither
    /// LATER_WAKER nor ABANDONED, and if it has WAKER, the slot was emptied. Release: as in
    /// [`leave`](Self::leave), and the slot.
    pub(super) fn finish(&self, seen: Word, failed: bool) -> Result<(), Word> {
        let next = (seen.with_failure(failed) - ONE) & !WAKER;
        self.0
            .compare_exchange(seen.0, next, Ordering::Release, Ordering::Acquire)
            .map(drop)
            .map_err(Word)
    }

    /// Passes the filled waker slot to the views: NO_WAKER_YET becomes WAKER. Returns the word
    /// before; if it had ended, the slot is still the initiator's. Release: the slot. Acquire: all
    /// that the views did, if it had ended.
    pub(super) fn arm(&self) -> Word {
        Word(self.0.fetch_xor(NO_WAKER_YET | WAKER, Ordering::AcqRel))
    }

    /// Sets LATER_WAKER, after the waker was stored. Returns the word before. Orderings as in
    /// [`arm`](Self::arm).
    pub(super) fn set_later_waker(&self) -> Word {
        Word(self.0.fetch_or(LATER_WAKER, Ordering::AcqRel))
    }

    /// Clears LATER_WAKER, before the waker is taken, not after. Returns the word after.
    pub(super) fn clear_later_waker(&self) -> Word {
        Word(self.0.fetch_and(!LATER_WAKER, Ordering::AcqRel) & !LATER_WAKER)
    }

    /// Sets ABANDONED. Returns the word before; if it had ended, the initiator frees the block.
    /// Release: everything that the initiator did to the block happens before the last view frees
    /// it.
    pub(super) fn abandon(&self) -> Word {
        Word(self.0.fetch_or(ABANDONED, Ordering::AcqRel))
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_word_reports_the_transitions_made() {
        let state = State::idle();
        assert!(state.load().ended());
        state.start();
        let word = state.load();
        assert!(word.last() && word.no_waker_yet() && !word.ended());
        assert!(state.reserve(1));
        let word = state.load();
        assert!(!word.last() && !word.ended());
        while state.leave(state.load(), true).is_err() {}
        assert!(state.load().last() && state.load().failed());
        assert!(state.arm().no_waker_yet());
        let word = state.load();
        assert!(word.waker() && !word.no_waker_yet());
        let _ = state.set_later_waker();
        assert!(state.load().later_waker());
        assert!(!state.clear_later_waker().later_waker());
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
        assert!(word.last() && word.segments() && word.no_waker_yet() && !word.relay());
        state.start_relay(1);
        let word = state.load();
        assert!(word.last() && word.relay() && !word.segments() && !word.no_waker_yet());
        state.start_many(0, false);
        assert!(state.load().ended());
    }

    #[test]
    fn hazard_count_of_forgotten_views_cannot_overflow() {
        let state = State(AtomicUsize::new(MAX - ONE));
        assert!(state.reserve(1));
        for _ in 0..3 {
            assert!(!state.reserve(1), "refused, again and again");
        }
    }
}
