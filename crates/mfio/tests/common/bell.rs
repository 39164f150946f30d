//! A waker on a descriptor, for objects of tests.
#![allow(unsafe_code)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use mfio::backend::fd::{FdWaker, FdWakerOwner};
use mfio::backend::{
    DefaultHandle, DynBackend, ExportedHandle, PollingFlags, SharedBackend, SharedBackendBuilder,
};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::task::Waker;

/// A new eventfd, non-blocking.
pub(crate) fn eventfd() -> File {
    // SAFETY: the call takes numbers only; the descriptor that it returns is new and nobody else's.
    unsafe {
        let fd = libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
        assert!(fd >= 0);
        File::from_raw_fd(fd)
    }
}

/// A waker on a descriptor, and the end at which its wakes arrive.
pub(crate) struct Bell {
    owner: FdWakerOwner<File>,
    arrivals: File,
    /// The interests of the object. Wakes arrive whatever it is.
    pub(crate) interests: PollingFlags,
}

impl Bell {
    pub(crate) fn eventfd() -> Self {
        let fd = eventfd();
        Self::new(fd.try_clone().unwrap(), fd)
    }

    pub(crate) fn socket_pair() -> Self {
        let (tx, rx) = UnixStream::pair().unwrap();
        tx.set_nonblocking(true).unwrap();
        rx.set_nonblocking(true).unwrap();
        let file = |stream| File::from(std::os::fd::OwnedFd::from(stream));
        Self::new(file(tx), file(rx))
    }

    fn new(wakes: File, arrivals: File) -> Self {
        Self {
            owner: FdWakerOwner::from(wakes),
            arrivals,
            interests: PollingFlags::new().read(true),
        }
    }

    pub(crate) fn waker(&self) -> Waker {
        FdWaker::clone(&self.owner).into_waker()
    }

    /// The handle of a shared backend.
    pub(crate) fn export(&self) -> ExportedHandle {
        ExportedHandle::new(self.fd(), FdWaker::clone(&self.owner))
    }

    /// Ends `builder`, with the handle of `bell` if there is one.
    pub(crate) fn build(
        bell: Option<&Self>,
        builder: SharedBackendBuilder<DynBackend>,
    ) -> SharedBackend {
        match bell {
            Some(bell) => builder.handle(bell.export()).build(),
            None => builder.build(),
        }
    }

    pub(crate) fn flags(&self) -> Arc<AtomicU8> {
        self.owner.flags()
    }

    pub(crate) fn close(&self) {
        self.owner.close();
    }

    pub(crate) fn fd(&self) -> DefaultHandle {
        self.arrivals.as_raw_fd()
    }

    /// Everything that has arrived and was not drained.
    pub(crate) fn drain(&self) -> Vec<u8> {
        drain(&self.arrivals)
    }

    /// Makes the handle of an eventfd ready as a kernel does, past the wake flags.
    pub(crate) fn signals(&self) -> impl Fn() + Send + 'static {
        let event = self.arrivals.try_clone().unwrap();
        move || drop((&event).write(&1u64.to_ne_bytes()))
    }

    pub(crate) fn drains(&self) -> impl FnMut() + Send + 'static {
        let arrivals = self.arrivals.try_clone().unwrap();
        move || drop(drain(&arrivals))
    }
}

/// Returns whether a handle is ready for reading.
pub(crate) fn is_ready(handle: DefaultHandle) -> bool {
    let mut poll = libc::pollfd {
        fd: handle,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry, and no wait.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 }
}

fn drain(mut arrivals: &File) -> Vec<u8> {
    let mut all = Vec::new();
    let mut some = [0; 64];
    loop {
        match arrivals.read(&mut some) {
            Ok(0) => return all,
            Ok(n) => all.extend(&some[..n]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return all;
            }
        }
    }
}
