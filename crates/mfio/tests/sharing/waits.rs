//! Waits that must end, be refused, or see what changes meanwhile.
#![allow(unsafe_code)]

use crate::asleep::spawn_watched;
use crate::fixture::{Echo, Handle, current_thread, panics, within_a_minute};
use futures_util::FutureExt;
use mfio::backend::fd::{FdWaker, FdWakerOwner};
use mfio::backend::integrations::Integration;
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::future::{Future, pending, poll_fn};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;

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
    backend: SharedBackend,
    socket: UnixStream,
    _owner: FdWakerOwner<UnixStream>,
}

impl IoBackend for Writer {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
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
    let exported = ExportedHandle::new(socket.as_raw_fd(), FdWaker::clone(&owner))
        .with_changing_interests(interests.clone(), PollingFlags::all());
    let backend = SharedBackend::builder(poll_fn(move |_| {
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
    .handle(exported)
    .build();
    let writer = Arc::new(Writer {
        backend,
        socket,
        _owner: owner,
    });
    while (&writer.socket).write(&[0; 4096]).is_ok() {}
    while (&writer.socket).write(&[0; 1]).is_ok() {}
    let driven = writer.clone();
    let (_, driver) = spawn_watched(move || drive(driven));
    // The driver sits down first, with the interests as they are.
    driver.until_asleep();
    wanted.store(true, Ordering::Release);
    writer.backend.sharing().signal();
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
