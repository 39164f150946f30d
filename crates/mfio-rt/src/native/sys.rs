//! System calls, with `EINTR` and the errno dealt with, and nothing else.
//!
//! Invariants:
//!
//! 1. Raw buffers given to these functions are valid for `len` bytes for the length of the call (writable for reads).
//! 2. Descriptors come as [`BorrowedFd`] or [`OwnedFd`]: open for the length of the call.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// An errno.
pub(crate) type Errno = i32;

/// The result of a system call: bytes moved, a descriptor, a length.
pub(crate) type SyscallResult = Result<u64, Errno>;

/// What the kernel moves in one call at most (`MAX_RW_COUNT`, page size 4 KiB; smaller elsewhere, never larger).
pub(crate) const MAX_TRANSFER: usize = 0x7fff_f000;

/// The errno of the last call of this thread.
pub(crate) fn errno() -> Errno {
    std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

fn count(result: isize) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| errno())
}

fn retried(mut call: impl FnMut() -> Result<usize, Errno>) -> Result<usize, Errno> {
    loop {
        match call() {
            Err(libc::EINTR) => {}
            result => return result,
        }
    }
}

fn offset(pos: u64) -> Result<libc::off_t, Errno> {
    libc::off_t::try_from(pos).map_err(|_| libc::EINVAL)
}

/// Where to read or write.
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
/// Some files have positions for reads only (those of /proc that are made of `seq_file`, say): they refuse `pwrite` with
/// `ESPIPE`, and are written without, as io_uring does.
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

/// `preadv2(2)` with `RWF_NOWAIT`: what the page cache, or the stream, holds, or `EAGAIN`.
///
/// # Errors
///
/// `EOPNOTSUPP` where the file system, the kernel or the operating system cannot.
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

/// Elsewhere there is no such call.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_nowait(_: BorrowedFd<'_>, _: &mut [u8], _: Position) -> Result<usize, Errno> {
    Err(libc::EOPNOTSUPP)
}

/// `poll(2)`: waits for events on a descriptor, for a bell to ring, or for some time, whatever comes first. `true`: for the
/// events (or the failure that a transfer would tell of).
pub(crate) fn poll(
    fd: BorrowedFd<'_>,
    events: libc::c_short,
    bell: Option<BorrowedFd<'_>>,
    timeout: Option<Duration>,
) -> Result<bool, Errno> {
    let watch = |fd, events| libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // What is negative is not looked at.
    let bell = bell.map_or(-1, |bell| bell.as_raw_fd());
    let mut fds = [watch(fd.as_raw_fd(), events), watch(bell, libc::POLLIN)];
    let timeout = timeout.map_or(-1, |timeout| {
        libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX)
    });
    // SAFETY: `fds` has as many as are told; (2).
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

/// `open(2)`.
pub(crate) fn open(path: &CStr, flags: libc::c_int, mode: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: `path` is a C string that lives through the call.
    let fd =
        retried(|| count(unsafe { libc::open(path.as_ptr(), flags, mode & 0o7777) } as isize))?;
    // SAFETY: the call has just given us this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

/// What tells a file from all others, whichever descriptor it is seen through: its device and its number there, and for a
/// block device, which may have several nodes, the number of the device.
#[allow(clippy::unnecessary_cast, reason = "the types depend on the system")]
pub(crate) fn inode(fd: BorrowedFd<'_>) -> Option<[u64; 2]> {
    let stat = stat(fd).ok()?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFBLK => Some([u64::MAX, stat.st_rdev as u64]),
        _ => Some([stat.st_dev as u64, stat.st_ino as u64]),
    }
}

/// What `fstat(2)` says.
pub(crate) fn stat(fd: BorrowedFd<'_>) -> Result<libc::stat, Errno> {
    let mut stat = std::mem::MaybeUninit::uninit();
    // SAFETY: (2); `stat` is as large as the call wants.
    match unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) } {
        // SAFETY: filled in by the successful call.
        0 => Ok(unsafe { stat.assume_init() }),
        _ => Err(errno()),
    }
}

/// How long the file is. Block devices are asked themselves: their inode says nothing.
pub(crate) fn len(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    let stat = stat(fd)?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFBLK => device_len(fd),
        _ => Ok(stat.st_size as u64),
    }
}

/// How long a regular file is, as far as this machine knows without asking another one: nothing is waited for.
#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl")))]
pub(crate) fn known_len(fd: BorrowedFd<'_>) -> Option<u64> {
    let mut stat = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let (mask, flags) = (
        libc::STATX_SIZE | libc::STATX_TYPE,
        libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC,
    );
    // SAFETY: (2); the path is empty and ends with a nul; `stat` is as large as the call wants.
    let result =
        unsafe { libc::statx(fd.as_raw_fd(), c"".as_ptr(), flags, mask, stat.as_mut_ptr()) };
    // SAFETY: any bits make a valid `statx`, and they were zeroed.
    let stat = unsafe { stat.assume_init() };
    let regular = u32::from(stat.stx_mode) & libc::S_IFMT == libc::S_IFREG;
    (result == 0 && regular).then_some(stat.stx_size)
}

/// How long a regular file is. Elsewhere there is no way to say that nothing is to be waited for.
#[cfg(not(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"))))]
pub(crate) fn known_len(fd: BorrowedFd<'_>) -> Option<u64> {
    let stat = stat(fd).ok()?;
    (stat.st_mode & libc::S_IFMT == libc::S_IFREG).then_some(stat.st_size as u64)
}

/// How long a block device is.
#[cfg(target_os = "linux")]
pub(crate) fn device_len(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    const BLKGETSIZE64: libc::c_ulong = 0x8008_1272;
    let mut len = 0_u64;
    // SAFETY: (2); the request writes one u64.
    match unsafe { libc::ioctl(fd.as_raw_fd(), BLKGETSIZE64 as _, &raw mut len) } {
        0 => Ok(len),
        _ => Err(errno()),
    }
}

/// How long a block device is.
#[cfg(not(target_os = "linux"))]
pub(crate) fn device_len(_: BorrowedFd<'_>) -> Result<u64, Errno> {
    Err(libc::EOPNOTSUPP)
}

/// `fsync(2)` or, where there is one and `data_only` is set, `fdatasync(2)`.
pub(crate) fn sync(fd: BorrowedFd<'_>, data_only: bool) -> Result<(), Errno> {
    retried(|| {
        // SAFETY: (2).
        #[cfg(not(target_vendor = "apple"))]
        let result = unsafe {
            if data_only {
                libc::fdatasync(fd.as_raw_fd())
            } else {
                libc::fsync(fd.as_raw_fd())
            }
        };
        // SAFETY: (2). `fsync` alone does not reach the medium here.
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

/// `close(2)`, with its error told: the descriptor is gone in any case.
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

/// The open flags of a descriptor (`F_GETFL`).
pub(crate) fn flags(fd: BorrowedFd<'_>) -> Result<libc::c_int, Errno> {
    // SAFETY: (2).
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 { Err(errno()) } else { Ok(flags) }
}

/// What `O_DIRECT` asks of memory, and of positions and lengths, where the system knows it: Linux from 6.1 on.
#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl")))]
pub(crate) fn direct_alignment(fd: BorrowedFd<'_>) -> Option<(u32, u32)> {
    let mut stat = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let (mask, flags) = (libc::STATX_DIOALIGN, libc::AT_EMPTY_PATH);
    // SAFETY: (2); the path is empty and ends with a nul; `stat` is as large as the call wants.
    let result =
        unsafe { libc::statx(fd.as_raw_fd(), c"".as_ptr(), flags, mask, stat.as_mut_ptr()) };
    // SAFETY: any bits make a valid `statx`, and they were zeroed.
    let stat = unsafe { stat.assume_init() };
    let known = result == 0 && stat.stx_mask & mask != 0 && stat.stx_dio_offset_align != 0;
    known.then_some((stat.stx_dio_mem_align, stat.stx_dio_offset_align))
}

/// Elsewhere nobody tells.
#[cfg(not(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"))))]
pub(crate) fn direct_alignment(_: BorrowedFd<'_>) -> Option<(u32, u32)> {
    None
}

/// Whether the file has positions: pipes, sockets and terminals have none.
#[cfg(target_os = "linux")]
pub(crate) fn is_seekable(fd: BorrowedFd<'_>) -> bool {
    // A read of nothing: refused where there are no positions, and nothing otherwise. (`lseek` succeeds on some files
    // that do not have any.)
    // SAFETY: (2); there is no buffer.
    let result = unsafe { libc::preadv(fd.as_raw_fd(), std::ptr::null(), 0, 0) };
    result >= 0 || errno() != libc::ESPIPE
}

/// Whether the file has positions: pipes, sockets and terminals have none.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_seekable(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: (2). The position of the descriptor stays where it is.
    unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_CUR) >= 0 }
}

/// Whether the file lives in memory (tmpfs, ramfs): reading it never waits for a device.
#[cfg(target_os = "linux")]
pub(crate) fn is_in_memory(fd: BorrowedFd<'_>) -> bool {
    const RAMFS_MAGIC: u32 = 0x8584_58f6;
    let mut stat = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: (2); `stat` is as large as the call wants.
    if unsafe { libc::fstatfs(fd.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: filled in by the successful call.
    let kind = unsafe { stat.assume_init() }.f_type as u32;
    kind == libc::TMPFS_MAGIC as u32 || kind == RAMFS_MAGIC
}

/// Elsewhere nothing is known.
#[cfg(not(target_os = "linux"))]
pub(crate) fn is_in_memory(_: BorrowedFd<'_>) -> bool {
    false
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

/// The limits (soft, hard) of a resource, in its own unit.
pub(crate) fn limit(resource: Resource) -> Option<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let which = match resource {
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
        Resource::OpenFiles => libc::RLIMIT_NOFILE,
    };
    // SAFETY: `limit` is as large as the call wants.
    match unsafe { libc::getrlimit(which, &raw mut limit) } {
        #[allow(clippy::unnecessary_cast, reason = "the type differs among systems")]
        0 => Some((limit.rlim_cur as u64, limit.rlim_max as u64)),
        _ => None,
    }
}

/// A limited resource of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `RLIMIT_MEMLOCK`, bytes.
    LockedMemory,
    /// `RLIMIT_NOFILE`.
    OpenFiles,
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
