//! [`Registration`]: a handle registered with the reactor of an executor.

use super::polling::{PollingFlags, PollingHandle};
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::task::{Context, Poll};

/// The function of an integration that registers a handle with a reactor.
pub(crate) type Register = fn(&PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError>;

/// A handle registered with a reactor.
pub trait Registration: Send + Sync {
    /// Returns whether the calling task runs on the reactor of this registration.
    fn is_current(&self) -> bool;

    /// Waits for one of `interests`, and always for readability, because wakers make the handle
    /// readable.
    ///
    /// `Ready(Ok(()))` consumes the readiness: the next `Ready` reports a later event. After
    /// `Pending` the reactor wakes the waker of `cx`, and no earlier one, when the event comes.
    /// That waker may run the backend, so it must be called without locks held.
    ///
    /// # Errors
    ///
    /// When the reactor is gone or failed. The error is reported to all tasks that wait on this
    /// registration.
    fn poll_ready(
        &self,
        interests: &PollingFlags,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReactorError>>;
}

/// The reason why a reactor did not take a handle, or lost it.
#[derive(Clone, PartialEq, Eq)]
pub struct ReactorError(String);

impl ReactorError {
    /// Creates an error from a message, which says what failed and what to do.
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
