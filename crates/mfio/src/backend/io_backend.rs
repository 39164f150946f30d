//! [`IoBackend`]: objects that have a backend.

use super::container::BackendHandle;
use super::polling::{DefaultHandle, Pollable, PollingHandle};
use super::shared_backend::SharedBackend;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::Future;
use core::time::Duration;

/// An object with a backend, which must be driven for its futures to complete.
///
/// There are two forms. An object whose backend any number of tasks and threads drive returns it
/// from [`shared`](Self::shared), from which all else follows. An object whose backend one task or
/// thread drives at a time leaves `shared` out, and implements
/// [`polling_handle`](Self::polling_handle) and [`get_backend`](Self::get_backend).
///
/// A layer over one object has no backend of its own. It forwards all methods to the object below:
/// with a backend of its own, nothing would drive that object, and its operations would wait for
/// ever. Over several objects use `mfio_layers::AttachBackend`.
///
/// # Examples
///
/// ```
/// use mfio::backend::*;
///
/// struct Object {
///     backend: SharedBackend,
/// }
///
/// impl IoBackend for Object {
///     type Backend = DynBackend;
///
///     fn shared(&self) -> Option<&SharedBackend> {
///         Some(&self.backend)
///     }
/// }
///
/// let object = Object { backend: SharedBackend::new(std::future::pending()) };
/// assert_eq!(object.block_on(async { 1 + 1 }), 2);
/// ```
///
/// ```
/// use mfio::backend::*;
///
/// struct Exclusive {
///     container: BackendContainer<DynBackend>,
/// }
///
/// impl IoBackend for Exclusive {
///     type Backend = DynBackend;
///
///     fn polling_handle(&self) -> Option<PollingHandle<'_>> {
///         None // wakes come from elsewhere
///     }
///
///     fn get_backend(&self) -> BackendHandle<'_, Self::Backend> {
///         self.container.acquire(None)
///     }
/// }
///
/// let object = Exclusive { container: BackendContainer::new_dyn(std::future::pending()) };
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

    /// Returns the shared backend of this object. An object that returns one implements no other
    /// method: they follow from it.
    ///
    /// The default, `None`, is "not shared": one driver at a time.
    ///
    /// An exclusive handle ([`get_backend`](Self::get_backend),
    /// [`with_backend`](super::IoBackendExt::with_backend)) still excludes all others while it
    /// lives: tasks wait for it, and `block_on` panics, because a handle may have been forgotten.
    fn shared(&self) -> Option<&SharedBackend<Self::Backend, Handle>> {
        None
    }

    /// Returns the handle to wait on for this backend, with its interests and a waker that makes it
    /// ready.
    ///
    /// `None` means that the backend wakes by other means (another thread, say), and that parking
    /// the thread suffices.
    ///
    /// A reactor may report readiness only once (tokio's does). So a backend that leaves its handle
    /// ready, because it did not drain it, wakes the waker that it was polled with.
    #[track_caller]
    fn polling_handle(&self) -> Option<PollingHandle<'_, Handle>> {
        shared_or_refuse(self.shared()).polling_handle()
    }

    /// Acquires the backend exclusively.
    ///
    /// # Panics
    ///
    /// When the backend is held already, or has completed or panicked.
    #[track_caller]
    fn get_backend(&self) -> BackendHandle<'_, Self::Backend> {
        shared_or_refuse(self.shared()).acquire()
    }

    /// Blocks the thread until the handle is ready, its waker fired, or `timeout` passed, for a
    /// backend that is not shared.
    ///
    /// The default polls the handle; [`BackendWait::wait`](super::BackendWait::wait) has the rules.
    fn wait(&self, handle: &PollingHandle<'_, Handle>, timeout: Option<Duration>) {
        handle.handle.poll_timeout(handle.cur_flags, timeout);
    }

    /// Returns the time after which a backend that is not shared must be polled again. `None`: no
    /// limit. [`BackendWait::next_timeout`](super::BackendWait::next_timeout) has the rules.
    fn next_timeout(&self) -> Option<Duration> {
        None
    }
}

#[track_caller]
fn shared_or_refuse<B: ?Sized, H>(shared: Option<&SharedBackend<B, H>>) -> &SharedBackend<B, H> {
    shared.unwrap_or_else(|| {
        panic!(
            "this object implements neither `IoBackend::shared` nor both of `polling_handle` and \
             `get_backend`"
        )
    })
}

/// Returns the handle of an object in either form.
pub(crate) fn polling_handle_of<B: IoBackend<H> + ?Sized, H: Pollable>(
    object: &B,
) -> Option<PollingHandle<'_, H>> {
    match object.shared() {
        Some(shared) => shared.polling_handle(),
        None => object.polling_handle(),
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: IoBackend<Handle> + ?Sized, Handle: Pollable> IoBackend<Handle> for $pointer {
            type Backend = T::Backend;

            fn shared(&self) -> Option<&SharedBackend<Self::Backend, Handle>> {
                (**self).shared()
            }

            fn polling_handle(&self) -> Option<PollingHandle<'_, Handle>> {
                (**self).polling_handle()
            }

            #[track_caller]
            fn get_backend(&self) -> BackendHandle<'_, Self::Backend> {
                (**self).get_backend()
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
