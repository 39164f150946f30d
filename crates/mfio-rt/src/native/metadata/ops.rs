//! The metadata operations.
#![allow(unsafe_code)]

use std::ffi::CString;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

#[cfg(target_os = "linux")]
use super::operation::Syscall;
use super::operation::{Execute, MetadataOp};
use crate::native::object::Object;
use crate::native::sys::{self, Errno, SyscallResult};

/// `open(2)`.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) path: CString,
    pub(crate) flags: libc::c_int,
    pub(crate) mode: u32,
}

#[cfg(test)]
impl Open {
    /// Opens the root directory.
    pub(crate) fn root() -> Self {
        Self {
            path: c"/".into(),
            flags: libc::O_RDONLY,
            mode: 0,
        }
    }
}

impl MetadataOp for Open {
    type Answer = OwnedFd;
    const NAME: &'static str = "open";
    const OPTIONAL: bool = true;

    fn answer(self, result: SyscallResult) -> Result<OwnedFd, Errno> {
        // SAFETY: (3) of the module above.
        result.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
    }
}

impl Execute for Open {
    fn perform(&mut self) -> SyscallResult {
        sys::open(&self.path, self.flags, self.mode).map(|fd| fd.into_raw_fd() as u64)
    }

    #[cfg(target_os = "linux")]
    fn syscall(&self) -> Syscall<'_> {
        Syscall::Open {
            path: &self.path,
            flags: self.flags,
            mode: self.mode,
        }
    }

    /// io_uring first opens without waiting, which fails with `ENXIO` for a FIFO that has no
    /// reader yet. The second attempt waits; any other reason for `ENXIO` it reports again.
    fn is_worth_retrying(&self, errno: Errno) -> bool {
        errno == libc::ENXIO && self.flags & libc::O_NONBLOCK == 0
    }
}

/// The length of a file or block device, in bytes.
#[derive(Debug)]
pub(crate) struct Len {
    object: Arc<Object>,
    #[cfg(target_os = "linux")]
    stat: Stat,
}

impl Len {
    pub(crate) fn new(object: Arc<Object>) -> Self {
        Self {
            object,
            #[cfg(target_os = "linux")]
            stat: Stat(std::cell::UnsafeCell::new(std::mem::MaybeUninit::zeroed())),
        }
    }
}

/// Memory for the kernel to write a `statx` to.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Stat(std::cell::UnsafeCell<std::mem::MaybeUninit<libc::statx>>);

// SAFETY: the memory is plain data; (1) of the module above orders the accesses to it.
#[cfg(target_os = "linux")]
unsafe impl Sync for Stat {}

impl MetadataOp for Len {
    type Answer = u64;
    const NAME: &'static str = "length";
    const OPTIONAL: bool = true;

    fn answer(self, result: SyscallResult) -> Result<u64, Errno> {
        result
    }
}

impl Execute for Len {
    fn perform(&mut self) -> SyscallResult {
        sys::len(self.object.fd())
    }

    #[cfg(target_os = "linux")]
    fn syscall(&self) -> Syscall<'_> {
        Syscall::Statx {
            fd: self.object.fd().as_raw_fd(),
            stat: self.stat.0.get().cast(),
        }
    }

    #[cfg(target_os = "linux")]
    fn kernel_result(&self, _: u64) -> SyscallResult {
        // SAFETY: (1): the call has completed. Zeroed before the kernel wrote to it: initialised.
        let stat = unsafe { (*self.stat.0.get()).assume_init_ref() };
        match u32::from(stat.stx_mode) & libc::S_IFMT {
            libc::S_IFBLK => sys::device_len(self.object.fd()),
            _ => Ok(stat.stx_size),
        }
    }
}

/// `fsync(2)` or `fdatasync(2)`.
#[derive(Debug)]
pub(crate) struct Fsync {
    pub(crate) object: Arc<Object>,
    pub(crate) data_only: bool,
}

impl MetadataOp for Fsync {
    type Answer = ();
    const NAME: &'static str = "sync";
    const OPTIONAL: bool = false;

    fn answer(self, result: SyscallResult) -> Result<(), Errno> {
        result.map(drop)
    }
}

impl Execute for Fsync {
    fn perform(&mut self) -> SyscallResult {
        sys::sync(self.object.fd(), self.data_only).map(|()| 0)
    }

    #[cfg(target_os = "linux")]
    fn syscall(&self) -> Syscall<'_> {
        Syscall::Fsync {
            fd: self.object.fd().as_raw_fd(),
            data_only: self.data_only,
        }
    }
}

/// `close(2)`. The descriptor is closed when this ends, whatever the result.
#[derive(Debug)]
pub(crate) struct Close {
    /// `None` once this process has closed it.
    fd: Option<OwnedFd>,
}

impl Close {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd: Some(fd) }
    }
}

impl MetadataOp for Close {
    type Answer = ();
    const NAME: &'static str = "close";
    const OPTIONAL: bool = false;
    const RUNS_ONCE: bool = true;

    /// Only a call that the kernel cancelled leaves the descriptor open.
    fn answer(mut self, result: SyscallResult) -> Result<(), Errno> {
        let result = match result {
            Err(libc::ECANCELED) if self.fd.is_some() => self.perform(),
            result => result,
        };
        // The kernel has closed it.
        self.note_ran();
        match result {
            Err(libc::EINTR) => Ok(()),
            result => result.map(drop),
        }
    }
}

impl Execute for Close {
    fn perform(&mut self) -> SyscallResult {
        self.fd
            .take()
            .map_or(Ok(0), |fd| sys::close(fd).map(|()| 0))
    }

    /// The number may name another file by now.
    fn note_ran(&mut self) {
        let _ = self.fd.take().map(IntoRawFd::into_raw_fd);
    }

    #[cfg(target_os = "linux")]
    fn syscall(&self) -> Syscall<'_> {
        Syscall::Close {
            fd: self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd),
        }
    }
}
