//! Faults of the past in waits on descriptors.
#![cfg(unix)]
#![allow(unsafe_code)]

use mfio::backend::fd::FdWakerOwner;
use mfio::backend::{Pollable, PollingFlags};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::thread::JoinHandleExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Only a hang takes as long.
const SOON: Duration = Duration::from_secs(60);

/// A wait on another thread, which leaves a message when it ends.
struct Wait {
    ended: mpsc::Receiver<Result<(), String>>,
    thread: thread::JoinHandle<()>,
}

impl Wait {
    fn begin(fd: RawFd, flags: PollingFlags) -> Self {
        let (tell, ended) = mpsc::channel();
        let wait = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| fd.poll(&flags)));
            let message =
                |panic: Box<dyn std::any::Any + Send>| *panic.downcast::<String>().unwrap();
            let _ = tell.send(outcome.map_err(message));
        };
        Self {
            ended,
            thread: thread::spawn(wait),
        }
    }

    fn must_end(&self) -> Result<(), String> {
        let outcome = self.ended.recv_timeout(SOON);
        outcome.expect("the wait ends")
    }

    fn must_go_on(&self) {
        let outcome = self.ended.recv_timeout(Duration::from_millis(30));
        assert_eq!(outcome, Err(RecvTimeoutError::Timeout));
    }
}

fn pair() -> (UnixStream, UnixStream) {
    let (tx, rx) = UnixStream::pair().unwrap();
    tx.set_nonblocking(true).unwrap();
    rx.set_nonblocking(true).unwrap();
    (tx, rx)
}

/// Nothing more can be written.
fn fill(stream: &mut UnixStream) {
    while stream.write(&[0; 4096]).is_ok() {}
}

#[test]
fn write_interest_waiting_for_read() {
    let flags = PollingFlags::new();
    assert_eq!(flags.to_posix(), 0);
    flags.set_write(true);
    assert_eq!(flags.to_posix(), libc::POLLOUT);
    flags.set_read(true);
    assert_eq!(flags.to_posix(), libc::POLLIN | libc::POLLOUT);
    flags.set_write(false);
    assert_eq!(flags.to_posix(), libc::POLLIN);

    let (_tx, rx) = pair();
    let wait = Wait::begin(rx.as_raw_fd(), PollingFlags::new().write(true));
    assert_eq!(wait.must_end(), Ok(()), "it is writable");
}

#[test]
fn empty_interests_hanging() {
    let (tx, rx) = pair();
    let waker = FdWakerOwner::from(tx);
    let wait = Wait::begin(rx.as_raw_fd(), PollingFlags::new());
    wait.must_go_on();
    waker.wake_by_ref();
    assert_eq!(wait.must_end(), Ok(()));
}

#[test]
fn a_write_only_wait_that_its_waker_does_not_end() {
    let (tx, mut rx) = pair();
    fill(&mut rx);
    let waker = FdWakerOwner::from(tx);
    let wait = Wait::begin(rx.as_raw_fd(), PollingFlags::new().write(true));
    wait.must_go_on();
    waker.wake_by_ref();
    assert_eq!(wait.must_end(), Ok(()));
}

#[test]
fn a_write_only_wait_ends_when_there_is_room() {
    let (mut tx, mut rx) = pair();
    fill(&mut rx);
    let wait = Wait::begin(rx.as_raw_fd(), PollingFlags::new().write(true));
    wait.must_go_on();
    while matches!(tx.read(&mut [0; 4096]), Ok(n) if n > 0) {}
    assert_eq!(wait.must_end(), Ok(()));
}

#[test]
fn poll_errors_spinning() {
    // Nobody opens a descriptor of such a number.
    let bad = RawFd::MAX - 7;
    for flags in [PollingFlags::new(), PollingFlags::all()] {
        let message = Wait::begin(bad, flags).must_end().unwrap_err();
        assert!(
            message.contains(&format!("poll(2) on descriptor {bad}")),
            "{message}"
        );
        assert!(
            message.contains(&format!("os error {}", libc::EBADF)),
            "{message}"
        );
    }
}

#[test]
fn a_negative_descriptor_waiting_for_ever() {
    let message = Wait::begin(-1, PollingFlags::all()).must_end().unwrap_err();
    assert!(message.contains("poll(2) on descriptor -1"), "{message}");
    assert!(
        message.contains(&format!("os error {}", libc::EBADF)),
        "{message}"
    );
}

#[test]
fn a_hang_up_ends_the_wait() {
    let (tx, rx) = pair();
    let wait = Wait::begin(rx.as_raw_fd(), PollingFlags::new());
    wait.must_go_on();
    drop(tx);
    assert_eq!(wait.must_end(), Ok(()));
}

#[test]
fn a_signal_is_a_spurious_return() {
    static SIGNALS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_: libc::c_int) {
        SIGNALS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: an all-zero `sigaction` is valid, and the handler only adds to an atomic.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as *const () as libc::sighandler_t;
        assert_eq!(
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()),
            0
        );
    }
    let (_tx, rx) = pair();
    let wait = Wait::begin(rx.as_raw_fd(), PollingFlags::all().write(false));
    wait.must_go_on();
    // A signal that finds the thread on its way to the wait ends nothing, and there is no telling:
    // until one does.
    let start = Instant::now();
    let outcome = loop {
        // SAFETY: the thread has not been joined, so its id is valid.
        let sent = unsafe { libc::pthread_kill(wait.thread.as_pthread_t(), libc::SIGUSR1) };
        assert_eq!(sent, 0);
        match wait.ended.recv_timeout(Duration::from_millis(30)) {
            Err(RecvTimeoutError::Timeout) if start.elapsed() < SOON => {}
            outcome => break outcome.expect("the wait ends"),
        }
    };
    assert_eq!(outcome, Ok(()));
    assert!(SIGNALS.load(Ordering::Relaxed) > 0);
    wait.thread.join().unwrap();
}

#[test]
fn a_timeout_ends_the_wait_and_not_before() {
    let (_tx, rx) = pair();
    let flags = PollingFlags::new().read(true);
    // Who is late does not see that a wait was short: so there are several, just under a whole
    // number of milliseconds.
    let timeouts = [Duration::from_nanos(1)]
        .into_iter()
        .chain([Duration::from_micros(20_999); 10]);
    for timeout in timeouts {
        let start = Instant::now();
        rx.as_raw_fd().poll_timeout(&flags, Some(timeout));
        assert!(start.elapsed() >= timeout && start.elapsed() < SOON);
    }
}

#[test]
fn a_timeout_without_measure_is_no_error() {
    let (mut tx, rx) = pair();
    tx.write_all(&[1]).unwrap();
    let flags = PollingFlags::new().read(true);
    rx.as_raw_fd().poll_timeout(&flags, Some(Duration::MAX));
    rx.as_raw_fd().poll_timeout(&flags, None);
}

#[test]
fn a_pollable_of_ones_own_needs_no_timeout() {
    struct Own(AtomicUsize);
    impl Pollable for Own {
        fn poll(&self, _: &PollingFlags) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let own = Own(AtomicUsize::new(0));
    own.poll_timeout(&PollingFlags::new(), Some(Duration::ZERO));
    own.poll_timeout(&PollingFlags::new(), None);
    assert_eq!(own.0.into_inner(), 2);
}
