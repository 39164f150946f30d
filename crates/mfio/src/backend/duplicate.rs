//! A duplicate of a backend's descriptor, for a registration or a thread to keep.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Duplicates `fd`, close-on-exec. Its file status flags are shared with `fd`, so they are left
/// alone. A number that is not open is an error.
pub(super) fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl with F_DUPFD_CLOEXEC touches no memory of ours, and refuses a number that is
    // not open.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and no other code knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}
