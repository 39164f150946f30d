//! Containers of backends, and the exclusive handle to one.

use super::attendance::Policy;
use super::cell::{Core, poll_recorded};
use super::drive::{DriveGuard, explain};
use super::drive_lock::LockError;
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
/// An object whose backend is driven by one task or thread at a time keeps one of these and
/// acquires it in [`IoBackend::get_backend`](super::IoBackend::get_backend). A
/// [`SharedBackend`](super::SharedBackend) is driven by any number of them.
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
    core: Core<B>,
}

impl<B> BackendContainer<B> {
    /// Creates a container of a future of its own type.
    pub fn new(backend: B) -> Self {
        Self {
            core: Core::new(Box::pin(backend), Policy::None),
        }
    }
}

impl BackendContainer<DynBackend> {
    /// Creates a container of a boxed future.
    pub fn new_dyn<T: Future<Output = ()> + Send + 'static>(backend: T) -> Self {
        let backend: Pin<Box<DynBackend>> = Box::pin(backend);
        Self {
            core: Core::new(backend, Policy::None),
        }
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
        self.try_acquire(wake_flags)
            .unwrap_or_else(|busy| busy.refuse())
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
        BackendHandle::try_new(&self.core, None, wake_flags)
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
        self.acquire(handle.wake_flags.clone()).with_nested(handle)
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

/// The error of [`BackendContainer::try_acquire`], and of a shared backend's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Busy(LockError);

impl Busy {
    /// Returns whether the backend is gone for good (it completed or panicked), not merely held.
    pub fn is_dead(&self) -> bool {
        self.0 != LockError::Locked
    }

    #[cold]
    #[track_caller]
    pub(crate) fn refuse(self) -> ! {
        panic!(
            "Tried to acquire backend twice or after its end: {}",
            explain(self.0)
        )
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
    pub(crate) fn try_new(
        core: &'a Core<B>,
        sharing: Option<&'a Sharing>,
        wake_flags: Option<Arc<AtomicU8>>,
    ) -> Result<Self, Busy> {
        let attendance = &core.waiters.attendance;
        while let Err(error) = attendance.drive_lock.try_lock_exclusive() {
            // The fallback thread is not a driver of the user's, and unlocks in a moment.
            if error != LockError::Locked || !attendance.yield_to_fallback() {
                return Err(Busy(error));
            }
        }
        Ok(Self {
            nested: None,
            wake_flags,
            core,
            sharing,
        })
    }

    pub(crate) fn with_nested<B2>(mut self, handle: BackendHandle<'a, B2>) -> Self
    where
        B2: Future<Output = ()> + Send + ?Sized,
    {
        self.nested = Some(Box::new(handle));
        self
    }

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
        if self.sharing.is_some() {
            // What was sent before is answered by the poll that follows.
            self.core.waiters.drive_lock().consume_signal();
        }
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

    /// Announces that the owner polls its future, and then the backends. Until
    /// [`sleep_layers`](Self::sleep_layers) no operation that is sent wakes the owner.
    pub(crate) fn awake_layers(&self) {
        if self.sharing.is_some() {
            self.core.waiters.drive_lock().end_park();
        }
        if let Some(nested) = &self.nested {
            nested.awake();
        }
    }

    /// Has operations that others send wake the owner from now on; at once if there is one that
    /// the last poll has not seen.
    pub(crate) fn sleep_layers(&self, cx: &Context<'_>) {
        if self.sharing.is_some() {
            let waiters = &self.core.waiters;
            waiters.set_exclusive(Some(cx.waker()));
            if !waiters.drive_lock().begin_park() {
                cx.waker().wake_by_ref();
            }
        }
        if let Some(nested) = &self.nested {
            nested.sleep(cx);
        }
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

#[allow(unsafe_code)]
impl<B: ?Sized> Drop for BackendHandle<'_, B> {
    fn drop(&mut self) {
        // Also when the drop of a nested handle unwinds.
        struct Outer<'h, B: ?Sized>(&'h Core<B>);
        impl<B: ?Sized> Drop for Outer<'_, B> {
            fn drop(&mut self) {
                // SAFETY: the handle held the drive lock (L1) and is being dropped.
                unsafe { self.0.unlock_exclusive() }
            }
        }
        let outer = Outer(self.core);
        self.nested = None;
        self.core.waiters.set_exclusive(None);
        match self.sharing {
            Some(sharing) if may_poll(sharing) => {
                core::mem::forget(outer);
                // SAFETY: the handle holds the drive lock (L1) and is being dropped.
                unsafe { poll_and_unlock(sharing) }
            }
            _ => drop(outer),
        }
        self.core.waiters.attendance.driver_left();
    }
}

/// Returns whether the holder, which goes, may poll the backend. If not, the next driver does.
fn may_poll(sharing: &Sharing) -> bool {
    #[cfg(feature = "std")]
    if std::thread::panicking() {
        return false;
    }
    sharing.waiters().drive_lock().check().is_ok()
}

/// Polls the backend with the waker of the shared one, for what was sent while a `BackendHandle`
/// held it and for wakes to come. Their sender may be gone, and no other driver need come.
///
/// # Safety
///
/// The caller holds the drive lock (L1), and gives it up with this call.
#[allow(unsafe_code)]
unsafe fn poll_and_unlock(sharing: &Sharing) {
    sharing.waiters().drive_lock().end_park();
    // SAFETY: as the caller promises.
    let mut guard = unsafe { DriveGuard::of_locked(&**sharing.backend()) };
    guard.poll_once(false);
    drop(guard);
    sharing.drive_if_signalled();
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
    fn awake(&self);
    fn sleep(&self, cx: &Context<'_>);
    fn poll(&mut self, cx: &mut Context<'_>) -> bool;
}

impl<B: Future<Output = ()> + Send + ?Sized> Layer for BackendHandle<'_, B> {
    fn check(&self) -> Result<(), LockError> {
        self.check_layers()
    }

    fn awake(&self) {
        self.awake_layers();
    }

    fn sleep(&self, cx: &Context<'_>) {
        self.sleep_layers(cx);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_layers(cx)
    }
}
