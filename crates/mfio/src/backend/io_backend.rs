//! [`IoBackend`]: objects that have a backend.

use super::container::BackendHandle;
use super::polling::{DefaultHandle, Pollable, PollingHandle};
use super::sharing::Sharing;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::Future;
use core::time::Duration;

/// An object with a backend, which must be driven for its futures to complete.
///
/// # Examples
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
            them, or add it by `mfio_layers::AttachBackend`"
)]
pub trait IoBackend<Handle: Pollable = DefaultHandle> {
    /// The type of the backend.
    type Backend: Future<Output = ()> + Send + ?Sized;

    /// Returns the handle to wait on for this backend, with its interests and a waker that makes it
    /// ready.
    ///
    /// `None` means that the backend wakes by other means (another thread, say), and that parking
    /// the thread suffices.
    ///
    /// A reactor may report readiness only once (tokio's does). So a backend that leaves its handle
    /// ready, because it did not drain it, wakes the waker that it was polled with.
    fn polling_handle(&self) -> Option<PollingHandle<'_, Handle>>;

    /// Acquires the backend exclusively.
    ///
    /// # Panics
    ///
    /// When the backend is held already.
    fn get_backend(&self) -> BackendHandle<'_, Self::Backend>;

    /// Returns the container's [`sharing`](super::BackendContainer::sharing), by which any number
    /// of tasks and threads drive this backend at once. The default is "not shared": one driver at
    /// a time.
    ///
    /// An exclusive handle ([`get_backend`](Self::get_backend),
    /// [`with_backend`](super::IoBackendExt::with_backend)) still excludes all others while it
    /// lives: tasks wait for it, and `block_on` panics, because a handle may have been forgotten.
    fn sharing(&self) -> Option<&Sharing> {
        None
    }

    /// Blocks the thread until the handle is ready, its waker fired, or `timeout` passed.
    ///
    /// The default polls the handle. A backend that can submit and wait in one call does so here.
    /// The thread that calls it holds the backend, so no other thread polls it at that time. A wait
    /// may end early without a reason.
    fn wait(&self, handle: &PollingHandle<'_, Handle>, timeout: Option<Duration>) {
        handle.handle.poll_timeout(handle.cur_flags, timeout);
    }

    /// Returns the time after which the backend must be polled again, ready or not. `None`: no
    /// limit.
    ///
    /// [`ForeignLoop`](super::ForeignLoop) passes it on, and `block_on` obeys it if there is a
    /// handle. Reactors do not ask for it, nor do waits without a handle: there the backend must
    /// wake itself.
    fn next_timeout(&self) -> Option<Duration> {
        None
    }
}

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

            fn next_timeout(&self) -> Option<Duration> {
                (**self).next_timeout()
            }
        }
    )*};
}
forward!(&T, Arc<T>, Box<T>);
