//! Errors of system calls.

/// An errno.
pub(crate) type Errno = i32;

/// The result of a system call: bytes moved, a descriptor, a length.
pub(crate) type SyscallResult = Result<u64, Errno>;

/// Returns the errno of this thread's last call.
pub(super) fn errno() -> Errno {
    std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

#[inline]
pub(super) fn count(result: isize) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| errno())
}

pub(super) fn retried(mut call: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    loop {
        match call() {
            Err(libc::EINTR) => {}
            result => return result,
        }
    }
}
