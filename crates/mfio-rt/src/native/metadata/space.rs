//! The space of files: lengths, holes and extents. These operations run on threads: a ring would
//! give them to threads of the kernel, and has no entries for some.

use std::sync::Arc;

use mfio::control::{ControlOp, ExtentKind, Span, Unmap};

#[cfg(target_os = "linux")]
use super::operation::Syscall;
use super::operation::{Execute, MetadataOp};
use crate::native::object::{FileKind, Object};
use crate::native::sys::{self, Errno, SyscallResult};

/// A change of the length or of the storage of a file, or a hint about it.
#[derive(Debug)]
pub(crate) struct Space {
    pub(crate) object: Arc<Object>,
    pub(crate) op: ControlOp,
}

impl Space {
    /// Makes the system calls, blocking.
    pub(crate) fn execute(object: &Object, op: ControlOp) -> Result<(), Errno> {
        let fd = object.fd();
        let device = object.kind() == FileKind::BlockDevice;
        match op {
            ControlOp::Discard(span) if device => sys::discard_device(fd, span),
            ControlOp::Discard(span) => sys::discard(fd, span),
            ControlOp::WriteZeroes(span, unmap) => {
                let unmap = unmap == Unmap::Allowed;
                match device {
                    true => sys::zero_device(fd, span, unmap),
                    false => sys::write_zeroes(fd, span, unmap),
                }
            }
            ControlOp::Allocate(span) => sys::allocate(fd, span),
            ControlOp::SetLen(len) => sys::set_len(fd, len),
            ControlOp::Prefetch(span) => sys::prefetch(fd, span),
            _ => Err(libc::EOPNOTSUPP),
        }
    }
}

impl MetadataOp for Space {
    type Answer = ();
    const NAME: &'static str = "space";
    const OPTIONAL: bool = false;
    const ON_THREAD: bool = true;

    fn answer(self, result: SyscallResult) -> Result<(), Errno> {
        result.map(drop)
    }
}

impl Execute for Space {
    fn perform(&mut self) -> SyscallResult {
        Self::execute(&self.object, self.op).map(|()| 0)
    }

    #[cfg(target_os = "linux")]
    fn syscall(&self) -> Syscall<'_> {
        Syscall::Thread
    }
}

/// The runs of data and holes of a range.
#[derive(Debug)]
pub(crate) struct Extents {
    object: Arc<Object>,
    span: Span,
    /// Number of runs that the answer has room for.
    room: usize,
    runs: Vec<(u64, ExtentKind)>,
}

impl Extents {
    pub(crate) fn new(object: Arc<Object>, span: Span, room: usize) -> Self {
        Self {
            object,
            span,
            room,
            runs: Vec::new(),
        }
    }
}

impl MetadataOp for Extents {
    type Answer = Vec<(u64, ExtentKind)>;
    const NAME: &'static str = "extents";
    const OPTIONAL: bool = true;
    const ON_THREAD: bool = true;

    fn answer(self, result: SyscallResult) -> Result<Self::Answer, Errno> {
        result.map(|_| self.runs)
    }
}

impl Execute for Extents {
    fn perform(&mut self) -> SyscallResult {
        self.runs = sys::extents(self.object.fd(), self.span, self.room)?;
        Ok(0)
    }

    #[cfg(target_os = "linux")]
    fn syscall(&self) -> Syscall<'_> {
        Syscall::Thread
    }
}
