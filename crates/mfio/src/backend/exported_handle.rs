//! [`ExportedHandle`]: the handle of a shared backend, with all that belongs to it.
#![cfg_attr(all(feature = "std", windows), allow(unsafe_code))]

use super::polling::{DefaultHandle, PollingFlags, PollingHandle};
use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::AtomicU8;
use core::task::Waker;

/// The waker of a handle, together with the wake flags by which it coalesces wakes.
///
/// An [`fd::FdWaker`](super::fd::FdWaker), or the event waker of Windows, becomes one with its
/// flags. There is no conversion from a plain [`Waker`], which may have flags that nobody sees:
/// [`from_parts`](Self::from_parts) asks for both.
#[derive(Clone, Debug)]
pub struct HandleWaker {
    waker: Waker,
    wake_flags: Option<Arc<AtomicU8>>,
}

impl HandleWaker {
    /// Creates a waker of its two parts. `wake_flags` is the byte that `waker` shares with the poll
    /// loop; `None` if each wake makes the handle ready, whatever came before.
    #[must_use]
    pub const fn from_parts(waker: Waker, wake_flags: Option<Arc<AtomicU8>>) -> Self {
        Self { waker, wake_flags }
    }

    /// Returns the waker.
    #[must_use]
    pub const fn waker(&self) -> &Waker {
        &self.waker
    }
}

#[cfg(all(feature = "std", any(unix, target_os = "wasi")))]
impl<F: std::os::fd::AsRawFd + Send + Sync + 'static> From<super::fd::FdWaker<F>> for HandleWaker {
    fn from(waker: super::fd::FdWaker<F>) -> Self {
        let flags = waker.flags();
        Self::from_parts(waker.into_waker(), Some(flags))
    }
}

#[cfg(all(feature = "std", windows))]
impl From<super::handle::EventWaker> for HandleWaker {
    fn from(waker: super::handle::EventWaker) -> Self {
        let flags = waker.flags();
        Self::from_parts(waker.into_waker(), Some(flags))
    }
}

/// The handle that a shared backend exports, with its interests and its waker.
///
/// The object keeps the handle open for as long as the backend lives, and the backend drains it
/// when it is polled. A reactor may report readiness only once (tokio's does). So a backend that
/// leaves its handle ready wakes the waker that it was polled with.
pub struct ExportedHandle<Handle = DefaultHandle> {
    handle: Handle,
    /// Clones the handle. The methods that need it are those of objects with any handle, so
    /// `Clone` cannot be a bound there.
    copy: fn(&Handle) -> Handle,
    waker: HandleWaker,
    /// The interests at the moment, where the backend changes them as it goes.
    changing: Option<Arc<PollingFlags>>,
    max_interests: PollingFlags,
}

// SAFETY: as of `PollingHandle`: `RawHandle` is an opaque number of the process. It is never
// dereferenced, and the calls that take it may be made on any thread. The other fields are `Send`.
#[cfg(all(feature = "std", windows))]
unsafe impl Send for ExportedHandle<DefaultHandle> {}
// SAFETY: as above; a shared handle gives out copies of that number. The other fields are `Sync`.
#[cfg(all(feature = "std", windows))]
unsafe impl Sync for ExportedHandle<DefaultHandle> {}

impl<Handle: Clone> ExportedHandle<Handle> {
    /// Exports `handle`, with interest in reading. `waker` makes it ready.
    #[must_use]
    pub fn new(handle: Handle, waker: impl Into<HandleWaker>) -> Self {
        Self {
            handle,
            copy: Handle::clone,
            waker: waker.into(),
            changing: None,
            max_interests: PollingFlags::new().read(true),
        }
    }
}

impl<Handle> ExportedHandle<Handle> {
    /// Sets interests that never change.
    #[must_use]
    pub fn with_interests(self, interests: PollingFlags) -> Self {
        Self {
            changing: None,
            max_interests: interests,
            ..self
        }
    }

    /// Sets interests that the backend changes as it goes: those at the moment, and all that they
    /// will ever have. Reactors follow each change after the backend was polled.
    #[must_use]
    pub fn with_changing_interests(self, current: Arc<PollingFlags>, max: PollingFlags) -> Self {
        Self {
            changing: Some(current),
            max_interests: max,
            ..self
        }
    }

    pub(crate) fn polling(&self) -> PollingHandle<'_, Handle> {
        PollingHandle {
            handle: (self.copy)(&self.handle),
            cur_flags: self.changing.as_deref().unwrap_or(&self.max_interests),
            max_flags: self.max_interests.clone(),
            waker: self.waker.waker.clone(),
        }
    }

    pub(crate) const fn waker(&self) -> &Waker {
        self.waker.waker()
    }

    pub(crate) fn wake_flags(&self) -> Option<Arc<AtomicU8>> {
        self.waker.wake_flags.clone()
    }

    /// Returns the interests, shared where the backend changes them.
    #[cfg(all(feature = "std", unix, not(mfio_loom)))]
    pub(crate) fn interests(&self) -> Arc<PollingFlags> {
        let constant = || Arc::new(self.max_interests.clone());
        self.changing.clone().unwrap_or_else(constant)
    }

    pub(crate) fn changing_interests(&self) -> Option<Arc<PollingFlags>> {
        self.changing.clone()
    }
}

impl<Handle> fmt::Debug for ExportedHandle<Handle> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportedHandle")
            .field("waker", &self.waker)
            .field("changing", &self.changing)
            .field("max_interests", &self.max_interests)
            .finish_non_exhaustive()
    }
}
