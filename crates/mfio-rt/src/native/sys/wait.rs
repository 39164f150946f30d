//! Waiting for descriptors.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::errno::{Errno, errno};
use super::stat::stat;

/// `poll(2)`: waits for events on a descriptor, a readable notifier, or the time-out, whichever comes
/// first. Returns `true` for the events, or a failure that a transfer would report.
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
    // What is negative is not looked at.
    let notifier = notifier.map_or(-1, |notifier| notifier.as_raw_fd());
    let mut fds = [watch(fd.as_raw_fd(), events), watch(notifier, libc::POLLIN)];
    let timeout = timeout.map_or(-1, |timeout| {
        libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX)
    });
    // SAFETY: `fds` has as many as are told, and `fd` is borrowed: open.
    match unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout) } {
        0.. => Ok(fds[0].revents != 0),
        _ => match errno() {
            libc::EINTR => Ok(false),
            errno => Err(errno),
        },
    }
}

/// Whether this is a FIFO that nobody has opened for writing since it was opened for reading. One that has ended is ready.
pub(crate) fn awaits_a_writer(fd: BorrowedFd<'_>) -> bool {
    let is_fifo = stat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFIFO);
    is_fifo && poll(fd, libc::POLLIN, None, Some(Duration::ZERO)) == Ok(false)
}

/// An event counter that wakers write to.
#[cfg(target_os = "linux")]
pub(crate) fn eventfd() -> Result<OwnedFd, Errno> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(errno());
    }
    // SAFETY: the call has just given us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
