//! [`Watch`]: a registration of the handle with one reactor.

use crate::backend::drive::{ErasedBackend, Rounds, When};
use crate::backend::drive_lock::HandleReady;
use crate::backend::polling::PollingFlags;
use crate::backend::registration::{ReactorError, Register, Registration};
use crate::backend::task_wakers::{Taken, TaskWakers};
use crate::backend::waiters::Waiters;
use crate::contain::contained;
use crate::lock::Lock;
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use core::fmt;
use core::task::{Context, Poll, Waker};

/// A handle watched by one reactor.
pub(crate) struct Watch {
    backend: Weak<dyn ErasedBackend>,
    registration: Box<dyn Registration>,
    /// The address of the function that made the registration: it tells integrations apart, which
    /// may use different reactors on one thread.
    integration: usize,
    pub(super) interests: Arc<PollingFlags>,
    /// The interests for which it was armed last.
    armed: PollingFlags,
    /// Arming is deferred to the next unlock (R4); counted in [`Waiters::rearms_pending`].
    rearm_pending: AtomicBool,
    /// [`ARMING`] and [`REARM`].
    arming: AtomicU8,
    failed: AtomicBool,
    error: Lock<Option<ReactorError>>,
    trigger: Waker,
    pub(super) tasks: Lock<WatchTasks>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Nobody arms it any more: the list is without it.
        if let Some(backend) = self.backend.upgrade() {
            self.take_rearm_pending(backend.waiters());
        }
    }
}

/// A thread is arming the registration.
const ARMING: u8 = 1;
/// The trigger fired, or another thread asked to arm, since the last attempt began.
const REARM: u8 = 2;
/// Upper bound on attempts to arm in a row, for a registration that fires whenever it is armed.
const MAX_ARMS: u32 = 16;

struct Trigger(Weak<Watch>);

impl Wake for Trigger {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(watch) = self.0.upgrade() {
            // A reactor must not be unwound. A panic of the backend has been recorded, and is
            // raised in the waiters.
            contained(|| watch.on_ready());
        }
    }
}

impl Watch {
    pub(super) fn new(
        backend: &Arc<dyn ErasedBackend>,
        registration: Box<dyn Registration>,
        register: Register,
        interests: &PollingFlags,
    ) -> Arc<Self> {
        let interests = match backend.interests() {
            Some(shared) => shared.clone(),
            None => Arc::new(interests.clone()),
        };
        Arc::new_cyclic(|watch| Self {
            backend: Arc::downgrade(backend),
            registration,
            integration: register as usize,
            interests,
            armed: PollingFlags::new(),
            rearm_pending: AtomicBool::new(false),
            arming: AtomicU8::new(0),
            failed: AtomicBool::new(false),
            error: Lock::new(None),
            trigger: Waker::from(Arc::new(Trigger(watch.clone()))),
            tasks: Lock::new(WatchTasks::default()),
        })
    }

    /// Drives the backend: the reactor reports that the handle is ready.
    fn on_ready(&self) {
        if self.arming.fetch_or(REARM, Ordering::AcqRel) & ARMING != 0 {
            // The thread that is arming sees it. A reactor that fires within `poll_ready` would
            // recurse here.
            return;
        }
        let Some(backend) = self.backend.upgrade() else {
            return;
        };
        let waiters = backend.waiters();
        match waiters.drive_lock().handle_ready() {
            HandleReady::Dead => return backend.wake_all(),
            HandleReady::Locked if self.defer_rearm(waiters) => return,
            HandleReady::Locked | HandleReady::Free => {}
        }
        let _ = self.arm();
        let _ = backend.drive(When::Always, &mut Rounds::new());
        // The task for which a sender went on may have left meanwhile (A2).
        waiters.attendance.driver_left();
    }

    /// Defers arming to the unlock of the drive lock's holder (R4). Returns `false` when there is
    /// no holder any more.
    fn defer_rearm(&self, waiters: &Waiters) -> bool {
        self.set_rearm_pending(waiters);
        waiters.drive_lock().still_locked() || !self.take_rearm_pending(waiters)
    }

    fn set_rearm_pending(&self, waiters: &Waiters) {
        if !self.rearm_pending.swap(true, Ordering::AcqRel) {
            waiters.rearms_pending.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn take_rearm_pending(&self, waiters: &Waiters) -> bool {
        let pending = self.rearm_pending.swap(false, Ordering::AcqRel);
        if pending {
            waiters.rearms_pending.fetch_sub(1, Ordering::AcqRel);
        }
        pending
    }

    /// Arms again if arming was deferred, or if the interests have changed. Returns whether the
    /// handle is ready.
    pub(super) fn rearm(&self, waiters: &Waiters) -> bool {
        let due = self.take_rearm_pending(waiters) || self.armed.get() != self.interests.get();
        due && !self.failed.load(Ordering::Acquire) && self.arm()
    }

    /// Drives the backend if a signal is pending.
    pub(super) fn drive_if_signalled(&self) {
        if let Some(backend) = self.backend.upgrade() {
            let _ = backend.drive(When::IfSignalled, &mut Rounds::new());
            backend.waiters().attendance.driver_left();
        }
    }

    /// Asks the reactor to fire once more. Returns whether the handle is ready already.
    pub(super) fn arm(&self) -> bool {
        if self.arming.fetch_or(ARMING | REARM, Ordering::AcqRel) & ARMING != 0 {
            return false;
        }
        let mut ready = false;
        let mut first = true;
        for _ in 0..MAX_ARMS {
            // Clears the events before this attempt, and the requests of other threads that found
            // this one here.
            self.arming.fetch_and(!REARM, Ordering::AcqRel);
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
        if let Some(backend) = self.backend.upgrade() {
            self.set_rearm_pending(backend.waiters());
        }
        true
    }

    fn attempt(&self) -> bool {
        let mut cx = Context::from_waker(&self.trigger);
        let mut ready = false;
        let (read, write) = self.interests.get();
        self.armed.set_read(read);
        self.armed.set_write(write);
        // Each "ready" consumes an event of the reactor (the contract of `Registration`), so this
        // ends.
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

    /// Polls the registration, which is user code, on behalf of other tasks: one that panics has
    /// failed.
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
        self.wake_tasks();
    }

    /// Wakes all tasks that wait here, to report an error.
    pub(super) fn wake_tasks(&self) {
        let taken = Taken::begin(&mut self.tasks.lock().wakers);
        taken.wake(|f| f(&mut self.tasks.lock().wakers));
    }

    /// Returns whether the calling task runs on the reactor of this watch.
    pub(super) fn is_current(&self) -> bool {
        self.registration.is_current()
    }

    /// Returns whether a task of the calling thread's reactor can wait here.
    pub(super) fn suits(&self, register: Register) -> bool {
        self.integration == register as usize && self.check().is_ok() && self.is_current()
    }

    /// Returns the error with which the registration has failed, if it has.
    pub(super) fn check(&self) -> Result<(), ReactorError> {
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

/// The tasks of a watch. Their wakers are woken only to report that the reactor failed or the
/// backend died.
#[derive(Default)]
pub(super) struct WatchTasks {
    pub(super) wakers: TaskWakers,
    /// The last task has left: none joins any more, and the watch leaves the list (R6).
    ended: bool,
}

impl WatchTasks {
    /// Adds a task, and returns its number, unless the watch has ended.
    pub(super) fn join(&mut self) -> Option<usize> {
        (!self.ended).then(|| self.wakers.join())
    }

    /// Ends the watch if the last task has left. Returns whether it ended now.
    #[must_use]
    pub(super) fn end_if_last(&mut self) -> bool {
        let last = !self.ended && self.wakers.is_empty();
        self.ended |= last;
        last
    }
}
