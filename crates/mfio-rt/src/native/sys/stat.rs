//! The properties of files.
//!
//! Invariants:
//!
//! 1. A [`BorrowedFd`] is open until the call returns.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use super::errno::{Errno, errno};

/// Returns the identity of a file, the same for all its descriptors: device and inode. For a block
/// device, which may have several inodes, the number of the device.
#[allow(clippy::unnecessary_cast, reason = "the types depend on the system")]
pub(crate) fn inode(fd: BorrowedFd<'_>) -> Option<[u64; 2]> {
    let stat = stat(fd).ok()?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFBLK => Some([u64::MAX, stat.st_rdev as u64]),
        _ => Some([stat.st_dev as u64, stat.st_ino as u64]),
    }
}

/// `fstat(2)`.
pub(crate) fn stat(fd: BorrowedFd<'_>) -> Result<libc::stat, Errno> {
    let mut stat = std::mem::MaybeUninit::uninit();
    // SAFETY: (1); `stat` is as large as the call wants.
    match unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) } {
        // SAFETY: filled in by the successful call.
        0 => Ok(unsafe { stat.assume_init() }),
        _ => Err(errno()),
    }
}

/// Returns the length in bytes. The inode of a block device has none, so the device is asked.
pub(crate) fn len(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let stat = stat(fd)?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFBLK => device_len(fd),
        _ => Ok(stat.st_size as u64),
    }
}

/// Returns the length of a regular file that this machine knows, without asking another one.
#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl")))]
pub(crate) fn known_len(fd: BorrowedFd<'_>) -> Option<u64> {
    let mask = libc::STATX_SIZE | libc::STATX_TYPE;
    let stat = statx(fd, libc::AT_STATX_DONT_SYNC, mask)?;
    let regular = u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFREG;
    regular.then_some(stat.stx_size)
}

/// `statx(2)` of a descriptor.
#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl")))]
fn statx(fd: BorrowedFd<'_>, flags: libc::c_int, mask: libc::c_uint) -> Option<libc::statx> {
    let mut stat = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let (fd, flags, to) = (
        fd.as_raw_fd(),
        flags | libc::AT_EMPTY_PATH,
        stat.as_mut_ptr(),
    );
    // SAFETY: (1); the path is empty and ends with a nul; `stat` is as large as the call wants.
    let result = unsafe { libc::statx(fd, c"".as_ptr(), flags, mask, to) };
    // SAFETY: any bits make a valid `statx`, and they were zeroed.
    (result == 0).then(|| unsafe { stat.assume_init() })
}

/// Returns the length of a regular file. This system cannot be told not to ask another machine.
#[cfg(not(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"))))]
pub(crate) fn known_len(fd: BorrowedFd<'_>) -> Option<u64> {
    let stat = stat(fd).ok()?;
    (stat.st_mode & libc::S_IFMT == libc::S_IFREG).then_some(stat.st_size as u64)
}

/// Returns the length of a block device, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn device_len(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    const BLKGETSIZE64: libc::c_ulong = 0x8008_1272;
    let mut len = 0_u64;
    // SAFETY: (1); the request writes one u64.
    match unsafe { libc::ioctl(fd.as_raw_fd(), BLKGETSIZE64 as _, &raw mut len) } {
        0 => Ok(len),
        _ => Err(errno()),
    }
}

/// Fails: this system has no common call for that.
#[cfg(not(target_os = "linux"))]
pub(crate) fn device_len(_: BorrowedFd<'_>) -> Result<u64, Errno> {
    Err(libc::EOPNOTSUPP)
}

/// Returns the alignment that `O_DIRECT` needs, of memory and of positions, where the system
/// reports it (Linux 6.1).
#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl")))]
pub(crate) fn direct_alignment(fd: BorrowedFd<'_>) -> Option<(u32, u32)> {
    let mask = libc::STATX_DIOALIGN;
    let stat = statx(fd, 0, mask)?;
    let known = stat.stx_mask & mask != 0 && stat.stx_dio_offset_align != 0;
    known.then_some((stat.stx_dio_mem_align, stat.stx_dio_offset_align))
}

/// Returns `None`: this system does not report it.
#[cfg(not(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"))))]
pub(crate) fn direct_alignment(_: BorrowedFd<'_>) -> Option<(u32, u32)> {
    None
}

/// Whether the file is in memory (tmpfs, ramfs): reads of it never wait for a device.
#[cfg(target_os = "linux")]
pub(crate) fn is_in_memory(fd: BorrowedFd<'_>) -> bool {
    const RAMFS_MAGIC: u32 = 0x8584_58f6;
    let mut stat = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: (1); `stat` is as large as the call wants.
    if unsafe { libc::fstatfs(fd.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: filled in by the successful call.
    let kind = unsafe { stat.assume_init() }.f_type as u32;
    kind == libc::TMPFS_MAGIC as u32 || kind == RAMFS_MAGIC
}

/// Returns `false`: unknown on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_in_memory(_: BorrowedFd<'_>) -> bool {
    false
}
