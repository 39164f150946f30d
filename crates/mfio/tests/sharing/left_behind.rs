//! Drivers that leave in the middle of something that others rely on.

use super::fixture::within_a_minute;
use mfio::backend::fd::{FdWaker, FdWakerOwner};
use mfio::backend::integrations::{Integration, ReactorError, Registration};
use mfio::backend::*;
use std::future::{Future, poll_fn};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// An object whose handle is one end of a socket.
struct Object {
    backend: SharedBackend,
    flags: Arc<AtomicU8>,
    _wake: FdWakerOwner<OwnedFd>,
    _handle: UnixStream,
}

impl Object {
    fn new(
        backend: impl Future<Output = ()> + Send + 'static,
        build: impl FnOnce(SharedBackendBuilder<DynBackend>) -> SharedBackend,
    ) -> Self {
        let (theirs, handle) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        handle.set_nonblocking(true).unwrap();
        let wake = FdWakerOwner::from(OwnedFd::from(theirs));
        let exported = ExportedHandle::new(handle.as_raw_fd(), FdWaker::clone(&wake));
        Self {
            backend: build(SharedBackend::builder(backend).handle(exported)),
            flags: wake.flags(),
            _wake: wake,
            _handle: handle,
        }
    }
}

impl IoBackend for Object {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

/// An integration whose reactor fires when the test says so.
#[derive(Clone, Copy, Default)]
struct ByHand;

static TRIGGER: Mutex<Option<Waker>> = Mutex::new(None);

struct Armed;

impl Integration for ByHand {
    fn register(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        Ok(Box::new(Armed))
    }
}

impl Registration for Armed {
    fn is_current(&self) -> bool {
        true
    }

    fn poll_ready(&self, _: &PollingFlags, cx: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        let before = TRIGGER.lock().unwrap().replace(cx.waker().clone());
        drop(before);
        Poll::Pending
    }
}

/// Its registration fires while the lock is held, so that arming it is left to the holder.
#[test]
fn a_registration_that_goes_before_it_was_armed_again_is_not_waited_for() {
    within_a_minute("a registration that went", || {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let backend = poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        let object = Arc::new(Object::new(backend, |builder| {
            builder.on_signal_only().build()
        }));
        let mut driver = Box::pin(ByHand::drive(object.clone()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(driver.as_mut().poll(&mut cx).is_pending());
        let held = object.get_backend();
        let trigger = TRIGGER.lock().unwrap().take();
        trigger.unwrap().wake();
        drop(driver);
        drop(held);
        let before = polls.load(Ordering::Relaxed);
        let _ = ForeignLoop::new(&object).tick();
        let driven = polls.load(Ordering::Relaxed) - before;
        assert!(driven <= 64, "one tick polled the backend {driven} times");
    });
}

/// The bits of the flags of a waker, from the contract of `FdWaker::flags`.
const WOKEN: u8 = 0b001;
const POLLING: u8 = 0b010;

/// The holder of the lock looks at the flag before it sleeps, and nothing else tells of the wake.
#[test]
fn a_tick_takes_no_wake_from_the_holder_of_the_lock() {
    let object = Object::new(std::future::pending(), SharedBackendBuilder::build);
    let mut other = ForeignLoop::new(&object);
    let held = object.get_backend();
    object.flags.store(POLLING | WOKEN, Ordering::Release);
    let _ = other.tick();
    assert_eq!(object.flags.load(Ordering::Acquire), POLLING | WOKEN);
    drop(held);
    let _ = other.tick();
    assert_eq!(object.flags.load(Ordering::Acquire) & WOKEN, 0);
}

/// A backend that waits until it may write, and says so by its interests.
#[cfg(not(mfio_loom))]
#[test]
fn the_fallback_thread_waits_for_what_the_backend_is_interested_in() {
    within_a_minute("room to write", || {
        let interests = Arc::new(PollingFlags::new().read(true));
        let (full, room) = UnixStream::pair().unwrap();
        full.set_nonblocking(true).unwrap();
        let fill = |mut socket: &UnixStream| {
            use std::io::Write;
            while socket.write(&[0; 4096]).is_ok() {}
        };
        fill(&full);
        let done = Arc::new(AtomicUsize::new(0));
        let writer = full.try_clone().unwrap();
        let (ended, wanted) = (done.clone(), interests.clone());
        let backend = poll_fn(move |_| {
            use std::io::Write;
            if (&writer).write(&[1]).is_ok() {
                wanted.set_write(false);
                ended.fetch_add(1, Ordering::Release);
            } else {
                wanted.set_write(true);
            }
            Poll::Pending
        });
        let busy = done.clone();
        // The handle is the full socket itself, whose waker is another descriptor.
        let (theirs, _ours) = UnixStream::pair().unwrap();
        let wake = FdWakerOwner::from(OwnedFd::from(theirs));
        let exported = ExportedHandle::new(full.as_raw_fd(), FdWaker::clone(&wake))
            .with_changing_interests(interests, PollingFlags::all());
        let backend = SharedBackend::builder(backend)
            .handle(exported)
            .build_with_fallback_thread(move || busy.load(Ordering::Acquire) == 0);
        backend.sharing().signal();
        // Only the readiness of the socket can drive it after the first poll.
        std::thread::yield_now();
        drain(&room, &done);
        assert!(done.load(Ordering::Acquire) > 0);
    });
}

#[cfg(not(mfio_loom))]
fn drain(mut room: &UnixStream, done: &AtomicUsize) {
    use std::io::Read;
    room.set_nonblocking(true).unwrap();
    while done.load(Ordering::Acquire) == 0 {
        if room.read(&mut [0; 4096]).is_err() {
            std::thread::yield_now();
        }
    }
}

#[cfg(not(mfio_loom))]
#[test]
fn a_fallback_thread_outlives_a_panic_of_what_it_asks() {
    within_a_minute("a panic in is_busy", || {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let backend = poll_fn(move |_| {
            counted.fetch_add(1, Ordering::Release);
            Poll::Pending
        });
        let object = Object::new(backend, |builder| {
            builder.build_with_fallback_thread(|| panic!("asked in vain"))
        });
        for _ in 0..3 {
            let before = polls.load(Ordering::Acquire);
            object.backend.sharing().signal();
            while polls.load(Ordering::Acquire) == before {
                std::thread::yield_now();
            }
        }
    });
}

#[cfg(not(mfio_loom))]
#[test]
#[should_panic = "either refused or driven"]
fn operations_are_not_both_refused_and_driven_by_a_fallback_thread() {
    let _ = Object::new(std::future::pending(), |builder| {
        builder
            .refuse_without_driver()
            .build_with_fallback_thread(|| false)
    });
}
