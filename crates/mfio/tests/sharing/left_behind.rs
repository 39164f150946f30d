//! Drivers that leave in the middle of something that others rely on.

use super::asleep::spawn_watched;
use super::fixture::{Echo, Handle, within_a_minute};
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
        let left = Arc::new(AtomicUsize::new(1));
        let writer = full.try_clone().unwrap();
        let (writes, wanted) = (left.clone(), interests.clone());
        let backend = poll_fn(move |_| {
            use std::io::Write;
            if (&writer).write(&[1]).is_ok() {
                wanted.set_write(false);
                writes.store(0, Ordering::Release);
            } else {
                wanted.set_write(true);
            }
            Poll::Pending
        });
        // The handle is the full socket itself, whose waker is another descriptor.
        let (theirs, _ours) = UnixStream::pair().unwrap();
        let wake = FdWakerOwner::from(OwnedFd::from(theirs));
        let exported = ExportedHandle::new(full.as_raw_fd(), FdWaker::clone(&wake))
            .with_changing_interests(interests, PollingFlags::all());
        let backend = SharedBackend::builder(backend)
            .handle(exported)
            .build_with_fallback_thread(left.clone());
        backend.sharing().signal();
        // Only the readiness of the socket can drive it after the first poll.
        std::thread::yield_now();
        drain(&room, &left);
    });
}

#[cfg(not(mfio_loom))]
fn drain(mut room: &UnixStream, left: &AtomicUsize) {
    use std::io::Read;
    room.set_nonblocking(true).unwrap();
    while left.load(Ordering::Acquire) != 0 {
        if room.read(&mut [0; 4096]).is_err() {
            std::thread::yield_now();
        }
    }
}

#[cfg(not(mfio_loom))]
#[test]
#[should_panic = "either refused or driven"]
fn operations_are_not_both_refused_and_driven_by_a_fallback_thread() {
    let _ = Object::new(std::future::pending(), |builder| {
        builder
            .refuse_without_driver()
            .build_with_fallback_thread(Arc::default())
    });
}

/// The kernel holds the answers back, so that only the signal of an operation can wake the holder.
#[test]
fn an_operation_reaches_a_backend_whose_exclusive_holder_sleeps() {
    for kind in [Handle::Descriptor, Handle::None] {
        for by_hand in [false, true] {
            if by_hand && kind == Handle::None {
                // Nothing is known that would wake its owner.
                continue;
            }
            within_a_minute("the second operation", move || {
                let echo = Arc::new(Echo::new(kind));
                echo.hold(true);
                let held = echo.clone();
                let (thread, holder) = spawn_watched(move || match by_hand {
                    true => poll_by_hand(&held),
                    false => hold_until_ready(&held),
                });
                for _ in 0..3 {
                    holder.until_asleep();
                    let before = echo.polls();
                    let mut second = Box::pin(echo.add_one(2));
                    let _ = second
                        .as_mut()
                        .poll(&mut Context::from_waker(Waker::noop()));
                    while echo.polls() == before {
                        std::thread::yield_now();
                    }
                }
                echo.hold(false);
                assert_eq!(thread.join().unwrap(), 2);
            });
        }
    }
}

fn hold_until_ready(echo: &Echo) -> u64 {
    let (both, handle) = echo.with_backend(echo.add_one(1));
    match &handle {
        Some(handle) => mfio::poller::block_on_handle(both, handle, &handle.waker),
        None => mfio::poller::block_on(both),
    }
}

/// As a loop of 0.1 does that polls the backend itself.
fn poll_by_hand(echo: &Echo) -> u64 {
    let handle = echo.polling_handle().unwrap();
    let flags = echo.wake_flags().unwrap();
    let mut cx = Context::from_waker(&handle.waker);
    let mut backend = echo.get_backend();
    let mut first = Box::pin(echo.add_one(1));
    loop {
        if let Poll::Ready(n) = first.as_mut().poll(&mut cx) {
            return n;
        }
        flags.fetch_and(!WOKEN, Ordering::AcqRel);
        let _ = backend.as_mut().poll(&mut cx);
        handle.handle.poll(handle.cur_flags);
    }
}

/// The first loop's tick polls the backend, which wakes the handle and then has another loop tick.
#[test]
fn a_loop_does_not_erase_the_wake_that_another_must_repeat() {
    within_a_minute("the other loop", || {
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let (to_other, ticks) = std::sync::mpsc::channel();
        let (other_done, done) = std::sync::mpsc::channel();
        let (wakes, mut polls) = (waker.clone(), 0);
        let backend = poll_fn(move |_| {
            polls += 1;
            match polls {
                1 => wakes.lock().unwrap().as_ref().unwrap().wake_by_ref(),
                2 => {
                    to_other.send(()).unwrap();
                    done.recv().unwrap();
                }
                _ => {}
            }
            Poll::Pending
        });
        let object = Object::new(backend, SharedBackendBuilder::build);
        std::thread::scope(|threads| {
            let mut other = ForeignLoop::new(&object);
            threads.spawn(move || {
                ticks.recv().unwrap();
                let _ = other.tick();
                other_done.send(()).unwrap();
            });
            let mut ours = ForeignLoop::new(&object);
            let handle = object.backend.polling_handle().unwrap();
            *waker.lock().unwrap() = Some(handle.waker.clone());
            object.backend.sharing().signal();
            while ours.tick() == Tick::Again {}
            assert_eq!(object.flags.load(Ordering::Acquire) & WOKEN, WOKEN);
        });
    });
}

/// The fallback thread polls the backend, which polls another one, in which the first is acquired.
#[cfg(not(mfio_loom))]
#[test]
fn a_backend_that_is_acquired_within_its_own_poll_is_refused_whatever_lies_between() {
    within_a_minute("acquiring it within its poll", || {
        let object = Arc::new(std::sync::OnceLock::<std::sync::Weak<Object>>::new());
        let (busy, answer) = std::sync::mpsc::channel();
        let outer = object.clone();
        let backend = poll_fn(move |_| {
            if let Some(outer) = outer.get().and_then(std::sync::Weak::upgrade) {
                let inner = Object::new(std::future::pending(), SharedBackendBuilder::build);
                let acquired = inner.block_on(async { outer.backend.try_acquire().map(drop) });
                let _ = busy.send(acquired.is_err());
            }
            Poll::Pending
        });
        let made = Arc::new(Object::new(backend, |builder| {
            builder.build_with_fallback_thread(Arc::default())
        }));
        object.set(Arc::downgrade(&made)).unwrap();
        made.backend.sharing().signal();
        assert_eq!(answer.recv(), Ok(true));
    });
}

/// The holder polled with a waker of its own, so the backend must be polled again: by the holder.
#[cfg(not(mfio_loom))]
#[test]
fn an_exclusive_holder_that_goes_starts_no_thread_for_nothing() {
    let (polled, polls) = std::sync::mpsc::channel();
    let backend = poll_fn(move |_| {
        let _ = polled.send(std::thread::current().id());
        Poll::Pending
    });
    let object = Object::new(backend, |builder| {
        builder.build_with_fallback_thread(Arc::default())
    });
    drop(object.get_backend());
    assert_eq!(polls.recv(), Ok(std::thread::current().id()));
}
