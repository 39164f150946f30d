//! Waiting: rules 6, 7, 9 and 10 of the backend's contract (what `block_on` parks on, that what was
//! sent is submitted, backends without a handle, bad descriptors and odd interests).
#![cfg(any(unix, windows))]

#[path = "../common/mod.rs"]
mod common;
mod descriptors;
mod parking;
mod submission;

use std::future::poll_fn;
use std::mem::replace;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

/// Ready once another thread says so, which it does when it is given the waker.
async fn answered_from_afar(ask: &mpsc::Sender<(Arc<Mutex<bool>>, Waker)>) {
    let answer = Arc::new(Mutex::new(false));
    let mut asked = false;
    poll_fn(|cx| {
        if *answer.lock().unwrap() {
            return Poll::Ready(());
        }
        if !replace(&mut asked, true) {
            ask.send((answer.clone(), cx.waker().clone())).unwrap();
        }
        Poll::Pending
    })
    .await;
}

/// A thread that answers until all who ask are gone.
fn afar() -> mpsc::Sender<(Arc<Mutex<bool>>, Waker)> {
    afar_after(Duration::ZERO)
}

/// The same, which takes that long for each answer.
fn afar_after(delay: Duration) -> mpsc::Sender<(Arc<Mutex<bool>>, Waker)> {
    let (ask, asked) = mpsc::channel::<(Arc<Mutex<bool>>, Waker)>();
    thread::spawn(move || {
        for (answer, waker) in asked {
            thread::sleep(delay);
            *answer.lock().unwrap() = true;
            waker.wake();
        }
    });
    ask
}
