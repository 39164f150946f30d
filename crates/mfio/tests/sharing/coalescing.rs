//! Wakers that coalesce wakes by flags, under a shared backend.

use crate::asleep::spawn_watched;
use crate::bell::Bell;
use crate::fixture::within_a_minute;
use mfio::backend::*;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// The number that the backend has seen, and the wakers of the futures that wait for a higher one.
type Seen = Arc<Mutex<(usize, Vec<Waker>)>>;

/// Its backend hears of a new number by the handle's waker, and by nothing else.
struct Told {
    backend: SharedBackend,
    number: Arc<AtomicUsize>,
    seen: Seen,
    bell: Bell,
}

impl Told {
    fn new() -> Self {
        let (bell, number, seen) = (
            Bell::eventfd(),
            Arc::<AtomicUsize>::default(),
            Seen::default(),
        );
        let (mut drain, news, shown) = (bell.drains(), number.clone(), seen.clone());
        let backend = poll_fn(move |_| {
            drain();
            let mut seen = shown.lock().unwrap();
            let number = news.load(Ordering::SeqCst);
            if seen.0 == number {
                // A wake without news would be answered by another poll, without an end.
                return Poll::Pending;
            }
            seen.0 = number;
            let wakers = std::mem::take(&mut seen.1);
            drop(seen);
            wakers.into_iter().for_each(Waker::wake);
            Poll::Pending
        });
        Self {
            backend: SharedBackend::builder(backend)
                .on_signal_only()
                .handle(bell.export())
                .build(),
            number,
            seen,
            bell,
        }
    }

    fn reaches(&self, number: usize) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            let mut seen = self.seen.lock().unwrap();
            if seen.0 >= number {
                return Poll::Ready(());
            }
            seen.1.push(cx.waker().clone());
            Poll::Pending
        })
    }
}

impl IoBackend for Told {
    type Backend = DynBackend;

    fn shared(&self) -> Option<&SharedBackend> {
        Some(&self.backend)
    }
}

#[test]
fn the_second_wake_of_a_coalescing_waker_reaches_a_shared_backend() {
    within_a_minute("the second wake", || {
        let told = Arc::new(Told::new());
        let (heard, all) = channel();
        let threads = [(); 2].map(|()| {
            let (told, heard) = (told.clone(), heard.clone());
            spawn_watched(move || {
                told.block_on(async {
                    for number in 1..=3 {
                        told.reaches(number).await;
                        heard.send(number).unwrap();
                    }
                });
            })
        });
        for number in 1..=3 {
            // Nothing polls the backend meanwhile, so the wake has to arrive.
            threads.iter().for_each(|(_, thread)| thread.until_asleep());
            told.number.store(number, Ordering::SeqCst);
            told.bell.waker().wake();
            assert_eq!([all.recv(), all.recv()], [Ok(number); 2]);
        }
        threads
            .into_iter()
            .for_each(|(thread, _)| thread.join().unwrap());
    });
}
