//! Hazards that a review found: each stalled, spun, recursed or went unreported once.

#![allow(unsafe_code)]

use crate::asleep::spawn_watched;
use crate::fixture::{Echo, Handle, forget, panic_message, within_a_minute};
use futures_util::FutureExt;
use mfio::backend::fd::{FdWaker, FdWakerOwner};
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::integrations::{Integration, ReactorError, Registration};
use mfio::backend::*;
use std::future::{Future, pending, poll_fn};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::Duration;

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn panics<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(panic) => panic_message(panic),
    }
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An exhausted budget has tokio wake whoever asks a reactor, at once.
#[test]
fn an_exhausted_budget_does_not_recurse() {
    within_a_minute("budget", || {
        let mut echo = Echo::new(Handle::Descriptor);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let sum = runtime.block_on(Tokio::run_with_mut(&mut echo, |io| async move {
            let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            for _ in 0..1000 {
                sender.send(1).unwrap();
            }
            let mut sum = 0;
            while sum < 1000 {
                sum += receiver.recv().await.unwrap();
            }
            io.add(sum, 10).await
        }));
        assert_eq!(sum, 1010);
    });
}

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

/// The backend dies while a task clones its waker, between the last look and the registration.
#[test]
fn a_death_between_the_look_and_the_registration_is_seen() {
    static VICTIM: Mutex<Option<Arc<Echo>>> = Mutex::new(None);
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            let victim = VICTIM.lock().unwrap().take();
            if let Some(echo) = victim {
                echo.kill();
                let _ = thread::spawn(move || echo.block_on(pending::<()>())).join();
            }
            RawWaker::new(data, &VTABLE)
        },
        |_| {},
        |_| {},
        |_| {},
    );
    within_a_minute("death in between", || {
        let echo = Arc::new(Echo::new(Handle::None));
        *VICTIM.lock().unwrap() = Some(echo.clone());
        // SAFETY: the functions of the table do not use the data.
        let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) };
        let mut waiting = pin!(Null::run_with(echo, async |_: &Arc<Echo>| pending::<()>().await));
        let message = panics(|| waiting.as_mut().poll(&mut Context::from_waker(&waker)));
        assert!(message.contains("the backend has panicked"), "{message}");
    });
}

/// Writes one byte when told to, and watches for room where there is none.
struct Writer {
    container: BackendContainer<DynBackend>,
    socket: UnixStream,
    interests: Arc<PollingFlags>,
    owner: FdWakerOwner<UnixStream>,
}

impl IoBackend for Writer {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        Some(PollingHandle {
            handle: self.socket.as_raw_fd(),
            cur_flags: &self.interests,
            max_flags: PollingFlags::all(),
            waker: FdWaker::clone(&self.owner).into_waker(),
        })
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.container.acquire(Some(self.owner.flags()))
    }

    fn sharing(&self) -> Option<&Sharing> {
        self.container.sharing()
    }
}

fn interests_changed_under(drive: fn(Arc<Writer>)) {
    let (socket, mut peer) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    peer.set_nonblocking(true).unwrap();
    let owner = FdWakerOwner::from(peer.try_clone().unwrap());
    let interests = Arc::new(PollingFlags::new().read(true));
    let wanted = Arc::new(AtomicBool::new(false));
    let (refused, was_refused) = channel();
    let (written, was_written) = channel();
    let mut stream = socket.try_clone().unwrap();
    let (flags, want) = (interests.clone(), wanted.clone());
    let container = BackendContainer::new_dyn(poll_fn(move |_| {
        while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
        if want.load(Ordering::Acquire) {
            match stream.write_all(b"x") {
                Ok(()) => {
                    want.store(false, Ordering::Release);
                    flags.set_write(false);
                    let _ = written.send(());
                }
                Err(_) => {
                    flags.set_write(true);
                    let _ = refused.send(());
                }
            }
        }
        Poll::Pending
    }))
    .on_signal_only()
    .with_wake_flags(owner.flags())
    .with_interests(interests.clone());
    let writer = Arc::new(Writer {
        container,
        socket,
        interests,
        owner,
    });
    while (&writer.socket).write(&[0; 4096]).is_ok() {}
    while (&writer.socket).write(&[0; 1]).is_ok() {}
    let driven = writer.clone();
    let (_, driver) = spawn_watched(move || drive(driven));
    // The driver sits down first, with the interests as they are.
    driver.until_asleep();
    wanted.store(true, Ordering::Release);
    writer.sharing().unwrap().signal();
    was_refused.recv().unwrap();
    // The peer makes room, and nothing else happens.
    while peer.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    was_written.recv().unwrap();
}

#[test]
fn interests_that_a_turn_changes_are_watched() {
    within_a_minute("interests, tokio", || {
        interests_changed_under(|writer| match current_thread().block_on(Tokio::drive(writer)) {});
    });
    within_a_minute("interests, async-io", || {
        interests_changed_under(|writer| match smol::block_on(AsyncIo::drive(writer)) {});
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

#[test]
fn block_on_refuses_to_wait_for_a_raw_handle() {
    within_a_minute("raw handle", || {
        let echo = Echo::new(Handle::None);
        let (held, _) = echo.with_backend(async { echo.block_on(echo.add(0, 1)) });
        let mut held = Box::pin(held);
        let message = panics(|| held.as_mut().now_or_never());
        assert!(message.contains("`block_on` within"), "{message}");
        drop(held);
        assert_eq!(echo.block_on(echo.add(0, 5)), 5);
        std::mem::forget(echo.get_backend());
        let message = panics(|| echo.block_on(echo.add(0, 1)));
        assert!(
            message.contains("a `BackendHandle` holds the backend"),
            "{message}"
        );
    });
}

#[test]
fn what_is_sent_while_a_raw_handle_is_held_is_submitted() {
    within_a_minute("raw handle, send and return", || {
        let echo = Echo::new(Handle::Descriptor);
        let held = echo.get_backend();
        let before = echo.polls();
        echo.block_on(async { assert!(Box::pin(echo.add_one(1)).now_or_never().is_none()) });
        drop(held);
        assert_eq!(echo.polls(), before + 1);
    });
}

/// An object whose container can be dropped while others wait by way of its `Sharing`.
struct Slippery {
    container: Mutex<Option<BackendContainer<DynBackend>>>,
    sharing: Sharing,
}

impl IoBackend for Slippery {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        None
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        unreachable!("it is shared")
    }

    fn sharing(&self) -> Option<&Sharing> {
        Some(&self.sharing)
    }
}

#[test]
fn the_end_of_the_container_reaches_who_waits() {
    within_a_minute("end of the container", || {
        let container = BackendContainer::new_dyn(pending());
        let sharing = container.sharing().unwrap().clone();
        let object = Arc::new(Slippery {
            container: Mutex::new(Some(container)),
            sharing,
        });
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let object = object.clone();
                spawn_watched(move || object.block_on(pending::<()>()))
            })
            .collect();
        waiting.iter().for_each(|(_, thread)| thread.until_asleep());
        let container = object.container.lock().unwrap().take();
        drop(container);
        for (waiting, _) in waiting {
            assert!(panic_message(waiting.join().unwrap_err()).contains("container is gone"));
        }
    });
}

#[test]
fn a_foreign_loop_is_woken_before_its_first_turn() {
    within_a_minute("foreign loop, first turn", || {
        let echo = Echo::new(Handle::None);
        let woken = Arc::new(Counter::default());
        let driver = ForeignLoop::with_waker(&echo, Waker::from(woken.clone()));
        echo.signal();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        drop(driver);
        // And for what came before it, when it begins.
        let driver = ForeignLoop::with_waker(&echo, Waker::from(woken.clone()));
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        drop(driver);
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

struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("this waker panics");
    }
}

#[test]
fn a_waker_that_panics_takes_no_other_wake_with_it() {
    within_a_minute("panicking waker", || {
        let echo = Echo::new(Handle::None);
        let counter = Arc::new(Counter::default());
        let wakers = [
            Waker::from(counter.clone()),
            Waker::from(Arc::new(Bomb)),
            Waker::from(counter.clone()),
        ];
        let mut waiting: Vec<_> = wakers
            .iter()
            .map(|_| Box::pin(echo.share_with_backend(pending::<()>()).0))
            .collect();
        for (future, waker) in waiting.iter_mut().zip(&wakers) {
            assert!(
                future
                    .as_mut()
                    .poll(&mut Context::from_waker(waker))
                    .is_pending()
            );
        }
        echo.signal();
        assert_eq!(counter.0.load(Ordering::Relaxed), 2);
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
        *CHATTY.lock().unwrap() = echo.sharing().cloned();
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
        std::fmt::Write::write_fmt(&mut Log(&echo), format_args!("{:?}", echo.sharing())).unwrap();
    });
}

#[test]
#[should_panic(expected = "a container is configured before its `Sharing` is handed out")]
fn a_container_is_not_configured_too_late() {
    let container = BackendContainer::new_dyn(pending());
    let _sharing = container.sharing().cloned();
    drop(container.on_signal_only());
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
