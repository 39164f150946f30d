//! The parties that wait for a backend, and how each is woken.
//!
//! A *waiter* is a thread that queues for the drive lock ([`ThreadWaiter`]), a task
//! ([`TaskWaiter`]), or a task at a reactor. Three calls wake them: [`Waiters::unpark_holder`] the
//! thread that is parked with the lock, [`Waiters::wake_waiters`] those that may take a free lock,
//! [`Waiters::wake_all`] all of them, when the backend is dead.
//!
//! Invariants
//!
//! * **W1** No user code runs under the lock: wakers are cloned before it is taken, and taken out,
//!   woken and dropped after.
//! * **W2** [`Attendance::waiting`] counts what [`Waiters::wake_waiters`] could reach. A waiter
//!   raises it before it looks at the drive lock ([`DriveLock::recheck`], [`DriveLock::contend`]);
//!   a party that signals changes the drive lock before it reads the count. So one of the two sees
//!   the other, and a signal without a waiter takes no lock.
//! * **W3** A waiting thread is in `threads` or was asked to drive, never neither. A thread that
//!   another party removed from the queue must poll the backend once, or wake the next thread.
//! * **W4** Wakers and parkers are called through [`contain`](crate::contain), so a panic in one
//!   keeps no other waiter asleep and unwinds no party that signals.

use super::attendance::{Attendance, Policy};
use super::drive_lock::{DriveLock, SignalAction};
use super::task_wakers::{Taken, TaskWakers};
use crate::contain::contained;
use crate::lock::Lock;
use crate::poller::Parker;
use crate::sync::atomic::{AtomicUsize, Ordering};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::task::{Context, Waker};

/// The part of a container that outlives it in wakers. As a [`Wake`], it is the waker that a shared
/// backend is polled with.
pub(crate) struct Waiters {
    pub(crate) attendance: Attendance,
    lists: Lock<Lists>,
    /// The number of waiters that are woken by way of the handle: tasks at reactors, and foreign
    /// loops.
    at_handle: AtomicUsize,
    /// The number of registrations with reactors that the next unlock arms (R4).
    pub(crate) rearms_pending: AtomicUsize,
    /// The number of wakes of the handle that were consumed, and with them perhaps the handle's
    /// readiness. Read by foreign loops only.
    pub(crate) wakes_consumed: AtomicUsize,
}

#[derive(Default)]
struct Lists {
    /// Makes the exported handle ready.
    handle_waker: Option<Arc<Waker>>,
    /// The holder of the drive lock, where it is parked on its parker because there is no handle.
    holder: Option<Arc<Parker>>,
    /// The waker of the task that holds the backend exclusively.
    exclusive: Option<Arc<Waker>>,
    /// Threads that queue for the drive lock.
    threads: VecDeque<Arc<Parker>>,
    /// Tasks without a reactor.
    tasks: TaskWakers,
}

impl Waiters {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            attendance: Attendance::new(policy),
            lists: Lock::new(Lists::default()),
            at_handle: AtomicUsize::new(0),
            rearms_pending: AtomicUsize::new(0),
            wakes_consumed: AtomicUsize::new(0),
        }
    }

    /// Returns a number that tells this backend from others while both live.
    pub(crate) fn id(&self) -> usize {
        self.attendance.id()
    }

    pub(crate) fn drive_lock(&self) -> &DriveLock {
        &self.attendance.drive_lock
    }

    /// Records that the backend has something to do, and wakes a party that will poll it.
    pub(crate) fn signal(&self) {
        match self.drive_lock().signal() {
            SignalAction::Nothing => {}
            SignalAction::UnparkHolder => self.unpark_holder(),
            SignalAction::WakeWaiters => self.wake_waiters(),
        }
    }

    /// Unparks the thread that is parked with the drive lock, or wakes the owner of the
    /// `BackendHandle` that holds it.
    pub(crate) fn unpark_holder(&self) {
        let (waker, thread) = {
            let lists = self.lists.lock();
            let waker = lists.exclusive.as_ref().or(lists.handle_waker.as_ref());
            (waker.cloned(), lists.holder.clone())
        };
        let _ = match (thread, waker) {
            (Some(thread), _) => contained(|| thread.request_drive()),
            (None, Some(waker)) => contained(|| waker.wake_by_ref()),
            (None, None) => false,
        };
    }

    /// Sets the waker of the task that holds the backend exclusively, or removes it.
    pub(crate) fn set_exclusive(&self, waker: Option<&Waker>) {
        self.set_waker(waker, |lists| &mut lists.exclusive);
    }

    /// Wakes waiters for a signal that is pending on a free drive lock: one thread, those at the
    /// handle, and the tasks.
    #[inline]
    pub(crate) fn wake_waiters(&self) {
        // W2.
        if self.attendance.waiting() == 0 {
            // An operation that could not be attended to was refused before it was sent.
            let _ = self.attendance.attend();
        } else {
            self.wake_listed();
        }
    }

    fn wake_listed(&self) {
        let (thread, handle_waker, tasks) = {
            let mut lists = self.lists.lock();
            let thread = lists.threads.pop_front();
            let at_handle = self.at_handle.load(Ordering::Acquire) != 0;
            let handle_waker = if at_handle {
                lists.handle_waker.clone()
            } else {
                None
            };
            (thread, handle_waker, Taken::begin(&mut lists.tasks))
        };
        if let Some(thread) = thread {
            self.request_drive(&thread);
        }
        if let Some(waker) = handle_waker {
            contained(|| waker.wake_by_ref());
        }
        tasks.wake(|f| f(&mut self.lists.lock().tasks));
    }

    /// Wakes everything that waits, tasks at reactors excepted: the backend is dead.
    pub(crate) fn wake_all(&self) {
        while self.wake_thread() {}
        self.unpark_holder();
        self.wake_waiters();
    }

    /// Asks one queued thread to drive. Returns `false` when there was none.
    pub(crate) fn wake_thread(&self) -> bool {
        if self.attendance.waiting() == 0 {
            return false;
        }
        let thread = self.lists.lock().threads.pop_front();
        thread.is_some_and(|thread| self.request_drive(&thread))
    }

    /// Asks a thread to drive that was just taken off the queue. If its parker, which may be the
    /// user's, panics, the next thread is asked instead. Returns `false` when none was left.
    fn request_drive(&self, thread: &Parker) -> bool {
        self.attendance.remove_thread();
        contained(|| thread.request_drive()) || self.request_next()
    }

    #[cold]
    fn request_next(&self) -> bool {
        loop {
            let thread = self.lists.lock().threads.pop_front();
            let Some(thread) = thread else { return false };
            self.attendance.remove_thread();
            if contained(|| thread.request_drive()) {
                return true;
            }
        }
    }

    /// Returns whether threads are queued for the drive lock.
    pub(crate) fn has_threads(&self) -> bool {
        self.attendance.waiting() != 0 && !self.lists.lock().threads.is_empty()
    }

    /// Sets the waker that makes the handle ready. Called before the first waiter at the handle
    /// looks at the drive lock.
    pub(crate) fn set_handle_waker(&self, waker: &Waker) {
        self.set_waker(Some(waker), |lists| &mut lists.handle_waker);
    }

    /// Puts a waker into its place, unless one that wakes the same is there.
    fn set_waker(
        &self,
        waker: Option<&Waker>,
        place: impl Fn(&mut Lists) -> &mut Option<Arc<Waker>>,
    ) {
        let same = match (&*place(&mut self.lists.lock()), waker) {
            (Some(old), Some(new)) => old.will_wake(new),
            (old, new) => old.is_none() && new.is_none(),
        };
        if !same {
            let waker = waker.map(|waker| Arc::new(waker.clone()));
            let old = core::mem::replace(place(&mut self.lists.lock()), waker);
            drop(old);
        }
    }

    /// Sets the parker on which the holder of the drive lock waits, where there is no handle.
    pub(crate) fn set_holder(&self, parker: Option<Arc<Parker>>) {
        let old = core::mem::replace(&mut self.lists.lock().holder, parker);
        drop(old);
    }

    /// Returns whether a signal is pending that a registration left to the party that unlocks,
    /// because it could not be armed.
    pub(crate) fn has_undelivered_signal(&self) -> bool {
        self.rearms_pending.load(Ordering::Acquire) != 0
            && self.drive_lock().is_signalled()
            && !self.drive_lock().still_locked()
    }

    /// Counts a waiter that is woken by way of the handle. Being a task does not suffice: another
    /// driver may drain the handle before this one looks, and the task's waker is used up then.
    pub(crate) fn add_at_handle(&self) {
        self.at_handle.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends what [`add_at_handle`](Self::add_at_handle) began.
    pub(crate) fn remove_at_handle(&self) {
        self.at_handle.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread in the queue for the drive lock, until this is dropped.
pub(crate) struct ThreadWaiter<'a> {
    waiters: &'a Waiters,
    parker: &'a Arc<Parker>,
    left: bool,
}

impl<'a> ThreadWaiter<'a> {
    pub(crate) fn new(waiters: &'a Waiters, parker: &'a Arc<Parker>) -> Self {
        waiters.attendance.add_thread();
        waiters.lists.lock().threads.push_back(parker.clone());
        Self {
            waiters,
            parker,
            left: false,
        }
    }

    /// Leaves the queue. Returns whether the thread was asked to drive (W3).
    #[must_use]
    pub(crate) fn leave(mut self) -> bool {
        self.left = true;
        !self.dequeue()
    }

    /// Removes the thread from the queue. Returns `false` when another party has done so (W3).
    fn dequeue(&self) -> bool {
        let found = {
            let threads = &mut self.waiters.lists.lock().threads;
            let at = threads.iter().position(|p| Arc::ptr_eq(p, self.parker));
            at.and_then(|at| threads.remove(at))
        };
        if found.is_some() {
            self.waiters.attendance.remove_thread();
        }
        found.is_some()
    }
}

/// For a user's parker that panics: a request to drive is passed on.
impl Drop for ThreadWaiter<'_> {
    fn drop(&mut self) {
        if !self.left && !self.dequeue() {
            self.waiters.wake_thread();
        }
    }
}

/// A waiting task without a reactor; leaves when dropped.
#[derive(Debug)]
pub(crate) struct TaskWaiter<'a> {
    waiters: &'a Waiters,
    task: Option<usize>,
}

impl<'a> TaskWaiter<'a> {
    pub(crate) fn new(waiters: &'a Waiters) -> Self {
        Self {
            waiters,
            task: None,
        }
    }

    /// Returns whether the task waits, so that senders find it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.task.is_some()
    }

    /// Has the next event wake the task. The caller looks at the drive lock afterwards
    /// ([`DriveLock::recheck`]).
    pub(crate) fn wait(&mut self, cx: &Context<'_>) {
        let Waiters {
            lists, attendance, ..
        } = self.waiters;
        let task = *self.task.get_or_insert_with(|| {
            let task = lists.lock().tasks.join();
            attendance.add_task();
            task
        });
        if lists.lock().tasks.will_wake(task, cx.waker()) {
            return;
        }
        let waker = cx.waker().clone();
        let old = lists.lock().tasks.set_waker(task, waker);
        drop(old);
    }
}

impl Drop for TaskWaiter<'_> {
    fn drop(&mut self) {
        if let Some(task) = self.task {
            let old = self.waiters.lists.lock().tasks.leave(task);
            // Before the waker is dropped, which may send an operation: this task drives it no
            // more.
            self.waiters.attendance.remove_task();
            contained(|| drop(old));
        }
    }
}

/// Not through the lock: the formatter is user code.
impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters")
            .field("attendance", &self.attendance)
            .finish_non_exhaustive()
    }
}

impl Wake for Waiters {
    fn wake(self: Arc<Self>) {
        self.signal();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signal();
    }
}

#[cfg(all(test, mfio_loom))]
mod loom_models;
