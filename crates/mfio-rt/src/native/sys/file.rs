//! Opening, syncing and closing files, and their flags.
//!
//! Invariants:
//!
//! 1. A [`BorrowedFd`] is open until the call returns.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::errno::{Errno, count, errno, retried};

/// `open(2)`.
pub(crate) fn open(path: &CStr, flags: libc::c_int, mode: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: `path` is a C string that lives through the call.
    let fd =
        retried(|| count(unsafe { libc::open(path.as_ptr(), flags, mode & 0o7777) } as isize))?;
    // SAFETY: the call has just returned this descriptor, which has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// `fsync(2)` or, where there is one and `data_only` is set, `fdatasync(2)`.
pub(crate) fn sync(fd: BorrowedFd<'_>, data_only: bool) -> Result<(), Errno> {
    retried(|| {
        // SAFETY: (1).
        #[cfg(not(target_vendor = "apple"))]
        let result = unsafe {
            if data_only {
                libc::fdatasync(fd.as_raw_fd())
            } else {
                libc::fsync(fd.as_raw_fd())
            }
        };
        // SAFETY: (1). `fsync` alone does not reach the medium here.
        #[cfg(target_vendor = "apple")]
        let result = unsafe {
            if data_only {
                libc::fsync(fd.as_raw_fd())
            } else {
                libc::fcntl(fd.as_raw_fd(), libc::F_FULLFSYNC)
            }
        };
        count(result as isize)
    })
    .map(drop)
}

/// `close(2)`. The descriptor is closed even if this fails.
pub(crate) fn close(fd: OwnedFd) -> Result<(), Errno> {
    // SAFETY: the descriptor is ours and is given up here.
    match unsafe { libc::close(std::os::fd::IntoRawFd::into_raw_fd(fd)) } {
        0 => Ok(()),
        _ => match errno() {
            libc::EINTR => Ok(()),
            other => Err(other),
        },
    }
}

/// Returns the open flags of a descriptor (`F_GETFL`).
pub(crate) fn flags(fd: BorrowedFd<'_>) -> Result<libc::c_int, Errno> {
    // SAFETY: (1).
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 { Err(errno()) } else { Ok(flags) }
}

/// Whether the file has positions: pipes, sockets and terminals have none.
#[cfg(target_os = "linux")]
pub(crate) fn is_seekable(fd: BorrowedFd<'_>) -> bool {
    // A read of no bytes fails on a stream only. (`lseek` succeeds on some of them.) SAFETY: (1);
    // there is no buffer.
    let result = unsafe { libc::preadv(fd.as_raw_fd(), std::ptr::null(), 0, 0) };
    result >= 0 || errno() != libc::ESPIPE
}

/// Whether the file has positions: pipes, sockets and terminals have none.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_seekable(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: (1). The position of the descriptor stays where it is.
    unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_CUR) >= 0 }
}
