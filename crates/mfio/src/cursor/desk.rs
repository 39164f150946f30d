//! Who has a seekable cursor at the moment, and who waits for it.
//!
//! Invariants
//!
//! 1. Whoever takes the state has it alone, and puts it back: within the same poll, or at the end of a blocking call, also
//!    when unwinding. So whoever finds it gone is woken soon, by whoever puts it back, whether or not any other task is
//!    ever polled again.
//! 2. Operations are polled with the desk's own waker, so it does not matter which handle polled last: their end wakes every
//!    place that waits. A place is entered before the last look at the operation.
//! 3. A change of the state wakes every place that waits; a look that changed nothing wakes only those that found the state
//!    gone. So places that wait for one operation do not wake each other for ever.
//! 4. No code of others runs under the lock: wakers are cloned before it is taken, and woken and
//!    dropped after. They are woken by [`wake_all`], so one that panics keeps no other place from
//!    being woken, and unwinds nobody.

use super::state::State;
use crate::contain::{contained, wake_all};
use crate::lock::Lock;
use crate::slab::Slab;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::iter::{from_fn, once};
use core::task::{Context, Poll, Waker};

/// One of the two tasks that may use a handle at once, as `tokio::io::split` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Reader = 0,
    /// Seeks and flushes too.
    Writer = 1,
}

/// See the module.
pub(super) struct Desk(Lock<Inner>);

struct Inner {
    /// `None`: somebody has it, or all handles have gone.
    state: Option<Box<State>>,
    /// Where the state had its position when it was put back last.
    pos: u64,
    /// The two places of each handle, with what is in them.
    seats: Slab<[Option<Entry>; 2]>,
    /// The places that wait, by what they wait for: a look at them costs what there is to find,
    /// however many handles there are.
    waiting: [Slab<Waiting>; 2],
}

/// What a place waits for.
#[derive(Clone, Copy)]
enum For {
    /// It found the state gone.
    Turn = 0,
    /// It had the state, and waits for a change.
    Change = 1,
}

/// Where the waker of a place is kept.
#[derive(Clone, Copy)]
struct Entry {
    kind: For,
    number: usize,
}

struct Waiting {
    waker: Waker,
    place: (usize, Side),
}

/// The next number to look at, and the kinds of places that are looked at from there on.
struct Next {
    kinds: core::slice::Iter<'static, For>,
    kind: For,
    number: usize,
}

impl Next {
    /// Begins with the first place, of all that wait or of those that found the state gone.
    fn first(all: bool) -> Self {
        let others: &[For] = if all { &[For::Change] } else { &[] };
        Self {
            kinds: others.iter(),
            kind: For::Turn,
            number: 0,
        }
    }
}

impl Inner {
    /// Enters a place. Returns the waker that waited there before.
    fn enter(&mut self, place: (usize, Side), kind: For, waker: Waker) -> Option<Waker> {
        let before = self.leave(place);
        let number = self.waiting[kind as usize].insert(Waiting { waker, place });
        if let Some(places) = self.seats.get_mut(place.0) {
            places[place.1 as usize] = Some(Entry { kind, number });
        }
        before
    }

    /// Leaves a place. Returns the waker that waited there.
    fn leave(&mut self, (seat, side): (usize, Side)) -> Option<Waker> {
        let entry = self.seats.get_mut(seat)?[side as usize].take()?;
        let waiting = self.waiting[entry.kind as usize].remove(entry.number);
        waiting.map(|waiting| waiting.waker)
    }

    /// Takes the waker of the next place that waits.
    fn take_waiting(&mut self, next: &mut Next) -> Option<Waker> {
        loop {
            let waiting = &mut self.waiting[next.kind as usize];
            while next.number < waiting.bound() {
                next.number += 1;
                if let Some(Waiting { waker, place }) = waiting.remove(next.number - 1) {
                    if let Some(places) = self.seats.get_mut(place.0) {
                        places[place.1 as usize] = None;
                    }
                    return Some(waker);
                }
            }
            (next.kind, next.number) = (*next.kinds.next()?, 0);
        }
    }
}

impl Desk {
    pub(super) fn new(state: State) -> Arc<Self> {
        let inner = Inner {
            pos: state.pos,
            state: Some(Box::new(state)),
            seats: Slab::default(),
            waiting: Default::default(),
        };
        Arc::new(Self(Lock::new(inner)))
    }

    /// The position, but for what is being done at the moment.
    pub(super) fn pos(&self) -> u64 {
        self.0.lock().pos
    }

    /// The last handle has gone: drops the state, which lets its operations go. They hold the desk by their waker.
    pub(super) fn close(&self) {
        let state = self.0.lock().state.take();
        drop(state);
    }

    /// Takes the wakers of the places that wait, from `next` on: of each place once. The lock is
    /// not held in between.
    fn waiting_from(&self, mut next: Next) -> impl Iterator<Item = Waker> {
        from_fn(move || self.0.lock().take_waiting(&mut next))
    }

    /// Wakes all places that wait.
    fn wake_waiting(&self) {
        wake_all(self.waiting_from(Next::first(true)));
    }
}

/// An operation of the cursor has ended.
impl Wake for Desk {
    fn wake(self: Arc<Self>) {
        self.wake_waiting();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_waiting();
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("pos", &self.pos())
            .finish_non_exhaustive()
    }
}

/// A handle's right to take the state.
#[derive(Debug)]
pub(super) struct Seat {
    desk: Arc<Desk>,
    index: usize,
}

impl Seat {
    pub(super) fn new(desk: &Arc<Desk>) -> Self {
        Self {
            desk: desk.clone(),
            index: desk.0.lock().seats.insert([None; 2]),
        }
    }

    /// Takes the state, or enters the place to be woken when it is back.
    pub(super) fn poll_turn(&self, side: Side, cx: &Context<'_>) -> Poll<Turn<'_>> {
        let place = (self.index, side);
        let mut state = self.desk.0.lock().state.take();
        if state.is_none() {
            let mut waker = Some(cx.waker().clone());
            let mut inner = self.desk.0.lock();
            state = inner.state.take();
            if state.is_none() {
                waker = waker.and_then(|waker| inner.enter(place, For::Turn, waker));
            }
            drop(inner);
            drop(waker);
        }
        let turn = |state| Turn {
            desk: &self.desk,
            place,
            state: Some(state),
            changed: true,
        };
        state.map_or(Poll::Pending, |state| Poll::Ready(turn(state)))
    }

    /// [`poll_turn`](Self::poll_turn), waiting. It does not drive anything: who has the state drives what it waits for.
    #[cfg(feature = "std")]
    pub(super) fn turn_blocking(&self, side: Side) -> Turn<'_> {
        match self.poll_turn(side, &Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => turn,
            Poll::Pending => {
                crate::poller::block_on(core::future::poll_fn(|cx| self.poll_turn(side, cx)))
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.desk.0.lock();
        let wakers = [Side::Reader, Side::Writer].map(|side| inner.leave((self.index, side)));
        inner.seats.remove(self.index);
        drop(inner);
        drop(wakers);
    }
}

/// The state, taken. Puts it back when it is dropped.
pub(super) struct Turn<'a> {
    desk: &'a Desk,
    place: (usize, Side),
    state: Option<Box<State>>,
    changed: bool,
}

impl Turn<'_> {
    pub(super) fn state(&mut self) -> &mut State {
        self.state
            .as_mut()
            .expect("it is put back by the drop only")
    }

    /// Enters the place, to be woken at the next change.
    pub(super) fn wait(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let before = self.desk.0.lock().enter(self.place, For::Change, waker);
        drop(before);
    }

    /// Puts the state back as it was, and goes on waiting.
    pub(super) fn unchanged(mut self) {
        self.changed = false;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let (mut next, mut mine) = (Next::first(self.changed), None);
        let mut inner = self.desk.0.lock();
        if let Some(state) = self.state.take() {
            inner.pos = state.pos;
            inner.state = Some(state);
        }
        if self.changed {
            mine = inner.leave(self.place);
        }
        let first = inner.take_waiting(&mut next);
        drop(inner);
        if let Some(first) = first {
            wake_all(once(first).chain(self.desk.waiting_from(next)));
        }
        if mine.is_some() {
            contained(|| drop(mine));
        }
    }
}
