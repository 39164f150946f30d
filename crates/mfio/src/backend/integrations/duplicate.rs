//! A duplicate of a backend's descriptor, for a registration to keep.

#![allow(unsafe_code)]

use super::ReactorError;
use alloc::format;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Duplicates `fd`, close-on-exec. Its file status flags are shared with `fd`, so they are left
/// alone.
pub(super) fn duplicate(fd: RawFd) -> Result<OwnedFd, ReactorError> {
    // SAFETY: fcntl with F_DUPFD_CLOEXEC touches no memory of ours, and refuses a number that is
    // not open.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        let error = io::Error::last_os_error();
        return Err(ReactorError::new(format!(
            "duplicating the polling handle, descriptor {fd}, failed: {error}"
        )));
    }
    // SAFETY: the kernel has just made it, and no other code knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}
