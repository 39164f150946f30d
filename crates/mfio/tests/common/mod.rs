//! Common parts of the tests of exclusive backends: objects with a backend, wakers that count, a
//! watchdog.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses a part of it"
)]

mod adder;
#[cfg(unix)]
mod bell;
#[cfg(windows)]
#[path = "event.rs"]
mod bell;
mod object;
mod rings;

pub(crate) use adder::Adder;
#[cfg(unix)]
pub(crate) use bell::eventfd;
pub(crate) use bell::{Bell, is_ready};
pub(crate) use object::Object;
pub(crate) use rings::Rings;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

/// Long enough for any machine: its only purpose is to make a hang a failure. `MFIO_TEST_PATIENCE`
/// is the time in seconds, instead of a minute, for those who expect a hang.
fn patience() -> Duration {
    let told = std::env::var("MFIO_TEST_PATIENCE").ok();
    Duration::from_secs(told.and_then(|told| told.parse().ok()).unwrap_or(60))
}

/// Runs `f` on a thread of its own, and fails if it does not end.
pub(crate) fn must_end<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (ends, ended) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let _ends = ends;
        f()
    });
    // Nothing is ever sent; the sender goes with the thread.
    assert_ne!(
        ended.recv_timeout(patience()),
        Err(RecvTimeoutError::Timeout),
        "hangs"
    );
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// The message with which `f` panics.
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(f)) else {
        panic!("it does not panic");
    };
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&'static str>().expect("a message")).to_string(),
    }
}

/// `f` panics with a message in which all of `words` are.
pub(crate) fn must_panic<T>(words: &[&str], f: impl FnOnce() -> T) {
    let message = panic_of(f);
    for word in words {
        assert!(
            message.contains(word),
            "no '{word}' in the message: {message}"
        );
    }
}

/// A waker that counts.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), Waker::from(count))
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// One poll, with a waker that does nothing.
pub(crate) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `future` once, as part of the task that awaits this; it must be pending.
pub(crate) async fn poll_here<F: Future + ?Sized>(mut future: Pin<&mut F>) {
    std::future::poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Pending once, and woken.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A runtime of tokio's on the calling thread.
pub(crate) fn tokio_here() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
