//! No wake is lost: rule 5.

use super::bells;
#[cfg(unix)]
use crate::common::tokio_here;
use crate::common::{Adder, Bell, Object, must_end};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

/// Something far away answers; how its answers arrive.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The waker of the user's future.
    UsersWaker,
    /// The waker that the backend was polled with.
    BackendsWaker,
    /// The waker of the polling handle.
    Bell,
}

#[derive(Default)]
struct Remote {
    arrived: AtomicUsize,
    answered: AtomicUsize,
    backend: Mutex<Option<Waker>>,
    user: Mutex<Option<Waker>>,
}

impl Remote {
    fn round(&self, cx: &Context<'_>) {
        *self.backend.lock().unwrap() = Some(cx.waker().clone());
        let arrived = self.arrived.load(SeqCst);
        if arrived > self.answered.load(SeqCst) {
            self.answered.store(arrived, SeqCst);
            wake(&self.user);
        }
    }

    fn answer(&self, n: usize, by: By, bell: Option<&Waker>) {
        match by {
            By::UsersWaker => {
                self.answered.store(n, SeqCst);
                wake(&self.user);
            }
            By::BackendsWaker => {
                self.arrived.store(n, SeqCst);
                wake(&self.backend);
            }
            By::Bell => {
                self.arrived.store(n, SeqCst);
                bell.unwrap().wake_by_ref();
            }
        }
    }

    async fn ask(&self, n: usize, questions: &mpsc::Sender<usize>) {
        let mut asked = false;
        poll_fn(|cx| {
            *self.user.lock().unwrap() = Some(cx.waker().clone());
            if !std::mem::replace(&mut asked, true) {
                questions.send(n).unwrap();
            }
            match self.answered.load(SeqCst) >= n {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

fn wake(waker: &Mutex<Option<Waker>>) {
    let waker = waker.lock().unwrap().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// So many questions, each answered from another thread before the next is asked: one lost wake,
/// and this never ends.
fn questions(bell: Option<Bell>, by: By, run: impl FnOnce(&mut Object, &mut dyn FnMut() -> Asked)) {
    let remote = Arc::new(Remote::default());
    let waker = bell.as_ref().map(Bell::waker);
    let backend = {
        let remote = remote.clone();
        poll_fn(move |cx| {
            remote.round(cx);
            Poll::Pending
        })
    };
    let mut object = match bell {
        Some(bell) => Object::with_bell(bell, backend),
        None => Object::bare(backend),
    };
    let (ask, asked) = mpsc::channel();
    let answers = {
        let remote = remote.clone();
        thread::spawn(move || {
            asked
                .iter()
                .for_each(|n| remote.answer(n, by, waker.as_ref()))
        })
    };
    let mut begin = Some(ask);
    run(&mut object, &mut || {
        let (remote, ask) = (remote.clone(), begin.take().unwrap());
        Box::pin(async move {
            for n in 1..=3000 {
                remote.ask(n, &ask).await;
            }
        })
    });
    answers.join().unwrap();
}

type Asked = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[test]
fn rule_5_no_wake_is_lost_by_block_on() {
    must_end(|| {
        for by in [By::UsersWaker, By::BackendsWaker] {
            questions(None, by, |io, asked| io.block_on(asked()));
        }
        for by in [By::UsersWaker, By::BackendsWaker, By::Bell] {
            for bell in bells() {
                questions(Some(bell), by, |io, asked| io.block_on(asked()));
            }
        }
    });
}

#[test]
fn rule_5_no_wake_is_lost_by_a_loop_of_ones_own() {
    must_end(|| {
        for by in [By::UsersWaker, By::BackendsWaker, By::Bell] {
            for bell in bells() {
                questions(Some(bell), by, |io, asked| {
                    let (both, handle) = io.with_backend(asked());
                    let (mut both, handle) = (pin!(both), handle.unwrap());
                    let mut cx = Context::from_waker(&handle.waker);
                    while both.as_mut().poll(&mut cx).is_pending() {
                        handle.handle.poll(handle.cur_flags);
                    }
                });
            }
        }
    });
}

#[test]
fn rule_5_no_wake_is_lost_in_integrations() {
    must_end(|| {
        for by in [By::UsersWaker, By::BackendsWaker] {
            questions(None, by, |io, asked| {
                pollster::block_on(Null::run_with_mut(io, |_| asked()));
            });
        }
        #[cfg(unix)]
        for by in [By::UsersWaker, By::BackendsWaker, By::Bell] {
            for bell in bells() {
                questions(Some(bell), by, |io, asked| {
                    tokio_here().block_on(Tokio::run_with_mut(io, |_| asked()));
                });
            }
            for bell in bells() {
                questions(Some(bell), by, |io, asked| {
                    smol::block_on(AsyncIo::run_with_mut(io, |_| asked()));
                });
            }
        }
    });
}

/// Wakes from everywhere, while the backend is held, let go and held again by two threads in turn.
#[test]
fn rule_5_no_wake_is_lost_between_two_holders() {
    must_end(|| {
        for bell in bells() {
            let io = Adder::with_bell(bell);
            let turn = Mutex::new(());
            let waker = io.polling_handle().unwrap().waker;
            let done = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for n in 0..1000 {
                            let _turn = turn.lock().unwrap();
                            assert_eq!(io.block_on(io.add_one(n)), n + 1);
                        }
                        done.fetch_add(1, SeqCst);
                    });
                }
                scope.spawn(|| {
                    while done.load(SeqCst) < 2 {
                        waker.wake_by_ref();
                        thread::yield_now();
                    }
                });
            });
        }
    });
}
