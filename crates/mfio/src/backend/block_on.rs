//! Threads that wait for a backend.
//!
//! On a shared backend a thread polls its user's future without the turn. To wait it takes the turn and keeps it: it is the
//! one that watches the handle, and it always answers its bell. If another thread waits already, it queues for the turn; who
//! lets go of the turn promotes one of the queue, so there is always one thread watching and the others sleep.

use super::attendance::Present;
use super::cell::{Ask, Held, Ran, explain};
use super::container::BackendHandle;
use super::io_backend::IoBackend;
use super::polling::{Pollable, PollingHandle};
use super::reentry::Blocked;
use super::seats::Hub;
use super::sharing::Sharing;
use super::turn::Refused;
use super::with_backend::WithBackend;
use crate::poller::{Lease, Parker};
use alloc::sync::Arc;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

/// Drives `backend`, which is held exclusively, until `future` is ready.
///
/// Parks on the polling handle where there is one, otherwise on a parker of this very call. Most callers want
/// [`IoBackendExt::block_on`](super::IoBackendExt::block_on).
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

/// The parker of a call that was given none.
pub(crate) fn own_parker() -> Lease {
    #[cfg(feature = "std")]
    return Parker::of_this_thread();
    #[cfg(not(feature = "std"))]
    return Parker::with_handle(Arc::new(Nowhere));
}

/// Without std there is nothing to park on but the polling handle.
#[cfg(not(feature = "std"))]
struct Nowhere;

#[cfg(not(feature = "std"))]
impl crate::poller::ParkHandle for Nowhere {
    fn park(&self) {
        panic!(
            "without std there is nothing to park on but a polling handle, and this backend has none, or another thread \
             waits for it: use `block_on_parked`"
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
            if let Poll::Ready(output) = both.as_mut().poll_rounds(&mut cx, u32::MAX) {
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
    object: &B,
    sharing: &Sharing,
    future: F,
    parker: impl FnOnce() -> Lease,
) -> F::Output
where
    H: Pollable,
    F: Future,
    B: IoBackend<H> + ?Sized,
{
    let hub = sharing.hub();
    let Some(_blocked) = Blocked::enter(hub.id()) else {
        panic!(
            "`block_on` within `block_on` of the same backend on the same thread: the outer call cannot drive the backend \
             while the inner one runs; await the future instead"
        );
    };
    if !hub.attendance.is_configured() {
        // Nothing happens to operations that nobody drives.
        return poll_until_ready(object, sharing, future, parker()).0;
    }
    let _present = Present::new(hub);
    let unwound = Unwound(hub);
    let (output, ran, waited) = poll_until_ready(object, sharing, future, parker());
    core::mem::forget(unwound);
    if waited || ran != Ran::Unneeded || hub.turn.has_event() {
        // Operations of others may be under way, or were sent when the future was dropped (A2).
        hub.left();
    }
    output
}

/// The output, what came of the last run of the turn, and whether the thread has waited before.
#[inline(always)]
fn poll_until_ready<H, F, B>(
    object: &B,
    sharing: &Sharing,
    future: F,
    lease: Lease,
) -> (F::Output, Ran, bool)
where
    H: Pollable,
    F: Future,
    B: IoBackend<H> + ?Sized,
{
    let mut cx = Context::from_waker(lease.waker());
    let mut future = pin!(future);
    let mut waited = false;
    loop {
        let output = future.as_mut().poll(&mut cx);
        // What was sent is submitted, whether the future is ready or not.
        let ran = sharing.runner().run(sharing.ask_after_poll());
        match (output, ran) {
            (Poll::Ready(output), Ran::Again) => {
                // What was sent may have come behind the bounded run; it must not wait for a driver that never comes.
                sharing.run_owed();
                return (output, ran, waited);
            }
            (Poll::Ready(output), _) => return (output, ran, waited),
            (Poll::Pending, Ran::Dead(why)) => panic!("{}", explain(why)),
            (Poll::Pending, _) => {}
        }
        waited = true;
        if !lease.take_notified() {
            wait(object, sharing, &lease);
        }
    }
}

/// A call that unwinds: operations may be under way that it has sent, or driven (A2).
struct Unwound<'a>(&'a Hub);

impl Drop for Unwound<'_> {
    fn drop(&mut self) {
        self.0.left();
    }
}

/// Waits until the parker is notified (and consumes that), driving the backend if nobody else does.
fn wait<H: Pollable, B: IoBackend<H> + ?Sized>(
    object: &B,
    sharing: &Sharing,
    parker: &Arc<Parker>,
) {
    let hub = sharing.hub();
    // The object's code, so before the turn is taken.
    let handle = object.polling_handle();
    if let Some(handle) = &handle {
        hub.set_handle_bell(&handle.waker);
    }
    loop {
        match Held::take(&**sharing.runner()) {
            Ok(turn) => return watch(object, sharing, parker, handle.as_ref(), turn),
            // Its owner may be this very thread, or may have forgotten it.
            Err(Refused::Held) if hub.turn.is_raw() => {
                panic!(
                    "`block_on` while a raw handle holds the backend: {}",
                    explain(Refused::Held)
                )
            }
            Err(Refused::Held) => {
                let queued = Queued::new(sharing, parker);
                let notified = hub.turn.want() && parker.park().notified;
                let promoted = queued.leave();
                if notified || parker.take_notified() {
                    if promoted {
                        // The promotion was for whoever takes the turn next; that is not us.
                        let _ = sharing.runner().run(Ask::IfSignalled);
                        hub.promote_one();
                    }
                    return;
                }
            }
            Err(dead) => panic!("{}", explain(dead)),
        }
    }
}

/// A thread in the queue for the turn, until this is dropped.
struct Queued<'a> {
    sharing: &'a Sharing,
    parker: &'a Arc<Parker>,
    left: bool,
}

impl<'a> Queued<'a> {
    fn new(sharing: &'a Sharing, parker: &'a Arc<Parker>) -> Self {
        sharing.hub().queue(parker);
        Self {
            sharing,
            parker,
            left: false,
        }
    }

    /// `true`: it was promoted.
    fn leave(mut self) -> bool {
        self.left = true;
        !self.sharing.hub().unqueue(self.parker)
    }
}

/// A parker of the user's may panic: a promotion that came is passed on.
impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if !self.left && !self.sharing.hub().unqueue(self.parker) {
            self.sharing.hub().promote_one();
        }
    }
}

/// The thread's parker is the bell, until this is dropped.
struct Waiting<'a>(&'a Sharing);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.hub().set_waiting(None);
    }
}

/// Waits with the turn until the parker is notified, polling the backend whenever there is something to do.
fn watch<H: Pollable, B: IoBackend<H> + ?Sized>(
    object: &B,
    sharing: &Sharing,
    parker: &Arc<Parker>,
    handle: Option<&PollingHandle<'_, H>>,
    mut turn: Held<'_>,
) {
    let hub = sharing.hub();
    let waiting = handle.is_none().then(|| {
        hub.set_waiting(Some(parker.clone()));
        Waiting(sharing)
    });
    if hub.anybody_queued() {
        // They queued before we had the turn; letting go of it must promote one of them.
        let _ = hub.turn.want();
    }
    // Taking the turn consumed the event for which it may have been free.
    turn.poll_once();
    while hub.turn.check().is_ok() && !parker.take_notified() {
        let notified = match handle {
            Some(handle) => watch_handle(object, sharing, parker, handle),
            None => {
                hub.turn.begin_wait() && {
                    let reason = parker.park();
                    hub.turn.end_wait();
                    reason.notified
                }
            }
        };
        turn.poll_once();
        if notified {
            break;
        }
    }
    drop(waiting);
    drop(turn);
    if let Err(dead) = hub.turn.check() {
        panic!("{}", explain(dead));
    }
}

/// Waits for the handle once, unless there is a reason not to. `true`: the parker was notified, which is consumed.
fn watch_handle<H: Pollable, B: IoBackend<H> + ?Sized>(
    object: &B,
    sharing: &Sharing,
    parker: &Parker,
    handle: &PollingHandle<'_, H>,
) -> bool {
    let turn = &sharing.hub().turn;
    if !parker.begin_watch(&handle.waker) {
        // Either a notification, or a promotion that came when we had the turn already.
        let _ = parker.take_promoted();
        return parker.take_notified();
    }
    if turn.begin_wait() {
        object.wait(handle, object.next_deadline());
        turn.end_wait();
    }
    parker.end_watch();
    false
}
