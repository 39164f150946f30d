//! [`SharedBackend`]: a backend that any number of tasks and threads drive at once.

#[cfg(all(feature = "std", unix, not(mfio_loom)))]
use super::attendance::FallbackPolicy;
use super::attendance::Policy;
use super::cell::Core;
use super::container::{BackendHandle, Busy, DynBackend};
use super::exported_handle::ExportedHandle;
use super::polling::{DefaultHandle, Pollable, PollingFlags, PollingHandle};
use super::sharing::Sharing;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::AtomicU8;
#[cfg(all(feature = "std", unix, not(mfio_loom)))]
use core::sync::atomic::AtomicUsize;
use core::time::Duration;

/// A backend that any number of tasks and threads drive at once.
///
/// It is complete when it is built: with the handle to wait on, the wake flags of that handle's
/// waker, and the backend's own way to wait. An object returns it from
/// [`IoBackend::shared`](super::IoBackend::shared), and needs nothing else.
///
/// # Examples
///
/// A backend whose handle is a socket, woken by a coalescing waker:
///
/// ```
/// # #[cfg(unix)] {
/// use mfio::backend::fd::{FdWaker, FdWakerOwner};
/// use mfio::backend::*;
/// use std::os::fd::AsRawFd;
/// use std::os::unix::net::UnixStream;
/// use std::task::Poll;
///
/// struct Object {
///     backend: SharedBackend,
///     _wake: FdWakerOwner<UnixStream>,
///     _handle: UnixStream,
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
/// # fn main() -> std::io::Result<()> {
/// let (ours, theirs) = UnixStream::pair()?;
/// theirs.set_nonblocking(true)?;
/// let wake = FdWakerOwner::from(theirs);
/// let backend = std::future::poll_fn(|_| {
///     // … drain the handle, submit and complete operations …
///     Poll::<()>::Pending
/// });
/// let object = Object {
///     backend: SharedBackend::builder(backend)
///         .handle(ExportedHandle::new(ours.as_raw_fd(), FdWaker::clone(&wake)))
///         .build(),
///     _wake: wake,
///     _handle: ours,
/// };
/// assert_eq!(object.block_on(async { 1 + 1 }), 2);
/// # Ok(()) }
/// # main().unwrap() }
/// ```
pub struct SharedBackend<B: ?Sized = DynBackend, Handle = DefaultHandle> {
    core: Arc<Core<B>>,
    sharing: Sharing,
    handle: Option<ExportedHandle<Handle>>,
    waits: Option<Arc<dyn BackendWait>>,
}

/// The waits of a backend that waits in a way of its own.
pub trait BackendWait: Send + Sync {
    /// Called before each wait. It may panic, for a wait that would never end.
    fn before_wait(&self) {}

    /// Blocks the thread until the handle is ready, its waker fired, or `timeout` passed.
    ///
    /// The default polls the handle. A backend that can submit and wait in one call does so here.
    /// The thread that calls it holds the backend, so no other thread polls it at that time. A wait
    /// may end early without a reason.
    fn wait(&self, handle: &dyn Pollable, interests: &PollingFlags, timeout: Option<Duration>) {
        handle.poll_timeout(interests, timeout);
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

impl SharedBackend {
    /// Creates a shared backend of a boxed future, without a handle.
    pub fn new(backend: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::builder(backend).build()
    }

    /// Begins a shared backend of a boxed future.
    pub fn builder(
        backend: impl Future<Output = ()> + Send + 'static,
    ) -> SharedBackendBuilder<DynBackend> {
        let backend: Pin<Box<DynBackend>> = Box::pin(backend);
        SharedBackendBuilder::from_boxed(backend)
    }
}

impl<B: ?Sized, Handle> SharedBackend<B, Handle> {
    /// Returns the interface for senders of operations.
    pub const fn sharing(&self) -> &Sharing {
        &self.sharing
    }

    /// Returns the handle to wait on, if the backend exports one.
    ///
    /// # Panics
    ///
    /// As [`BackendWait::before_wait`] does.
    #[track_caller]
    pub fn polling_handle(&self) -> Option<PollingHandle<'_, Handle>> {
        if let Some(waits) = &self.waits {
            waits.before_wait();
        }
        self.handle.as_ref().map(ExportedHandle::polling)
    }

    /// Acquires the backend exclusively, with its wake flags.
    ///
    /// # Panics
    ///
    /// When the backend is held already, on any thread; when it has completed or panicked.
    #[track_caller]
    pub fn acquire(&self) -> BackendHandle<'_, B> {
        self.try_acquire().unwrap_or_else(|busy| busy.refuse())
    }

    /// Acquires the backend exclusively, if it is free and alive.
    ///
    /// # Errors
    ///
    /// [`Busy`] when the backend is held, or dead.
    pub fn try_acquire(&self) -> Result<BackendHandle<'_, B>, Busy> {
        self.try_acquire_with(self.core.wake_flags.clone())
    }

    fn try_acquire_with(
        &self,
        wake_flags: Option<Arc<AtomicU8>>,
    ) -> Result<BackendHandle<'_, B>, Busy> {
        if let Some(handle) = &self.handle {
            // An owner that polls by hand is woken by its handle.
            self.core.waiters.set_handle_waker(handle.waker());
        }
        BackendHandle::try_new(&self.core, Some(&self.sharing), wake_flags)
    }

    /// Acquires the backend with another one nested in it, as
    /// [`BackendContainer::acquire_nested`](super::BackendContainer::acquire_nested) does.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire); `handle` is released then.
    #[track_caller]
    pub fn acquire_nested<'a, B2>(&'a self, handle: BackendHandle<'a, B2>) -> BackendHandle<'a, B>
    where
        B2: Future<Output = ()> + Send + ?Sized,
    {
        self.try_acquire_with(handle.wake_flags())
            .unwrap_or_else(|busy| busy.refuse())
            .with_nested(handle)
    }
}

impl<B: ?Sized, Handle: Pollable> SharedBackend<B, Handle> {
    pub(crate) fn wait(&self, handle: &PollingHandle<'_, Handle>) {
        match &self.waits {
            Some(waits) => waits.wait(&handle.handle, handle.cur_flags, waits.next_timeout()),
            None => handle.handle.poll(handle.cur_flags),
        }
    }
}

impl<B: ?Sized, Handle> SharedBackend<B, Handle> {
    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.waits.as_ref()?.next_timeout()
    }
}

impl<B: ?Sized, Handle> Drop for SharedBackend<B, Handle> {
    fn drop(&mut self) {
        self.core.close();
    }
}

impl<B: ?Sized, Handle> fmt::Debug for SharedBackend<B, Handle> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBackend")
            .field("core", &self.core)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// The parts of a [`SharedBackend`].
///
/// The backend is polled with a waker of its own, whose wake means "there is something to do". A
/// backend that follows the contract of futures (a party that gives it work wakes the waker that it
/// stored) needs none of the options.
pub struct SharedBackendBuilder<B: ?Sized, Handle = DefaultHandle> {
    backend: Pin<Box<B>>,
    on_signal_only: bool,
    policy: Policy,
    handle: Option<ExportedHandle<Handle>>,
    waits: Option<Arc<dyn BackendWait>>,
}

impl<B: Future<Output = ()> + Send + 'static> SharedBackendBuilder<B> {
    /// Begins a shared backend of a type of its own; [`SharedBackend::builder`] boxes the future.
    pub fn new(backend: B) -> Self {
        Self::from_boxed(Box::pin(backend))
    }
}

impl<B: ?Sized> SharedBackendBuilder<B> {
    fn from_boxed(backend: Pin<Box<B>>) -> Self {
        Self {
            backend,
            on_signal_only: false,
            policy: Policy::None,
            handle: None,
            waits: None,
        }
    }
}

impl<B: Future<Output = ()> + Send + ?Sized + 'static, Handle> SharedBackendBuilder<B, Handle> {
    /// Has the backend polled only when it was signalled or its handle was ready.
    ///
    /// Without this the backend is polled after each poll of a user's future, as an exclusive one
    /// is.
    #[must_use]
    pub fn on_signal_only(mut self) -> Self {
        self.on_signal_only = true;
        self
    }

    /// Exports a handle to wait on. Without one, wakes come from elsewhere, and parking a thread
    /// suffices.
    #[must_use]
    pub fn handle<H>(self, handle: ExportedHandle<H>) -> SharedBackendBuilder<B, H> {
        SharedBackendBuilder {
            backend: self.backend,
            on_signal_only: self.on_signal_only,
            policy: self.policy,
            handle: Some(handle),
            waits: self.waits,
        }
    }

    /// Sets the backend's own way to wait.
    #[must_use]
    pub fn waits(mut self, waits: Arc<dyn BackendWait>) -> Self {
        self.waits = Some(waits);
        self
    }

    /// Refuses operations that nobody drives: [`Sharing::attend`] fails with `NotDriven`.
    ///
    /// A `drive` future counts as a driver from when it is made, and a thread in `block_on` for the
    /// length of the call, also while it polls its future (a future that blocks in there drives
    /// nothing). Operations in flight when the last driver leaves wait for the next one.
    #[must_use]
    #[cfg(feature = "std")]
    pub fn refuse_without_driver(mut self) -> Self {
        self.policy = Policy::Refuse;
        self
    }

    /// Ends the building.
    #[must_use]
    pub fn build(self) -> SharedBackend<B, Handle> {
        let mut core = Core::new(self.backend, self.policy);
        core.eager = !self.on_signal_only;
        if let Some(handle) = &self.handle {
            core.wake_flags = handle.wake_flags();
            core.interests = handle.changing_interests();
        }
        let core = Arc::new(core);
        SharedBackend {
            sharing: Sharing::new(core.clone()),
            core,
            handle: self.handle,
            waits: self.waits,
        }
    }
}

#[cfg(all(feature = "std", unix, not(mfio_loom)))]
impl<B: Future<Output = ()> + Send + ?Sized + 'static> SharedBackendBuilder<B> {
    /// Ends the building, with a thread that drives the backend while nobody else does.
    ///
    /// The thread starts when an operation is sent that nobody drives ([`Sharing::attend`],
    /// [`Sharing::signal`]), or when the last driver leaves while `in_flight` is not 0. It pauses
    /// when another party drives, and ends when it was not needed for a second. It waits on the
    /// handle, which is duplicated here, and polls the backend when the handle is ready; a backend
    /// must wake itself for time-outs, as under a reactor.
    ///
    /// `in_flight` is the number of operations in flight that only a driver can complete. An
    /// operation counts before the backend is signalled for it, and until the poll of the backend
    /// that completes it.
    ///
    /// # Panics
    ///
    /// When no [`handle`](Self::handle) was given, or after
    /// [`refuse_without_driver`](Self::refuse_without_driver).
    #[must_use]
    #[track_caller]
    pub fn build_with_fallback_thread(mut self, in_flight: Arc<AtomicUsize>) -> SharedBackend<B> {
        assert!(
            matches!(self.policy, Policy::None),
            "operations that nobody drives are either refused or driven by a fallback thread"
        );
        self.policy = Policy::Fallback(FallbackPolicy::new(in_flight.clone()));
        let shared = self.build();
        let Some(handle) = &shared.handle else {
            panic!("a fallback thread waits on a handle: give one with `handle`");
        };
        let backend = Arc::downgrade(shared.sharing.backend());
        let (fd, interests) = (handle.polling().handle, handle.interests());
        let thread = super::fallback::Fallback::new(backend, fd, interests, in_flight);
        shared.core.waiters.attendance.set_fallback(thread);
        shared
    }
}

impl<B: ?Sized, Handle> fmt::Debug for SharedBackendBuilder<B, Handle> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBackendBuilder")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
