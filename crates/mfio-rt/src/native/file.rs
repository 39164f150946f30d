//! Files: positional packets in both directions.

use std::borrow::Cow;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Weak};

use mfio::backend::{DynBackend, IoBackend, SharedBackend};
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{Alignment, Identity, IoObject, Operation, PacketIo, Place, Read, Write};
use mfio::packet::{PacketPool, View};
use mfio::traits::HasLen;

use super::call::{CloseFile, FileLen, SyncFile, help};
use super::metadata::{Close, Fsync, Len};
use super::object::Object;
use super::owner::Owner;
use super::runtime::NativeRt;
use super::sys::{self, Errno};

/// An open file of a [`NativeRt`].
///
/// Reading and writing are the methods of [`IoRead`](mfio::traits::IoRead) and
/// [`IoWrite`](mfio::traits::IoWrite); every operation names its position. A file is a backend
/// itself: [`IoBackend`] goes to its runtime, so `file.block_on(...)` works.
///
/// # Streams
///
/// Streams (pipes, sockets, terminals) have no positions. They transfer bytes in the order in which
/// the system serves the requests, whatever positions these name. A read of a stream ends with the
/// bytes that are available: use [`read_at`](mfio::traits::IoRead::read_at). A read that asks
/// for more fails with `WouldBlock`, and the bytes that came are taken;
/// [`into_stream`](Self::into_stream) makes an object whose reads go on.
///
/// A read that is dropped while it waits may still take the next bytes, but no more: the runtime
/// cancels it when it next polls, or needs the slot. With the threads driver each read that waits
/// for a stream occupies a thread ([`Builder::threads`](super::Builder::threads)).
///
/// # Closing
///
/// Clones share the descriptor. It closes when the last clone, and the last operation in flight,
/// are gone. That blocks as long as `close(2)` does, and errors are lost: [`close`](Self::close)
/// reports them.
#[derive(Clone)]
pub struct File {
    // Before `handles`: when that is dropped, operations in flight alone hold the object.
    object: Arc<Object>,
    owner: Arc<Owner>,
    handles: Arc<Handles>,
}

/// Shared by the clones of a file, and dropped with the last of them.
struct Handles {
    owner: Arc<Owner>,
    object: Weak<Object>,
}

impl Drop for Handles {
    fn drop(&mut self) {
        if self.object.strong_count() > 0 {
            self.owner.sweep();
        }
    }
}

impl File {
    pub(crate) fn new(owner: Arc<Owner>, object: Object) -> Self {
        let object = Arc::new(object);
        let handles = Arc::new(Handles {
            owner: owner.clone(),
            object: Arc::downgrade(&object),
        });
        Self {
            object,
            owner,
            handles,
        }
    }

    /// Takes over an open file of the standard library.
    pub fn from_std(rt: &NativeRt, file: std::fs::File) -> Self {
        Self::from_owned_fd(rt, file.into())
    }

    /// Takes over a descriptor. Its flags, `O_CLOEXEC` included, stay as they are.
    pub fn from_owned_fd(rt: &NativeRt, fd: OwnedFd) -> Self {
        Self::new(rt.owner().clone(), Object::new(fd, None))
    }

    /// Creates a file from a duplicate (`O_CLOEXEC`) of a descriptor, which stays the caller's.
    ///
    /// # Errors
    ///
    /// When the process may not open more files.
    #[doc(alias = "adopt")]
    #[doc(alias = "dup")]
    pub fn try_clone_from(rt: &NativeRt, fd: impl AsFd) -> Result<Self> {
        match fd.as_fd().try_clone_to_owned() {
            Ok(fd) => Ok(Self::from_owned_fd(rt, fd)),
            Err(error) => {
                let error = Error::new(&error, "duplicate")
                    .object(format!("descriptor {}", fd.as_fd().as_raw_fd()))
                    .driver(rt.owner().driver_name());
                Err(match help(error.cause()) {
                    Some(help) => error.help(help),
                    None => error,
                })
            }
        }
    }

    /// Returns the descriptor, if there is no other clone of this file and nothing is in flight.
    ///
    /// # Errors
    ///
    /// Returns the file otherwise.
    pub fn into_owned_fd(self) -> Result<OwnedFd, Self> {
        let Self {
            object,
            owner,
            handles,
        } = self;
        match Arc::try_unwrap(object) {
            Ok(object) => Ok(object.into_fd()),
            Err(object) => Err(Self {
                object,
                owner,
                handles,
            }),
        }
    }

    /// Returns a file of the standard library: see [`into_owned_fd`](Self::into_owned_fd).
    ///
    /// # Errors
    ///
    /// Returns the file if it is in use.
    pub fn try_into_std(self) -> Result<std::fs::File, Self> {
        self.into_owned_fd().map(Into::into)
    }

    /// Returns the length of the file, or block device, in bytes.
    ///
    /// # Errors
    ///
    /// The error of `fstat(2)`.
    #[doc(alias = "metadata")]
    #[doc(alias = "size")]
    pub fn len(&self) -> FileLen {
        FileLen::new(
            &self.owner,
            self.object.name(),
            Len::new(self.object.clone()),
        )
    }

    /// Waits until data and metadata are on the medium (`fsync`).
    ///
    /// It covers the writes that have completed. One that is in flight may or may not be covered. A
    /// new name is durable when its directory was synced, too: see
    /// [`durability`](crate::durability).
    ///
    /// # Errors
    ///
    /// The error of `fsync(2)`. After an error the state of unsynced data is unknown.
    #[doc(alias = "fsync")]
    #[doc(alias = "flush")]
    pub fn sync_all(&self) -> SyncFile {
        self.sync(false)
    }

    /// Waits until data, and the metadata that is needed to find it, are on the medium
    /// (`fdatasync`).
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    #[doc(alias = "fdatasync")]
    pub fn sync_data(&self) -> SyncFile {
        self.sync(true)
    }

    fn sync(&self, data_only: bool) -> SyncFile {
        let object = self.object.clone();
        SyncFile::new(&self.owner, object.name(), Fsync { object, data_only })
    }

    /// Closes the file, and reports errors.
    ///
    /// # Errors
    ///
    /// `Busy` when there are other clones, or operations in flight: then the file closes when the
    /// last of them is gone. Otherwise the error of `close(2)`; the descriptor is closed in any
    /// case.
    pub fn close(self) -> CloseFile {
        let (owner, name) = (self.owner.clone(), self.object.name());
        match self.into_owned_fd() {
            Ok(fd) => CloseFile::new(&owner, name, Close::new(fd)),
            Err(_) => CloseFile::busy(&owner, name),
        }
    }

    pub(super) fn object(&self) -> &Arc<Object> {
        &self.object
    }

    pub(super) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }

    /// Whether the file has positions: a stream has none.
    pub(super) fn has_positions(&self) -> bool {
        self.object.is_seekable()
    }

    /// Returns the result of a direct system call, or `None` if a non-blocking stream has to be
    /// waited for, by a packet.
    fn tried(&self, moved: Result<usize, Errno>) -> Option<Result<usize, Cause>> {
        let would_block = moved == Err(libc::EAGAIN) && !self.has_positions();
        (!would_block).then(|| moved.map_err(Cause::from_errno))
    }

    /// Whether the file is a FIFO without a writer so far, of which a read reports the end of file.
    #[cold]
    fn awaits_a_writer(&self) -> bool {
        !self.has_positions() && sys::awaits_a_writer(self.object.fd())
    }

    /// Returns the path by which the file was opened.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.object.path().map(AsRef::as_ref)
    }

    /// Returns the runtime.
    #[must_use]
    pub fn runtime(&self) -> NativeRt {
        NativeRt::from_owner(self.owner.clone())
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.object.fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("name", &self.object.name().to_string())
            .field("driver", &self.owner.driver_name())
            .finish()
    }
}

impl IoObject for File {
    fn identity(&self) -> Identity<'_> {
        Identity {
            object: Some(Cow::Owned(self.object.name().to_string())),
            driver: Some(self.owner.driver_name()),
        }
    }

    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        if operation == Operation::Control {
            return help(cause);
        }
        if let Some(help) = self.owner.explain_driver(cause) {
            return Some(help);
        }
        match cause.errno() {
            Some(libc::EINVAL) if self.object.alignment().block() > 1 => Some(
                "past the page cache (`OpenOptions::direct`) the position, the length and the \
                 memory of a request must be aligned to blocks: see `IoObject::alignment` and \
                 `AlignedBuf`",
            ),
            Some(libc::EBADF) => Some("the file was not opened for that: see `OpenOptions`"),
            _ => help(cause),
        }
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        Some(self.owner.pool())
    }

    /// Returns the alignment of the file; appending writes are sent in order, too.
    fn alignment(&self, operation: Operation) -> Alignment {
        let alignment = self.object.alignment();
        match operation {
            Operation::Write if self.object.appends() => alignment.in_order(),
            _ => alignment,
        }
    }

    fn locate(&self, offset: u64) -> Place {
        self.object.locate(offset)
    }

    fn appends_at(&self) -> Option<u64> {
        self.object.appends_at()
    }

    /// Returns the length that this machine knows; for a file on another one it may be old.
    fn len_now(&self) -> Option<u64> {
        sys::known_len(self.object.fd())
    }
}

impl PacketIo<Read> for File {
    #[inline]
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.owner.read(&self.object, view, pos);
    }

    #[inline]
    fn transfer_blocking(&self, pos: u64, bytes: &mut [u8]) -> Option<Result<usize, Cause>> {
        if self.owner.is_child() {
            return Some(Err(ErrorKind::BackendGone.into()));
        }
        let fd = self.object.fd();
        let read = sys::read_slice(fd, bytes, self.object.position(pos));
        // A FIFO without a writer reads 0 bytes: a packet waits for one.
        let early = read == Ok(0) && !bytes.is_empty() && self.awaits_a_writer();
        self.tried(read).filter(|_| !early)
    }
}

impl PacketIo<Write> for File {
    fn send_io(&self, pos: u64, view: View<Write>) {
        self.owner.write(&self.object, view, pos);
    }

    #[inline]
    fn transfer_blocking(&self, pos: u64, bytes: &[u8]) -> Option<Result<usize, Cause>> {
        if self.owner.is_child() {
            return Some(Err(ErrorKind::BackendGone.into()));
        }
        let fd = self.object.fd();
        self.tried(sys::write_slice(fd, bytes, self.object.position(pos)))
    }
}

impl HasLen for File {
    type Len = FileLen;

    fn io_len(&self) -> FileLen {
        self.len()
    }
}

impl IoBackend for File {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(self.owner.backend())
    }
}
