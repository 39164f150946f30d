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

use super::cell::{Ask, Runner};
use super::integrations::{ReactorError, Registration};
use super::polling::PollingFlags;
use super::sharing::Sharing;
use crate::lock::Lock;
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll, Waker};

#[derive(Debug, Default)]
pub(crate) struct ReactorSeats(Vec<ReactorSeat>);

#[derive(Debug)]
struct ReactorSeat {
    watch: Arc<Watch>,
    /// Tasks that wait there. The watch ends with the last one.
    members: usize,
    /// The number of the latest task.
    next: usize,
    /// Woken only to report that the reactor failed or the backend died.
    tasks: Vec<(usize, Waker)>,
}

/// A handle watched by one reactor.
pub(crate) struct Watch {
    runner: Weak<dyn Runner>,
    registration: Box<dyn Registration>,
    interests: PollingFlags,
    failed: Lock<Option<ReactorError>>,
    trigger: Waker,
}

struct Trigger(Weak<Watch>);

impl Wake for Trigger {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(watch) = self.0.upgrade() {
            watch.fire();
        }
    }
}

impl Watch {
    fn new(
        runner: &Arc<dyn Runner>,
        registration: Box<dyn Registration>,
        interests: PollingFlags,
    ) -> Arc<Self> {
        Arc::new_cyclic(|watch| Self {
            runner: Arc::downgrade(runner),
            registration,
            interests,
            failed: Lock::new(None),
            trigger: Waker::from(Arc::new(Trigger(watch.clone()))),
        })
    }

    /// The reactor says that the handle is ready.
    fn fire(&self) {
        let Some(runner) = self.runner.upgrade() else {
            return;
        };
        let _ = self.arm();
        run_contained(&*runner);
    }

    /// Asks the reactor to fire once more. `true`: the handle is ready already.
    fn arm(&self) -> bool {
        let mut cx = Context::from_waker(&self.trigger);
        let mut ready = false;
        // Each "ready" consumes an event of the reactor (the contract of `Registration`), so this ends.
        loop {
            match self.registration.poll_ready(&self.interests, &mut cx) {
                Poll::Pending => return ready,
                Poll::Ready(Ok(())) => ready = true,
                Poll::Ready(Err(error)) => {
                    self.fail(error);
                    return ready;
                }
            }
        }
    }

    fn fail(&self, error: ReactorError) {
        *self.failed.lock() = Some(error);
        if let Some(runner) = self.runner.upgrade() {
            let tasks = runner
                .hub()
                .with_reactors(|seats| seats.take_wakers_of(self));
            for task in tasks {
                task.wake();
            }
        }
    }

    fn error(&self) -> Option<ReactorError> {
        self.failed.lock().clone()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("interests", &self.interests)
            .finish_non_exhaustive()
    }
}

/// Runs the turn from within a reactor, which must not be unwound: the panic of a backend has been recorded, and everybody
/// who waits for it panics in its stead.
fn run_contained(runner: &dyn Runner) {
    #[cfg(feature = "std")]
    let _ = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        let _ = runner.run(Ask::Always);
    }));
    #[cfg(not(feature = "std"))]
    let _ = runner.run(Ask::Always);
}

impl ReactorSeats {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everybody's waker, to report the end of the backend.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        self.0
            .iter_mut()
            .flat_map(|seat| seat.tasks.drain(..))
            .map(|(_, waker)| waker)
            .collect()
    }

    fn take_wakers_of(&mut self, watch: &Watch) -> Vec<Waker> {
        let seat = self
            .0
            .iter_mut()
            .find(|seat| core::ptr::eq(&*seat.watch, watch));
        seat.map(|seat| seat.tasks.drain(..).map(|(_, waker)| waker).collect())
            .unwrap_or_default()
    }

    /// One more task of the reactor that runs the calling task, if that reactor watches already.
    fn join_current(&mut self) -> Option<(Arc<Watch>, usize)> {
        let seat = self
            .0
            .iter_mut()
            .find(|seat| seat.watch.registration.is_current())?;
        seat.members += 1;
        seat.next += 1;
        Some((seat.watch.clone(), seat.next))
    }

    fn insert(&mut self, watch: Arc<Watch>) {
        self.0.push(ReactorSeat {
            watch,
            members: 1,
            next: 0,
            tasks: Vec::new(),
        });
    }

    /// One task less; the seat, when it was the last one (to be dropped outside the lock, as it deregisters).
    fn leave(&mut self, watch: &Arc<Watch>, member: usize) -> (Option<ReactorSeat>, Option<Waker>) {
        let Some(at) = self
            .0
            .iter()
            .position(|seat| Arc::ptr_eq(&seat.watch, watch))
        else {
            return (None, None);
        };
        let seat = &mut self.0[at];
        let waker = seat
            .tasks
            .iter()
            .position(|(id, _)| *id == member)
            .map(|i| seat.tasks.swap_remove(i).1);
        seat.members -= 1;
        let last = seat.members == 0;
        (last.then(|| self.0.swap_remove(at)), waker)
    }

    /// Keeps the waker of a task for reports; returns the one before.
    fn arm(&mut self, watch: &Arc<Watch>, member: usize, waker: Waker) -> Option<Waker> {
        let seat = self
            .0
            .iter_mut()
            .find(|seat| Arc::ptr_eq(&seat.watch, watch))?;
        match seat.tasks.iter_mut().find(|(id, _)| *id == member) {
            Some((_, old)) => Some(core::mem::replace(old, waker)),
            None => {
                seat.tasks.push((member, waker));
                None
            }
        }
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
        register: impl FnOnce() -> Result<Box<dyn Registration>, ReactorError>,
    ) -> Result<Self, ReactorError> {
        let hub = sharing.hub();
        let joined = hub.with_reactors(ReactorSeats::join_current);
        let fresh = joined.is_none();
        let (watch, member) = match joined {
            Some(joined) => joined,
            None => {
                // Two tasks may get here at once; each registers a descriptor of its own (R1), and both work.
                let watch = Watch::new(sharing.runner(), register()?, interests.clone());
                hub.with_reactors(|seats| seats.insert(watch.clone()));
                (watch, 0)
            }
        };
        hub.count_watcher(true);
        let ticket = Self {
            sharing,
            watch,
            member,
            waker: waker.clone(),
        };
        let waker = waker.clone();
        drop(hub.with_reactors(|seats| seats.arm(&ticket.watch, ticket.member, waker)));
        if fresh && ticket.watch.arm() {
            sharing.signal();
        }
        Ok(ticket)
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
        if let Some(error) = self.watch.error() {
            return Err(error);
        }
        if !self.waker.will_wake(waker) {
            self.waker = waker.clone();
            let waker = waker.clone();
            drop(
                self.sharing
                    .hub()
                    .with_reactors(|seats| seats.arm(&self.watch, self.member, waker)),
            );
        }
        let (read, write) = interests.get();
        if self.watch.interests.get() != (read, write) {
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
        let left = hub.with_reactors(|seats| seats.leave(&self.watch, self.member));
        hub.count_watcher(false);
        drop(left);
    }
}
