//! A kernel that refuses `io_uring_enter` after the start: for a moment, or for good.
//!
//! A refusal for a moment (a signal, memory, completions that have to be taken first) is met by trying again, with a pause
//! each time and not for ever. After that, and where it cannot get better (a seccomp filter), the ring is closed: what the
//! kernel has not taken fails with the cause, and so does everything that is sent later. What the kernel has taken ends as
//! usual, since completions come without entering; threads wait for them in `poll(2)`. So nothing is leaked that ends.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use mfio::error::Cause;

use super::driver::Uring;
use super::ring::Entries;
use crate::native::op::Op;
use crate::native::sys::{self, Errno, Position};

/// How long, and how often in a row, attempts are refused before it is for good.
const PATIENCE: (Duration, u32) = (Duration::from_millis(500), 100);

/// Between two attempts.
const PAUSE: Duration = Duration::from_micros(100);

/// Whether a refusal may be over at the next attempt.
fn is_passing(errno: Errno) -> bool {
    matches!(
        errno,
        libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ENOMEM
    )
}

impl Uring {
    /// The kernel has taken nothing. `true`: try again.
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
        // A signal has passed, and a full completion queue is emptied before the next attempt: those need no pause yet.
        let pauses = times > 1 || matches!(errno, libc::EAGAIN | libc::ENOMEM);
        if pauses {
            std::thread::sleep(PAUSE);
        }
        true
    }

    /// The ring takes nothing any more. What the kernel does not have ends.
    fn break_down(&self, mut entries: Entries<'_>, errno: Errno) {
        // The kernel says EAGAIN where it has no memory for a request; nothing "would block" here.
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
                // Nobody would hear of it.
                Op::Write(write) if write.view.is_abandoned() => op.end_without_driver(cause),
                _ => op.fail(cause),
            }
        }
    }

    /// A wait was refused, or ended early. One that is refused is done otherwise.
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
                // What that has ended may be what is waited for.
                return;
            }
        }
        self.wait_by_poll(timeout);
    }

    /// Waits for completions and wake-ups without entering the ring.
    #[allow(unsafe_code)]
    fn wait_by_poll(&self, timeout: Option<Duration>) {
        // SAFETY: both are open as long as the driver lives (3 of the module above).
        let (ring, wake) = unsafe {
            let ring = BorrowedFd::borrow_raw(self.ring.fd());
            (ring, BorrowedFd::borrow_raw(self.wake_fd))
        };
        let _ = sys::poll(ring, libc::POLLIN, Some(wake), timeout);
        // The ring's own poll for wake-ups looks for new ones only, and leaves the count.
        let _ = sys::read_slice(wake, &mut [0; 8], Position::None);
    }

    /// Asks for the early end of what was cancelled, where entries are taken no more. Without the call for it (before
    /// Linux 6.0) it ends in its own time. Always `false`: there is nothing to hand over.
    #[cold]
    pub(super) fn cancel_without_entries(&self) -> bool {
        let cancels = std::mem::take(&mut self.queue().cancels);
        for key in cancels {
            let _ = self.ring.cancel_now(key.get());
        }
        false
    }

    /// What can be done about a ring that takes nothing any more.
    pub(super) fn explain_failure(&self, cause: Cause) -> Option<&'static str> {
        let failure = self.queue().failure();
        match failure.filter(|errno| cause.errno() == Some(*errno))? {
            libc::ENOMEM => Some(
                "the kernel has had no memory for requests, again and again: see the memory limit of the control group \
                 (memory.max), RLIMIT_MEMLOCK (`ulimit -l`) and RLIMIT_AS (`ulimit -v`); build a new runtime when there is \
                 memory",
            ),
            libc::EPERM | libc::EACCES | libc::ENOSYS => Some(
                "io_uring_enter is refused since this runtime was built (by a seccomp filter or a security module that was \
                 put in force later?): build a new runtime, which takes another driver, or require `DriverKind::Threads`",
            ),
            _ => Some(
                "io_uring_enter has failed for good: build a new runtime, or require `DriverKind::Threads`",
            ),
        }
    }
}
