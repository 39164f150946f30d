//! The lock around the state of a cursor, and the tasks that wait for it.
//!
//! Invariants
//!
//! 1. A task that takes the state has it alone, and puts it back within the same poll, or at the
//!    end of a blocking call, also when unwinding. A task that finds the state taken is woken when
//!    it is put back, whether or not any other task is ever polled again.
//! 2. Operations are polled with the lock's own waker, so it does not matter which handle polled
//!    last: their end wakes every waiter. A waiter is registered before the last look at the
//!    operation.
//! 3. A change of the state wakes every waiter; a look that changed nothing wakes only those that
//!    found the state taken. So waiters for one operation do not wake each other for ever.
//! 4. No foreign code runs under the lock: wakers are cloned before it is taken, and woken and
//!    dropped after. They are woken by [`wake_all`], so one that panics keeps no other waiter from
//!    being woken, and unwinds nothing.

use super::state::CursorState;
use crate::contain::{contained, wake_all};
use crate::lock::Lock;
use crate::slab::Slab;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::iter::{from_fn, once};
use core::task::{Context, Poll, Waker};

/// One of the two tasks that may use a handle at once, as with `tokio::io::split`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Read = 0,
    /// Seeks and flushes too.
    Write = 1,
}

/// The state of a cursor, taken out by one task at a time.
pub(super) struct StateLock(Lock<Guarded>);

struct Guarded {
    /// `None` while a task has the state, and once all handles are gone.
    state: Option<Box<CursorState>>,
    /// The position at the time the state was put back last.
    pos: u64,
    /// The registrations of the two halves of each handle.
    handles: Slab<[Option<WaiterId>; 2]>,
    /// The waiters, by the event that they wait for. Finding all of one kind takes time by their
    /// number, however many handles there are.
    waiters: [Slab<Waiter>; 2],
}

/// The event that a waiter waits for.
#[derive(Clone, Copy)]
enum Awaited {
    /// The state is put back.
    Unlock = 0,
    /// The state has changed.
    Change = 1,
}

/// The index of a waiter among those for the same event.
#[derive(Clone, Copy)]
struct WaiterId {
    event: Awaited,
    index: usize,
}

/// The index of a handle, and its half.
type HalfId = (usize, Half);

struct Waiter {
    waker: Waker,
    half: HalfId,
}

/// A position in a walk over the waiters: the next index, and the events left after the current
/// one.
struct Walk {
    events: core::slice::Iter<'static, Awaited>,
    event: Awaited,
    index: usize,
}

impl Walk {
    /// Begins at the first waiter: of both events where the state has changed, otherwise of those
    /// that found it taken.
    fn new(changed: bool) -> Self {
        let others: &[Awaited] = if changed { &[Awaited::Change] } else { &[] };
        Self {
            events: others.iter(),
            event: Awaited::Unlock,
            index: 0,
        }
    }
}

impl Guarded {
    /// Registers a half for an event. Returns the waker of its registration before.
    fn register(&mut self, half: HalfId, event: Awaited, waker: Waker) -> Option<Waker> {
        let before = self.deregister(half);
        let index = self.waiters[event as usize].insert(Waiter { waker, half });
        if let Some(registrations) = self.handles.get_mut(half.0) {
            registrations[half.1 as usize] = Some(WaiterId { event, index });
        }
        before
    }

    /// Removes the registration of a half. Returns its waker.
    fn deregister(&mut self, (handle, half): HalfId) -> Option<Waker> {
        let registration = self.handles.get_mut(handle)?[half as usize].take()?;
        let waiter = self.waiters[registration.event as usize].remove(registration.index);
        waiter.map(|waiter| waiter.waker)
    }

    /// Removes the next waiter of a walk. Returns its waker.
    fn pop_waiter(&mut self, walk: &mut Walk) -> Option<Waker> {
        loop {
            let waiters = &mut self.waiters[walk.event as usize];
            while walk.index < waiters.bound() {
                walk.index += 1;
                if let Some(Waiter { waker, half }) = waiters.remove(walk.index - 1) {
                    if let Some(registrations) = self.handles.get_mut(half.0) {
                        registrations[half.1 as usize] = None;
                    }
                    return Some(waker);
                }
            }
            (walk.event, walk.index) = (*walk.events.next()?, 0);
        }
    }
}

impl StateLock {
    pub(super) fn new(state: CursorState) -> Arc<Self> {
        let inner = Guarded {
            pos: state.pos,
            state: Some(Box::new(state)),
            handles: Slab::default(),
            waiters: Default::default(),
        };
        Arc::new(Self(Lock::new(inner)))
    }

    /// Returns the position as of the last time the state was put back.
    pub(super) fn pos(&self) -> u64 {
        self.0.lock().pos
    }

    /// Drops the state when the last handle is gone, which detaches its operations: their waker
    /// keeps this lock alive.
    pub(super) fn close(&self) {
        let state = self.0.lock().state.take();
        drop(state);
    }

    /// Removes the waiters of a walk one by one, and yields their wakers. The lock is not held in
    /// between.
    fn drain_waiters(&self, mut walk: Walk) -> impl Iterator<Item = Waker> {
        from_fn(move || self.0.lock().pop_waiter(&mut walk))
    }

    /// Wakes all waiters.
    fn wake_waiters(&self) {
        wake_all(self.drain_waiters(Walk::new(true)));
    }
}

/// The waker of the cursor's operations: called when one has ended.
impl Wake for StateLock {
    fn wake(self: Arc<Self>) {
        self.wake_waiters();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_waiters();
    }
}

impl fmt::Debug for StateLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateLock")
            .field("pos", &self.pos())
            .finish_non_exhaustive()
    }
}

/// The registration of one handle with the lock.
#[derive(Debug)]
pub(super) struct LockHandle {
    lock: Arc<StateLock>,
    index: usize,
}

impl LockHandle {
    pub(super) fn new(lock: &Arc<StateLock>) -> Self {
        Self {
            lock: lock.clone(),
            index: lock.0.lock().handles.insert([None; 2]),
        }
    }

    /// Takes the state, or registers the half to be woken when it is put back.
    pub(super) fn poll_lock(&self, half: Half, cx: &Context<'_>) -> Poll<StateGuard<'_>> {
        let half = (self.index, half);
        let mut state = self.lock.0.lock().state.take();
        if state.is_none() {
            let mut waker = Some(cx.waker().clone());
            let mut inner = self.lock.0.lock();
            state = inner.state.take();
            if state.is_none() {
                waker = waker.and_then(|waker| inner.register(half, Awaited::Unlock, waker));
            }
            drop(inner);
            drop(waker);
        }
        let guard = |state| StateGuard {
            lock: &self.lock,
            half,
            state: Some(state),
            changed: true,
        };
        state.map_or(Poll::Pending, |state| Poll::Ready(guard(state)))
    }

    /// Takes the state; blocks until it is put back. Drives no backend: the task that has the state
    /// drives the operation that it waits for.
    #[cfg(feature = "std")]
    pub(super) fn lock_blocking(&self, half: Half) -> StateGuard<'_> {
        match self.poll_lock(half, &Context::from_waker(Waker::noop())) {
            Poll::Ready(guard) => guard,
            Poll::Pending => {
                crate::poller::block_on(core::future::poll_fn(|cx| self.poll_lock(half, cx)))
            }
        }
    }
}

impl Drop for LockHandle {
    fn drop(&mut self) {
        let mut inner = self.lock.0.lock();
        let wakers = [Half::Read, Half::Write].map(|half| inner.deregister((self.index, half)));
        inner.handles.remove(self.index);
        drop(inner);
        drop(wakers);
    }
}

/// The state, taken out of the lock. Puts it back when it is dropped.
pub(super) struct StateGuard<'a> {
    lock: &'a StateLock,
    half: HalfId,
    state: Option<Box<CursorState>>,
    changed: bool,
}

impl StateGuard<'_> {
    pub(super) fn state(&mut self) -> &mut CursorState {
        self.state
            .as_mut()
            .expect("it is put back by the drop only")
    }

    /// Registers the half to be woken at the next change.
    pub(super) fn wait(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let before = self
            .lock
            .0
            .lock()
            .register(self.half, Awaited::Change, waker);
        drop(before);
    }

    /// Puts the state back as it was, and stays registered.
    pub(super) fn unlock_unchanged(mut self) {
        self.changed = false;
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        let (mut walk, mut mine) = (Walk::new(self.changed), None);
        let mut inner = self.lock.0.lock();
        if let Some(state) = self.state.take() {
            inner.pos = state.pos;
            inner.state = Some(state);
        }
        if self.changed {
            mine = inner.deregister(self.half);
        }
        let first = inner.pop_waiter(&mut walk);
        drop(inner);
        if let Some(first) = first {
            wake_all(once(first).chain(self.lock.drain_waiters(walk)));
        }
        if mine.is_some() {
            contained(|| drop(mine));
        }
    }
}
