//! A shared backend with a kernel of its own: a thread that completes what the backend submitted.
//!
//! With a descriptor the kernel tells of a completion by making the descriptor readable, and by
//! nothing else, as io_uring does. Without one it wakes the waker that the backend left.

use crate::bell::Bell;
use mfio::backend::*;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

#[derive(Default)]
struct Slot {
    answer: Option<u64>,
    waker: Option<Waker>,
}

type Request = (u64, Arc<Mutex<Slot>>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Vec<Request>>,
    completed: Mutex<Vec<Request>>,
    backend_waker: Mutex<Option<Waker>>,
    polls: AtomicUsize,
    /// Requests without an answer.
    under_way: Arc<AtomicUsize>,
    /// The kernel holds completions back while set.
    stopped: AtomicBool,
    die: AtomicBool,
}

/// Adds one, somewhere else.
pub(crate) struct Echo {
    backend: SharedBackend,
    shared: Arc<Shared>,
    bell: Option<Bell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    Descriptor,
    None,
}

impl Echo {
    pub(crate) fn new(handle: Handle) -> Self {
        let (builder, shared, bell) = Self::begin(handle);
        Self {
            backend: Bell::build(bell.as_ref(), builder),
            shared,
            bell,
        }
    }

    fn begin(handle: Handle) -> (SharedBackendBuilder<DynBackend>, Arc<Shared>, Option<Bell>) {
        let shared = Arc::new(Shared::default());
        let bell = (handle == Handle::Descriptor).then(Bell::eventfd);
        let (submit, submitted) = channel::<Request>();
        let kernel = shared.clone();
        let signal = bell.as_ref().map(Bell::signals);
        thread::spawn(move || {
            for request in submitted {
                while kernel.stopped.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(1));
                }
                kernel.completed.lock().unwrap().push(request);
                match &signal {
                    Some(signal) => signal(),
                    None => {
                        if let Some(waker) = kernel.backend_waker.lock().unwrap().take() {
                            waker.wake();
                        }
                    }
                }
            }
        });
        let drain = bell.as_ref().map(Bell::drains);
        let builder = SharedBackend::builder(run(shared.clone(), drain, submit)).on_signal_only();
        (builder, shared, bell)
    }

    /// With a handle, and a thread that drives it where nobody else does.
    #[cfg(all(unix, not(mfio_loom)))]
    pub(crate) fn with_fallback() -> Self {
        let (builder, shared, bell) = Self::begin(Handle::Descriptor);
        let backend = builder
            .handle(bell.as_ref().unwrap().export())
            .build_with_fallback_thread(shared.under_way.clone());
        Self {
            backend,
            shared,
            bell,
        }
    }

    /// Lives as long as the backend does, or a thread of its kernel.
    #[cfg(all(unix, not(mfio_loom)))]
    pub(crate) fn alive(&self) -> std::sync::Weak<impl Sized + use<>> {
        Arc::downgrade(&self.shared)
    }

    pub(crate) fn add_one(&self, n: u64) -> impl Future<Output = u64> + Send + use<> {
        let slot = Arc::new(Mutex::new(Slot::default()));
        let shared = self.shared.clone();
        let sharing = self.backend.sharing().clone();
        let mut sent = false;
        poll_fn(move |cx| {
            if !std::mem::replace(&mut sent, true) {
                shared.under_way.fetch_add(1, Ordering::Release);
                shared.queue.lock().unwrap().push((n, slot.clone()));
                sharing.signal();
            }
            let mut slot = slot.lock().unwrap();
            slot.waker = Some(cx.waker().clone());
            slot.answer.map_or(Poll::Pending, Poll::Ready)
        })
    }

    pub(crate) async fn add(&self, from: u64, times: u64) -> u64 {
        let mut n = from;
        for _ in 0..times {
            n = self.add_one(n).await;
        }
        n
    }

    /// How often the backend was polled.
    pub(crate) fn polls(&self) -> usize {
        self.shared.polls.load(Ordering::Relaxed)
    }

    /// Holds completions back, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        self.shared.stopped.store(held, Ordering::Relaxed);
    }

    /// The backend panics when it is polled next.
    pub(crate) fn kill(&self) {
        self.shared.die.store(true, Ordering::Relaxed);
        self.backend.sharing().signal();
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self) {
        self.backend.sharing().signal();
    }

    #[cfg(unix)]
    pub(crate) fn wake_flags(&self) -> Option<Arc<AtomicU8>> {
        self.bell.as_ref().map(Bell::flags)
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<i32> {
        self.bell.as_ref().map(Bell::fd)
    }
}

async fn run(shared: Arc<Shared>, mut drain: Option<impl FnMut() + Send>, submit: Sender<Request>) {
    poll_fn(move |cx| {
        shared.polls.fetch_add(1, Ordering::Relaxed);
        assert!(
            !shared.die.load(Ordering::Relaxed),
            "the backend was told to die"
        );
        match &mut drain {
            Some(drain) => drain(),
            None => *shared.backend_waker.lock().unwrap() = Some(cx.waker().clone()),
        }
        for request in std::mem::take(&mut *shared.queue.lock().unwrap()) {
            let _ = submit.send(request);
        }
        let completed = std::mem::take(&mut *shared.completed.lock().unwrap());
        for (n, slot) in completed {
            let waker = {
                let mut slot = slot.lock().unwrap();
                slot.answer = Some(n + 1);
                shared.under_way.fetch_sub(1, Ordering::Release);
                slot.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        Poll::<()>::Pending
    })
    .await;
}

impl IoBackend for Echo {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

/// Runs `test` on a thread of its own and turns a hang into a failure that says which.
///
/// `MFIO_TEST_PATIENCE` is the time in seconds, instead of a minute, for those who expect a hang.
pub(crate) fn within_a_minute(name: &str, test: impl FnOnce() + Send + 'static) {
    let (done, finished) = channel();
    let thread = thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            test();
            let _ = done.send(());
        })
        .unwrap();
    let patience = std::env::var("MFIO_TEST_PATIENCE")
        .ok()
        .and_then(|s| s.parse().ok());
    match finished.recv_timeout(Duration::from_secs(patience.unwrap_or(60))) {
        Ok(()) => thread.join().unwrap(),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(()) => unreachable!("it ended without saying so"),
            Err(panic) => std::panic::resume_unwind(panic),
        },
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("{name} hangs"),
    }
}

/// Keeps `value`, never polled nor dropped again. Like `mem::forget`, but no leak for leak
/// checkers.
#[cfg(unix)]
pub(crate) fn forget(value: impl Send + 'static) {
    static FORGOTTEN: Mutex<Vec<Box<dyn std::any::Any + Send>>> = Mutex::new(Vec::new());
    FORGOTTEN.lock().unwrap().push(Box::new(value));
}

/// Returns the message of a panic.
pub(crate) fn panic_message(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}

/// Runs a function that must panic, and returns the message.
#[cfg(unix)]
pub(crate) fn panics<T>(f: impl FnOnce() -> T) -> String {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(panic) => panic_message(panic),
    }
}

/// Builds a runtime of tokio that runs on the thread which calls it.
#[cfg(unix)]
pub(crate) fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
