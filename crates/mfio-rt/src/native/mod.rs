//! The operating system's files, through io_uring or a bounded pool of threads.
//!
//! A [`NativeRt`] takes the best driver that can be had, and [`NativeRt::report`] says which that is and why no better
//! one. Runtime and files are `Send + Sync`, and any number of threads and tasks, of any executors, may use and drive
//! them at once: `block_on`, `Tokio::drive`, `AsyncIo::drive`, or a foreign loop around the polling handle. While nobody does,
//! the runtime drives itself on a thread of its own ([`Builder::self_driving`]), so a task of any executor just awaits.
//!
//! # Map
//!
//! | module | what |
//! |---|---|
//! | `owner` | what a runtime is made of, how operations are sent, how it ends |
//! | `file`, `stream`, `open`, `call` | files, those without positions, and the futures of operations that move no bytes |
//! | `op`, `metadata` | the vocabulary of operations, the same for all drivers |
//! | `table` | who owns what is in flight |
//! | `cached` | reads of what the page cache holds |
//! | `driver` | the contract of drivers, io_uring, threads, and the template for others |
//! | `ladder`, `builder` | which driver, and why |
//! | `object`, `sys`, `fork` | descriptors, system calls, telling a forked child |
//!
//! # Limits
//!
//! What the system has at a time is bounded ([`Builder::queue_depth`], [`Builder::threads`]), and so is what is lined up
//! for it ([`Builder::max_requests`]). Operations beyond wait for room, in order, as a part of being awaited; none is
//! refused for there being too many.
//!
//! # Fork
//!
//! A forked child must not use the runtime of its parent: there every operation fails with `ErrorKind::BackendGone`, the
//! blocking forms too, a wait for the runtime panics instead of lasting for ever, and dropping handles only forgets.

mod builder;
mod cached;
mod call;
mod driver;
mod file;
mod fork;
mod ladder;
mod metadata;
mod object;
mod op;
mod open;
mod owner;
mod stream;
mod sys;
mod table;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mfio::backend::{BackendHandle, DynBackend, IoBackend, PollingHandle, Sharing};
use mfio::error::Result;

pub use self::builder::Builder;
pub use self::call::{CloseFile, FileLen, SyncFile};
pub use self::driver::DriverKind;
pub use self::file::File;
pub use self::ladder::{BuildError, Refusal, Report, Verdict};
pub use self::open::OpenFile;
pub use self::owner::leaked_operations;
pub use self::stream::Stream;

use self::builder::Config;
use self::owner::Owner;
use crate::fs::{Fs, OpenOptions};

/// A runtime for files. Clones are handles to the same runtime; the last handle, files included, ends it.
///
/// Ending it carries out the writes that were sent (syncs and closes too), whether or not their futures are still there,
/// cancels everything else, and waits for both: see [`Builder::shutdown_patience`].
///
/// ```
/// use mfio_rt::fs::OpenOptions;
/// use mfio_rt::prelude::*;
///
/// # let dir = std::env::temp_dir().join(format!("mfio-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// let rt = NativeRt::new()?;
/// let options = OpenOptions::new().read(true).write(true).create(true);
/// rt.block_on(async {
///     let file = rt.open(dir.join("greeting"), &options).await?;
///     file.write_all_at(b"Hello, file!", 0).await?;
///     let mut name = [0; 4];
///     file.read_exact_at(&mut name, 7).await?;
///     assert_eq!(&name, b"file");
///     file.close().await
/// })?;
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct NativeRt {
    owner: Arc<Owner>,
}

impl NativeRt {
    /// The best driver that can be had, with default limits.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Chooses drivers and limits.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_config(config: &Config) -> Result<Self, BuildError> {
        Owner::new(config).map(Self::from_owner)
    }

    pub(crate) fn from_owner(owner: Arc<Owner>) -> Self {
        Self { owner }
    }

    pub(crate) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }

    /// Which driver was chosen, and why each better one was refused.
    #[must_use]
    pub fn report(&self) -> &Report {
        self.owner.report()
    }

    /// Opens a file. The descriptor is `O_CLOEXEC`.
    ///
    /// # Errors
    ///
    /// What `open(2)` gives; `InvalidInput` for options that contradict each other.
    pub fn open(&self, path: impl AsRef<Path>, options: &OpenOptions) -> OpenFile {
        OpenFile::new(&self.owner, path.as_ref(), options)
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_read(&self, path: impl AsRef<Path>) -> OpenFile {
        self.open(path, &OpenOptions::new().read(true))
    }

    /// Opens a file for reading and writing, and creates it, or cuts it to length zero.
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

impl fmt::Debug for NativeRt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeRt")
            .field("driver", &self.owner.driver_name())
            .finish_non_exhaustive()
    }
}

impl Fs for NativeRt {
    type File = File;
    type Open = OpenFile;

    fn open(&self, path: impl AsRef<Path>, options: &OpenOptions) -> OpenFile {
        Self::open(self, path, options)
    }
}

impl IoBackend for NativeRt {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.owner.polling_handle()
    }

    #[track_caller]
    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.owner.get_backend()
    }

    fn sharing(&self) -> Option<&Sharing> {
        self.owner.container().sharing()
    }

    fn wait(&self, _: &PollingHandle<'_>, timeout: Option<Duration>) {
        self.owner.wait(timeout);
    }
}

impl Owner {
    /// Asked for by those who are about to wait.
    ///
    /// # Panics
    ///
    /// In a forked child, where nobody would ever end the wait: the turn may be held by a thread that is not there.
    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.assert_not_child();
        self.driver().handle().map(driver::Handle::polling)
    }

    #[track_caller]
    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.container()
            .acquire(self.driver().handle().map(|handle| handle.flags.clone()))
    }

    /// # Panics
    ///
    /// In a forked child, as above.
    fn wait(&self, timeout: Option<Duration>) {
        self.assert_not_child();
        self.driver().wait(timeout);
    }

    fn assert_not_child(&self) {
        assert!(
            !self.is_child(),
            "this process is a forked child of the one that made the runtime, and cannot wait for it"
        );
    }
}
