//! Metadata operations, and the system calls that they make.

#[cfg(target_os = "linux")]
use std::ffi::CStr;
use std::fmt;
#[cfg(target_os = "linux")]
use std::os::fd::RawFd;

use crate::native::sys::{Errno, SyscallResult};

/// An operation with its subject and the type of its answer.
pub(crate) trait MetadataOp: Execute + 'static {
    /// The result of a success.
    type Answer: fmt::Debug + Send + 'static;

    /// The name of the operation in errors.
    const NAME: &'static str;

    /// The operation may be left undone when its future was dropped, or the runtime ends.
    const OPTIONAL: bool;

    /// A system call that was made takes effect whatever error it reports, and must not be
    /// repeated. One that ends with `ECANCELED` was not made, unless [`Execute::note_ran`] is
    /// called.
    const RUNS_ONCE: bool = false;

    /// The operation is carried out by a thread, whatever the driver.
    const ON_THREAD: bool = false;

    /// Ends the operation: releases the subject, and converts the result to an answer.
    fn answer(self, result: SyscallResult) -> Result<Self::Answer, Errno>;
}

/// The part of an operation that drivers use.
pub(crate) trait Execute: fmt::Debug + Send + Sync {
    /// Makes the system call, blocking.
    fn perform(&mut self) -> SyscallResult;

    /// Returns the system call as data, for drivers that hand it to the kernel.
    #[cfg(target_os = "linux")]
    fn syscall(&self) -> Syscall<'_>;

    /// Converts the success of [`syscall`](Self::syscall) to that of [`perform`](Self::perform).
    #[cfg(target_os = "linux")]
    fn kernel_result(&self, result: u64) -> SyscallResult {
        Ok(result)
    }

    /// Notes that the kernel has made [`syscall`](Self::syscall), though the error is one of calls
    /// that were not made.
    fn note_ran(&mut self) {}

    /// Whether this error of a first attempt may be gone in a second one.
    fn is_worth_retrying(&self, _: Errno) -> bool {
        false
    }
}

/// A system call of a metadata operation.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) enum Syscall<'a> {
    Open {
        path: &'a CStr,
        flags: libc::c_int,
        mode: u32,
    },
    /// `statx` of a descriptor: size and type.
    Statx {
        fd: RawFd,
        stat: *mut libc::statx,
    },
    Fsync {
        fd: RawFd,
        /// `fdatasync` instead of `fsync`.
        data_only: bool,
    },
    Close {
        fd: RawFd,
    },
    /// No call that a kernel takes as data ([`MetadataOp::ON_THREAD`]).
    Thread,
}
