//! What a file is: a descriptor, the path it was opened by, and what reading it has taught.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::cached::Caching;
use super::sys::{self, Position};

/// An open descriptor. Every operation in flight holds one of these, so the descriptor outlives them all.
#[derive(Debug)]
pub(crate) struct Object {
    fd: OwnedFd,
    path: Option<PathBuf>,
    seekable: bool,
    caching: Caching,
}

impl Object {
    pub(crate) fn new(fd: OwnedFd, path: Option<PathBuf>) -> Self {
        let seekable = sys::is_seekable(fd.as_fd());
        let caching = Caching::new(seekable && !is_direct(fd.as_fd()));
        Self {
            fd,
            path,
            seekable,
            caching,
        }
    }

    #[inline]
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    #[inline]
    pub(crate) fn caching(&self) -> &Caching {
        &self.caching
    }

    /// The position as system calls want it: what has no positions must not be given any.
    #[inline]
    pub(crate) fn position(&self, pos: u64) -> Position {
        if self.seekable {
            Position::At(pos)
        } else {
            Position::None
        }
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The path or, without one, the number of the descriptor.
    pub(crate) fn name(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => format!("descriptor {}", self.fd.as_raw_fd()),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn is_direct(fd: BorrowedFd<'_>) -> bool {
    sys::flags(fd).is_ok_and(|flags| flags & libc::O_DIRECT != 0)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn is_direct(_: BorrowedFd<'_>) -> bool {
    false
}
