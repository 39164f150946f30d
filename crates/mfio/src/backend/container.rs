//! Containers of backends, and the exclusive handle to one.

use super::cell::{Core, poll_recorded};
use super::drive::explain;
use super::drive_lock::LockError;
use super::polling::PollingFlags;
use super::sharing::Sharing;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::AtomicU8;
use core::task::{Context, Poll};

/// The backend type of most objects: any future, boxed.
pub type DynBackend = dyn Future<Output = ()> + Send;

/// Stores a backend and hands it out to one holder at a time.
///
/// An object with a backend keeps one of these and acquires it in [`IoBackend::get_backend`]. The
/// container is made in one of two ways: [`new_dyn`](BackendContainer::new_dyn) and
/// [`shared`](BackendContainer::shared) make one that any number of tasks and threads may drive at
/// once (where the object returns [`sharing`](Self::sharing) from [`IoBackend::sharing`]),
/// [`new`](Self::new) one for exclusive use only.
///
/// [`IoBackend::get_backend`]: super::IoBackend::get_backend
/// [`IoBackend::sharing`]: super::IoBackend::sharing
///
/// ```
/// use mfio::backend::{BackendContainer, DynBackend};
///
/// let container = BackendContainer::new_dyn(std::future::pending());
/// let handle = container.acquire(None);
/// assert!(container.try_acquire(None).is_err());
/// drop(handle);
/// assert!(container.try_acquire(None).is_ok());
/// # fn assert<T: Send + Sync>(_: T) {}
/// # assert::<BackendContainer<DynBackend>>(container);
/// ```
pub struct BackendContainer<B: ?Sized> {
    core: Arc<Core<B>>,
    sharing: Option<Sharing>,
}

impl<B> BackendContainer<B> {
    /// Creates a container for exclusive use.
    pub fn new(backend: B) -> Self {
        Self {
            core: Arc::new(Core::new(Box::pin(backend))),
            sharing: None,
        }
    }
}

impl<B: Future<Output = ()> + Send + 'static> BackendContainer<B> {
    /// Creates a container that can be shared.
    ///
    /// The backend is polled with a waker of the container, whose wake means "there is something to
    /// do". A backend that follows the contract of futures (a party that gives it work wakes the
    /// waker that it stored) needs nothing else.
    pub fn shared(backend: B) -> Self {
        Self::from_core(Core::new(Box::pin(backend)))
    }
}

impl BackendContainer<DynBackend> {
    /// Creates a container of a boxed future. It can be shared.
    pub fn new_dyn<T: Future<Output = ()> + Send + 'static>(backend: T) -> Self {
        let backend: Pin<Box<DynBackend>> = Box::pin(backend);
        Self::from_core(Core::new(backend))
    }
}

impl<B: Future<Output = ()> + Send + ?Sized + 'static> BackendContainer<B> {
    fn from_core(core: Core<B>) -> Self {
        let core = Arc::new(core);
        let sharing = Some(Sharing::new(core.clone()));
        Self { core, sharing }
    }

    /// Has the backend polled only when it was signalled or its handle was ready.
    ///
    /// Without this a shared backend is polled after each poll of a user's future, as an exclusive
    /// one is.
    ///
    /// # Panics
    ///
    /// When a clone of the container's [`Sharing`] exists already.
    #[must_use]
    #[track_caller]
    pub fn on_signal_only(self) -> Self {
        self.configure(|core| core.eager = false)
    }

    /// Sets the wake flags of the waker in the polling handle, which are cleared whenever the
    /// backend is driven.
    ///
    /// Needed if that waker coalesces wakes through such flags, as
    /// [`fd::FdWaker`](super::fd::FdWaker) does: without them its second wake would never reach the
    /// descriptor. They are the flags that `acquire` is given.
    ///
    /// # Panics
    ///
    /// As [`on_signal_only`](Self::on_signal_only).
    #[must_use]
    #[track_caller]
    pub fn with_wake_flags(self, flags: Arc<AtomicU8>) -> Self {
        self.configure(|core| core.wake_flags = Some(flags))
    }

    /// Sets the interests of the polling handle, for a backend that changes them as it goes.
    ///
    /// They are the flags that its `cur_flags` refer to. With them, reactors follow each change
    /// after the backend was polled; without them, when a task next begins to wait.
    ///
    /// # Panics
    ///
    /// As [`on_signal_only`](Self::on_signal_only).
    #[must_use]
    pub fn with_interests(self, interests: Arc<PollingFlags>) -> Self {
        self.configure(|core| core.interests = Some(interests))
    }

    /// Refuses operations that nobody drives: [`Sharing::attend`] fails with `NotDriven`.
    ///
    /// A `drive` future counts as a driver from when it is made, and a thread in `block_on` for the
    /// length of the call, also while it polls its future (a future that blocks in there drives
    /// nothing). Operations in flight when the last driver leaves wait for the next one.
    #[must_use]
    #[cfg(feature = "std")]
    pub fn refuse_without_driver(self) -> Self {
        self.core.waiters.attendance.refuse();
        self
    }

    /// Has a thread drive the backend while nobody else does.
    ///
    /// The thread starts when an operation is sent that nobody drives ([`Sharing::attend`],
    /// [`Sharing::signal`]), or when the last driver leaves while `is_busy` returns that operations
    /// are in flight. It pauses when another party drives, and ends when it was not needed for a
    /// second. It waits on `handle`, which is duplicated here, and polls the backend when the
    /// handle is ready; a backend must wake itself for time-outs, as under a reactor.
    ///
    /// `is_busy` is called from any thread that stops driving, and must neither block nor drive.
    /// Call this last: the container cannot be configured afterwards.
    ///
    /// # Panics
    ///
    /// When the container is exclusive.
    #[must_use]
    #[cfg(all(feature = "std", unix, not(mfio_loom)))]
    #[track_caller]
    pub fn with_fallback_thread(
        self,
        handle: &super::PollingHandle<'_>,
        is_busy: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let Some(sharing) = &self.sharing else {
            panic!("{}", super::sharing::NOT_SHARED);
        };
        let backend = Arc::downgrade(sharing.backend());
        let fallback = super::fallback::Fallback::new(backend, handle, is_busy);
        self.core.waiters.attendance.set_fallback(fallback);
        self
    }

    #[track_caller]
    fn configure(mut self, change: impl FnOnce(&mut Core<B>)) -> Self {
        let is_shared = self.sharing.take().is_some();
        match Arc::get_mut(&mut self.core) {
            Some(core) => change(core),
            None => panic!("a container is configured before its `Sharing` is handed out"),
        }
        self.sharing = is_shared.then(|| Sharing::new(self.core.clone()));
        self
    }
}

impl<B: ?Sized> BackendContainer<B> {
    /// Acquires the backend exclusively.
    ///
    /// `wake_flags` is the byte shared with the waker of the polling handle, if it has one.
    ///
    /// # Panics
    ///
    /// When the backend is held already, on any thread; when it has completed or panicked.
    #[track_caller]
    pub fn acquire(&self, wake_flags: Option<Arc<AtomicU8>>) -> BackendHandle<'_, B> {
        match self.try_acquire(wake_flags) {
            Ok(handle) => handle,
            Err(Busy(why)) => panic!(
                "Tried to acquire backend twice or after its end: {}",
                explain(why)
            ),
        }
    }

    /// Acquires the backend exclusively, if it is free and alive.
    ///
    /// # Errors
    ///
    /// [`Busy`] when the backend is held, or dead.
    pub fn try_acquire(
        &self,
        wake_flags: Option<Arc<AtomicU8>>,
    ) -> Result<BackendHandle<'_, B>, Busy> {
        let attendance = &self.core.waiters.attendance;
        while let Err(error) = attendance.drive_lock.try_lock_exclusive() {
            // The fallback thread is not a driver of the user's, and unlocks in a moment.
            if error != LockError::Locked || !attendance.yield_to_fallback() {
                return Err(Busy(error));
            }
        }
        Ok(BackendHandle {
            nested: None,
            wake_flags,
            core: &self.core,
            sharing: self.sharing.as_ref(),
        })
    }

    /// Acquires the backend with another one nested in it: a round polls this one, then `handle`'s,
    /// and so on inwards.
    ///
    /// The wake flags of the stack are those of the innermost handle. Dropping the result releases
    /// every layer.
    ///
    /// # Panics
    ///
    /// As [`acquire`](Self::acquire); `handle` is released then.
    #[track_caller]
    pub fn acquire_nested<'a, B2>(&'a self, handle: BackendHandle<'a, B2>) -> BackendHandle<'a, B>
    where
        B2: Future<Output = ()> + Send + ?Sized,
    {
        let mut outer = self.acquire(handle.wake_flags.clone());
        outer.nested = Some(Box::new(handle));
        outer
    }

    /// Returns the value for [`IoBackend::sharing`](super::IoBackend::sharing). `None` for a
    /// container made by [`new`](Self::new).
    pub fn sharing(&self) -> Option<&Sharing> {
        self.sharing.as_ref()
    }
}

impl<B: ?Sized> Drop for BackendContainer<B> {
    fn drop(&mut self) {
        self.core.close();
    }
}

impl<B: ?Sized> fmt::Debug for BackendContainer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendContainer")
            .field("core", &self.core)
            .finish()
    }
}

/// The error of [`BackendContainer::try_acquire`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Busy(LockError);

impl Busy {
    /// Returns whether the backend is gone for good (it completed or panicked), not merely held.
    pub fn is_dead(&self) -> bool {
        self.0 != LockError::Locked
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(explain(self.0))
    }
}

impl fmt::Debug for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Busy").field(&self.0).finish()
    }
}

impl core::error::Error for Busy {}

/// Exclusive use of a backend; released when dropped. Forgetting it leaves the backend held for
/// good.
///
/// There is no `DerefMut`: safe code cannot swap the backends of two handles.
///
/// ```compile_fail,E0614
/// # use mfio::backend::*;
/// fn swap<'a>(a: &mut BackendHandle<'a, DynBackend>, b: &mut BackendHandle<'a, DynBackend>) {
///     std::mem::swap(&mut **a, &mut **b);
/// }
/// ```
pub struct BackendHandle<'a, B: ?Sized> {
    // Released first.
    nested: Option<Box<dyn Layer + 'a>>,
    wake_flags: Option<Arc<AtomicU8>>,
    core: &'a Core<B>,
    sharing: Option<&'a Sharing>,
}

impl<'a, B: ?Sized> BackendHandle<'a, B> {
    /// Returns the backend.
    ///
    /// A poll by hand does not record the end of the backend, as one by
    /// [`WithBackend`](super::WithBackend) does.
    #[allow(unsafe_code)]
    #[allow(
        clippy::should_implement_trait,
        reason = "the name of 0.1, and of Pin's method"
    )]
    pub fn as_mut(&mut self) -> Pin<&mut B> {
        // SAFETY: the handle holds the drive lock for `'a` (L1), and `&mut self` keeps the
        // reference unique (C1).
        match unsafe { self.core.backend() } {
            Some(backend) => backend,
            None => unreachable!(
                "only the container's drop takes the backend, and a handle borrows the container"
            ),
        }
    }

    pub(crate) fn wake_flags(&self) -> Option<Arc<AtomicU8>> {
        self.wake_flags.clone()
    }

    /// Returns the number of the backend, for detecting re-entry.
    pub(crate) fn id(&self) -> usize {
        self.core.waiters.id()
    }

    /// Returns an error when this backend or a nested one cannot be used any more.
    pub(crate) fn check_layers(&self) -> Result<(), LockError> {
        self.core.waiters.drive_lock().check()?;
        self.nested.as_ref().map_or(Ok(()), |nested| nested.check())
    }
}

impl<B: Future<Output = ()> + ?Sized> BackendHandle<'_, B> {
    /// Polls this backend, then the nested ones. Returns whether one of them has completed.
    ///
    /// The caller has [checked](Self::check_layers) that none of them has ended (C2).
    pub(crate) fn poll_layers(&mut self, cx: &mut Context<'_>) -> bool {
        let core = self.core;
        let finished = poll_recorded(&core.waiters, self.as_mut(), cx) == Poll::Ready(());
        let below = self.nested.as_mut().is_some_and(|nested| nested.poll(cx));
        finished || below
    }
}

impl<B: ?Sized> Drop for BackendHandle<'_, B> {
    fn drop(&mut self) {
        // Also when the drop of a nested handle unwinds.
        struct Outer<'h, B: ?Sized>(&'h Core<B>);
        impl<B: ?Sized> Drop for Outer<'_, B> {
            fn drop(&mut self) {
                self.0.unlock_exclusive();
            }
        }
        let signalled = self.core.waiters.drive_lock().is_signalled();
        let outer = Outer(self.core);
        self.nested = None;
        drop(outer);
        if let (true, Some(sharing)) = (signalled, self.sharing) {
            // An operation was sent while this handle held the lock. Its sender may be gone, and no
            // other driver need come.
            sharing.drive_if_signalled();
        }
        self.core.waiters.attendance.driver_left();
    }
}

impl<B: ?Sized> fmt::Debug for BackendHandle<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendHandle")
            .field("nested", &self.nested.is_some())
            .finish_non_exhaustive()
    }
}

/// A nested handle, its type erased.
trait Layer: Send {
    fn check(&self) -> Result<(), LockError>;
    fn poll(&mut self, cx: &mut Context<'_>) -> bool;
}

impl<B: Future<Output = ()> + Send + ?Sized> Layer for BackendHandle<'_, B> {
    fn check(&self) -> Result<(), LockError> {
        self.check_layers()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_layers(cx)
    }
}
