//! Moving bytes.
//!
//! Invariants:
//!
//! 1. Raw buffers are valid for `len` bytes until the call returns (writable for reads).
//! 2. A [`BorrowedFd`] is open until the call returns.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use super::errno::{Errno, count, errno, retried};

/// The most bytes that the kernel moves in one call (`MAX_RW_COUNT`, page size 4 KiB; smaller
/// elsewhere, never larger).
pub(crate) const MAX_TRANSFER: usize = 0x7fff_f000;

fn offset(pos: u64) -> Result<libc::off_t, Errno> {
    libc::off_t::try_from(pos).map_err(|_| libc::EINVAL)
}

/// The position of a read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    At(u64),
    /// The file has no positions: a pipe, a socket, a terminal.
    None,
}

/// `pread(2)`, or `read(2)` without a position: one call, so possibly short.
///
/// # Safety
///
/// `ptr` is valid for writes of `len` bytes until the call returns.
pub(crate) unsafe fn read(
    fd: BorrowedFd<'_>,
    ptr: *mut u8,
    len: usize,
    pos: Position,
) -> Result<usize, Errno> {
    let (fd, ptr, len) = (fd.as_raw_fd(), ptr.cast(), len.min(MAX_TRANSFER));
    match pos {
        Position::At(pos) => {
            let pos = offset(pos)?;
            // SAFETY: (1), promised by our caller, and (2).
            retried(|| count(unsafe { libc::pread(fd, ptr, len, pos) }))
        }
        // SAFETY: as above.
        Position::None => retried(|| count(unsafe { libc::read(fd, ptr, len) })),
    }
}

/// `pwrite(2)`, or `write(2)` without a position: one call, so possibly short.
///
/// Some files have positions for reads only (those of /proc that use `seq_file`, for example).
/// `pwrite` fails with `ESPIPE` for them, so they are written without a position, as io_uring does.
///
/// # Safety
///
/// `ptr` is valid for reads of `len` bytes until the call returns.
pub(crate) unsafe fn write(
    fd: BorrowedFd<'_>,
    ptr: *const u8,
    len: usize,
    pos: Position,
) -> Result<usize, Errno> {
    let (fd, ptr, len) = (fd.as_raw_fd(), ptr.cast(), len.min(MAX_TRANSFER));
    match pos {
        Position::At(pos) => {
            let pos = offset(pos)?;
            // SAFETY: (1), promised by our caller, and (2).
            match retried(|| count(unsafe { libc::pwrite(fd, ptr, len, pos) })) {
                // SAFETY: as above.
                Err(libc::ESPIPE) => retried(|| count(unsafe { libc::write(fd, ptr, len) })),
                result => result,
            }
        }
        // SAFETY: as above.
        Position::None => retried(|| count(unsafe { libc::write(fd, ptr, len) })),
    }
}

/// `preadv2(2)` with `RWF_NOWAIT`: reads from the page cache, or the buffer of a stream.
///
/// # Errors
///
/// `EAGAIN` if it would wait; `EOPNOTSUPP` if the file system, the kernel or the operating system
/// does not support it.
#[cfg(target_os = "linux")]
#[inline]
pub(crate) fn read_nowait(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    pos: Position,
) -> Result<usize, Errno> {
    let vec = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len().min(MAX_TRANSFER),
    };
    let pos = match pos {
        Position::At(pos) => offset(pos)?,
        Position::None => -1,
    };
    // The call takes the position in two halves of a long; on 64 bits the upper one is ignored.
    let (low, high) = (pos as libc::c_long, (pos as u64 >> 32) as libc::c_long);
    let one: libc::c_long = 1;
    let flags = libc::c_long::from(libc::RWF_NOWAIT);
    // SAFETY: (1) `vec` describes `buf`, which is borrowed for the call; (2).
    let n = unsafe {
        libc::syscall(
            libc::SYS_preadv2,
            libc::c_long::from(fd.as_raw_fd()),
            &raw const vec,
            one,
            low,
            high,
            flags,
        )
    };
    match usize::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) => Err(match errno() {
            libc::ENOSYS => libc::EOPNOTSUPP,
            libc::EINTR => libc::EAGAIN,
            other => other,
        }),
    }
}

/// Fails: this system has no such call.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_nowait(_: BorrowedFd<'_>, _: &mut [u8], _: Position) -> Result<usize, Errno> {
    Err(libc::EOPNOTSUPP)
}

/// [`read`] into a slice.
#[inline]
pub(crate) fn read_slice(
    fd: BorrowedFd<'_>,
    buf: &mut [u8],
    pos: Position,
) -> Result<usize, Errno> {
    // SAFETY: (1) `buf` is borrowed for the call.
    unsafe { read(fd, buf.as_mut_ptr(), buf.len(), pos) }
}

/// [`write()`] from a slice.
#[inline]
pub(crate) fn write_slice(fd: BorrowedFd<'_>, buf: &[u8], pos: Position) -> Result<usize, Errno> {
    // SAFETY: (1) `buf` is borrowed for the call.
    unsafe { write(fd, buf.as_ptr(), buf.len(), pos) }
}
