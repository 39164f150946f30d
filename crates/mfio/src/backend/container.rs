//! Containers of backends, and the exclusive handle to one.

use super::cell::{Core, explain, poll_recorded};
use super::polling::PollingFlags;
use super::sharing::Sharing;
use super::turn::Refused;
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
/// An object with a backend keeps one of these and acquires it in [`IoBackend::get_backend`]. The container is made in one
/// of two ways: [`new_dyn`](BackendContainer::new_dyn) and [`shared`](BackendContainer::shared) make one that any number of
/// tasks and threads may drive at once (where the object returns [`sharing`](Self::sharing) from [`IoBackend::sharing`]),
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
    /// A container for exclusive use.
    pub fn new(backend: B) -> Self {
        Self {
            core: Arc::new(Core::new(Box::pin(backend))),
            sharing: None,
        }
    }
}

impl<B: Future<Output = ()> + Send + 'static> BackendContainer<B> {
    /// A container that can be shared.
    ///
    /// The backend is then polled with a waker of the container, whose wake means "there is something to do". A backend
    /// that follows the contract of futures (who gives it work wakes the waker it stored) needs nothing else.
    pub fn shared(backend: B) -> Self {
        Self::from_core(Core::new(Box::pin(backend)))
    }
}

impl BackendContainer<DynBackend> {
    /// A container of a boxed future. It can be shared.
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

    /// Says that the backend need be polled only when it was signalled or its handle was ready.
    ///
    /// Without this a shared backend is polled after each poll of a user's future, as an exclusive one is.
    ///
    /// # Panics
    ///
    /// When a clone of the container's [`Sharing`] exists already.
    #[must_use]
    #[track_caller]
    pub fn on_signal_only(self) -> Self {
        self.configure(|core| core.eager = false)
    }

    /// Gives the wake flags of the waker in the polling handle, which a shared backend clears when it is driven.
    ///
    /// Needed where that waker coalesces wakes through such flags, as [`fd::FdWaker`](super::fd::FdWaker) does: without them
    /// its second wake would never reach the descriptor. They are the same that `acquire` is given.
    ///
    /// # Panics
    ///
    /// As [`on_signal_only`](Self::on_signal_only).
    #[must_use]
    #[track_caller]
    pub fn with_wake_flags(self, flags: Arc<AtomicU8>) -> Self {
        self.configure(|core| core.wake_flags = Some(flags))
    }

    /// Gives the interests of the polling handle, where the backend changes them as it goes.
    ///
    /// They are the same that its `cur_flags` refer to. Reactors watch for what they say whenever the backend was polled;
    /// without them, for what they said when a task last sat down to wait.
    ///
    /// # Panics
    ///
    /// As [`on_signal_only`](Self::on_signal_only).
    #[must_use]
    pub fn with_interests(self, interests: Arc<PollingFlags>) -> Self {
        self.configure(|core| core.interests = Some(interests))
    }

    /// Has operations that nobody drives refused: [`Sharing::attend`] fails with `NotDriven`.
    ///
    /// A `drive` future counts as a driver from when it is made, and a thread in `block_on` for as long as the call takes, also
    /// while it polls its future; a future that blocks in there drives nothing. Operations that are under way when the last
    /// driver leaves wait for the next one.
    #[must_use]
    #[cfg(feature = "std")]
    pub fn refuse_without_driver(self) -> Self {
        self.core.hub.attendance.refuse();
        self
    }

    /// Has a thread drive the backend while nobody else does.
    ///
    /// The thread starts when an operation is sent that nobody drives ([`Sharing::attend`], [`Sharing::signal`]), or when the
    /// last driver leaves while `is_busy` says that operations are under way. It leaves when somebody else drives, and ends
    /// when it was not needed for a second. It waits for `handle`, which is duplicated here, and polls the backend when
    /// that is ready; a backend must wake itself for deadlines, as under a reactor.
    ///
    /// `is_busy` is called from any thread that stops driving, and must neither block nor drive. Call this last: a container is
    /// not configured any further afterwards.
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
            panic!("{}", super::io_backend::NOT_SHARED);
        };
        let runner = Arc::downgrade(sharing.runner());
        let fallback = super::fallback::Fallback::new(runner, handle, is_busy);
        self.core.hub.attendance.fall_back_to(fallback);
        self
    }

    #[track_caller]
    fn configure(mut self, change: impl FnOnce(&mut Core<B>)) -> Self {
        self.sharing = None;
        match Arc::get_mut(&mut self.core) {
            Some(core) => change(core),
            None => panic!("a container is configured before its `Sharing` is handed out"),
        }
        self.sharing = Some(Sharing::new(self.core.clone()));
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
    /// When the backend is held already, by anybody; when it has completed or panicked.
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
    /// [`Busy`], which says whether it is held or dead.
    pub fn try_acquire(
        &self,
        wake_flags: Option<Arc<AtomicU8>>,
    ) -> Result<BackendHandle<'_, B>, Busy> {
        while let Err(refused) = self.core.hub.turn.try_take_raw() {
            // The fallback thread is none of the user's, and lets go in a moment.
            if refused != Refused::Held || !self.core.hub.is_held_by_fallback() {
                return Err(Busy(refused));
            }
        }
        Ok(BackendHandle {
            nested: None,
            wake_flags,
            core: &self.core,
            sharing: self.sharing.as_ref(),
        })
    }

    /// Acquires the backend with another one nested in it: a round polls this one, then `handle`'s, and so on inwards.
    ///
    /// The wake flags of the stack are those of the innermost handle. Dropping the result releases every layer.
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

    /// What sharing needs: to be returned from [`IoBackend::sharing`](super::IoBackend::sharing). `None` for a container
    /// made by [`new`](Self::new).
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

/// Why [`BackendContainer::try_acquire`] refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Busy(Refused);

impl Busy {
    /// Whether the backend is gone for good (it completed or panicked), not merely held.
    pub fn is_dead(&self) -> bool {
        self.0 != Refused::Held
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

/// Exclusive use of a backend; released when dropped. Forgetting it leaves the backend held for good.
///
/// ```compile_fail,E0614
/// // There is no `DerefMut`: two handles cannot be told to swap what they hold.
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
    /// The backend itself.
    ///
    /// Polling it by hand bypasses what [`WithBackend`](super::WithBackend) records about its end.
    #[allow(unsafe_code)]
    #[allow(
        clippy::should_implement_trait,
        reason = "the name of 0.1, and of Pin's method"
    )]
    pub fn as_mut(&mut self) -> Pin<&mut B> {
        // SAFETY: the handle holds the turn for `'a` (T1), and `&mut self` keeps the reference unique (C1).
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

    /// The hub's identity, for telling re-entry.
    pub(crate) fn id(&self) -> usize {
        self.core.hub.id()
    }

    /// `Err` when this backend or a nested one cannot be used any more.
    pub(crate) fn check_layers(&self) -> Result<(), Refused> {
        self.core.hub.turn.check()?;
        self.nested.as_ref().map_or(Ok(()), |nested| nested.check())
    }
}

impl<B: Future<Output = ()> + ?Sized> BackendHandle<'_, B> {
    /// Polls this backend, then the nested ones. `true`: one of them has completed.
    ///
    /// The caller has [checked](Self::check_layers) that none of them has ended (C2).
    pub(crate) fn poll_layers(&mut self, cx: &mut Context<'_>) -> bool {
        let core = self.core;
        let finished = poll_recorded(&core.hub, self.as_mut(), cx) == Poll::Ready(());
        let below = self.nested.as_mut().is_some_and(|nested| nested.poll(cx));
        finished || below
    }
}

impl<B: ?Sized> Drop for BackendHandle<'_, B> {
    fn drop(&mut self) {
        // Also when dropping what is nested unwinds.
        struct Outer<'h, B: ?Sized>(&'h Core<B>);
        impl<B: ?Sized> Drop for Outer<'_, B> {
            fn drop(&mut self) {
                self.0.release_raw();
            }
        }
        let owed = self.core.hub.turn.has_event();
        let outer = Outer(self.core);
        self.nested = None;
        drop(outer);
        if let (true, Some(sharing)) = (owed, self.sharing) {
            // Somebody sent while we held the turn, and may be gone: nobody else need ever come to submit it.
            sharing.run_owed();
        }
        self.core.hub.left();
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
    fn check(&self) -> Result<(), Refused>;
    fn poll(&mut self, cx: &mut Context<'_>) -> bool;
}

impl<B: Future<Output = ()> + Send + ?Sized> Layer for BackendHandle<'_, B> {
    fn check(&self) -> Result<(), Refused> {
        self.check_layers()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_layers(cx)
    }
}
