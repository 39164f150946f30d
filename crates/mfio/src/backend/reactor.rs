//! Reactors that watch a shared backend's handle: one registration each, kept by the hub, counted by the tasks that wait.
//!
//! When the reactor reports readiness it wakes the registration's [`Trigger`], which runs the turn then and there. So what
//! ended is told to exactly those who wait for it, and no task needs to be polled for another one to get on.
//!
//! Invariants
//!
//! * **R1** A registration keeps a duplicate of the descriptor: the number it registered is its own until it has deregistered,
//!   whatever becomes of the backend, and no second registration of the same number can exist in one reactor.
//! * **R2** The trigger refers to its watch weakly, because the reactor keeps the trigger and the watch keeps the registration.
//! * **R3** The registration is armed again before the turn is run, so readiness that comes in between fires again.
//! * **R4** While the turn is held by somebody else the registration is left unarmed: its handle may stay readable, and a
//!   level-triggered reactor would spin. It is marked first and the turn looked at after, in one operation on the turn's
//!   word; who lets go of the turn looks for marks after having let go. So one of the two arms it. A registration is
//!   left so, too, when it fires again and again while it is armed: that is a handle which is ready and which nobody drains
//!   meanwhile. Its event is then pending on the turn, so the turn is run by who left it, and let go of.
//! * **R5** A reactor has one watch, also when two of its tasks join at once. Registrations are made and asked outside the
//!   lock (S1), so others may come meanwhile; a watch is inserted only if none was since its maker looked. Otherwise the
//!   maker looks again, and its registration goes unarmed if another one suits.
//! * **R6** A watch is in the hub's list until its last task has left, which marks it as ended
//!   under the lock of its members. No task joins an ended watch; one that still finds it in the
//!   list makes another.

#[cfg(all(test, mfio_loom))]
mod models;
mod seats;

use super::cell::{Ask, Runner};
use super::integrations::{ReactorError, Registration};
use super::polling::PollingFlags;
use super::seats::Hub;
use super::sharing::Sharing;
use super::tasks::Taken;
use super::turn::Ready;
use crate::contain::contained;
use crate::lock::Lock;
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use core::fmt;
use core::task::{Context, Poll, Waker};
use seats::Members;
pub(crate) use seats::{ReactorSeats, Watches};

/// A handle watched by one reactor.
pub(crate) struct Watch {
    runner: Weak<dyn Runner>,
    registration: Box<dyn Registration>,
    /// Which integration made the registration.
    integration: usize,
    interests: Arc<PollingFlags>,
    /// The interests it was armed for last.
    armed: PollingFlags,
    /// Left unarmed (R4); counted in the hub.
    unarmed: AtomicBool,
    /// [`ARMING`] and [`AGAIN`].
    arming: AtomicU8,
    failed: AtomicBool,
    error: Lock<Option<ReactorError>>,
    trigger: Waker,
    members: Lock<Members>,
}

/// Somebody is arming the registration.
const ARMING: u8 = 1;
/// The trigger fired meanwhile.
const AGAIN: u8 = 2;
/// A registration that fires whenever it is armed does not keep us.
const ARMS: u32 = 16;

struct Trigger(Weak<Watch>);

impl Wake for Trigger {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(watch) = self.0.upgrade() {
            // A reactor must not be unwound. A panic of the backend has been recorded, and is
            // raised in those who wait.
            contained(|| watch.fire());
        }
    }
}

impl Watch {
    fn new(
        runner: &Arc<dyn Runner>,
        registration: Box<dyn Registration>,
        integration: usize,
        interests: &PollingFlags,
    ) -> Arc<Self> {
        let interests = match runner.interests() {
            Some(shared) => shared.clone(),
            None => Arc::new(interests.clone()),
        };
        Arc::new_cyclic(|watch| Self {
            runner: Arc::downgrade(runner),
            registration,
            integration,
            interests,
            armed: PollingFlags::new(),
            unarmed: AtomicBool::new(false),
            arming: AtomicU8::new(0),
            failed: AtomicBool::new(false),
            error: Lock::new(None),
            trigger: Waker::from(Arc::new(Trigger(watch.clone()))),
            members: Lock::new(Members::default()),
        })
    }

    /// The reactor says that the handle is ready.
    fn fire(&self) {
        if self.arming.fetch_or(AGAIN, Ordering::AcqRel) & ARMING != 0 {
            // Whoever is arming sees it. A reactor that fires within `poll_ready` would have us recurse.
            return;
        }
        let Some(runner) = self.runner.upgrade() else {
            return;
        };
        let hub = runner.hub();
        match hub.turn.ready() {
            Ready::Dead => return hub.notify_all(),
            Ready::Held if self.leave_unarmed(hub) => return,
            Ready::Held | Ready::Free => {}
        }
        let _ = self.arm();
        let _ = runner.run(Ask::Always);
    }

    /// Leaves arming to whoever holds the turn (R4). `false`: nobody does any more.
    fn leave_unarmed(&self, hub: &Hub) -> bool {
        self.mark_unarmed(hub);
        hub.turn.still_held() || !self.take_unarmed(hub)
    }

    fn mark_unarmed(&self, hub: &Hub) {
        if !self.unarmed.swap(true, Ordering::AcqRel) {
            hub.unarmed.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn take_unarmed(&self, hub: &Hub) -> bool {
        let unarmed = self.unarmed.swap(false, Ordering::AcqRel);
        if unarmed {
            hub.unarmed.fetch_sub(1, Ordering::AcqRel);
        }
        unarmed
    }

    /// The turn was let go: arms again if it was left unarmed, or if the interests have changed. `true`: the handle is ready.
    pub(super) fn rearm(&self, hub: &Hub) -> bool {
        let due = self.take_unarmed(hub) || self.armed.get() != self.interests.get();
        due && !self.failed.load(Ordering::Acquire) && self.arm()
    }

    /// Runs the turn for the event of a watch that was left unarmed though nobody holds the turn.
    pub(super) fn run_for_event(&self) {
        if let Some(runner) = self.runner.upgrade() {
            let _ = runner.run(Ask::IfSignalled);
        }
    }

    /// Asks the reactor to fire once more. `true`: the handle is ready already.
    fn arm(&self) -> bool {
        if self.arming.fetch_or(ARMING | AGAIN, Ordering::AcqRel) & ARMING != 0 {
            return false;
        }
        let mut ready = false;
        let mut first = true;
        for _ in 0..ARMS {
            // What fired before this attempt, and what was asked for by those who found us here.
            self.arming.fetch_and(!AGAIN, Ordering::AcqRel);
            ready |= self.attempt() || !first;
            first = false;
            if self
                .arming
                .compare_exchange(ARMING, 0, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return ready;
            }
        }
        self.arming.store(0, Ordering::Release);
        // It has fired since the last attempt, so it is not armed now (R4).
        if let Some(runner) = self.runner.upgrade() {
            self.mark_unarmed(runner.hub());
        }
        true
    }

    fn attempt(&self) -> bool {
        let mut cx = Context::from_waker(&self.trigger);
        let mut ready = false;
        let (read, write) = self.interests.get();
        self.armed.set_read(read);
        self.armed.set_write(write);
        // Each "ready" consumes an event of the reactor (the contract of `Registration`), so this ends.
        loop {
            match self.poll_ready(&mut cx) {
                Poll::Pending => return ready,
                Poll::Ready(Ok(())) => ready = true,
                Poll::Ready(Err(error)) => {
                    self.fail(error);
                    return ready;
                }
            }
        }
    }

    /// Asks the registration, which is user code, and is asked on behalf of others: one that panics
    /// has failed.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        let mut polled = None;
        contained(|| polled = Some(self.registration.poll_ready(&self.armed, cx)));
        polled.unwrap_or_else(|| {
            let error = "a registration with a reactor panicked when it was polled";
            Poll::Ready(Err(ReactorError::new(error)))
        })
    }

    fn fail(&self, error: ReactorError) {
        *self.error.lock() = Some(error);
        self.failed.store(true, Ordering::Release);
        self.wake_members();
    }

    /// Wakes all tasks that wait here, to report something.
    pub(super) fn wake_members(&self) {
        let taken = Taken::begin(&mut self.members.lock().tasks);
        taken.wake(|f| f(&mut self.members.lock().tasks));
    }

    fn check(&self) -> Result<(), ReactorError> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let error = self.error.lock().clone();
        error.map_or(Ok(()), Err)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("interests", &self.interests)
            .finish_non_exhaustive()
    }
}

/// A task's membership in a reactor's watch; given up when dropped.
#[derive(Debug)]
pub(crate) struct ReactorTicket<'a> {
    sharing: &'a Sharing,
    watch: Arc<Watch>,
    /// Tells the members of a watch apart.
    member: usize,
    waker: Waker,
}

impl<'a> ReactorTicket<'a> {
    /// Joins the watch of the current reactor; `register` makes one if there is none.
    ///
    /// The caller has set the handle's bell, and looks at the turn afterwards.
    pub(crate) fn join(
        sharing: &'a Sharing,
        waker: &Waker,
        interests: &PollingFlags,
        integration: usize,
        register: impl FnOnce() -> Result<Box<dyn Registration>, ReactorError>,
    ) -> Result<Self, ReactorError> {
        let hub = sharing.hub();
        // Code of users, which may panic: there is nothing to undo yet.
        let (kept, for_reports) = (waker.clone(), waker.clone());
        let make =
            || register().map(|made| Watch::new(sharing.runner(), made, integration, interests));
        let (watch, member, is_new) = Self::seat(hub, integration, make)?;
        hub.count_watcher(true);
        let ticket = Self {
            sharing,
            watch,
            member,
            waker: kept,
        };
        ticket.arm(for_reports);
        if is_new && ticket.watch.arm() {
            sharing.signal();
        }
        // It may have failed before our waker was there to be woken.
        ticket.watch.check()?;
        Ok(ticket)
    }

    /// A place at the watch of the current reactor, which `make` makes if there is none (R5).
    /// `true`: it was made.
    fn seat(
        hub: &Hub,
        integration: usize,
        make: impl FnOnce() -> Result<Arc<Watch>, ReactorError>,
    ) -> Result<(Arc<Watch>, usize, bool), ReactorError> {
        let mut make = Some(make);
        let mut made = None;
        loop {
            let (watches, seen) = hub.with_reactors(|seats| seats.look());
            // Whose reactor this is is asked outside the lock (S1).
            let joined = watches.iter().find_map(|watch| {
                let suits = watch.integration == integration
                    && watch.check().is_ok()
                    && watch.registration.is_current();
                let member = suits.then(|| watch.members.lock().join())??;
                Some((watch.clone(), member, false))
            });
            if let Some(joined) = joined {
                // What was made in vain is dropped outside the lock.
                return Ok(joined);
            }
            if let Some(make) = make.take() {
                made = Some(make().map(|watch| {
                    let member = watch.members.lock().join();
                    (watch, member.unwrap_or_default())
                }));
            }
            match made {
                Some(Ok((ref watch, member))) => {
                    let inserted = hub.with_reactors(|seats| seats.insert(watch, seen));
                    if inserted.is_ok() {
                        return Ok((watch.clone(), member, true));
                    }
                }
                // Another task may have been luckier.
                Some(Err(error)) if hub.with_reactors(|seats| seats.look().1) == seen => {
                    return Err(error);
                }
                _ => {}
            }
        }
    }

    /// Keeps a waker of this task for reports.
    fn arm(&self, waker: Waker) {
        let before = self.watch.members.lock().tasks.arm(self.member, waker);
        drop(before);
    }

    /// Whether the calling task still runs on the reactor that watches for it.
    pub(crate) fn is_current(&self) -> bool {
        self.watch.registration.is_current()
    }

    /// Still waiting: the interests may have changed, and so may the task's waker.
    pub(crate) fn renew(
        &mut self,
        waker: &Waker,
        interests: &PollingFlags,
    ) -> Result<(), ReactorError> {
        self.watch.check()?;
        if !self.waker.will_wake(waker) {
            self.waker = waker.clone();
            self.arm(waker.clone());
        }
        let (read, write) = interests.get();
        if self.sharing.runner().interests().is_none()
            && self.watch.interests.get() != (read, write)
        {
            self.watch.interests.set_read(read);
            self.watch.interests.set_write(write);
            if self.watch.arm() {
                self.sharing.signal();
            }
        }
        Ok(())
    }
}

impl Drop for ReactorTicket<'_> {
    fn drop(&mut self) {
        let hub = self.sharing.hub();
        let (waker, last) = {
            let mut members = self.watch.members.lock();
            (members.tasks.leave(self.member), members.end())
        };
        let before = last.then(|| hub.with_reactors(|seats| seats.remove(&self.watch)));
        hub.count_watcher(false);
        contained(|| drop((waker, before)));
    }
}
