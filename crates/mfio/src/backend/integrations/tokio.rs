//! The integration of tokio.

#![allow(unsafe_code)]

use super::{Integration, ReactorError, Registration, duplicate};
use crate::backend::polling::{PollingFlags, PollingHandle};
use alloc::boxed::Box;
use alloc::format;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::runtime::{Handle, Id};
use tokio::task::unconstrained;

/// Drives backends from tasks of tokio, either flavour. The runtime needs its I/O driver
/// (`enable_io`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokio;

impl Integration for Tokio {
    fn register(handle: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        let runtime = Handle::try_current().map_err(|_| {
            ReactorError::new(
                "a future of the `Tokio` integration was polled outside of a tokio runtime: use \
                 the integration of the executor that polls it, or `block_on`",
            )
        })?;
        let (_, write) = handle.max_flags.get();
        let interest = if write {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let fd = duplicate(handle)?;
        // SAFETY: an `OwnedFd` is open until dropped and always names the same descriptor, and it
        // is never taken out.
        let fd = unsafe { AsyncFd::register_with_interest(fd, interest) }
            .map_err(|error| failed("registering", &error.into_parts().1))?;
        Ok(Box::new(TokioRegistration {
            fd,
            runtime: runtime.id(),
        }))
    }
}

struct TokioRegistration {
    fd: AsyncFd<OwnedFd>,
    runtime: Id,
}

impl Registration for TokioRegistration {
    fn is_current(&self) -> bool {
        Handle::try_current().is_ok_and(|runtime| runtime.id() == self.runtime)
    }

    fn poll_ready(
        &self,
        interests: &PollingFlags,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReactorError>> {
        let (_, write) = interests.get();
        // Outside of the calling task's budget: with an exhausted one tokio would wake this waker
        // at once, again and again.
        let polled = pin!(unconstrained(poll_fn(|cx| {
            let mut ready = consume(self.fd.poll_read_ready(cx))?;
            if write {
                ready |= consume(self.fd.poll_write_ready(cx))?;
            }
            if ready {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })));
        polled.poll(cx)
    }
}

fn consume(polled: Poll<io::Result<AsyncFdReadyGuard<'_, OwnedFd>>>) -> Result<bool, ReactorError> {
    match polled {
        Poll::Pending => Ok(false),
        Poll::Ready(Ok(mut guard)) => {
            guard.clear_ready();
            Ok(true)
        }
        Poll::Ready(Err(error)) => Err(failed("waiting for", &error)),
    }
}

fn failed(what: &str, error: &io::Error) -> ReactorError {
    ReactorError::new(format!(
        "{what} the polling handle with tokio's reactor failed: {error}"
    ))
}
