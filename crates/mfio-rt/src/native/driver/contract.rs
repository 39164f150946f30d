//! The contract of drivers.
//!
//! A driver takes operations ([`Op`]), each with everything it owns, and ends every one of them
//! exactly once: with its result, or with a failure. It may do so on any thread, but not while it
//! holds a lock of its own, because the end of an operation runs wakers and destructors of the
//! user's.
//!
//! | call | caller | effect |
//! |---|---|---|
//! | [`submit`](Driver::submit) | any thread | accepts an operation; does not block |
//! | [`flush`](Driver::flush) | the backend's poll | submits accepted operations |
//! | [`reap`](Driver::reap) | the backend's poll | ends completed operations |
//! | [`wait`](Driver::wait) | the thread that drives | blocks until there may be completions |
//! | [`cancel`](Driver::cancel) | any thread | requests the early end of an operation |
//! | [`shutdown`](Driver::shutdown) | the last owner | ends every operation that it can |

use std::fmt;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use mfio::backend::{ExportedHandle, HandleWaker};
use mfio::error::Cause;

use crate::native::cache_policy::Mode;
use crate::native::fork::ForkMark;
use crate::native::op::Op;
use crate::native::table::Key;

/// The state that a runtime and its driver share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) mode: Arc<Mode>,
    pub(crate) mark: Arc<ForkMark>,
}

/// The properties of a driver.
#[derive(Clone, Debug)]
pub(crate) struct Capabilities {
    /// The name in errors.
    pub(crate) name: &'static str,
    /// Attempts after which one cached read is queued (see `cache_policy`).
    pub(crate) inline_stride: u32,
    /// Details for the report.
    pub(crate) details: String,
}

/// The descriptor that a reactor watches, the waker that makes it ready, and the number of
/// operations that end only while the driver is polled.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    /// Readable when there is something to reap.
    pub(crate) fd: RawFd,
    /// Makes `fd` readable.
    pub(crate) waker: HandleWaker,
    /// The number of operations in flight.
    pub(crate) in_flight: Arc<AtomicUsize>,
}

impl Handle {
    /// Returns the handle in the form that backends export.
    pub(crate) fn export(&self) -> ExportedHandle {
        ExportedHandle::new(self.fd, self.waker.clone())
    }
}

/// The receipt for an accepted operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submitted {
    /// Names the operation; [`Key::NONE`] while it waits for room, where operations have no key.
    pub(crate) key: Key,
    /// The driver needs a flush. One flush submits this operation and the ones after it.
    pub(crate) signal: bool,
}

/// A driver. The module lists the callers of each method.
pub(crate) trait Driver: Send + Sync + fmt::Debug {
    /// Returns the driver's properties.
    fn capabilities(&self) -> &Capabilities;

    /// Accepts an operation. If there is no room it waits for some, in order.
    ///
    /// # Errors
    ///
    /// Returns the operation, and why, when the driver was shut down or has failed.
    fn submit(&self, op: Op) -> Result<Submitted, (Op, Cause)>;

    /// Submits accepted operations to the system. Returns `true` if some are left to submit.
    fn flush(&self) -> bool {
        false
    }

    /// Ends completed operations. Returns `true` if there is something to flush now. `done` is
    /// scratch space, empty before and after.
    fn reap(&self, done: &mut Vec<(Op, i32)>) -> bool {
        let _ = done;
        false
    }

    /// Blocks until there may be something to reap, the handle's waker fires, or the time is up.
    fn wait(&self, timeout: Option<Duration>) {
        let _ = timeout;
    }

    /// Requests the early end of an operation, which may have ended already.
    fn cancel(&self, key: Key);

    /// Looks for abandoned operations, now or at the next flush.
    fn sweep(&self) {}

    /// Returns a remedy for a failure that is the driver's own.
    fn explain(&self, cause: Cause) -> Option<&'static str> {
        let _ = cause;
        None
    }

    /// Returns the handle to watch. A driver without one ends operations on threads of its own.
    fn handle(&self) -> Option<&Handle> {
        None
    }

    /// Rejects new operations, cancels optional ones ([`Op::is_optional`]), and carries out the
    /// rest. Returns how many did not end within `patience`. The system may still use their memory,
    /// so the caller must leak the driver then.
    fn shutdown(&self, patience: Duration) -> usize;
}
