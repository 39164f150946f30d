//! Executors: rule 8 of the backend's contract (integrations are lazy, see the executor's own
//! waker, and can be dropped mid-way; links may be owned or borrowed).
#![cfg(any(unix, windows))]

#[path = "../common/mod.rs"]
mod common;
mod executors;
#[cfg(unix)]
mod spawned_from_generic_functions;

#[cfg(unix)]
use common::tokio_here;
use common::{Adder, Bell, Count, Object, must_end, must_panic, poll, poll_here};
use executors::{AnyExecutor, Executor};
#[cfg(unix)]
use executors::{CurrentThread, MultiThread, Smol, runtime_of_two};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::future::{pending, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

/// The same test with every executor.
macro_rules! with_every_executor {
    ($test:ident) => {
        must_end($test::<AnyExecutor>);
        #[cfg(unix)]
        {
            must_end($test::<Smol>);
            must_end($test::<CurrentThread>);
            must_end($test::<MultiThread>);
        }
    };
}

type Of<E> = <E as Executor>::Integration;

fn lazy<E: Executor>() {
    let mut io = E::adder();
    let calls = AtomicUsize::new(0);
    let call = |_: &Adder| {
        calls.fetch_add(1, SeqCst);
        ready(7)
    };
    drop(Of::<E>::run_with_mut(&mut io, call));
    drop(Of::<E>::run_with(RefLink::new(&io), call));
    assert_eq!(calls.load(SeqCst), 0, "never polled");
    let lazy = Of::<E>::run_with(RefLink::new(&io), call);
    assert_eq!(io.block_on(io.hundred()), 100, "nor is the backend held");
    E::run(async {
        let mut lazy = pin!(lazy);
        assert_eq!(calls.load(SeqCst), 0);
        assert_eq!(lazy.as_mut().await, 7);
        assert_eq!(calls.load(SeqCst), 1);
    });
    assert_eq!(E::run(Of::<E>::run_with_mut(&mut io, call)), 7);
    assert_eq!(calls.load(SeqCst), 2);
}

#[test]
fn rule_8_the_closure_runs_at_the_first_poll() {
    with_every_executor!(lazy);
}

/// The waker that each poll of a task finds in its context, outside of the integration and within.
fn own_waker<E: Executor>() {
    let io = E::adder();
    let within = AtomicUsize::new(0);
    let mut outer: Waker = Waker::noop().clone();
    let seen = std::sync::Mutex::new(Waker::noop().clone());
    let checked = async |io: &Adder| {
        let mut work = pin!(io.hundred());
        poll_fn(|cx| {
            let outer = seen.lock().unwrap().clone();
            assert!(outer.will_wake(cx.waker()), "the executor's own");
            within.fetch_add(1, SeqCst);
            work.as_mut().poll(cx)
        })
        .await
    };
    let answer = E::run(async {
        let mut run = pin!(Of::<E>::run_with(RefLink::new(&io), checked));
        poll_fn(|cx| {
            outer.clone_from(cx.waker());
            seen.lock().unwrap().clone_from(&outer);
            run.as_mut().poll(cx)
        })
        .await
    });
    assert_eq!(answer, 100);
    assert!(within.load(SeqCst) > 100);
}

#[test]
fn rule_8_the_users_future_sees_the_executors_own_waker() {
    with_every_executor!(own_waker);
}

fn dropped_midway<E: Executor>() {
    let mut io = E::adder();
    for polls in 0..4 {
        E::run(async {
            let mut run = Box::pin(Of::<E>::run_with_mut(&mut io, |io| async move {
                io.hundred().await;
                pending::<()>().await;
            }));
            for _ in 0..polls {
                poll_here(run.as_mut()).await;
            }
        });
        let run = Of::<E>::run_with(RefLink::new(&io), async |io: &Adder| io.hundred().await);
        assert_eq!(E::run(run), 100);
        assert_eq!(io.block_on(io.hundred()), 100);
        drop(io.get_backend());
    }
}

#[test]
fn rule_8_dropping_the_future_mid_way_leaves_the_backend_reusable() {
    with_every_executor!(dropped_midway);
}

#[cfg(unix)]
#[test]
fn rule_8_a_future_may_be_dropped_on_another_thread_and_without_a_runtime() {
    must_end(|| {
        let io = Arc::new(Adder::with_bell(Bell::eventfd()));
        let body = async |_: &Arc<Adder>| pending::<()>().await;
        let mut run = Box::pin(Tokio::run_with(io.clone(), body));
        let runtime = tokio_here();
        runtime.block_on(poll_here(run.as_mut()));
        must_panic(&["already"], || io.get_backend());
        thread::spawn(move || drop(run)).join().unwrap();
        assert_eq!(io.block_on(io.hundred()), 100);
        let mut run = Box::pin(Tokio::run_with(io.clone(), body));
        runtime.block_on(poll_here(run.as_mut()));
        drop(runtime);
        drop(run);
        assert_eq!(io.block_on(io.hundred()), 100);
    });
}

fn links<E: Executor>() {
    // Borrowed.
    let mut io = E::adder();
    assert_eq!(
        E::run(Of::<E>::run_with_mut(&mut io, |io| async move {
            io.hundred().await
        })),
        100
    );
    assert_eq!(E::run(Of::<E>::run_with_mut(&mut io, Adder::hundred)), 100);
    let link = RefLink::new(&io);
    assert_eq!(
        E::run(Of::<E>::run_with(link, async |io: &Adder| io
            .hundred()
            .await)),
        100
    );
    assert_eq!(LinksIoBackend::get_mut(&link).submitted(), 300);
    // A part of what is borrowed may be the answer.
    let borrowed: &Adder = E::run(Of::<E>::run_with_mut(&mut io, |io| async move { io }));
    assert_eq!(borrowed.submitted(), 300);
    // Counted.
    let io = Arc::new(io);
    let run = Of::<E>::run_with(io.clone(), async |io: &Arc<Adder>| io.hundred().await);
    assert_eq!(E::run(run), 100);
    // Owned, the body borrowing, and as in 0.1 with a future that does not borrow.
    let run = Of::<E>::run_with(E::adder(), async |io: &Adder| io.hundred().await);
    assert_eq!(E::run(run), 100);
    let plain = Of::<E>::run_with(E::adder(), |_: &Adder| async { 7 });
    assert_eq!(E::run(plain), 7);
    let mut count = 0;
    let moved = vec![1, 2, 3];
    let run = Of::<E>::run_with(E::adder(), async |io: &Adder| {
        count += io.add_one(1).await;
        moved
    });
    assert_eq!(E::run(run), [1, 2, 3]);
    assert_eq!(count, 2);
}

#[test]
fn rule_8_links_are_owned_counted_or_borrowed() {
    with_every_executor!(links);
}

fn second_holder<E: Executor>() {
    let io = E::adder();
    E::run(async {
        let body = async |io: &Adder| io.hundred().await;
        let mut first = pin!(Of::<E>::run_with(RefLink::new(&io), body));
        poll_here(first.as_mut()).await;
        let mut second = pin!(Of::<E>::run_with(RefLink::new(&io), body));
        must_panic(&["already"], || poll(second.as_mut()));
        must_panic(&["already"], || io.block_on(ready(())));
        assert_eq!(first.await, 100, "goes on");
    });
    assert_eq!(io.block_on(io.hundred()), 100);
}

#[test]
fn rule_8_the_second_holder_is_refused_and_the_first_goes_on() {
    with_every_executor!(second_holder);
}

#[test]
fn rule_8_null_refuses_a_backend_that_exports_a_handle() {
    for bell in [Bell::eventfd(), Bell::socket_pair()] {
        let mut io = Adder::with_bell(bell);
        let why = ["`Null`", "polling handle"];
        must_panic(&why, || {
            poll(pin!(Null::run_with_mut(&mut io, |_| ready(7))))
        });
        must_panic(&why, || {
            poll(pin!(Null::run_with(RefLink::new(&io), async |_: &Adder| 7)))
        });
        assert_eq!(io.block_on(io.hundred()), 100);
    }
    let _: NullImpl<std::future::Ready<()>>;
}

/// The calls of 0.1, with links of each kind.
#[test]
fn rule_8_null_runs_by_the_name_of_its_future() {
    let mut io = Adder::bare();
    let sum = NullImpl::run(&mut io, |io| async move { io.hundred().await });
    assert_eq!(pollster::block_on(sum), 100);
    let sum = NullImpl::run(&io, async |io| io.hundred().await);
    assert_eq!(pollster::block_on(sum), 100);
    let link = RefLink::new(&io);
    assert_eq!(pollster::block_on(NullImpl::run(link, |_| ready(7))), 7);
}

#[test]
fn rule_8_integrations_are_copy_and_default() {
    fn copy<I: Integration + std::fmt::Debug>() -> [I; 2] {
        let one = I::default();
        [one, one]
    }
    assert_eq!(copy::<Null>().len(), 2);
    #[cfg(unix)]
    assert_eq!(copy::<Tokio>().len() + copy::<AsyncIo>().len(), 4);
}

/// A task that waits for the handle is polled when it is ready, and does not spin meanwhile.
fn no_spin<E: Executor>() {
    if !E::WITH_BELL {
        return;
    }
    let mut io = Object::with_bell(Bell::eventfd(), pending());
    let (ask, asked) = mpsc::channel::<()>();
    let waker = io.bell().waker();
    let rung = Arc::new(AtomicUsize::new(0));
    let rings = {
        let rung = rung.clone();
        thread::spawn(move || {
            for () in asked {
                // Time to spin in, if the task does.
                thread::sleep(Duration::from_millis(1));
                rung.fetch_add(1, SeqCst);
                waker.wake_by_ref();
            }
        })
    };
    let polls = AtomicUsize::new(0);
    E::run(Of::<E>::run_with_mut(&mut io, |_| {
        let (polls, mut heard) = (&polls, 0);
        ask.send(()).unwrap();
        poll_fn(move |_| {
            polls.fetch_add(1, SeqCst);
            while heard < rung.load(SeqCst) {
                heard += 1;
                let _ = ask.send(());
            }
            if heard >= 10 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }));
    rings.join().unwrap();
    let polls = polls.into_inner();
    assert!((2..=60).contains(&polls), "{polls} polls for 10 events");
}

#[test]
fn rule_8_a_task_that_waits_for_the_handle_does_not_spin() {
    with_every_executor!(no_spin);
}

#[test]
fn rule_8_integrations_run_on_a_runtime_of_many_threads() {
    must_end(|| {
        #[cfg(unix)]
        {
            let runtime = runtime_of_two(tokio::runtime::Builder::new_multi_thread());
            let (tell, told) = mpsc::channel();
            for _ in 0..8 {
                let tell = tell.clone();
                runtime.spawn(async move {
                    let io = Adder::with_bell(Bell::socket_pair());
                    let answer = Tokio::run_with(io, async |io: &Adder| io.hundred().await).await;
                    tell.send(answer).unwrap();
                });
            }
            drop(tell);
            assert_eq!(told.iter().collect::<Vec<_>>(), [100; 8]);
        }
        let (woken, waker) = Count::new();
        let mut io = Adder::bare();
        let mut run = pin!(Null::run_with_mut(&mut io, |io| io.hundred()));
        let mut cx = Context::from_waker(&waker);
        let mut polls = 1;
        while run.as_mut().poll(&mut cx).is_pending() {
            assert_eq!(woken.get(), polls, "one wake for each answer");
            polls += 1;
        }
    });
}
