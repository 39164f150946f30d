//! Space and extents of files.
//!
//! Invariants:
//!
//! 1. A [`BorrowedFd`] is open until the call returns.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use mfio::control::{ExtentKind, Span};

#[cfg(target_os = "linux")]
use super::errno::errno;
use super::errno::{Errno, count, retried};
use super::stat::len;

/// Returns a range in the form of system calls, cut off at the largest offset; `None` if nothing is
/// left of it.
#[cfg(target_os = "linux")]
fn offsets(span: Span) -> Option<(libc::off_t, libc::off_t)> {
    let span = span.until(libc::off_t::MAX as u64);
    (!span.is_empty()).then(|| (span.start() as libc::off_t, span.len() as libc::off_t))
}

/// `ftruncate(2)`.
pub(crate) fn set_len(fd: BorrowedFd<'_>, len: u64) -> Result<(), Errno> {
    let len = libc::off_t::try_from(len).map_err(|_| libc::EFBIG)?;
    // SAFETY: (1).
    retried(|| count(unsafe { libc::ftruncate(fd.as_raw_fd(), len) } as isize)).map(drop)
}

/// Ends the written side of a socket: `shutdown(2)`.
pub(crate) fn shutdown(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: (1).
    count(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) } as isize).map(drop)
}

/// `fallocate(2)`.
#[cfg(target_os = "linux")]
fn fallocate(fd: BorrowedFd<'_>, mode: libc::c_int, span: Span) -> Result<(), Errno> {
    let Some((start, len)) = offsets(span) else {
        return match span.is_empty() {
            true => Ok(()),
            false => Err(libc::EFBIG),
        };
    };
    // SAFETY: (1).
    retried(|| count(unsafe { libc::fallocate(fd.as_raw_fd(), mode, start, len) } as isize))
        .map(drop)
}

/// Reserves storage, without a change of the length.
#[cfg(target_os = "linux")]
pub(crate) fn allocate(fd: BorrowedFd<'_>, span: Span) -> Result<(), Errno> {
    fallocate(fd, libc::FALLOC_FL_KEEP_SIZE, span)
}

#[cfg(target_os = "linux")]
const PUNCH: libc::c_int = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;

/// Makes a hole of the part of a range that is within the file.
#[cfg(target_os = "linux")]
pub(crate) fn discard(fd: BorrowedFd<'_>, span: Span) -> Result<(), Errno> {
    // Beyond the largest size of the file system the call would fail.
    fallocate(fd, PUNCH, span.until(len(fd)?))
}

/// Sets a range to zero, and extends the file if it ends before the range.
#[cfg(target_os = "linux")]
pub(crate) fn write_zeroes(fd: BorrowedFd<'_>, span: Span, unmap: bool) -> Result<(), Errno> {
    if !unmap {
        match fallocate(fd, libc::FALLOC_FL_ZERO_RANGE, span) {
            // tmpfs has no such call, but those below.
            Err(libc::EOPNOTSUPP) => {}
            result => return result,
        }
    }
    let end = len(fd)?;
    fallocate(fd, PUNCH, span.until(end))?;
    // The default mode extends the file. It leaves bytes that another writer puts there meanwhile.
    let rest = if unmap { span.starting_at(end) } else { span };
    fallocate(fd, 0, rest)
}

/// Discards the whole blocks of a range of a block device.
#[cfg(target_os = "linux")]
pub(crate) fn discard_device(fd: BorrowedFd<'_>, span: Span) -> Result<(), Errno> {
    const BLKDISCARD: libc::c_ulong = 0x1277;
    let span = span.until(len(fd)?);
    let block = block_size(fd)?;
    let end = span.end() - span.end() % block;
    match span.start().checked_next_multiple_of(block) {
        Some(start) if start < end => range_ioctl(fd, BLKDISCARD, Span::from(start..end)),
        _ => Ok(()),
    }
}

/// Sets a range of a block device to zero.
#[cfg(target_os = "linux")]
pub(crate) fn zero_device(fd: BorrowedFd<'_>, span: Span, unmap: bool) -> Result<(), Errno> {
    const BLKZEROOUT: libc::c_ulong = 0x127f;
    if unmap {
        // The device forgets the range, if it reads as zero then; otherwise this fails.
        match fallocate(fd, PUNCH, span) {
            Err(libc::EOPNOTSUPP | libc::ENODEV) => {}
            result => return result,
        }
    }
    range_ioctl(fd, BLKZEROOUT, span)
}

/// Returns the size of the logical blocks of a device, in bytes.
#[cfg(target_os = "linux")]
fn block_size(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    const BLKSSZGET: libc::c_ulong = 0x1268;
    let mut size: libc::c_int = 0;
    // SAFETY: (1); the request writes one int.
    match unsafe { libc::ioctl(fd.as_raw_fd(), BLKSSZGET as _, &raw mut size) } {
        0 => Ok(u64::try_from(size).unwrap_or(0).max(1)),
        _ => Err(errno()),
    }
}

/// Makes a request for a range of a block device.
#[cfg(target_os = "linux")]
fn range_ioctl(fd: BorrowedFd<'_>, request: libc::c_ulong, span: Span) -> Result<(), Errno> {
    let range = [span.start(), span.len()];
    // SAFETY: (1); the requests read two u64.
    match unsafe { libc::ioctl(fd.as_raw_fd(), request as _, &raw const range) } {
        0 => Ok(()),
        _ => Err(errno()),
    }
}

/// Has the system read a range ahead: `posix_fadvise(2)`.
#[cfg(target_os = "linux")]
pub(crate) fn prefetch(fd: BorrowedFd<'_>, span: Span) -> Result<(), Errno> {
    let Some((start, len)) = offsets(span) else {
        return Ok(());
    };
    let advice = libc::POSIX_FADV_WILLNEED;
    // SAFETY: (1).
    match unsafe { libc::posix_fadvise(fd.as_raw_fd(), start, len, advice) } {
        0 => Ok(()),
        // It returns the error.
        errno => Err(errno),
    }
}

/// Returns the runs of a range, up to `room` of them, and no further than the end of the file.
///
/// Moves the offset of the descriptor, which nothing in this crate uses.
#[cfg(target_os = "linux")]
pub(crate) fn extents(
    fd: BorrowedFd<'_>,
    span: Span,
    room: usize,
) -> Result<Vec<(u64, ExtentKind)>, Errno> {
    let span = span.until(len(fd)?);
    let mut runs = Vec::new();
    let mut pos = span.start();
    while pos < span.end() && runs.len() < room {
        // The first byte of data from here on, which is `pos` itself within data.
        let data = match seek(fd, pos, libc::SEEK_DATA) {
            // No more data: a hole up to the end.
            Err(libc::ENXIO) => span.end(),
            // The file system, or device, knows no holes.
            Err(libc::EINVAL | libc::EOPNOTSUPP) => pos,
            result => result?.min(span.end()),
        };
        if data > pos {
            runs.push((data - pos, ExtentKind::Hole));
            pos = data;
            continue;
        }
        let hole = match seek(fd, pos, libc::SEEK_HOLE) {
            Err(libc::ENXIO | libc::EINVAL | libc::EOPNOTSUPP) => span.end(),
            result => result?.min(span.end()),
        };
        // Another writer may have made a hole here meanwhile: it had data a moment ago.
        let hole = hole.max(pos + 1);
        runs.push((hole - pos, ExtentKind::Data));
        pos = hole;
    }
    Ok(runs)
}

#[cfg(target_os = "linux")]
fn seek(fd: BorrowedFd<'_>, pos: u64, whence: libc::c_int) -> Result<u64, Errno> {
    let pos = libc::off_t::try_from(pos).map_err(|_| libc::ENXIO)?;
    // SAFETY: (1).
    let found = unsafe { libc::lseek(fd.as_raw_fd(), pos, whence) };
    u64::try_from(found).map_err(|_| errno())
}

/// Returns one run of data up to the end of the file: this system has no common call.
#[cfg(not(target_os = "linux"))]
pub(crate) fn extents(
    fd: BorrowedFd<'_>,
    span: Span,
    _: usize,
) -> Result<Vec<(u64, ExtentKind)>, Errno> {
    Ok(vec![(span.until(len(fd)?).len(), ExtentKind::Data)])
}

/// Fails: this system has no common call for any of these.
#[cfg(not(target_os = "linux"))]
mod missing {
    use super::{BorrowedFd, Errno, Span};

    pub(crate) fn allocate(_: BorrowedFd<'_>, _: Span) -> Result<(), Errno> {
        Err(libc::EOPNOTSUPP)
    }

    pub(crate) fn discard(_: BorrowedFd<'_>, _: Span) -> Result<(), Errno> {
        Err(libc::EOPNOTSUPP)
    }

    pub(crate) fn write_zeroes(_: BorrowedFd<'_>, _: Span, _: bool) -> Result<(), Errno> {
        Err(libc::EOPNOTSUPP)
    }

    pub(crate) fn discard_device(_: BorrowedFd<'_>, _: Span) -> Result<(), Errno> {
        Err(libc::EOPNOTSUPP)
    }

    pub(crate) fn zero_device(_: BorrowedFd<'_>, _: Span, _: bool) -> Result<(), Errno> {
        Err(libc::EOPNOTSUPP)
    }

    pub(crate) fn prefetch(_: BorrowedFd<'_>, _: Span) -> Result<(), Errno> {
        Err(libc::EOPNOTSUPP)
    }
}
#[cfg(not(target_os = "linux"))]
pub(crate) use missing::{allocate, discard, discard_device, prefetch, write_zeroes, zero_device};
