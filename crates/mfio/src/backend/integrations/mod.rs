//! Integrations: ways to drive a backend from a task of an executor.
//!
//! | integration | for |
//! |---|---|
//! | [`null::Null`] | any executor, for backends without a handle |
//! | `tokio::Tokio` | tokio (feature `tokio`, Unix) |
//! | `async_io::AsyncIo` | smol and everything else on async-io (feature `async-io`, Unix) |
//!
//! Each is one function, which [registers](Integration::register) a handle with a reactor. The rest
//! is shared.
//!
//! On a shared backend ([`IoBackend::shared`]) any number of these futures may live at once, in
//! any number of executors, beside threads in `block_on`; one [`drive`](Integration::drive) future,
//! spawned once, serves all tasks of an executor. On an exclusive one a future holds the backend
//! from its first poll until it is dropped.
//!
//! # Examples
//!
//! ```
//! use mfio::backend::{integrations::null::Null, *};
//! # struct Object(SharedBackend);
//! # impl IoBackend for Object {
//! #     type Backend = DynBackend;
//! #     fn shared(&self) -> Option<&SharedBackend> { Some(&self.0) }
//! # }
//! # let mut object = Object(SharedBackend::new(std::future::pending()));
//! # pollster::block_on(async {
//! assert_eq!(Null::run_with_mut(&mut object, |_| async move { 1 }).await, 1);
//! // Owned links: the body borrows from the link, so it is an async closure.
//! assert_eq!(Null::run_with(object, async |_: &Object| 2).await, 2);
//! # });
//! ```

#[cfg(all(unix, feature = "async-io"))]
pub mod async_io;
mod driven;
pub mod null;
#[cfg(all(unix, feature = "tokio"))]
pub mod tokio;

use super::io_backend::IoBackend;
use super::links::LinksIoBackend;
use super::polling::PollingHandle;
pub use super::registration::{ReactorError, Registration};
use super::shared_backend::SharedBackend;
use super::sharing::{DriveIntent, NOT_SHARED};
use alloc::boxed::Box;
use core::convert::Infallible;
use core::future::Future;
use driven::Driven;
pub use driven::Running;

/// The way in which tasks of an executor wait for a backend.
///
/// The futures are lazy: the closure does not run before their first poll. The user's future is
/// polled with the executor's own waker. They are `Send` when the link, the closure and the future
/// are (and the link's object is `Sync`).
///
/// # Cancel safety
///
/// Dropping a future at any time leaves the backend usable and stalls no other task. Operations
/// that the user's future sent go on.
pub trait Integration: Copy + Default {
    /// Registers `handle` with the reactor of the calling task.
    ///
    /// The registration must not depend on the descriptor staying open: it keeps a duplicate.
    ///
    /// # Errors
    ///
    /// When the calling task has no reactor, or the reactor refuses the handle. The future panics
    /// with the message.
    fn register(handle: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError>;

    /// Runs the future that `func` returns, and drives the backend of `link` along with it.
    ///
    /// # Panics
    ///
    /// The future panics when the backend is exclusive and held, has completed or has panicked, and
    /// when the handle cannot be registered.
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
        Running::new(async move { Driven::new(link, func(link), Self::register).await })
    }

    /// Like [`run_with_mut`](Self::run_with_mut), for a link that the future owns: an object, an
    /// `Arc` of one, or a [`RefLink`].
    ///
    /// A body that borrows from the link is an async closure, `async |io| …`. Its output cannot
    /// borrow from the link, which is dropped with the future:
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
            Driven::new(object, func(object), Self::register).await
        })
    }

    /// Returns a future that drives a shared backend without end: spawn it once, and all tasks of
    /// the executor just await.
    ///
    /// It counts as a driver for all executors, so its own executor has to run. A reactor that does
    /// not run, as that of a current-thread runtime outside of its `block_on`, leaves operations of
    /// other executors waiting. Drop the future before the executor rests. One that is forgotten
    /// (`mem::forget`) counts for good: operations that nobody drives are not refused then, but
    /// wait.
    ///
    /// # Panics
    ///
    /// The future panics when the backend is not shared, and as
    /// [`run_with_mut`](Self::run_with_mut).
    fn drive<L: LinksIoBackend>(link: L) -> Running<Self, impl Future<Output = Infallible>> {
        let intent = DriveIntent::new(link.get_mut().shared().map(SharedBackend::sharing));
        Running::new(async move {
            let _intent = intent;
            let object = link.get_mut();
            assert!(object.shared().is_some(), "{NOT_SHARED}");
            Driven::new(object, core::future::pending(), Self::register).await
        })
    }
}

/// Duplicates the descriptor of a handle, for a registration to keep.
#[cfg(all(unix, any(feature = "tokio", feature = "async-io")))]
fn duplicate(handle: &PollingHandle<'_>) -> Result<std::os::fd::OwnedFd, ReactorError> {
    super::duplicate::duplicate(handle.handle).map_err(|error| {
        ReactorError::new(alloc::format!(
            "duplicating the polling handle, descriptor {}, failed: {error}",
            handle.handle
        ))
    })
}
