//! Any executor, for backends that wake by other means than a handle.

use super::{Integration, PollingHandle, ReactorError, Registration, Running};
use alloc::boxed::Box;

/// Works in every executor, but only for backends without a polling handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Null;

/// A future of [`Null`].
pub type NullImpl<F> = Running<Null, F>;

impl Integration for Null {
    fn register(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        Err(ReactorError::new(
            "`Null` cannot wait on a polling handle, and this backend exports one: use the integration of your executor \
             (`Tokio`, `AsyncIo`), or `block_on`",
        ))
    }
}
