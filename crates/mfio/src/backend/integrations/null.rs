//! The integration of any executor, for backends that wake by other means than a handle.

use super::driven::Driven;
use super::{Integration, ReactorError, Registration, Running};
use crate::backend::io_backend::IoBackend;
use crate::backend::links::RefLink;
use crate::backend::polling::PollingHandle;
use alloc::boxed::Box;
use core::future::Future;

/// Drives backends without a polling handle from tasks of any executor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Null;

/// A future of [`Null`].
pub type NullImpl<F> = Running<Null, F>;

impl NullImpl<()> {
    /// Runs the future that `func` returns, and drives the backend of a borrowed `link` along with
    /// it: a reference to the object, or a [`RefLink`]. [`Null::run_with`](Integration::run_with)
    /// takes owned links.
    ///
    /// # Panics
    ///
    /// The future panics when the backend is exclusive and held, when it has completed or panicked,
    /// and when it exports a polling handle.
    ///
    /// # Examples
    ///
    /// ```
    /// # use mfio::backend::*;
    /// # struct Object(SharedBackend);
    /// # impl IoBackend for Object {
    /// #     type Backend = DynBackend;
    /// #     fn shared(&self) -> Option<&SharedBackend> { Some(&self.0) }
    /// # }
    /// # let object = Object(SharedBackend::new(std::future::pending()));
    /// # pollster::block_on(async {
    /// assert!(NullImpl::run(&object, |io| async move { io.polling_handle().is_none() }).await);
    /// # });
    /// ```
    pub fn run<'a, B, Func, F>(
        link: impl Into<RefLink<'a, B>>,
        func: Func,
    ) -> NullImpl<impl Future<Output = F::Output>>
    where
        B: IoBackend + ?Sized + 'a,
        Func: FnOnce(&'a B) -> F,
        F: Future + 'a,
    {
        let object = link.into().object();
        Running::new(async move { Driven::new(object, func(object), Null::register).await })
    }
}

impl Integration for Null {
    fn register(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        Err(ReactorError::new(
            "`Null` cannot wait on a polling handle, and this backend exports one: use the \
             integration of your executor (`Tokio`, `AsyncIo`), or `block_on`",
        ))
    }
}
