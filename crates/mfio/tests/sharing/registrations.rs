//! Registrations with reactors that fire at once, fail, are late, or cannot be armed.
#![allow(unsafe_code)]

use crate::fixture::{Echo, Handle, current_thread, forget, panics, within_a_minute};
use futures_util::FutureExt;
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::integrations::{Integration, ReactorError, Registration};
use mfio::backend::*;
use std::future::{Future, pending};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWakerVTable, Waker};
use std::thread;
use std::time::Duration;

/// Fires whenever it is asked.
#[derive(Clone, Copy, Default)]
struct Eager;

struct FiresAtOnce;

impl Integration for Eager {
    fn register(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        Ok(Box::new(FiresAtOnce))
    }
}

impl Registration for FiresAtOnce {
    fn is_current(&self) -> bool {
        true
    }

    fn poll_ready(&self, _: &PollingFlags, cx: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn a_reactor_that_fires_within_its_poll_does_not_recurse() {
    within_a_minute("eager reactor", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let mut driver = Box::pin(Eager::drive(echo.clone()));
        assert!(driver.as_mut().now_or_never().is_none());
        assert_eq!(echo.block_on(echo.add(0, 10)), 10);
    });
}

/// Neither registration is ever ready.
#[derive(Clone, Copy, Default)]
struct Broken;

struct Fails;

impl Integration for Broken {
    fn register(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        Ok(Box::new(Fails))
    }
}

impl Registration for Fails {
    fn is_current(&self) -> bool {
        true
    }

    fn poll_ready(&self, _: &PollingFlags, _: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        Poll::Ready(Err(ReactorError::new("the reactor is gone")))
    }
}

#[test]
fn a_failed_watch_is_not_joined() {
    within_a_minute("failed watch", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        for _ in 0..2 {
            let mut driver = Box::pin(Broken::drive(echo.clone()));
            assert_eq!(
                panics(|| driver.as_mut().now_or_never()),
                "the reactor is gone"
            );
            forget(driver);
        }
    });
}

/// The second integration runs within the first one's runtime, whose reactor nobody turns.
#[test]
fn one_integration_does_not_rely_on_anothers_reactor() {
    within_a_minute("two integrations", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let runtime = current_thread();
        let mut idle = Box::pin(Tokio::drive(echo.clone()));
        assert!(
            runtime
                .block_on(async { idle.as_mut().now_or_never() })
                .is_none()
        );
        let _entered = runtime.enter();
        let sum = smol::block_on(AsyncIo::run_with(echo.clone(), async |io: &Arc<Echo>| {
            io.add(0, 50).await
        }));
        assert_eq!(sum, 50);
        let message = panics(|| pollster::block_on(Null::drive(echo)));
        assert!(
            message.contains("`Null` cannot wait on a polling handle"),
            "{message}"
        );
    });
}

/// Counts how often it is armed, and fires when the test says so.
#[derive(Clone, Copy, Default)]
struct Manual;

static ARMED: Mutex<(usize, Option<Waker>)> = Mutex::new((0, None));

struct Fires;

impl Integration for Manual {
    fn register(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        Ok(Box::new(Fires))
    }
}

impl Registration for Fires {
    fn is_current(&self) -> bool {
        true
    }

    fn poll_ready(&self, _: &PollingFlags, cx: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        let waker = cx.waker().clone();
        let mut armed = ARMED.lock().unwrap();
        *armed = (armed.0 + 1, Some(waker));
        Poll::Pending
    }
}

/// Armed while its handle stays readable, a level-triggered reactor would fire for ever.
#[test]
fn a_handle_that_nobody_may_drain_does_not_make_a_reactor_spin() {
    within_a_minute("spinning reactor", || {
        let armed = || ARMED.lock().unwrap().0;
        let fire = || {
            let waker = ARMED.lock().unwrap().1.take();
            waker.unwrap().wake();
        };
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let mut driver = Box::pin(Manual::drive(echo.clone()));
        assert!(driver.as_mut().now_or_never().is_none());
        assert_eq!(armed(), 1);
        fire();
        assert_eq!(armed(), 2, "the turn was free");
        let held = echo.get_backend();
        fire();
        assert_eq!(armed(), 2, "the turn is held");
        drop(held);
        assert_eq!(armed(), 3, "who let go of the turn armed it");
        echo.kill();
        fire();
        fire();
        assert!(armed() <= 4, "the backend is dead");
    });
}

/// Signals from wherever it is asked.
#[derive(Clone, Copy, Default)]
struct Chatty;

struct Signals(Sharing);

static CHATTY: Mutex<Option<Sharing>> = Mutex::new(None);

impl Integration for Chatty {
    fn register(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        let sharing = CHATTY.lock().unwrap().clone().unwrap();
        Ok(Box::new(Signals(sharing)))
    }
}

impl Registration for Signals {
    fn is_current(&self) -> bool {
        self.0.signal();
        true
    }

    fn poll_ready(&self, _: &PollingFlags, _: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        self.0.signal();
        Poll::Pending
    }
}

#[test]
fn no_lock_is_held_while_a_registration_or_a_formatter_runs() {
    within_a_minute("code of users under a lock", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        *CHATTY.lock().unwrap() = echo.shared().map(|shared| shared.sharing().clone());
        let mut drivers: Vec<_> = (0..2)
            .map(|_| Box::pin(Chatty::drive(echo.clone())))
            .collect();
        for driver in &mut drivers {
            assert!(driver.as_mut().now_or_never().is_none());
        }
        struct Log<'a>(&'a Echo);
        impl std::fmt::Write for Log<'_> {
            fn write_str(&mut self, _: &str) -> std::fmt::Result {
                self.0.signal();
                assert!(
                    self.0
                        .share_with_backend(pending::<()>())
                        .0
                        .now_or_never()
                        .is_none()
                );
                Ok(())
            }
        }
        std::fmt::Write::write_fmt(&mut Log(&echo), format_args!("{:?}", echo.shared())).unwrap();
    });
}

/// As epoll with EPOLLONESHOT: fires once for each time that it is armed, at once where the handle
/// is readable.
#[derive(Clone, Copy, Default)]
pub(crate) struct Level;

struct Armed(Arc<OneShot>);

struct OneShot {
    fd: std::os::fd::OwnedFd,
    armed: Mutex<Option<Waker>>,
}

impl OneShot {
    fn is_readable(&self) -> bool {
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid entry, of an open descriptor.
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    }

    fn fire_if_readable(&self) {
        if self.is_readable() {
            let waker = self.armed.lock().unwrap().take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl Integration for Level {
    fn register(handle: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        // SAFETY: the handle is open for the call.
        let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(handle.handle) };
        let oneshot = Arc::new(OneShot {
            fd: fd.try_clone_to_owned().unwrap(),
            armed: Mutex::new(None),
        });
        let reactor = Arc::downgrade(&oneshot);
        thread::spawn(move || {
            while let Some(oneshot) = reactor.upgrade() {
                oneshot.fire_if_readable();
                drop(oneshot);
                thread::sleep(Duration::from_micros(100));
            }
        });
        Ok(Box::new(Armed(oneshot)))
    }
}

impl Registration for Armed {
    fn is_current(&self) -> bool {
        true
    }

    fn poll_ready(&self, _: &PollingFlags, cx: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        let waker = cx.waker().clone();
        *self.0.armed.lock().unwrap() = Some(waker);
        self.0.fire_if_readable();
        Poll::Pending
    }
}

/// A driver that arms the registration of a handle that is ready, and that is not drained
/// meanwhile, is overtaken by the reactor each time. It gives up at some point, and then the
/// registration is not armed.
#[test]
fn a_registration_that_could_not_be_armed_is_armed_later() {
    within_a_minute("overtaken while arming", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let mut driver = Box::pin(Level::drive(echo.clone()));
        assert!(driver.as_mut().now_or_never().is_none());
        // The driver sleeps. Each addition needs an event of the reactor.
        assert_eq!(pollster::block_on(echo.add(0, 50)), 50);
        // The one who arms may also be a thread that lets go of the turn.
        for n in 0..50 {
            assert_eq!(echo.block_on(echo.add(n, 2)), n + 2);
            assert_eq!(pollster::block_on(echo.add(n, 2)), n + 2);
        }
    });
}

/// A task joins a reactor with a waker that cannot be cloned. Nobody may join a watch then that it
/// left behind.
#[test]
fn a_waker_that_panics_when_cloned_leaves_no_watch_unarmed() {
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |_| panic!("this waker cannot be cloned"),
        |_| {},
        |_| {},
        |_| {},
    );
    within_a_minute("waker that cannot be cloned", || {
        let echo = Arc::new(Echo::new(Handle::Descriptor));
        let runtime = current_thread();
        let mut driver = Box::pin(Tokio::drive(echo.clone()));
        let message = runtime.block_on(async {
            // SAFETY: the functions do nothing with the pointer.
            let waker = unsafe { Waker::new(std::ptr::null(), &VTABLE) };
            panics(|| driver.as_mut().poll(&mut Context::from_waker(&waker)))
        });
        assert_eq!(message, "this waker cannot be cloned");
        let sum = Tokio::run_with(echo.clone(), async |io: &Arc<Echo>| io.add(0, 50).await);
        assert_eq!(runtime.block_on(sum), 50);
    });
}
