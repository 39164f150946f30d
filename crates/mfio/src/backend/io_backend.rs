//! The traits of objects that have a backend.

use super::BackendHandle;
use super::block_on::{block_on_exclusive, block_on_shared, own_parker};
use super::polling::{DefaultHandle, Pollable, PollingHandle};
use super::shared::SharedWithBackend;
use super::sharing::Sharing;
use super::with_backend::WithBackend;
use crate::poller::ParkHandle;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::time::Duration;

/// An object whose futures need a backend to be driven.
///
/// ```
/// use mfio::backend::*;
///
/// struct Object {
///     container: BackendContainer<DynBackend>,
/// }
///
/// impl IoBackend for Object {
///     type Backend = DynBackend;
///
///     fn polling_handle(&self) -> Option<PollingHandle<'_>> {
///         None // wakes come from elsewhere
///     }
///
///     fn get_backend(&self) -> BackendHandle<'_, Self::Backend> {
///         self.container.acquire(None)
///     }
///
///     // Leave this out, and the object is driven by one task or thread at a time.
///     fn sharing(&self) -> Option<&Sharing> {
///         self.container.sharing()
///     }
/// }
///
/// let object = Object { container: BackendContainer::new_dyn(std::future::pending()) };
/// assert_eq!(object.block_on(async { 1 + 1 }), 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no backend of its own",
    note = "layers over several objects have none: call `block_on` of the runtime that drives \
            them, or add it by `mfio_layers::Driven`"
)]
pub trait IoBackend<Handle: Pollable = DefaultHandle> {
    /// The backend.
    type Backend: Future<Output = ()> + Send + ?Sized;

    /// The handle to wait on for this backend, with the interests and a waker that makes the handle ready.
    ///
    /// `None` means that the backend wakes by other means (another thread, say), and that parking the thread suffices.
    ///
    /// Reactors may tell of readiness once only (tokio's does): a backend that leaves its handle ready, because it did not
    /// drain it, wakes the waker that it was polled with.
    fn polling_handle(&self) -> Option<PollingHandle<'_, Handle>>;

    /// Acquires the backend exclusively.
    ///
    /// # Panics
    ///
    /// When it is held already.
    fn get_backend(&self) -> BackendHandle<'_, Self::Backend>;

    /// What lets any number of tasks and threads drive this backend at once: the container's
    /// [`sharing`](super::BackendContainer::sharing). The default is "not shared": one driver at a time.
    ///
    /// A raw handle ([`get_backend`](Self::get_backend), [`with_backend`](IoBackendExt::with_backend)) still excludes
    /// everybody while it lives: tasks wait for it, and `block_on` panics rather than wait for what may be forgotten.
    fn sharing(&self) -> Option<&Sharing> {
        None
    }

    /// Blocks the thread until the handle is ready, its waker fired, or `timeout` passed.
    ///
    /// The default polls the handle. A backend that can submit and wait in one call does so here. It is called by the one
    /// thread that holds the turn, so nobody polls the backend at that time. A wait may end early for no reason.
    fn wait(&self, handle: &PollingHandle<'_, Handle>, timeout: Option<Duration>) {
        handle.handle.poll_timeout(handle.cur_flags, timeout);
    }

    /// How long a waiter may wait before the backend must be polled again, ready or not. `None`: for ever.
    ///
    /// [`ForeignLoop`](super::ForeignLoop) hands it on, and `block_on` obeys it where there is a handle. For reactors, and
    /// without a handle, the backend must see to a wake by itself.
    fn next_deadline(&self) -> Option<Duration> {
        None
    }
}

/// What every [`IoBackend`] can do.
pub trait IoBackendExt<Handle: Pollable>: IoBackend<Handle> {
    /// A future that drives the backend along with `future`, and the handle to wait on.
    ///
    /// The backend is held from here until the future is dropped. If there is a handle, the caller polls the future again
    /// when it is ready.
    ///
    /// # Panics
    ///
    /// When the backend is held already.
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

    /// The shared form of [`with_backend`](Self::with_backend): any number of them, and other drivers, may run at once.
    ///
    /// The backend is held only within a poll. If there is a handle and nobody else watches it, the caller polls the future
    /// again when it is ready; the future's waker is woken for everything else.
    ///
    /// # Panics
    ///
    /// When the object is not shared.
    fn share_with_backend<F: Future>(
        &self,
        future: F,
    ) -> (SharedWithBackend<'_, F>, Option<PollingHandle<'_, Handle>>) {
        let handle = self.polling_handle();
        let sharing = self.sharing().unwrap_or_else(|| panic!("{NOT_SHARED}"));
        (SharedWithBackend::unwatched(sharing, future), handle)
    }

    /// Drives the backend on this thread until `future` is ready.
    ///
    /// On a shared backend any number of threads may do so at once, beside tasks of any executor. The thread parks on the
    /// polling handle where there is one, otherwise on a parker of this very call.
    ///
    /// # Panics
    ///
    /// Within another `block_on` of the same backend on the same thread; on an exclusive backend, when it is held; when the
    /// backend completes or panics. Without std and without a handle, because there is nothing to park on:
    /// [`block_on_parked`](Self::block_on_parked) takes a parker.
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self.sharing() {
            Some(sharing) => block_on_shared(self, sharing, future, own_parker),
            None => block_on_exclusive(
                future,
                self.get_backend(),
                self.polling_handle(),
                own_parker,
                |h| {
                    self.wait(h, self.next_deadline());
                },
            ),
        }
    }

    /// [`block_on`](Self::block_on) with a parker of your own, for systems without std.
    fn block_on_parked<F, P>(&self, future: F, parker: Arc<P>) -> F::Output
    where
        F: Future,
        P: ParkHandle + Send + Sync + 'static,
    {
        let parker = || crate::poller::Parker::with_handle(parker);
        match self.sharing() {
            Some(sharing) => block_on_shared(self, sharing, future, parker),
            None => block_on_exclusive(
                future,
                self.get_backend(),
                self.polling_handle(),
                parker,
                |h| {
                    self.wait(h, self.next_deadline());
                },
            ),
        }
    }
}

impl<T: IoBackend<Handle> + ?Sized, Handle: Pollable> IoBackendExt<Handle> for T {}

pub(crate) const NOT_SHARED: &str =
    "this backend is not shared: return its container's `sharing()` from `IoBackend::sharing`";

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: IoBackend<Handle> + ?Sized, Handle: Pollable> IoBackend<Handle> for $pointer {
            type Backend = T::Backend;

            fn polling_handle(&self) -> Option<PollingHandle<'_, Handle>> {
                (**self).polling_handle()
            }

            fn get_backend(&self) -> BackendHandle<'_, Self::Backend> {
                (**self).get_backend()
            }

            fn sharing(&self) -> Option<&Sharing> {
                (**self).sharing()
            }

            fn wait(&self, handle: &PollingHandle<'_, Handle>, timeout: Option<Duration>) {
                (**self).wait(handle, timeout);
            }

            fn next_deadline(&self) -> Option<Duration> {
                (**self).next_deadline()
            }
        }
    )*};
}
forward!(&T, Arc<T>, Box<T>);

/// A value that has an [`IoBackend`] in it, or is one.
pub trait LinksIoBackend {
    /// The object with the backend.
    type Link: IoBackend + ?Sized;

    /// The object with the backend.
    fn get_mut(&self) -> &Self::Link;
}

impl<T: IoBackend> LinksIoBackend for T {
    type Link = T;

    fn get_mut(&self) -> &T {
        self
    }
}

/// A borrowed object, as a link.
pub struct RefLink<'a, T: ?Sized>(&'a T);

impl<'a, T: ?Sized> RefLink<'a, T> {
    /// Links `object`.
    pub const fn new(object: &'a T) -> Self {
        Self(object)
    }
}

impl<T: IoBackend + ?Sized> LinksIoBackend for RefLink<'_, T> {
    type Link = T;

    fn get_mut(&self) -> &T {
        self.0
    }
}

impl<T: ?Sized> Clone for RefLink<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for RefLink<'_, T> {}

impl<T: ?Sized> fmt::Debug for RefLink<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefLink").finish_non_exhaustive()
    }
}
