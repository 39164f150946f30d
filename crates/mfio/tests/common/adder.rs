//! An object that adds one, in its backend.

use super::{Bell, Object};
use mfio::backend::*;
use std::future::poll_fn;
use std::mem::take;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

#[derive(Default)]
struct Slot {
    answer: Option<u32>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Work {
    queue: Mutex<Vec<(u32, Arc<Mutex<Slot>>)>>,
    submitted: AtomicUsize,
    polls: AtomicUsize,
}

impl Work {
    fn round(&self) {
        self.polls.fetch_add(1, Ordering::SeqCst);
        for (n, slot) in take(&mut *self.queue.lock().unwrap()) {
            self.submitted.fetch_add(1, Ordering::SeqCst);
            let waker = {
                let mut slot = slot.lock().unwrap();
                slot.answer = Some(n + 1);
                slot.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

pub(crate) struct Adder {
    pub(crate) object: Object,
    work: Arc<Work>,
}

impl Adder {
    /// Without a descriptor.
    pub(crate) fn bare() -> Self {
        Self::new(None)
    }

    pub(crate) fn with_bell(bell: Bell) -> Self {
        Self::new(Some(bell))
    }

    /// Without a descriptor, with one of either kind.
    pub(crate) fn each() -> [Self; 3] {
        [
            Self::bare(),
            Self::with_bell(Bell::socket_pair()),
            Self::with_bell(Bell::eventfd()),
        ]
    }

    fn new(bell: Option<Bell>) -> Self {
        let work = Arc::new(Work::default());
        let backend = {
            let work = work.clone();
            poll_fn(move |_| {
                work.round();
                Poll::Pending
            })
        };
        let object = match bell {
            Some(bell) => Object::with_bell(bell, backend),
            None => Object::bare(backend),
        };
        Self { object, work }
    }

    /// Sends `n`, and lets go of the answer.
    pub(crate) fn send(&self, n: u32) {
        self.work.queue.lock().unwrap().push((n, Arc::default()));
    }

    pub(crate) async fn add_one(&self, n: u32) -> u32 {
        let slot = Arc::new(Mutex::new(Slot::default()));
        self.work.queue.lock().unwrap().push((n, slot.clone()));
        poll_fn(move |cx| {
            let mut slot = slot.lock().unwrap();
            slot.waker = Some(cx.waker().clone());
            slot.answer.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Adds one a hundred times.
    pub(crate) async fn hundred(&self) -> u32 {
        let mut n = 0;
        for _ in 0..100 {
            n = self.add_one(n).await;
        }
        n
    }

    /// How many operations the backend has taken.
    pub(crate) fn submitted(&self) -> usize {
        self.work.submitted.load(Ordering::SeqCst)
    }

    /// How often the backend was polled.
    pub(crate) fn polls(&self) -> usize {
        self.work.polls.load(Ordering::SeqCst)
    }
}

impl IoBackend for Adder {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.object.polling_handle()
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.object.get_backend()
    }
}
