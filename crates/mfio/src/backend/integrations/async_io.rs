//! The integration of async-io: smol, and every executor beside which its reactor thread runs.

use super::{Integration, ReactorError, Registration, duplicate};
use crate::backend::polling::{PollingFlags, PollingHandle};
use alloc::boxed::Box;
use alloc::format;
use async_io::Async;
use core::task::{Context, Poll};
use std::io;
use std::os::fd::OwnedFd;

/// Drives backends from tasks of smol, or of any executor: async-io's reactor has a thread of its
/// own if needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsyncIo;

impl Integration for AsyncIo {
    fn register(handle: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        // `new_nonblocking` leaves the file status flags alone; they are shared with the backend's
        // descriptor.
        let fd = Async::new_nonblocking(duplicate(handle)?)
            .map_err(|error| failed("registering", &error))?;
        Ok(Box::new(AsyncIoRegistration(fd)))
    }
}

struct AsyncIoRegistration(Async<OwnedFd>);

impl Registration for AsyncIoRegistration {
    /// A process has one reactor.
    fn is_current(&self) -> bool {
        true
    }

    fn poll_ready(
        &self,
        interests: &PollingFlags,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReactorError>> {
        let (_, write) = interests.get();
        let mut ready = consume(self.0.poll_readable(cx))?;
        if write {
            ready |= consume(self.0.poll_writable(cx))?;
        }
        if ready {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

fn consume(polled: Poll<io::Result<()>>) -> Result<bool, ReactorError> {
    match polled {
        Poll::Pending => Ok(false),
        Poll::Ready(Ok(())) => Ok(true),
        Poll::Ready(Err(error)) => Err(failed("waiting for", &error)),
    }
}

fn failed(what: &str, error: &io::Error) -> ReactorError {
    ReactorError::new(format!(
        "{what} the polling handle with async-io's reactor failed: {error}"
    ))
}
