//! Waiting for descriptors.
//!
//! Invariants:
//!
//! 1. A [`BorrowedFd`] is open until the call returns.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};
#[cfg(target_os = "linux")]
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use super::errno::{Errno, errno};
use super::stat::stat;

/// `poll(2)`: waits for events on a descriptor, a readable notifier, or the time-out, whichever
/// comes first. Returns `true` for the events, or a failure that a transfer would report.
pub(crate) fn poll(
    fd: BorrowedFd<'_>,
    events: libc::c_short,
    notifier: Option<BorrowedFd<'_>>,
    timeout: Option<Duration>,
) -> Result<bool, Errno> {
    let watch = |fd, events| libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // `poll` ignores negative descriptors.
    let notifier = notifier.map_or(-1, |notifier| notifier.as_raw_fd());
    let mut fds = [watch(fd.as_raw_fd(), events), watch(notifier, libc::POLLIN)];
    let timeout = timeout.map_or(-1, |timeout| {
        libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX)
    });
    // SAFETY: the pointer and the length are those of `fds`; (1).
    match unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout) } {
        0.. => Ok(fds[0].revents != 0),
        _ => match errno() {
            libc::EINTR => Ok(false),
            errno => Err(errno),
        },
    }
}

/// Whether this is a FIFO that no process has opened for writing since it was opened for reading.
/// After its last writer has closed it, a FIFO is ready instead.
pub(crate) fn awaits_a_writer(fd: BorrowedFd<'_>) -> bool {
    let is_fifo = stat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFIFO);
    is_fifo && poll(fd, libc::POLLIN, None, Some(Duration::ZERO)) == Ok(false)
}

/// Creates an event counter that wakers write to.
#[cfg(target_os = "linux")]
pub(crate) fn eventfd() -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(errno());
    }
    // SAFETY: the call has just returned this descriptor, which has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
