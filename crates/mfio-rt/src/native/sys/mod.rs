//! System calls, with `EINTR` and errno handled, and nothing else.

mod control;
mod errno;
mod file;
#[cfg(target_os = "linux")]
mod limit;
mod stat;
mod transfer;
mod wait;

pub(crate) use self::control::{
    allocate, discard, discard_device, extents, prefetch, set_len, shutdown, write_zeroes,
    zero_device,
};
pub(crate) use self::errno::{Errno, SyscallResult};
pub(crate) use self::file::{close, flags, is_seekable, open, sync};
#[cfg(target_os = "linux")]
pub(crate) use self::limit::{Resource, limit};
pub(crate) use self::stat::{
    device_len, direct_alignment, inode, is_in_memory, known_len, len, stat,
};
pub(crate) use self::transfer::{
    MAX_TRANSFER, Position, read, read_nowait, read_slice, write, write_slice,
};
#[cfg(target_os = "linux")]
pub(crate) use self::wait::eventfd;
pub(crate) use self::wait::{awaits_a_writer, poll};
