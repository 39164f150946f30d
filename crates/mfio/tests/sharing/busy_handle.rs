//! A handle that is ready again whenever a reactor, or a foreign loop, could look at it.
#![allow(unsafe_code)]

use super::fixture::{Echo, Handle, within_a_minute};
use super::registrations::Level;
use mfio::backend::fd::{FdWaker, FdWakerOwner};
use mfio::backend::*;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

/// Polls in a row after which the handle is ready again. More than any bound on rounds.
const BUSY: usize = 300;

/// Its backend makes the handle ready each time that it is polled, [`BUSY`] times.
struct Busy {
    backend: SharedBackend,
    polls: Arc<AtomicUsize>,
    _wake: FdWakerOwner<OwnedFd>,
    _handle: UnixStream,
}

impl Busy {
    fn new() -> Self {
        let (mut theirs, handle) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        handle.set_nonblocking(true).unwrap();
        let polls = Arc::new(AtomicUsize::new(0));
        let wake = FdWakerOwner::from(OwnedFd::from(theirs.try_clone().unwrap()));
        let (counted, mut drained) = (polls.clone(), handle.try_clone().unwrap());
        let backend = poll_fn(move |_| {
            while drained.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
            if counted.fetch_add(1, Ordering::SeqCst) < BUSY {
                theirs.write_all(&[1]).unwrap();
            }
            Poll::Pending
        });
        let exported = ExportedHandle::new(handle.as_raw_fd(), FdWaker::clone(&wake));
        let backend = SharedBackend::builder(backend)
            .on_signal_only()
            .handle(exported)
            .build();
        Self {
            backend,
            polls,
            _wake: wake,
            _handle: handle,
        }
    }
}

impl IoBackend for Busy {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

#[test]
fn a_handle_that_is_ready_whenever_it_is_armed_is_not_left() {
    within_a_minute("a busy handle", || {
        let busy = Arc::new(Busy::new());
        let mut driver = Box::pin(Level::drive(busy.clone()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(driver.as_mut().poll(&mut cx).is_pending());
        // From here on only the reactor polls the backend.
        busy.backend.sharing().signal();
        while busy.polls.load(Ordering::SeqCst) < BUSY {
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_loop_whose_handle_others_drain_hears_of_the_next_event() {
    let echo = Echo::new(Handle::Descriptor);
    let driver = ForeignLoop::new(&echo);
    // It makes the handle ready, which another driver drains before the loop looks.
    echo.signal();
    echo.block_on(async {});
    let mut add = pin!(echo.add_one(1));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(add.as_mut().poll(&mut cx).is_pending());
    let handle = echo.descriptor().unwrap();
    let mut ready = libc::pollfd {
        fd: handle,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry, of an open descriptor.
    let n = unsafe { libc::poll(&mut ready, 1, 0) };
    assert_eq!(n, 1, "the loop sleeps on");
    drop(driver);
}
