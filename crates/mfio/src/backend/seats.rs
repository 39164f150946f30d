//! Who waits for a backend, and how each is reached.
//!
//! Invariants
//!
//! * **S1** No user code runs under the lock: wakers are cloned before it is taken, and taken out, woken and dropped after.
//! * **S2** `watchers` counts what [`Hub::notify`] could reach. Whoever registers raises it before it looks at the turn
//!   ([`Turn::look`], [`Turn::want`]); whoever signals changes the turn before it reads the count. So one of the two sees
//!   the other, and a signal that nobody could hear costs no lock.
//! * **S3** A parked thread is in `parked` or has been promoted, never neither. Who finds itself gone from the queue has been
//!   promoted and owes either a turn or a promotion.
//! * **S4** Wakers, bells and parkers are called through [`contain`](crate::contain), so one that
//!   panics keeps nobody else asleep and unwinds no signaller.

use super::attendance::Attendance;
use super::tasks::{Taken, Tasks};
use super::turn::{Signalled, Turn};
use crate::contain::contained;
use crate::lock::Lock;
use crate::poller::Parker;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::task::Waker;

use super::reactor::{ReactorSeats, Watches};

/// The part of a container that outlives it in wakers: the turn and the seats.
pub(crate) struct Hub {
    pub(crate) turn: Turn,
    seats: Lock<Seats>,
    watchers: AtomicUsize,
    /// Watches of reactors that were left unarmed.
    pub(crate) unarmed: AtomicUsize,
    /// Wakes of the handle were consumed, and with them, maybe, the handle's readiness. For foreign
    /// loops alone.
    pub(crate) swallowed: AtomicBool,
    pub(crate) attendance: Attendance,
}

#[derive(Default)]
struct Seats {
    /// Makes the exported handle ready.
    handle: Option<Arc<Waker>>,
    /// The thread that waits with the turn on its parker, where there is no handle.
    waiting: Option<Arc<Parker>>,
    /// Threads that wait for the turn.
    parked: VecDeque<Arc<Parker>>,
    /// Tasks that no reactor watches for.
    tasks: Tasks,
    reactors: ReactorSeats,
    /// Foreign loops that are woken by way of the handle.
    handle_loops: usize,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            turn: Turn::new(),
            seats: Lock::new(Seats::default()),
            watchers: AtomicUsize::new(0),
            unarmed: AtomicUsize::new(0),
            swallowed: AtomicBool::new(false),
            attendance: Attendance::new(),
        }
    }

    /// What tells one hub from another while both live.
    pub(crate) fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// The backend has something to do.
    pub(crate) fn signal(&self) {
        match self.turn.signal() {
            Signalled::Seen => {}
            Signalled::Ring => self.ring(),
            Signalled::Notify => self.notify(),
        }
    }

    /// Reaches the thread that waits with the turn.
    pub(crate) fn ring(&self) {
        let (handle, thread) = {
            let seats = self.seats.lock();
            (seats.handle.clone(), seats.waiting.clone())
        };
        let _ = match (thread, handle) {
            (Some(thread), _) => contained(|| thread.promote()),
            (None, Some(handle)) => contained(|| handle.wake_by_ref()),
            (None, None) => false,
        };
    }

    /// An event is pending on a free turn: reaches whoever may take it.
    pub(crate) fn notify(&self) {
        // S2.
        if !self.has_watchers() {
            // What could not be attended to was refused before it was sent; the next driver goes on with what came since.
            let _ = self.attend();
            return;
        }
        let (thread, handle, tasks) = {
            let mut seats = self.seats.lock();
            let thread = seats.parked.pop_front();
            let watched = !seats.reactors.is_empty() || seats.handle_loops != 0;
            let handle = if watched { seats.handle.clone() } else { None };
            (thread, handle, Taken::begin(&mut seats.tasks))
        };
        if let Some(thread) = thread {
            self.promote(&thread);
        }
        if let Some(handle) = handle {
            contained(|| handle.wake_by_ref());
        }
        tasks.wake(|f| f(&mut self.seats.lock().tasks));
    }

    /// The backend is dead: everybody must see it.
    pub(crate) fn notify_all(&self) {
        while self.promote_one() {}
        self.ring();
        self.notify();
        let reactors = self.watches();
        reactors.iter().for_each(|watch| watch.wake_members());
    }

    /// How the handle is made ready. Set before the first watcher of the handle looks at the turn.
    pub(crate) fn set_handle_bell(&self, bell: &Waker) {
        let fresh = {
            let seats = self.seats.lock();
            !seats.handle.as_ref().is_some_and(|b| b.will_wake(bell))
        };
        if fresh {
            let bell = Arc::new(bell.clone());
            let old = self.seats.lock().handle.replace(bell);
            drop(old);
        }
    }

    /// The thread that waits with the turn, where its parker is the bell.
    pub(crate) fn set_waiting(&self, parker: Option<Arc<Parker>>) {
        let old = core::mem::replace(&mut self.seats.lock().waiting, parker);
        drop(old);
    }

    /// Queues a thread for the turn.
    pub(crate) fn queue(&self, parker: &Arc<Parker>) {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        self.seats.lock().parked.push_back(parker.clone());
    }

    /// `false`: it was not queued any more, so it has been promoted (S3).
    #[must_use]
    pub(crate) fn unqueue(&self, parker: &Arc<Parker>) -> bool {
        let found = {
            let parked = &mut self.seats.lock().parked;
            let at = parked.iter().position(|p| Arc::ptr_eq(p, parker));
            at.and_then(|at| parked.remove(at))
        };
        if found.is_some() {
            self.watchers.fetch_sub(1, Ordering::Relaxed);
        }
        found.is_some()
    }

    pub(crate) fn anybody_queued(&self) -> bool {
        self.watchers.load(Ordering::Acquire) != 0 && !self.seats.lock().parked.is_empty()
    }

    /// Makes one queued thread look at the turn. `false`: there was none.
    pub(crate) fn promote_one(&self) -> bool {
        if self.watchers.load(Ordering::Acquire) == 0 {
            return false;
        }
        let thread = self.seats.lock().parked.pop_front();
        thread.is_some_and(|thread| self.promote(&thread))
    }

    /// Makes a thread look at the turn that was just taken off the queue. A user's parker that
    /// panics has released nobody, so the next thread is made to look then. `false`: there was
    /// none.
    fn promote(&self, thread: &Parker) -> bool {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
        contained(|| thread.promote()) || self.promote_next()
    }

    #[cold]
    fn promote_next(&self) -> bool {
        loop {
            let thread = self.seats.lock().parked.pop_front();
            let Some(thread) = thread else { return false };
            self.watchers.fetch_sub(1, Ordering::Relaxed);
            if contained(|| thread.promote()) {
                return true;
            }
        }
    }

    /// Registers a task that no reactor watches for.
    pub(crate) fn seat_task(&self) -> usize {
        let at = self.seats.lock().tasks.join();
        self.watchers.fetch_add(1, Ordering::Relaxed);
        self.joined();
        at
    }

    pub(crate) fn unseat_task(&self, at: usize) {
        let old = self.seats.lock().tasks.leave(at);
        self.watchers.fetch_sub(1, Ordering::Relaxed);
        contained(|| drop(old));
        self.left();
    }

    /// The task is to be woken by the next event. The caller looks at the turn afterwards.
    pub(crate) fn arm_task(&self, at: usize, waker: &Waker) {
        if self.seats.lock().tasks.is_armed(at, waker) {
            return;
        }
        let waker = waker.clone();
        let old = self.seats.lock().tasks.arm(at, waker);
        drop(old);
    }

    /// The watches of reactors at this moment.
    pub(crate) fn watches(&self) -> Watches {
        self.seats.lock().reactors.look().0
    }

    pub(crate) fn with_reactors<T>(&self, f: impl FnOnce(&mut ReactorSeats) -> T) -> T {
        f(&mut self.seats.lock().reactors)
    }

    /// The turn was let go: watches that were left unarmed, or whose interests have changed, are armed again.
    pub(crate) fn rearm(&self, interests_may_change: bool) {
        if self.unarmed.load(Ordering::Acquire) == 0 && !interests_may_change {
            return;
        }
        let watches = self.watches();
        let mut ready = false;
        for watch in watches.iter() {
            ready |= watch.rearm(self);
        }
        if ready {
            self.signal();
        }
    }

    /// Whether an event is pending that a watch left to whoever let go of the turn, because it could not be armed.
    pub(crate) fn is_left_over(&self) -> bool {
        self.unarmed.load(Ordering::Acquire) != 0
            && self.turn.has_event()
            && !self.turn.still_held()
    }

    /// Runs the turn for such an event.
    pub(crate) fn run_left_over(&self) {
        #[cfg(feature = "std")]
        if std::thread::panicking() {
            // Whoever runs the turn next sees the event.
            return;
        }
        if self.is_left_over()
            && let Some(watch) = self.watches().last()
        {
            watch.run_for_event();
        }
    }

    /// A foreign loop that watches the handle comes or goes. Its seat alone would not do: another driver may drain the handle
    /// before the loop looks, and the seat's waker is used up then.
    pub(crate) fn count_handle_loop(&self, comes: bool) {
        let loops = &mut self.seats.lock().handle_loops;
        *loops = if comes { *loops + 1 } else { *loops - 1 };
    }

    /// A reactor's task joins (+1) or leaves (-1) those whom a notification reaches.
    pub(crate) fn count_watcher(&self, joins: bool) {
        if joins {
            self.watchers.fetch_add(1, Ordering::Relaxed);
            self.joined();
        } else {
            self.watchers.fetch_sub(1, Ordering::Relaxed);
            self.left();
        }
    }

    #[inline]
    pub(crate) fn has_watchers(&self) -> bool {
        self.watchers() != 0
    }

    pub(crate) fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Acquire)
    }
}

/// Not through the lock: the formatter is the user's code.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("turn", &self.turn)
            .field("watchers", &self.watchers)
            .finish_non_exhaustive()
    }
}

/// The backend's own waker.
impl Wake for Hub {
    fn wake(self: Arc<Self>) {
        self.signal();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signal();
    }
}
