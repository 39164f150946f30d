//! Driving a backend from a task of any executor.
//!
//! | integration | for |
//! |---|---|
//! | [`null::Null`] | any executor, for backends without a handle |
//! | `tokio::Tokio` | tokio (feature `tokio`, Unix) |
//! | `async_io::AsyncIo` | smol and everything else on async-io (feature `async-io`, Unix) |
//!
//! Each is one function: how to [register](Integration::register) a handle with a reactor. The rest is shared.
//!
//! On a shared backend ([`IoBackend::sharing`]) any number of these futures may live at once, in any number of executors,
//! beside threads in `block_on`; one [`drive`](Integration::drive) future, spawned once, serves all tasks of an executor. On
//! an exclusive one a future holds the backend from its first poll until it is dropped.
//!
//! ```
//! use mfio::backend::{integrations::null::Null, *};
//! # struct Object(BackendContainer<DynBackend>);
//! # impl IoBackend for Object {
//! #     type Backend = DynBackend;
//! #     fn polling_handle(&self) -> Option<PollingHandle<'_>> { None }
//! #     fn get_backend(&self) -> BackendHandle<'_, DynBackend> { self.0.acquire(None) }
//! #     fn sharing(&self) -> Option<&Sharing> { self.0.sharing() }
//! # }
//! # let mut object = Object(BackendContainer::new_dyn(std::future::pending()));
//! # pollster::block_on(async {
//! assert_eq!(Null::run_with_mut(&mut object, |_| async move { 1 }).await, 1);
//! // Owned links: the body borrows from the link, so it is an async closure.
//! assert_eq!(Null::run_with(object, async |_: &Object| 2).await, 2);
//! # });
//! ```

#[cfg(all(unix, feature = "async-io"))]
pub mod async_io;
mod driven;
#[cfg(all(unix, any(feature = "tokio", feature = "async-io")))]
mod duplicate;
pub mod null;
#[cfg(all(unix, feature = "tokio"))]
pub mod tokio;

use super::attendance::Expected;
use super::io_backend::{IoBackend, LinksIoBackend, NOT_SHARED};
use super::polling::{PollingFlags, PollingHandle};
use alloc::boxed::Box;
use alloc::string::String;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::task::{Context, Poll};
use driven::Driven;
pub use driven::Running;

/// An executor's way to wait for a backend.
///
/// The futures are lazy: nothing happens, and the closure does not run, before their first poll. The user's future is
/// polled with the executor's own waker. They are cancel safe: dropping one at any time leaves the backend usable and stalls
/// nobody; operations that the user's future sent go on. They are `Send` when the link,
/// the closure and the future are (and the link's object is `Sync`).
pub trait Integration: Copy + Default {
    /// Registers `handle` with the reactor of the calling task.
    ///
    /// The registration must not depend on the descriptor staying open: it keeps a duplicate.
    ///
    /// # Errors
    ///
    /// When there is no reactor here, or it refuses the handle. The future that asked panics with the message.
    fn register(handle: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError>;

    /// Runs the future that `func` makes, driving the backend of `link` along with it.
    ///
    /// # Panics
    ///
    /// The future panics when the backend is exclusive and held, has completed or has panicked, and when the handle cannot be
    /// registered.
    fn run_with_mut<'a, B, Func, F>(
        link: &'a mut B,
        func: Func,
    ) -> Running<Self, impl Future<Output = F::Output>>
    where
        B: IoBackend + 'a,
        Func: FnOnce(&'a B) -> F,
        F: Future + 'a,
    {
        let link: &'a B = link;
        Running::new(async move { Driven::<Self, B, F>::new(link, func(link)).await })
    }

    /// [`run_with_mut`](Self::run_with_mut) for a link that the future owns: an object, an `Arc` of one, or a [`RefLink`].
    ///
    /// A body that borrows from the link is an async closure, `async |io| …`. What it returns cannot borrow from the link,
    /// which is dropped with the future:
    ///
    /// ```compile_fail
    /// # // error without a code: lifetime may not live long enough
    /// # use mfio::backend::{*, integrations::null::Null};
    /// fn leak<B: IoBackend + Sync>(link: B) {
    ///     let _ = Null::run_with(link, async |io: &B| io);
    /// }
    /// ```
    ///
    /// ```
    /// # use mfio::backend::{*, integrations::null::Null};
    /// fn no_leak<B: IoBackend + Sync>(link: B) {
    ///     let _ = Null::run_with(link, async |_io: &B| ());
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`run_with_mut`](Self::run_with_mut).
    ///
    /// [`RefLink`]: super::RefLink
    fn run_with<L, Func, R>(link: L, func: Func) -> Running<Self, impl Future<Output = R>>
    where
        L: LinksIoBackend,
        Func: for<'b> AsyncFnOnce(&'b L::Link) -> R,
    {
        Running::new(async move {
            let object = link.get_mut();
            Driven::<Self, L::Link, _>::new(object, func(object)).await
        })
    }

    /// A future that drives a shared backend for ever: spawn it once, and any task of the executor just awaits.
    ///
    /// It counts as a driver for all executors. So its own has to run: a reactor that nobody runs, as that of a current-thread
    /// runtime outside of its `block_on`, leaves operations of others waiting. Drop the future before the executor rests.
    ///
    /// # Panics
    ///
    /// The future panics when the backend is not shared, and as [`run_with_mut`](Self::run_with_mut).
    fn drive<L: LinksIoBackend>(link: L) -> Running<Self, impl Future<Output = Infallible>> {
        let expected = Expected::new(link.get_mut().sharing());
        Running::new(async move {
            let _expected = expected;
            let object = link.get_mut();
            assert!(object.sharing().is_some(), "{NOT_SHARED}");
            Driven::<Self, L::Link, _>::new(object, core::future::pending()).await
        })
    }
}

/// A handle registered with a reactor.
pub trait Registration: Send + Sync {
    /// Whether the calling task runs on the reactor of this registration.
    fn is_current(&self) -> bool;

    /// Waits for one of `interests`, and for readability whatever they are, because wakers speak through it.
    ///
    /// `Ready(Ok(()))` consumes the readiness: the next `Ready` tells of a later event. `Pending` wakes `cx`'s waker, and no
    /// earlier one, when it comes; that waker may run the backend, so it must be called without locks held.
    ///
    /// # Errors
    ///
    /// When the reactor is gone or failed. It is reported to everybody who waits.
    fn poll_ready(
        &self,
        interests: &PollingFlags,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReactorError>>;
}

/// Why a reactor did not take a handle, or lost it.
#[derive(Clone, PartialEq, Eq)]
pub struct ReactorError(String);

impl ReactorError {
    /// An error with a message that says what failed and what to do.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ReactorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ReactorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReactorError").field(&self.0).finish()
    }
}

impl core::error::Error for ReactorError {}
