//! [`Sharing`]: the interface of a shared backend to its drivers and senders.

use super::cell::Core;
use super::drive::{ErasedBackend, Progress, Rounds, When};
use super::reactor::Reactors;
use super::waiters::Waiters;
use crate::error::Cause;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;

pub(crate) const NOT_SHARED: &str =
    "this backend is not shared: return a `SharedBackend` from `IoBackend::shared`";

/// The interface of a shared backend for the senders of operations.
///
/// [`SharedBackend::sharing`](super::SharedBackend::sharing) returns it.
#[derive(Clone)]
pub struct Sharing {
    backend: Arc<dyn ErasedBackend>,
    /// The waiters of `backend`, at hand without a virtual call.
    waiters: Arc<Waiters>,
    reactors: Arc<Reactors>,
}

impl Sharing {
    pub(crate) fn new<B: Future<Output = ()> + Send + ?Sized + 'static>(
        core: Arc<Core<B>>,
    ) -> Self {
        Self {
            waiters: core.waiters.clone(),
            reactors: core.reactors.clone(),
            backend: core,
        }
    }

    /// Signals that the backend has something to do.
    ///
    /// For a sender that has queued work; it is the same as waking the waker that the backend is
    /// polled with. Returns at once: if the backend is being polled it is polled again, otherwise
    /// its waiters are woken, once for any number of signals. If nobody waits for this backend, the
    /// next driver will see the signal.
    pub fn signal(&self) {
        self.waiters.signal();
    }

    /// Sees to it that this backend is driven: starts its fallback thread if nobody drives it.
    ///
    /// For a sender that is about to queue work, where the backend has a policy for operations that
    /// nobody drives: a fallback thread, or [`refuse_without_driver`]. Without a policy this does
    /// nothing. [`signal`](Self::signal) looks for a driver as well, but reports nothing.
    ///
    /// # Errors
    ///
    /// If nobody drives: `BackendGone` if the backend has completed or panicked, or its object is
    /// gone; `NotDriven` if the policy forbids the thread; `LimitReached` with the system's error
    /// number if the system gives no thread.
    ///
    /// [`refuse_without_driver`]: super::SharedBackendBuilder::refuse_without_driver
    #[inline]
    pub fn attend(&self) -> Result<(), Cause> {
        self.waiters.attendance.attend()
    }

    /// Drives the backend with a budget of its own.
    #[inline]
    pub(crate) fn drive(&self, when: When) -> Progress {
        if when == When::IfSignalled {
            // The common case, without a virtual call.
            match self.waiters.drive_lock().needs_poll() {
                Ok(true) => {}
                Ok(false) => return Progress::NotPolled,
                Err(dead) => return Progress::Dead(dead),
            }
        }
        self.backend.drive(when, &mut Rounds::new())
    }

    /// Drives the backend for a pending signal that nobody else may ever come for.
    pub(crate) fn drive_if_signalled(&self) {
        #[cfg(feature = "std")]
        if std::thread::panicking() {
            // The next driver sees the signal.
            return;
        }
        let _ = self.drive(When::IfSignalled);
    }

    pub(crate) fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    pub(crate) fn reactors(&self) -> &Reactors {
        &self.reactors
    }

    pub(crate) fn backend(&self) -> &Arc<dyn ErasedBackend> {
        &self.backend
    }

    /// Returns the condition under which a poll drives after it has polled the user's future.
    pub(crate) fn when_polled(&self) -> When {
        if self.backend.eager() {
            When::Always
        } else {
            When::IfSignalled
        }
    }
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing")
            .field("waiters", self.waiters())
            .finish()
    }
}

/// The intent to drive a backend: a `drive` future that was made, whether or not it has been
/// polled.
pub(crate) struct DriveIntent(Option<Arc<Waiters>>);

impl DriveIntent {
    pub(crate) fn new(sharing: Option<&Sharing>) -> Self {
        let waiters = sharing.map(|sharing| sharing.waiters.clone());
        if let Some(waiters) = &waiters {
            waiters.attendance.expect_driver();
        }
        Self(waiters)
    }
}

impl Drop for DriveIntent {
    fn drop(&mut self) {
        if let Some(waiters) = &self.0 {
            waiters.attendance.unexpect_driver();
        }
    }
}
