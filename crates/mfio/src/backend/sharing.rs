//! What a shared backend gives to those who drive it and to those who send to it.

use super::cell::{Ask, Core, Runner};
use super::seats::Hub;
use crate::error::Cause;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;

/// A backend that any number of tasks and threads drive at once.
///
/// Got from [`BackendContainer::sharing`](super::BackendContainer::sharing), returned from
/// [`IoBackend::sharing`](super::IoBackend::sharing).
#[derive(Clone)]
pub struct Sharing {
    runner: Arc<dyn Runner>,
    /// The runner's, at hand without a virtual call.
    hub: Arc<Hub>,
}

impl Sharing {
    pub(crate) fn new<B: Future<Output = ()> + Send + ?Sized + 'static>(
        core: Arc<Core<B>>,
    ) -> Self {
        Self::from_runner(core)
    }

    pub(crate) fn from_runner(runner: Arc<dyn Runner>) -> Self {
        let hub = runner.hub().clone();
        Self { runner, hub }
    }

    /// Says that the backend has something to do.
    ///
    /// For whoever queued work for it; the same as waking the waker that the backend is polled with. Returns at once: if
    /// the backend is being polled it is polled again, otherwise whoever watches it is told, once for any number of
    /// signals. Where nobody waits for this backend, the next one who does will see it.
    pub fn signal(&self) {
        self.hub.signal();
    }

    /// Sees to it that somebody drives this backend: starts its fallback thread where nobody does.
    ///
    /// For whoever is about to queue work, where the container was told what to do without a driver
    /// ([`with_fallback_thread`](super::BackendContainer::with_fallback_thread),
    /// [`refuse_without_driver`](super::BackendContainer::refuse_without_driver)). Where it was not, this does nothing.
    /// [`signal`](Self::signal) looks for a driver as well, but reports nothing.
    ///
    /// # Errors
    ///
    /// `NotDriven` where nobody drives and nobody may; `LimitReached` with the system's number where no thread is to be had.
    #[inline]
    pub fn attend(&self) -> Result<(), Cause> {
        self.hub.attend()
    }

    /// Runs the turn for an event that nobody else may ever come for.
    pub(crate) fn run_owed(&self) {
        #[cfg(feature = "std")]
        if std::thread::panicking() {
            // Whoever drives next sees the event.
            return;
        }
        let _ = self.runner.run(Ask::IfSignalled);
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn runner(&self) -> &Arc<dyn Runner> {
        &self.runner
    }

    /// Whether a round runs the turn after the user's future was polled, signalled or not.
    pub(crate) fn ask_after_poll(&self) -> Ask {
        if self.runner.eager() {
            Ask::Always
        } else {
            Ask::IfSignalled
        }
    }
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing").field("hub", self.hub()).finish()
    }
}
