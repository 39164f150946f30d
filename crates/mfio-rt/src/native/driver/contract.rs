//! The contract of drivers, and the one place where the operating system chooses among them.
//!
//! A driver takes operations ([`Op`]), each with everything it owns, and ends every one of them exactly once: with its
//! outcome, or with a failure. It may do so on any thread, but never under a lock of its own, for the end of an
//! operation runs code of others (wakers, destructors).
//!
//! | call | who calls | what |
//! |---|---|---|
//! | [`submit`](Driver::submit) | anybody | takes an operation in, which may have to wait for room; does not block |
//! | [`flush`](Driver::flush), [`reap`](Driver::reap) | who holds the turn | hands on what was submitted; ends what is finished |
//! | [`wait`](Driver::wait) | who holds the turn | blocks until there may be something to reap |
//! | [`cancel`](Driver::cancel) | anybody | a request: the operation ends in its own time |
//! | [`shutdown`](Driver::shutdown) | the last owner | ends everything, and says how much it could not |

use std::fmt;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::task::Waker;
use std::time::Duration;

use mfio::backend::{PollingFlags, PollingHandle};
use mfio::error::Cause;

use crate::native::cache_policy::Mode;
use crate::native::fork::ForkMark;
use crate::native::op::Op;
use crate::native::table::Key;

/// What a runtime and its driver share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) mode: Arc<Mode>,
    pub(crate) mark: Arc<ForkMark>,
}

/// What a driver is like, as data.
#[derive(Clone, Debug)]
pub(crate) struct Capabilities {
    /// The driver's name, for errors.
    pub(crate) name: &'static str,
    /// Hits after which a cached read is queued all the same (see `cached`).
    pub(crate) inline_stride: u32,
    /// Further particulars, for the report.
    pub(crate) details: String,
}

/// How the outside wakes a driver that waits in the kernel, and what a reactor watches.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    /// Readable when there is something to reap.
    pub(crate) fd: RawFd,
    /// Makes `fd` readable.
    pub(crate) waker: Waker,
    /// The flags by which that waker coalesces.
    pub(crate) flags: Arc<AtomicU8>,
}

/// What is waited for on a handle.
static READABLE: PollingFlags = PollingFlags::new().read(true);

impl Handle {
    /// The handle as backends export it.
    pub(crate) fn polling(&self) -> PollingHandle<'_> {
        PollingHandle {
            handle: self.fd,
            cur_flags: &READABLE,
            max_flags: PollingFlags::new().read(true),
            waker: self.waker.clone(),
        }
    }
}

/// An operation was taken in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submitted {
    /// Names it; [`Key::NONE`] where it has no name, as long as it waits for room.
    pub(crate) key: Key,
    /// It is the first one that waits for the next turn: somebody has to be told. Those behind it go with it.
    pub(crate) signal: bool,
}

/// See the module.
pub(crate) trait Driver: Send + Sync + fmt::Debug {
    /// What it is like.
    fn capabilities(&self) -> &Capabilities;

    /// Takes an operation in. One that finds no room waits for it, in order. Shut down, or broken: gives it back with the
    /// reason.
    fn submit(&self, op: Op) -> Result<Submitted, (Op, Cause)>;

    /// Hands what was submitted to the system. `true`: there is more to hand on.
    fn flush(&self) -> bool {
        false
    }

    /// Ends what is finished. `true`: there is something to flush now. `done` is scratch space, empty before and after.
    fn reap(&self, done: &mut Vec<(Op, i32)>) -> bool {
        let _ = done;
        false
    }

    /// Blocks until there may be something to reap, the handle's waker fires, or the time is up.
    fn wait(&self, timeout: Option<Duration>) {
        let _ = timeout;
    }

    /// Asks for the early end of an operation that may have ended already.
    fn cancel(&self, key: Key);

    /// Looks for operations that nobody wants any more, now or at the next flush.
    fn sweep(&self) {}

    /// What can be done about a failure, where the driver knows more of it than the cause tells.
    fn explain(&self, cause: Cause) -> Option<&'static str> {
        let _ = cause;
        None
    }

    /// What to watch, if there is anything to watch. Without, the driver ends operations by itself, on other threads.
    fn handle(&self) -> Option<&Handle> {
        None
    }

    /// Whether operations are under way that end only where the driver is driven.
    fn is_busy(&self) -> bool {
        false
    }

    /// Takes nothing in any more, cancels what is optional ([`Op::is_optional`]), carries out the rest, and returns how many
    /// operations have not ended within `patience`. What belongs to those must stay where it is for good: the caller forgets
    /// the driver then.
    fn shutdown(&self, patience: Duration) -> usize;
}
