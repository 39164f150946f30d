//! Threads that block on a future of a backend.
//!
//! On a shared backend a thread polls its user's future without the drive lock. To wait it locks
//! and stays parked with the lock held: it is the holder that watches the handle, and every signal
//! unparks it. If another thread is parked so already, it queues for the lock and marks it as
//! contended. The unlock of a contended lock wakes one thread of the queue, which locks in turn and
//! marks the lock again if threads are queued; so one thread watches and the others sleep.

use super::attendance::{Attendance, Present};
use super::container::BackendHandle;
use super::drive::{DriveGuard, Progress, Rounds, When, explain};
use super::drive_lock::{DriveLock, LockError};
use super::io_backend::IoBackend;
use super::polling::{Pollable, PollingHandle};
use super::reentry::DriveScope;
use super::shared_backend::SharedBackend;
use super::waiters::{ThreadWaiter, Waiters};
use super::with_backend::WithBackend;
use crate::poller::{Lease, Parker};
use alloc::sync::Arc;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

/// Drives `backend`, which is held exclusively, until `future` is ready.
///
/// Parks on the polling handle if there is one, otherwise on a parker of this call. Most callers
/// want [`IoBackendExt::block_on`](super::IoBackendExt::block_on).
///
/// # Panics
///
/// When the backend completes or panics; on a handle that cannot be waited on.
pub fn block_on<H, F, B>(
    future: F,
    backend: BackendHandle<'_, B::Backend>,
    polling: Option<PollingHandle<'_, H>>,
) -> F::Output
where
    H: Pollable,
    F: Future,
    B: IoBackend<H> + ?Sized,
{
    block_on_exclusive(future, backend, polling, own_parker, |handle| {
        handle.handle.poll(handle.cur_flags)
    })
}

/// Makes the parker of a call that was given none.
pub(crate) fn own_parker() -> Lease {
    #[cfg(feature = "std")]
    return Lease::of_this_thread();
    #[cfg(not(feature = "std"))]
    return Lease::with_handle(Arc::new(Nowhere));
}

/// The parker of a system without std, which has nothing to park on but the polling handle.
#[cfg(not(feature = "std"))]
struct Nowhere;

#[cfg(not(feature = "std"))]
impl crate::poller::ParkHandle for Nowhere {
    fn park(&self) {
        panic!(
            "without std there is nothing to park on but a polling handle, and this backend has \
             none, or another thread waits on it: use `block_on_parked`"
        );
    }

    fn unpark(&self) {}
}

pub(crate) fn block_on_exclusive<H, F, B>(
    future: F,
    backend: BackendHandle<'_, B>,
    polling: Option<PollingHandle<'_, H>>,
    parker: impl FnOnce() -> Lease,
    wait: impl Fn(&PollingHandle<'_, H>),
) -> F::Output
where
    F: Future,
    B: Future<Output = ()> + ?Sized,
{
    let mut both = pin!(WithBackend::new(backend, future));
    if let Some(handle) = polling {
        let mut cx = Context::from_waker(&handle.waker);
        loop {
            // There is no outer executor to be fair to.
            let mut rounds = Rounds::unlimited();
            if let Poll::Ready(output) = both.as_mut().poll_rounds(&mut cx, &mut rounds) {
                return output;
            }
            wait(&handle);
        }
    }
    let lease = parker();
    let mut cx = Context::from_waker(lease.waker());
    loop {
        if let Poll::Ready(output) = both.as_mut().poll(&mut cx) {
            return output;
        }
        let _ = lease.park();
    }
}

pub(crate) fn block_on_shared<H, F, B>(
    shared: &SharedBackend<B, H>,
    future: F,
    parker: impl FnOnce() -> Lease,
) -> F::Output
where
    H: Pollable,
    F: Future,
    B: ?Sized,
{
    let sharing = shared.sharing();
    let waiters = sharing.waiters();
    let attendance = &waiters.attendance;
    let Some(_scope) = DriveScope::block_on(waiters.id()) else {
        panic!(
            "`block_on` within `block_on` of the same backend on the same thread: the outer call \
             cannot drive the backend while the inner one runs; await the future instead"
        );
    };
    if !attendance.is_configured() {
        // There is no policy for operations that nobody drives.
        return poll_until_ready(shared, future, parker()).0;
    }
    let _present = Present::new(attendance);
    let unwinding = Unwinding(attendance);
    let (output, drove) = poll_until_ready(shared, future, parker());
    core::mem::forget(unwinding);
    if drove || waiters.drive_lock().is_signalled() {
        // Operations of others may be in flight, or were sent when the future was dropped (A2).
        attendance.driver_left();
    }
    output
}

/// Returns the output, and whether the thread has driven the backend, or could be found by senders
/// while it waited.
#[inline(always)]
fn poll_until_ready<H, F, B>(
    shared: &SharedBackend<B, H>,
    future: F,
    lease: Lease,
) -> (F::Output, bool)
where
    H: Pollable,
    F: Future,
    B: ?Sized,
{
    let sharing = shared.sharing();
    let mut cx = Context::from_waker(lease.waker());
    let mut future = pin!(future);
    let mut drove = false;
    loop {
        let output = future.as_mut().poll(&mut cx);
        // Operations that it sent are submitted, whether it is ready or not.
        let progress = sharing.drive(sharing.when_polled());
        drove |= progress != Progress::NotPolled;
        match (output, progress) {
            (Poll::Ready(output), Progress::BudgetSpent) => {
                // An operation may have been queued after the last round; it must not wait for a
                // driver that never comes.
                sharing.drive_if_signalled();
                return (output, drove);
            }
            (Poll::Ready(output), _) => return (output, drove),
            (Poll::Pending, Progress::Dead(why)) => panic!("{}", explain(why)),
            (Poll::Pending, _) => {}
        }
        if !lease.take_woken() {
            drove = true;
            wait(shared, &lease);
        }
    }
}

/// A call that unwinds: operations that it has sent or driven may be in flight (A2).
struct Unwinding<'a>(&'a Attendance);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.driver_left();
    }
}

/// Waits until the thread's future is woken, and consumes that wake. Drives the backend if no other
/// thread does.
fn wait<H: Pollable, B: ?Sized>(shared: &SharedBackend<B, H>, parker: &Arc<Parker>) {
    let sharing = shared.sharing();
    let waiters = sharing.waiters();
    let lock = waiters.drive_lock();
    // User code, so before the drive lock is taken.
    let handle = shared.polling_handle();
    if let Some(handle) = &handle {
        waiters.set_handle_waker(&handle.waker);
    }
    loop {
        match DriveGuard::try_lock(&**sharing.backend()) {
            Ok(guard) => return wait_locked(shared, waiters, parker, handle.as_ref(), guard),
            // Its owner may be this very thread, or may have forgotten it.
            Err(LockError::Locked) if lock.is_exclusive() => {
                panic!(
                    "`block_on` while a `BackendHandle` holds the backend: {}",
                    explain(LockError::Locked)
                )
            }
            Err(LockError::Locked) => {
                let queued = ThreadWaiter::new(waiters, parker);
                let woken = lock.contend() && parker.park().woken;
                let asked_to_drive = queued.leave();
                if woken || parker.take_woken() {
                    if asked_to_drive {
                        // The request is for the next thread that locks; this one polls its future
                        // instead (W3).
                        let _ = sharing.drive(When::IfSignalled);
                        waiters.wake_thread();
                    }
                    return;
                }
            }
            Err(dead) => panic!("{}", explain(dead)),
        }
    }
}

/// The parker of the drive lock's holder is known to the waiters, until this is dropped.
struct HolderParker<'a>(&'a Waiters);

impl<'a> HolderParker<'a> {
    fn new(waiters: &'a Waiters, parker: &Arc<Parker>) -> Self {
        waiters.set_holder(Some(parker.clone()));
        Self(waiters)
    }
}

impl Drop for HolderParker<'_> {
    fn drop(&mut self) {
        self.0.set_holder(None);
    }
}

/// Waits with the drive lock held until the thread's future is woken, and polls the backend
/// whenever it has something to do.
fn wait_locked<H: Pollable, B: ?Sized>(
    shared: &SharedBackend<B, H>,
    waiters: &Waiters,
    parker: &Arc<Parker>,
    handle: Option<&PollingHandle<'_, H>>,
    mut guard: DriveGuard<'_>,
) {
    let lock = waiters.drive_lock();
    let holder_parker = handle.is_none().then(|| HolderParker::new(waiters, parker));
    if waiters.has_threads() {
        // They queued before this thread had the lock; its unlock must wake one of them.
        let _ = lock.contend();
    }
    // Locking consumed the signal for which the lock may have been free.
    guard.poll_once(false);
    while lock.check().is_ok() && !parker.take_woken() {
        let reason = match handle {
            Some(handle) => wait_at_handle(shared, waiters, parker, handle),
            None => wait_at_parker(lock, parker),
        };
        guard.poll_once(false);
        if reason == WaitEnd::FutureWoken {
            break;
        }
    }
    drop(holder_parker);
    drop(guard);
    if let Err(dead) = lock.check() {
        panic!("{}", explain(dead));
    }
}

/// The reason for which a wait of the drive lock's holder ended.
#[derive(PartialEq, Eq)]
enum WaitEnd {
    /// The thread's future was woken; that wake is consumed.
    FutureWoken,
    /// The backend may have something to do.
    PollBackend,
}

impl WaitEnd {
    fn of_wake(woken: bool) -> Self {
        if woken {
            Self::FutureWoken
        } else {
            Self::PollBackend
        }
    }
}

/// Waits on the parker once, unless a signal is pending.
fn wait_at_parker(lock: &DriveLock, parker: &Parker) -> WaitEnd {
    if !lock.begin_park() {
        return WaitEnd::PollBackend;
    }
    let woken = parker.park().woken;
    lock.end_park();
    WaitEnd::of_wake(woken)
}

/// Waits on the handle once, unless there is a wake, a request to drive or a signal already.
fn wait_at_handle<H: Pollable, B: ?Sized>(
    shared: &SharedBackend<B, H>,
    waiters: &Waiters,
    parker: &Parker,
    handle: &PollingHandle<'_, H>,
) -> WaitEnd {
    if !parker.begin_handle_wait(&handle.waker) {
        // Either a wake, or a request to drive that came when the thread had the lock already.
        let _ = parker.take_drive();
        return WaitEnd::of_wake(parker.take_woken());
    }
    if waiters.drive_lock().begin_park() {
        shared.wait(handle);
        waiters.drive_lock().end_park();
    }
    parker.end_handle_wait();
    WaitEnd::PollBackend
}
