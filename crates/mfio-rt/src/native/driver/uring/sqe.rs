//! Submission entries for operations.

use std::os::fd::{AsRawFd, RawFd};

use io_uring::squeue::{self, Entry};
use io_uring::{opcode, types};

use crate::native::metadata::{MetadataRequest, Syscall};
use crate::native::object::Object;
use crate::native::op::Op;
use crate::native::sys::Position;

/// The user data of the wake-up poll. No key has this value (see `table::Key`).
pub(super) const WAKE: u64 = u64::MAX;
/// The user data of cancel requests, whose results are ignored.
pub(super) const CANCEL: u64 = u64::MAX - (1 << 32);

/// The opcodes that the driver needs, with their names in the report.
pub(super) const NEEDED: &[(u8, &str)] = &[
    (opcode::Nop::CODE, "NOP"),
    (opcode::Read::CODE, "READ"),
    (opcode::Write::CODE, "WRITE"),
    (opcode::OpenAt::CODE, "OPENAT"),
    (opcode::Statx::CODE, "STATX"),
    (opcode::Fsync::CODE, "FSYNC"),
    (opcode::Close::CODE, "CLOSE"),
    (opcode::PollAdd::CODE, "POLL_ADD"),
    (opcode::AsyncCancel::CODE, "ASYNC_CANCEL"),
];

/// Returns the entry for an operation.
#[inline]
pub(super) fn of(op: &mut Op, user_data: u64) -> Entry {
    let entry = match op {
        Op::Read(transfer) => {
            let (ptr, len) = (transfer.view.as_mut_ptr(), transfer.chunk() as u32);
            let read = match transfer.object.fixed() {
                Some(index) => opcode::Read::new(types::Fixed(index), ptr, len),
                None => opcode::Read::new(fd(&transfer.object), ptr, len),
            };
            read.offset(offset(transfer.position())).build()
        }
        Op::Write(transfer) => {
            let (ptr, len) = (transfer.view.as_ptr(), transfer.chunk() as u32);
            let write = match transfer.object.fixed() {
                Some(index) => opcode::Write::new(types::Fixed(index), ptr, len),
                None => opcode::Write::new(fd(&transfer.object), ptr, len),
            };
            write.offset(offset(transfer.position())).build()
        }
        Op::Metadata(request) => of_metadata(request),
    };
    entry.user_data(user_data)
}

fn fd(object: &Object) -> types::Fd {
    types::Fd(object.fd().as_raw_fd())
}

/// Returns the offset of an entry; -1 stands for "no position".
#[inline]
fn offset(position: Position) -> u64 {
    match position {
        Position::At(pos) => pos,
        Position::None => u64::MAX,
    }
}

fn of_metadata(request: &mut MetadataRequest) -> Entry {
    // Only a worker thread of the kernel waits for the other end of a FIFO.
    let waits = match request.was_retried() {
        true => squeue::Flags::ASYNC,
        false => squeue::Flags::empty(),
    };
    match request.op().syscall() {
        Syscall::Open { path, flags, mode } => {
            opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path.as_ptr())
                .flags(flags)
                .mode(mode)
                .build()
                .flags(waits)
        }
        Syscall::Statx { fd, stat } => opcode::Statx::new(types::Fd(fd), c"".as_ptr(), stat.cast())
            .flags(libc::AT_EMPTY_PATH)
            .mask(libc::STATX_SIZE | libc::STATX_TYPE)
            .build(),
        Syscall::Fsync { fd, data_only } => {
            let flags = match data_only {
                true => types::FsyncFlags::DATASYNC,
                false => types::FsyncFlags::empty(),
            };
            opcode::Fsync::new(types::Fd(fd)).flags(flags).build()
        }
        Syscall::Close { fd } => opcode::Close::new(types::Fd(fd)).build(),
        // Sent to threads (`Owner::submit`).
        Syscall::Thread => opcode::Nop::new().build(),
    }
}

/// Returns a multishot poll of the descriptor that wakers write to.
pub(super) fn wake_poll(fd: RawFd) -> Entry {
    opcode::PollAdd::new(types::Fd(fd), libc::POLLIN as u32)
        .multi(true)
        .build()
        .user_data(WAKE)
}

/// Returns a request for the early end of an operation, or of the wake-up poll.
pub(super) fn cancel(user_data: u64) -> Entry {
    opcode::AsyncCancel::new(user_data)
        .build()
        .user_data(CANCEL)
}
