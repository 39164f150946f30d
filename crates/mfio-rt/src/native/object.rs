//! An open descriptor and its properties.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use mfio::io::{Alignment, Place};

use super::cache_policy::Caching;
use super::sys::{self, Position};

/// An open descriptor. Every operation in flight holds one of these, so the descriptor outlives
/// them.
#[derive(Debug)]
pub(crate) struct Object {
    // Before the descriptor: the driver must release its slot first.
    fixed: OnceLock<Fixed>,
    fd: OwnedFd,
    path: Option<Arc<Path>>,
    seekable: bool,
    caching: Caching,
    alignment: Alignment,
    appends: bool,
    writable: bool,
    /// The kind of the file; queried at the first use.
    kind: OnceLock<FileKind>,
    /// The identity of the file, the same for all its descriptors; queried at the first use.
    name: OnceLock<Option<[u64; 2]>>,
    /// Uses since the driver was last told to register the file. A lost count does no harm.
    uses: AtomicU32,
}

/// Uses after which a file is worth registering.
const OFTEN: u32 = 256;

impl Object {
    pub(crate) fn new(fd: OwnedFd, path: Option<Arc<Path>>) -> Self {
        let seekable = sys::is_seekable(fd.as_fd());
        let flags = sys::flags(fd.as_fd()).unwrap_or(0);
        let direct = is_direct(flags);
        let caching = Caching::new(seekable && !direct);
        let alignment = match direct {
            _ if !seekable => Alignment::NONE.in_order(),
            true => direct_alignment(fd.as_fd()),
            false => Alignment::NONE,
        };
        Self {
            fixed: OnceLock::new(),
            fd,
            path,
            seekable,
            caching,
            alignment,
            appends: flags & libc::O_APPEND != 0,
            writable: flags & libc::O_ACCMODE != libc::O_RDONLY,
            kind: OnceLock::new(),
            name: OnceLock::new(),
            uses: AtomicU32::new(0),
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

    /// Returns the alignment of requests: blocks, for files that bypass the page cache; in order,
    /// for streams.
    pub(crate) fn alignment(&self) -> Alignment {
        self.alignment
    }

    /// Whether every write goes to the end of the file, whatever its position.
    pub(crate) fn appends(&self) -> bool {
        self.appends
    }

    /// Whether the file was opened for writing.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Returns the kind of the file.
    pub(crate) fn kind(&self) -> FileKind {
        *self.kind.get_or_init(|| FileKind::of(self.fd()))
    }

    /// Returns the place of a byte of the file, the same for every descriptor of it.
    pub(crate) fn locate(&self, pos: u64) -> Place {
        match self.name.get_or_init(|| sys::inode(self.fd())) {
            Some(name) => Place::named(*name, pos),
            None => Place::of(self, pos),
        }
    }

    /// Returns the position of the next write of a file that is appended to.
    #[inline]
    pub(crate) fn appends_at(&self) -> Option<u64> {
        match self.appends && self.seekable {
            true => sys::known_len(self.fd()),
            false => None,
        }
    }

    /// Returns the position in the form of system calls, which accept none for a stream.
    #[inline]
    pub(crate) fn position(&self, pos: u64) -> Position {
        if self.seekable {
            Position::At(pos)
        } else {
            Position::None
        }
    }

    /// Whether the file has positions. A file without any is a stream, whose reads may wait for
    /// ever.
    #[inline]
    pub(crate) fn is_seekable(&self) -> bool {
        self.seekable
    }

    /// Returns the index of the registered file.
    #[inline]
    pub(crate) fn fixed(&self) -> Option<u32> {
        self.fixed.get().map(|fixed| fixed.index)
    }

    /// Sets the index of the registered file.
    pub(crate) fn fix(&self, fixed: Fixed) {
        let _ = self.fixed.set(fixed);
    }

    /// Counts a use by a driver that registers files. Returns `true` if the file should be
    /// registered now. A stream should not: its peer waits for the close.
    #[inline]
    pub(crate) fn count_use(&self) -> bool {
        if !self.seekable || self.fixed.get().is_some() {
            return false;
        }
        let uses = self.uses.load(Relaxed) + 1;
        self.uses.store(uses % OFTEN, Relaxed);
        uses == OFTEN
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    pub(crate) fn path(&self) -> Option<&Arc<Path>> {
        self.path.as_ref()
    }

    /// Returns the name of the file in errors.
    pub(crate) fn name(&self) -> Name {
        Name {
            path: self.path.clone(),
            fd: self.fd.as_raw_fd(),
        }
    }
}

/// The path of a file or, without one, the number of its descriptor. The file may be gone.
#[derive(Debug)]
pub(crate) struct Name {
    path: Option<Arc<Path>>,
    fd: RawFd,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => path.display().fmt(f),
            None => write!(f, "descriptor {}", self.fd),
        }
    }
}

/// The kind of a file, as far as control operations depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Regular,
    BlockDevice,
    Directory,
    Socket,
    /// A pipe, a terminal, another device.
    Other,
}

impl FileKind {
    fn of(fd: BorrowedFd<'_>) -> Self {
        match sys::stat(fd).map(|stat| stat.st_mode & libc::S_IFMT) {
            Ok(libc::S_IFREG) => Self::Regular,
            Ok(libc::S_IFBLK) => Self::BlockDevice,
            Ok(libc::S_IFDIR) => Self::Directory,
            Ok(libc::S_IFSOCK) => Self::Socket,
            _ => Self::Other,
        }
    }
}

/// A slot in a driver's table of registered files, released on drop.
#[derive(Debug)]
pub(crate) struct Fixed {
    index: u32,
    slots: Arc<dyn Slots>,
}

impl Fixed {
    pub(crate) fn new(index: u32, slots: Arc<dyn Slots>) -> Self {
        Self { index, slots }
    }
}

impl Drop for Fixed {
    fn drop(&mut self) {
        self.slots.release(self.index);
    }
}

/// A driver's table of registered files.
pub(crate) trait Slots: Send + Sync + fmt::Debug {
    /// Empties a slot. No operation on the file is in flight.
    fn release(&self, index: u32);
}

/// Returns the alignment that the system reports, or one that suits every common device.
fn direct_alignment(fd: BorrowedFd<'_>) -> Alignment {
    const PAGE: u32 = 4096;
    let (memory, block) = sys::direct_alignment(fd).unwrap_or((PAGE, PAGE));
    Alignment::new(memory as usize, block as usize)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn is_direct(flags: libc::c_int) -> bool {
    flags & libc::O_DIRECT != 0
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn is_direct(_: libc::c_int) -> bool {
    false
}
