//! Wakers that use a descriptor: a wake makes it readable, which ends the waits on it.
//!
//! Give one end of a pipe or a socket pair, or an eventfd, to an [`FdWakerOwner`]; export the other
//! end (the same one, for an eventfd) with a clone of the [`FdWaker`] as the
//! [`ExportedHandle`](super::ExportedHandle) of a shared backend. The backend drains the descriptor
//! when it is polled.
//!
//! An object that is not shared exports a [`PollingHandle`](super::PollingHandle) with
//! [`FdWaker::into_waker`] as its waker, and passes [`FdWaker::flags`] to
//! [`BackendContainer::acquire`](super::BackendContainer::acquire).
//!
//! The descriptor should be non-blocking: a wake writes, and must not wait for room.
#![allow(unsafe_code)]

use super::closing::Closing;
use super::wake_flags;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::ops::Deref;
use core::sync::atomic::AtomicU8;
use core::task::{RawWaker, Waker};
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// The owner of an [`FdWaker`] and its clones: when it is dropped, the waker is closed.
///
/// The effect depends on `F`. An owning type ([`OwnedFd`](std::os::fd::OwnedFd),
/// [`UnixStream`](std::os::unix::net::UnixStream), [`File`](std::fs::File)) is dropped, so the
/// descriptor is closed, once, and never while a wake is writing to it. With a borrowed descriptor
/// or a plain [`RawFd`] nothing is closed here; see [`FdWaker::close`] for when you may close it.
///
/// ```
/// use mfio::backend::fd::{FdWaker, FdWakerOwner};
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let (tx, mut rx) = UnixStream::pair()?;
/// tx.set_nonblocking(true)?;
/// let owner = FdWakerOwner::from(tx);
/// let waker = FdWaker::clone(&owner).into_waker();
/// waker.wake_by_ref();
/// waker.wake_by_ref();
/// drop(owner);
/// waker.wake();
/// let mut written = Vec::new();
/// rx.read_to_end(&mut written)?;
/// assert_eq!(written, 1u64.to_ne_bytes());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FdWakerOwner<F>(FdWaker<F>);

impl<F: AsRawFd> From<F> for FdWakerOwner<F> {
    fn from(fd: F) -> Self {
        Self(FdWaker(Arc::new(FdState {
            flags: Arc::default(),
            fd: Closing::new(fd),
        })))
    }
}

impl<F> Deref for FdWakerOwner<F> {
    type Target = FdWaker<F>;

    fn deref(&self) -> &FdWaker<F> {
        &self.0
    }
}

impl<F> Drop for FdWakerOwner<F> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Makes a descriptor readable. A clone wakes the same descriptor; dropping clones closes nothing.
///
/// It is `Send` and `Sync` if `F` is both: a wake uses the descriptor on any thread, and the last
/// user drops it.
///
/// ```
/// # use mfio::backend::fd::FdWaker;
/// fn on_any_thread<T: Send + Sync>() {}
/// on_any_thread::<FdWaker<std::sync::Arc<std::fs::File>>>();
/// ```
///
/// ```compile_fail,E0277
/// # use mfio::backend::fd::FdWaker;
/// fn on_any_thread<T: Send + Sync>() {}
/// on_any_thread::<FdWaker<std::rc::Rc<std::fs::File>>>();
/// ```
pub struct FdWaker<F>(Arc<FdState<F>>);

struct FdState<F> {
    /// Advisory: safe code may store anything here.
    flags: Arc<AtomicU8>,
    /// Decides when the descriptor may be written to, and when it is closed.
    fd: Closing<F>,
}

impl<F> FdWaker<F> {
    /// Returns the wake flags, for [`BackendContainer::acquire`](super::BackendContainer::acquire).
    ///
    /// They are advice that saves writes. A wrong value costs a lost wake at worst.
    #[must_use]
    pub fn flags(&self) -> Arc<AtomicU8> {
        self.0.flags.clone()
    }

    /// Closes this waker and all its clones: later wakes do nothing, and the `F` given at the start
    /// is dropped.
    ///
    /// It may be called at any time, from any thread, any number of times. It does not wait: if a
    /// wake is writing on another thread, that wake drops the `F` when it is done. If `F` does not
    /// own its descriptor (a [`RawFd`]), close that only once no other thread can be within a wake
    /// that began before this call.
    pub fn close(&self) {
        wake_flags::close(&*self.0.flags);
        self.0.fd.close();
    }
}

impl<F: AsRawFd> FdWaker<F> {
    /// Makes the descriptor readable, unless an earlier wake has not been seen yet or a round is
    /// under way that will see this one.
    ///
    /// It never panics and never fails: of many wakes the first writes 8 bytes, `1u64` in native
    /// byte order. A pipe or socket whose other end is gone raises SIGPIPE, which Rust programs
    /// ignore and hosts in C may not; an eventfd never does.
    pub fn wake_by_ref(&self) {
        self.0.wake_descriptor();
    }
}

impl<F: AsRawFd + Send + Sync + 'static> FdWaker<F> {
    /// Converts this waker to a [`Waker`], without an allocation.
    #[must_use]
    pub fn into_waker(self) -> Waker {
        Waker::from(self.0)
    }

    /// Converts this waker to a [`RawWaker`], which owns one clone: turn it into a [`Waker`] once,
    /// or leak it.
    ///
    /// A raw waker is not bound to any lifetime, so only an `F` that borrows nothing becomes one:
    ///
    /// ```
    /// # use mfio::backend::fd::{FdWaker, FdWakerOwner};
    /// # use std::{os::fd::BorrowedFd, task::RawWaker};
    /// fn raw(fd: BorrowedFd<'static>) -> RawWaker {
    ///     FdWaker::clone(&FdWakerOwner::from(fd)).into_raw_waker()
    /// }
    /// ```
    ///
    /// ```compile_fail,E0521
    /// # use mfio::backend::fd::{FdWaker, FdWakerOwner};
    /// # use std::{os::fd::BorrowedFd, task::RawWaker};
    /// fn raw(fd: BorrowedFd<'_>) -> RawWaker {
    ///     FdWaker::clone(&FdWakerOwner::from(fd)).into_raw_waker()
    /// }
    /// ```
    #[must_use]
    pub fn into_raw_waker(self) -> RawWaker {
        RawWaker::from(self.0)
    }
}

impl<F: AsRawFd> FdState<F> {
    fn wake_descriptor(&self) {
        if wake_flags::wake(&*self.flags) {
            self.fd.with(|fd| write_one(fd.as_raw_fd()));
        }
    }
}

impl<F: AsRawFd + Send + Sync + 'static> Wake for FdState<F> {
    fn wake(self: Arc<Self>) {
        self.wake_descriptor();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_descriptor();
    }
}

/// Writes `1u64`.
///
/// Errors are ignored: a waker runs anywhere (in a `drop`, while a thread unwinds), has no caller
/// to report to, and must not panic. "Would block" means that the descriptor is readable already; a
/// reader that is gone waits for nothing; and a descriptor that is bad is named by the wait on it,
/// see [`Pollable`](super::Pollable).
fn write_one(fd: RawFd) {
    let one = 1u64.to_ne_bytes();
    loop {
        // SAFETY: the call reads 8 bytes of a live array of 8. A bad descriptor is an error that it
        // returns; an owned one is open, as its owner is borrowed by the caller for the call.
        let n = unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
        if n >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

impl<F> Clone for FdWaker<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F> fmt::Debug for FdWaker<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdWaker")
            .field("flags", &self.0.flags)
            .field("fd", &self.0.fd)
            .finish()
    }
}
