//! Opening files by path.

use std::ffi::CString;
use std::fmt;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mfio::error::{Cause, Result};

use super::call::Call;
use super::file::File;
use super::metadata::Open;
use super::object::Object;
use super::owner::Owner;
use super::runtime::NativeRt;
use crate::fs::{Fs, OpenOptions};

impl NativeRt {
    /// Opens a file. The descriptor is `O_CLOEXEC`.
    ///
    /// # Errors
    ///
    /// The error of `open(2)`; `InvalidInput` for options that contradict each other.
    pub fn open(&self, path: impl AsRef<Path>, options: &OpenOptions) -> OpenFile {
        OpenFile::new(self.owner(), path.as_ref(), options)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_read(&self, path: impl AsRef<Path>) -> OpenFile {
        self.open(path, &OpenOptions::new().read(true))
    }

    /// Opens a file for reading and writing. Creates it, or cuts it to length zero.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn create(&self, path: impl AsRef<Path>) -> OpenFile {
        self.open(
            path,
            &OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true),
        )
    }
}

impl Fs for NativeRt {
    type File = File;
    type Open = OpenFile;

    fn open(&self, path: impl AsRef<Path>, options: &OpenOptions) -> OpenFile {
        Self::open(self, path, options)
    }
}

/// The future of [`NativeRt::open`](super::NativeRt::open).
///
/// # Cancel safety
///
/// Nothing happens before the first poll. Dropping it cancels the opening; a descriptor that
/// arrives later is closed.
#[must_use = "nothing is opened before this is awaited"]
pub struct OpenFile(Call<Open, Target>);

/// The path, and the options that errors list.
struct Target {
    path: Arc<Path>,
    options: OpenOptions,
}

impl OpenFile {
    pub(super) fn new(owner: &Arc<Owner>, path: &Path, options: &OpenOptions) -> Self {
        let target = Target {
            path: path.into(),
            options: *options,
        };
        Self(match operation(path, options) {
            Ok(op) => Call::new(owner, target, op),
            Err((cause, help)) => Call::refused(owner, target, cause, help),
        })
    }
}

fn operation(path: &Path, options: &OpenOptions) -> Result<Open, (Cause, &'static str)> {
    let flags = options.to_flags()?;
    let invalid = |_| {
        (
            Cause::from_errno(libc::EINVAL),
            "the path has a zero byte in it",
        )
    };
    let path = CString::new(path.as_os_str().as_bytes()).map_err(invalid)?;
    Ok(Open {
        path,
        flags,
        mode: options.mode,
    })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let chosen = [
            (options.read, "read"),
            (options.write, "write"),
            (options.append, "append"),
            (options.truncate, "truncate"),
            (options.create, "create"),
            (options.create_new, "create_new"),
            (options.direct, "direct"),
        ];
        let words: Vec<_> = chosen
            .iter()
            .filter(|(yes, _)| *yes)
            .map(|(_, word)| *word)
            .collect();
        let words = match words.is_empty() {
            true => "no access".into(),
            false => words.join(", "),
        };
        match self.path.as_os_str().is_empty() {
            true => write!(f, "\"\" ({words})"),
            false => write!(f, "{} ({words})", self.path.display()),
        }
    }
}

impl Future for OpenFile {
    type Output = Result<File>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = &mut self.0;
        call.poll(cx).map_ok(|fd| {
            let object = Object::new(fd, Some(call.object().path.clone()));
            File::new(call.owner().clone(), object)
        })
    }
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile")
            .field("path", &self.0.object().path)
            .finish_non_exhaustive()
    }
}
