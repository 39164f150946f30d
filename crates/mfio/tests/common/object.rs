//! An object with any backend, held exclusively, with or without a descriptor.
#![allow(unsafe_code)]

use mfio::backend::fd::{FdWaker, FdWakerOwner};
use mfio::backend::*;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::task::{Context, Poll, Waker};

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
    /// What the object is interested in. Wakes arrive whatever it is.
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

    pub(crate) fn flags(&self) -> Arc<AtomicU8> {
        self.owner.flags()
    }

    pub(crate) fn close(&self) {
        self.owner.close();
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.arrivals.as_raw_fd()
    }

    /// Everything that has arrived and was not drained.
    pub(crate) fn drain(&self) -> Vec<u8> {
        drain(&self.arrivals)
    }

    pub(crate) fn drains(&self) -> impl FnMut() + Send + 'static {
        let arrivals = self.arrivals.try_clone().unwrap();
        move || drop(drain(&arrivals))
    }
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

/// An exclusive object. Its backend is any future.
pub(crate) struct Object {
    pub(crate) container: BackendContainer<DynBackend>,
    pub(crate) bell: Option<Bell>,
}

impl Object {
    /// Without a descriptor.
    pub(crate) fn bare(backend: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            container: BackendContainer::new_dyn(backend),
            bell: None,
        }
    }

    /// With `bell`, which is drained before each poll of the backend.
    pub(crate) fn with_bell(
        bell: Bell,
        backend: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let mut drain = bell.drains();
        let mut backend = Box::pin(backend);
        let drained = poll_fn(move |cx| {
            drain();
            backend.as_mut().poll(cx)
        });
        Self {
            container: BackendContainer::new_dyn(drained),
            bell: Some(bell),
        }
    }

    /// Without a descriptor, with one of either kind: the same backend thrice.
    pub(crate) fn each<B: Future<Output = ()> + Send + 'static>(
        backend: impl Fn() -> B,
    ) -> [Self; 3] {
        [
            Self::bare(backend()),
            Self::with_bell(Bell::socket_pair(), backend()),
            Self::with_bell(Bell::eventfd(), backend()),
        ]
    }

    /// A backend that calls `f` in each round and never completes.
    pub(crate) fn bare_fn(mut f: impl FnMut(&mut Context<'_>) + Send + 'static) -> Self {
        Self::bare(poll_fn(move |cx| {
            f(cx);
            Poll::Pending
        }))
    }

    pub(crate) fn bell(&self) -> &Bell {
        self.bell.as_ref().unwrap()
    }
}

impl IoBackend for Object {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.bell.as_ref().map(|bell| PollingHandle {
            handle: bell.fd(),
            cur_flags: &bell.interests,
            max_flags: PollingFlags::all(),
            waker: bell.waker(),
        })
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.container.acquire(self.bell.as_ref().map(Bell::flags))
    }
}
