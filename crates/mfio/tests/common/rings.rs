//! Somebody who rings an object's bell when asked to, and never during a round.

use super::Bell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;

const POLLING: u8 = 0b010;

pub(crate) struct Rings {
    ask: mpsc::Sender<()>,
    rung: Arc<AtomicUsize>,
}

impl Rings {
    pub(crate) fn of(bell: &Bell) -> Self {
        let (ask, asked) = mpsc::channel();
        let (waker, flags) = (bell.waker(), bell.flags());
        let rung = Arc::new(AtomicUsize::new(0));
        let count = rung.clone();
        thread::spawn(move || {
            for () in asked {
                // In a round the wake would only be recorded, and nobody would have to watch the
                // descriptor.
                while flags.load(SeqCst) & POLLING != 0 {
                    thread::yield_now();
                }
                count.fetch_add(1, SeqCst);
                waker.wake_by_ref();
            }
        });
        Self { ask, rung }
    }

    /// Asks, and waits for the bell. It keeps no waker: only the descriptor brings it back.
    pub(crate) async fn hear_one(&self) {
        let before = self.rung.load(SeqCst);
        self.ask.send(()).unwrap();
        poll_fn(|_| match self.rung.load(SeqCst) {
            n if n > before => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }
}
