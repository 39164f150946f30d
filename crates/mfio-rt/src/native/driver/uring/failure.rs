//! Failures of `io_uring_enter` after the start, transient or permanent.
//!
//! A transient failure (a signal, no memory, completions that have to be taken first) is met by
//! retries, with a pause each time, for a bounded time. After that, and for a permanent failure (a
//! seccomp filter), the ring is closed. Operations that the kernel has not taken fail with the
//! cause, and so do those that are sent later. Operations that it has taken end as usual, because
//! completions need no `enter`; threads wait for them in `poll(2)`. So no operation that ends is
//! leaked.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use mfio::error::Cause;

use super::driver::Uring;
use super::ring::Entries;
use crate::native::op::Op;
use crate::native::sys::{self, Errno, Position};

/// Time, and number of refusals in a row, after which a transient failure counts as permanent.
const PATIENCE: (Duration, u32) = (Duration::from_millis(500), 100);

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_micros(100);

/// Whether the next attempt may succeed.
fn is_passing(errno: Errno) -> bool {
    matches!(
        errno,
        libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ENOMEM
    )
}

impl Uring {
    /// Handles a refused submission. Returns `true` if it is to be tried again.
    #[cold]
    pub(super) fn not_submitted(&self, entries: Entries<'_>, error: &io::Error) -> bool {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let (since, times) = entries.refused();
        let lasts = since >= PATIENCE.0 && times >= PATIENCE.1;
        if lasts || !is_passing(errno) {
            self.break_down(entries, errno);
            return false;
        }
        drop(entries);
        // A signal has passed, and a full completion queue is drained before the next attempt: no
        // pause for those.
        let pauses = times > 1 || matches!(errno, libc::EAGAIN | libc::ENOMEM);
        if pauses {
            std::thread::sleep(PAUSE);
        }
        true
    }

    /// Closes the ring. Operations that the kernel does not have end.
    fn break_down(&self, mut entries: Entries<'_>, errno: Errno) {
        // The kernel reports EAGAIN when it has no memory for a request; "would block" would
        // mislead.
        let errno = match errno {
            libc::EAGAIN => libc::ENOMEM,
            other => other,
        };
        let taken = entries.close();
        let unsent = self.queue().fail(errno, taken);
        drop(entries);
        let cause = Cause::from_errno(errno);
        for op in unsent {
            match &op {
                // No task would see the error.
                Op::Write(write) if write.view.is_abandoned() => op.end_without_driver(cause),
                _ => op.fail(cause),
            }
        }
    }

    /// Handles a wait that was refused or ended early. One that was refused waits in `poll(2)`.
    #[cold]
    pub(super) fn wait_failed(&self, error: &io::Error, timeout: Option<Duration>) {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        if matches!(errno, libc::ETIME | libc::EINTR) {
            return;
        }
        if !is_passing(errno) {
            let entries = self.ring.entries();
            if !entries.is_closed() {
                self.break_down(entries, errno);
                // That may have ended the operation that is awaited.
                return;
            }
        }
        self.wait_by_poll(timeout);
    }

    /// Waits for completions and wake-ups without `io_uring_enter`.
    #[allow(unsafe_code)]
    fn wait_by_poll(&self, timeout: Option<Duration>) {
        // SAFETY: both are open as long as the driver lives (3 of the module above).
        let (ring, wake) = unsafe {
            let ring = BorrowedFd::borrow_raw(self.ring.fd());
            (ring, BorrowedFd::borrow_raw(self.wake_fd))
        };
        let _ = sys::poll(ring, libc::POLLIN, Some(wake), timeout);
        // The ring's own poll looks for new wake-ups only, and leaves the count.
        let _ = sys::read_slice(wake, &mut [0; 8], Position::None);
    }

    /// Cancels operations of a closed ring. Before Linux 6.0 there is no call for that, and they
    /// end in their own time. Returns `false`: there is nothing to submit.
    #[cold]
    pub(super) fn cancel_without_entries(&self) -> bool {
        let cancels = std::mem::take(&mut self.queue().cancels);
        for key in cancels {
            let _ = self.ring.cancel_now(key.get());
        }
        false
    }

    /// Returns a remedy for the failure that closed the ring.
    pub(super) fn explain_failure(&self, cause: Cause) -> Option<&'static str> {
        let failure = self.queue().failure();
        match failure.filter(|errno| cause.errno() == Some(*errno))? {
            libc::ENOMEM => Some(
                "the kernel has had no memory for requests, again and again: see the memory limit \
                 of the control group (memory.max), RLIMIT_MEMLOCK (`ulimit -l`) and RLIMIT_AS \
                 (`ulimit -v`); build a new runtime when there is memory",
            ),
            libc::EPERM | libc::EACCES | libc::ENOSYS => Some(
                "io_uring_enter is refused since this runtime was built (by a seccomp filter or a \
                 security module that was put in force later?): build a new runtime, which takes \
                 another driver, or require `DriverKind::Threads`",
            ),
            _ => Some(
                "io_uring_enter has failed for good: build a new runtime, or require \
                 `DriverKind::Threads`",
            ),
        }
    }
}
