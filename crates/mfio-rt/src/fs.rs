//! Opening files by path, on any runtime.
//!
//! Write programs that should run on any runtime (native, in memory, simulated) against [`Fs`].

use std::path::Path;

#[cfg(unix)]
use mfio::error::Cause;
use mfio::error::Result;
use mfio::io::{PacketIo, Read, Write};

/// A runtime that opens files.
///
/// The futures are named types, so that they are `Send` in generic code too.
pub trait Fs {
    /// An open file: positional packets in both directions.
    type File: PacketIo<Read> + PacketIo<Write> + Clone + Send + Sync + 'static;
    /// The future of [`open`](Self::open).
    type Open: Future<Output = Result<Self::File>> + Send + 'static;

    /// Opens `path` with `options`. Nothing happens before the first poll.
    fn open(&self, path: impl AsRef<Path>, options: &OpenOptions) -> Self::Open;
}

/// Options for opening a file: those of [`std::fs::OpenOptions`], and some more.
///
/// ```
/// use mfio_rt::fs::OpenOptions;
///
/// let log = OpenOptions::new().append(true).create(true).mode(0o600);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) append: bool,
    pub(crate) truncate: bool,
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    pub(crate) direct: bool,
    pub(crate) mode: u32,
    pub(crate) custom_flags: i32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Creates options with every flag off. Set at least one of `read`, `write` and `append`.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            direct: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    /// Allows reads.
    #[must_use]
    pub const fn read(mut self, yes: bool) -> Self {
        self.read = yes;
        self
    }

    /// Allows writes, at any position.
    #[must_use]
    pub const fn write(mut self, yes: bool) -> Self {
        self.write = yes;
        self
    }

    /// Makes every write go to the end of the file, whatever position it names.
    #[must_use]
    pub const fn append(mut self, yes: bool) -> Self {
        self.append = yes;
        self
    }

    /// Cuts the file to length zero; needs `write`.
    #[must_use]
    pub const fn truncate(mut self, yes: bool) -> Self {
        self.truncate = yes;
        self
    }

    /// Creates the file if it does not exist; needs `write` or `append`.
    #[must_use]
    pub const fn create(mut self, yes: bool) -> Self {
        self.create = yes;
        self
    }

    /// Creates the file, and fails if it exists; needs `write` or `append`.
    #[must_use]
    pub const fn create_new(mut self, yes: bool) -> Self {
        self.create_new = yes;
        self
    }

    /// Bypasses the page cache (`O_DIRECT`).
    ///
    /// Buffer, length and position must be aligned to the device's blocks
    /// (`mfio::packet::AlignedBuf`). The calls that choose memory themselves (`read_with_at`,
    /// `forward`, `read_ranges`) do that. Not every file system supports it.
    #[must_use]
    pub const fn direct(mut self, yes: bool) -> Self {
        self.direct = yes;
        self
    }

    /// Sets the permissions of a file that is created (before the umask). Default 0o666.
    #[must_use]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Sets further `open(2)` flags. The access mode is ignored, and `O_CLOEXEC` is always set.
    #[must_use]
    pub const fn custom_flags(mut self, flags: i32) -> Self {
        self.custom_flags = flags;
        self
    }

    /// Returns a remedy if options contradict each other, as in [`std::fs::OpenOptions`].
    #[cfg(unix)]
    fn contradiction(self) -> Option<&'static str> {
        let writes = self.write || self.append;
        if !self.read && !writes {
            return Some("choose an access: `read`, `write` or `append`");
        }
        if (self.create || self.create_new) && !writes {
            return Some("`create` and `create_new` need `write` or `append`");
        }
        if self.truncate && !self.write {
            return Some("`truncate` needs `write`");
        }
        if self.truncate && self.append && !self.create_new {
            return Some("`truncate` contradicts `append`");
        }
        None
    }

    /// Returns the flags of `open(2)`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a combination without a meaning, and a remedy.
    #[cfg(unix)]
    pub(crate) fn to_flags(self) -> Result<libc::c_int, (Cause, &'static str)> {
        if let Some(help) = self.contradiction() {
            return Err((Cause::from_errno(libc::EINVAL), help));
        }
        let access = match (self.read, self.write, self.append) {
            (_, false, false) => libc::O_RDONLY,
            (false, true, false) => libc::O_WRONLY,
            (true, true, false) => libc::O_RDWR,
            (false, _, true) => libc::O_WRONLY | libc::O_APPEND,
            (true, _, true) => libc::O_RDWR | libc::O_APPEND,
        };
        let creation = match (self.create, self.truncate, self.create_new) {
            (_, _, true) => libc::O_CREAT | libc::O_EXCL,
            (true, true, _) => libc::O_CREAT | libc::O_TRUNC,
            (true, false, _) => libc::O_CREAT,
            (false, true, _) => libc::O_TRUNC,
            (false, false, _) => 0,
        };
        let direct = self.direct_flag()?;
        let custom = self.custom_flags & !libc::O_ACCMODE;
        Ok(access | creation | direct | custom | libc::O_CLOEXEC)
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    fn direct_flag(self) -> Result<libc::c_int, (Cause, &'static str)> {
        Ok(if self.direct { libc::O_DIRECT } else { 0 })
    }

    #[cfg(all(
        unix,
        not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))
    ))]
    fn direct_flag(self) -> Result<libc::c_int, (Cause, &'static str)> {
        if self.direct {
            let cause = mfio::error::ErrorKind::NotSupported.into();
            Err((cause, "this system has no `O_DIRECT`: leave `direct` out"))
        } else {
            Ok(0)
        }
    }
}
