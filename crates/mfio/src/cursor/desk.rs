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
//! 4. No code of others runs under the lock: wakers are cloned before it is taken, and woken and dropped after.

use super::state::State;
use crate::lock::Lock;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::fmt;
use core::mem::{replace, take};
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
    seats: Vec<Places>,
}

/// The places of a handle. A seat that is given up is used again.
#[derive(Default)]
struct Places {
    used: bool,
    waiting: [Option<Waiting>; 2],
}

struct Waiting {
    waker: Waker,
    /// Whether it found the state gone.
    for_turn: bool,
}

impl Inner {
    fn place(&mut self, (seat, side): (usize, Side)) -> &mut Option<Waiting> {
        &mut self.seats[seat].waiting[side as usize]
    }

    /// The next place, counted by `next`, that waits for something of the kind.
    fn take_waiting(&mut self, next: &mut usize, all: bool) -> Option<Waiting> {
        loop {
            let place = self.seats.get_mut(*next / 2)?;
            let waiting = place.waiting[*next % 2].take_if(|w| all || w.for_turn);
            *next += 1;
            if waiting.is_some() {
                return waiting;
            }
        }
    }
}

impl Desk {
    pub(super) fn new(state: State) -> Arc<Self> {
        let inner = Inner {
            pos: state.pos,
            state: Some(Box::new(state)),
            seats: Vec::new(),
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

    /// Wakes whom it may concern, from the place `next` on; each at most once, those that come anew meanwhile too.
    fn wake_from(&self, mut next: usize, all: bool) {
        loop {
            let waiting = self.0.lock().take_waiting(&mut next, all);
            let Some(waiting) = waiting else {
                return;
            };
            waiting.wake(self, next, all);
        }
    }
}

impl Waiting {
    /// Wakes this one; should its waker panic, the others from `next` on too.
    fn wake(self, desk: &Desk, next: usize, all: bool) {
        struct Rest<'a>(&'a Desk, usize, bool);
        impl Drop for Rest<'_> {
            fn drop(&mut self) {
                self.0.wake_from(self.1, self.2);
            }
        }
        let rest = Rest(desk, next, all);
        self.waker.wake();
        core::mem::forget(rest);
    }
}

/// An operation of the cursor has ended.
impl Wake for Desk {
    fn wake(self: Arc<Self>) {
        self.wake_from(0, true);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_from(0, true);
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
        let mut inner = desk.0.lock();
        let free = inner.seats.iter().position(|places| !places.used);
        let index = free.unwrap_or(inner.seats.len());
        if free.is_none() {
            inner.seats.push(Places::default());
        }
        inner.seats[index].used = true;
        drop(inner);
        Self {
            desk: desk.clone(),
            index,
        }
    }

    /// Takes the state, or enters the place to be woken when it is back.
    pub(super) fn poll_turn(&self, side: Side, cx: &Context<'_>) -> Poll<Turn<'_>> {
        let place = (self.index, side);
        let mut state = self.desk.0.lock().state.take();
        if state.is_none() {
            let mut waiting = Some(Waiting {
                waker: cx.waker().clone(),
                for_turn: true,
            });
            let mut inner = self.desk.0.lock();
            state = inner.state.take();
            if state.is_none() {
                waiting = replace(inner.place(place), waiting);
            }
            drop(inner);
            drop(waiting);
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
        let places = take(&mut self.desk.0.lock().seats[self.index]);
        drop(places);
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
        let waiting = Waiting {
            waker: waker.clone(),
            for_turn: false,
        };
        let before = self.desk.0.lock().place(self.place).replace(waiting);
        drop(before);
    }

    /// Puts the state back as it was, and goes on waiting.
    pub(super) fn unchanged(mut self) {
        self.changed = false;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let (all, mut next, mut mine) = (self.changed, 0, None);
        let mut inner = self.desk.0.lock();
        if let Some(state) = self.state.take() {
            inner.pos = state.pos;
            inner.state = Some(state);
        }
        if all {
            mine = inner.place(self.place).take();
        }
        let first = inner.take_waiting(&mut next, all);
        drop(inner);
        if let Some(first) = first {
            first.wake(self.desk, next, all);
            self.desk.wake_from(next, all);
        }
        drop(mine);
    }
}
