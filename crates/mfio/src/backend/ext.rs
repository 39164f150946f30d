//! [`IoBackendExt`]: the ways to drive an object with a backend.

use super::block_on::{block_on_exclusive, block_on_shared, own_parker};
use super::io_backend::IoBackend;
use super::polling::{Pollable, PollingHandle};
use super::shared::SharedWithBackend;
use super::sharing::NOT_SHARED;
use super::with_backend::WithBackend;
use crate::poller::{Lease, ParkHandle};
use alloc::sync::Arc;
use core::future::Future;

/// Methods of every [`IoBackend`].
pub trait IoBackendExt<Handle: Pollable>: IoBackend<Handle> {
    /// Returns a future that drives the backend along with `future`, and the handle to wait on.
    ///
    /// The backend is held from here until the future is dropped. If there is a handle, the caller
    /// polls the future again when it is ready.
    ///
    /// # Panics
    ///
    /// When the backend is held already, or has completed or panicked; later, on each poll of the
    /// future, when the backend completes before `future` does, or panics.
    #[track_caller]
    fn with_backend<F: Future>(
        &self,
        future: F,
    ) -> (
        WithBackend<'_, Self::Backend, F>,
        Option<PollingHandle<'_, Handle>>,
    ) {
        let handle = self.polling_handle();
        (WithBackend::new(self.get_backend(), future), handle)
    }

    /// Returns the shared form of [`with_backend`](Self::with_backend): any number of them, and
    /// other drivers, run at once.
    ///
    /// The backend is held only within a poll. If there is a handle and no other driver watches it,
    /// the caller polls the future again when the handle is ready; all other events wake the
    /// future's waker.
    ///
    /// # Panics
    ///
    /// When the object is not shared. A backend that is dead is reported by the poll.
    #[track_caller]
    fn share_with_backend<F: Future>(
        &self,
        future: F,
    ) -> (SharedWithBackend<'_, F>, Option<PollingHandle<'_, Handle>>) {
        let shared = self.shared().unwrap_or_else(|| panic!("{NOT_SHARED}"));
        let handle = shared.polling_handle();
        (SharedWithBackend::new(shared.sharing(), future), handle)
    }

    /// Drives the backend on this thread until `future` is ready.
    ///
    /// On a shared backend any number of threads may do so at once, beside tasks of any executor.
    /// The thread parks on the polling handle if there is one, otherwise on a parker of this call.
    ///
    /// # Panics
    ///
    /// Within another `block_on` of the same backend on the same thread; on an exclusive backend,
    /// when it is held; when the backend completes or panics. Without std and without a handle,
    /// because there is nothing to park on: [`block_on_parked`](Self::block_on_parked) takes a
    /// parker.
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on_with(self, future, own_parker)
    }

    /// Like [`block_on`](Self::block_on), with a parker of your own, for systems without std.
    fn block_on_parked<F, P>(&self, future: F, parker: Arc<P>) -> F::Output
    where
        F: Future,
        P: ParkHandle + Send + Sync + 'static,
    {
        block_on_with(self, future, || Lease::with_handle(parker))
    }
}

fn block_on_with<H, F, B>(object: &B, future: F, parker: impl FnOnce() -> Lease) -> F::Output
where
    H: Pollable,
    F: Future,
    B: IoBackend<H> + ?Sized,
{
    if let Some(shared) = object.shared() {
        return block_on_shared(shared, future, parker);
    }
    let backend = object.get_backend();
    block_on_exclusive(future, backend, object.polling_handle(), parker, |handle| {
        object.wait(handle, object.next_timeout());
    })
}

impl<T: IoBackend<Handle> + ?Sized, Handle: Pollable> IoBackendExt<Handle> for T {}
