//! An object to wait for: its backend does nothing, or ends as it is told. And a reactor that fires
//! when it is told.

use crate::common::Bell;
use mfio::backend::integrations::{ReactorError, Registration};
use mfio::backend::*;
use mfio::io::{IoObject, PacketIo, Read};
use mfio::packet::View;
use mfio::traits::HasLen;
use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// How a backend ends, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum End {
    Alive,
    Finished,
    Panicked,
}

impl End {
    pub(crate) const ALL: [Self; 3] = [Self::Alive, Self::Finished, Self::Panicked];
}

#[derive(Default)]
struct Shared {
    end: AtomicU8,
    views: Mutex<Vec<View<Read>>>,
}

/// See the module.
pub(crate) struct Waited {
    pub(crate) backend: SharedBackend,
    shared: Arc<Shared>,
    bell: Option<Bell>,
}

impl Waited {
    /// Without a handle.
    pub(crate) fn bare() -> Self {
        Self::new(None)
    }

    pub(crate) fn with_handle() -> Self {
        Self::new(Some(Bell::eventfd()))
    }

    fn new(bell: Option<Bell>) -> Self {
        let shared = Arc::new(Shared::default());
        let state = shared.clone();
        let mut drain = bell.as_ref().map(Bell::drains);
        let backend = poll_fn(move |_| {
            if let Some(drain) = &mut drain {
                drain();
            }
            let end = state.end.load(Ordering::SeqCst);
            let views = std::mem::take(&mut *state.views.lock().unwrap());
            if end == End::Panicked as u8 {
                // The views end while this unwinds.
                let _views = views;
                panic!("the backend was told to panic");
            }
            views.into_iter().for_each(View::done);
            match end == End::Finished as u8 {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        let builder = SharedBackend::builder(backend).on_signal_only();
        Self {
            backend: Bell::build(bell.as_ref(), builder),
            shared,
            bell,
        }
    }

    /// The handle's own waker.
    pub(crate) fn bell(&self) -> Waker {
        self.bell.as_ref().expect("it has a handle").waker()
    }

    /// Sets the action of the next poll of the backend.
    pub(crate) fn end(&self, end: End) {
        self.shared.end.store(end as u8, Ordering::SeqCst);
    }

    /// Polls the backend, which may panic.
    pub(crate) fn turn(&self) {
        let turn = std::panic::AssertUnwindSafe(|| {
            let mut future = std::pin::pin!(self.share_with_backend(std::future::ready(())).0);
            let _ = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
        });
        let _ = std::panic::catch_unwind(turn);
    }
}

impl IoBackend for Waited {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

/// Reads are answered by the backend.
impl IoObject for Waited {}

impl PacketIo<Read> for Waited {
    fn send_io(&self, _: u64, view: View<Read>) {
        self.shared.views.lock().unwrap().push(view);
    }
}

impl HasLen for Waited {
    type Len = std::future::Ready<mfio::error::Result<u64>>;

    fn io_len(&self) -> Self::Len {
        std::future::ready(Ok(0))
    }
}

/// An integration with the reactor of the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manual;

thread_local! {
    static REACTOR: RefCell<Arc<Reactor>> = RefCell::default();
}

#[derive(Debug, Default)]
pub(crate) struct Reactor {
    armed: Mutex<Option<Waker>>,
    fails: AtomicBool,
    panics: AtomicBool,
    /// How often it was asked whose it is.
    pub(crate) asked: AtomicUsize,
}

impl Reactor {
    /// A new reactor of this thread.
    pub(crate) fn here() -> Arc<Self> {
        let reactor = Arc::new(Self::default());
        REACTOR.set(reactor.clone());
        reactor
    }

    /// Reports that the handle is ready.
    pub(crate) fn fire(&self) {
        let armed = self.armed.lock().unwrap().take();
        armed.expect("it is armed").wake();
    }

    /// Fails at the next wait.
    pub(crate) fn fail(&self) {
        self.fails.store(true, Ordering::SeqCst);
    }

    /// Panics at the next wait.
    pub(crate) fn panic(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }
}

impl Integration for Manual {
    fn register(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
        Ok(Box::new(Registered(REACTOR.with_borrow(Arc::clone))))
    }
}

struct Registered(Arc<Reactor>);

impl Registration for Registered {
    fn is_current(&self) -> bool {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        true
    }

    fn poll_ready(&self, _: &PollingFlags, cx: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        assert!(
            !self.0.panics.load(Ordering::SeqCst),
            "the reactor was told to panic"
        );
        if self.0.fails.load(Ordering::SeqCst) {
            return Poll::Ready(Err(ReactorError::new("the reactor was told to fail")));
        }
        let waker = cx.waker().clone();
        let before = self.0.armed.lock().unwrap().replace(waker);
        drop(before);
        Poll::Pending
    }
}
