//! Operations that move no bytes: open, length, sync, space, close.
//!
//! A [`MetadataOp`] owns its subject (a path, a file, a descriptor) and names the type of its
//! answer. [`MetadataRequest::new`] pairs it with a [`AnswerSlot`]: the driver owns the request,
//! the future that waits owns the other half. [`MetadataRequest::control`] pairs it with the view
//! of a control operation, so that files have one implementation of each operation.
//!
//! To add an operation, implement [`MetadataOp`] in `ops`. A driver that hands system calls to the
//! kernel as data (io_uring's `sqe`) needs an arm for its [`Syscall`]; the others need nothing. An
//! operation with [`ON_THREAD`](MetadataOp::ON_THREAD) goes to threads, whatever the driver.
//!
//! Invariants:
//!
//! 1. The memory that a [`Syscall`] points to belongs to the operation, which is in a heap block
//!    of its own from the start to the terminal completion. In between, the kernel alone accesses
//!    the memory that it writes to.
//! 2. An operation is dropped, and with it its hold on the file, before its end is reported: a
//!    task that awaited it finds the file free.
//! 3. [`MetadataOp::answer`] is given the result of the operation's own system call. So a
//!    descriptor in it has no other owner.

mod answer;
mod operation;
mod ops;
mod request;
mod sink;
mod space;

pub(crate) use self::answer::AnswerSlot;
pub(crate) use self::operation::MetadataOp;
#[cfg(target_os = "linux")]
pub(crate) use self::operation::Syscall;
pub(crate) use self::ops::{Close, Fsync, Len, Open};
pub(crate) use self::request::{MAX_ATTEMPTS, MetadataRequest};
pub(crate) use self::sink::explained;
pub(crate) use self::space::Space;
