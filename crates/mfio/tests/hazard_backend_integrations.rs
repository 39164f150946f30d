//! Faults of the past in tasks that drive an exclusive backend.
#![cfg(unix)]

mod common;

use common::{
    Adder, Bell, Count, Object, Rings, must_end, must_panic, panic_of, poll, poll_here, tokio_here,
};
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

type Log = Arc<Mutex<Vec<&'static str>>>;

/// Writes its name into the log when it is dropped.
struct Named(&'static str, Log);

impl Drop for Named {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// An object that tells when it, and its backend, are dropped.
struct Told {
    object: Object,
    _object: Named,
}

impl Told {
    fn new(log: &Log, bell: Option<Bell>) -> Self {
        let named = Named("backend", log.clone());
        let backend = poll_fn(move |_| {
            let _ = &named;
            Poll::Pending
        });
        Self {
            object: match bell {
                Some(bell) => Object::with_bell(bell, backend),
                None => Object::bare(backend),
            },
            _object: Named("object", log.clone()),
        }
    }
}

impl IoBackend for Told {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        self.object.polling_handle()
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.object.get_backend()
    }
}

/// Uses the object when it is dropped, which it must then still be able to.
struct User<'a>(&'a Told, Log);

impl Drop for User<'_> {
    fn drop(&mut self) {
        let _ = self.0.object.container.try_acquire(None);
        let _ = self.0.polling_handle();
        self.1.lock().unwrap().push("user");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    NeverPolled,
    Dropped,
    Panics,
    Completes,
}

fn drop_order<I: Integration>(end: End, bell: Option<Bell>) -> Vec<&'static str> {
    let log = Log::default();
    let told = Told::new(&log, bell);
    let closure = Named("closure", log.clone());
    let users = log.clone();
    let body = async move |io: &Told| {
        let _closure = &closure;
        let _user = User(io, users.clone());
        match end {
            End::Panics => panic!("the user's"),
            End::Completes => {}
            _ => pending().await,
        }
    };
    let mut run = Box::pin(I::run_with(told, body));
    match end {
        End::NeverPolled => {}
        End::Dropped => assert!(poll(run.as_mut()).is_pending()),
        End::Panics => assert_eq!(panic_of(|| poll(run.as_mut())), "the user's"),
        End::Completes => assert!(poll(run.as_mut()).is_ready()),
    }
    drop(run);
    Arc::into_inner(log).unwrap().into_inner().unwrap()
}

#[test]
fn owned_integrations_dropping_the_backend_before_its_users() {
    must_end(|| {
        for end in [End::NeverPolled, End::Dropped, End::Panics, End::Completes] {
            let runtime = tokio_here();
            let _entered = runtime.enter();
            let orders = [
                drop_order::<Null>(end, None),
                drop_order::<Tokio>(end, None),
                drop_order::<AsyncIo>(end, None),
                drop_order::<Tokio>(end, Some(Bell::eventfd())),
                drop_order::<AsyncIo>(end, Some(Bell::socket_pair())),
            ];
            for order in orders {
                let at = |name| order.iter().position(|n| *n == name);
                assert!(
                    at("backend").is_some() && at("object").is_some() && at("closure").is_some()
                );
                assert_eq!(at("user").is_some(), end != End::NeverPolled);
                if end != End::NeverPolled {
                    assert!(
                        at("user") < at("object") && at("user") < at("backend"),
                        "{order:?}"
                    );
                }
            }
        }
    });
}

/// The body may return values that it made or was given, and a link that was only borrowed.
#[test]
fn a_result_that_borrows_from_an_owned_link_that_is_already_gone() {
    must_end(|| {
        let text = String::from("outlives the link");
        let answer = pollster::block_on(Null::run_with(Adder::bare(), async |io: &Adder| {
            (io.add_one(1).await, &*text)
        }));
        assert_eq!(answer, (2, "outlives the link"));
        let mut io = Adder::bare();
        let polls: &Adder = pollster::block_on(Null::run_with_mut(&mut io, |io| async move {
            io.add_one(1).await;
            io
        }));
        assert_eq!(polls.submitted(), 1);
        let io = Arc::new(io);
        let counted = Null::run_with(io, async |io: &Arc<Adder>| io.clone());
        assert_eq!(pollster::block_on(counted).submitted(), 1);
    });
}

#[test]
fn tokios_readiness_error_taken_for_pending() {
    must_end(|| {
        let io = Object::with_bell(Bell::eventfd(), pending());
        let (woken, waker) = Count::new();
        let mut cx = Context::from_waker(&waker);
        let mut run = Box::pin(Tokio::run_with(RefLink::new(&io), async |_: &Object| {
            pending::<()>().await
        }));
        let runtime = tokio_here();
        let handle = runtime.handle().clone();
        {
            let _entered = handle.enter();
            assert!(run.as_mut().poll(&mut cx).is_pending());
        }
        assert_eq!(woken.get(), 0);
        drop(runtime);
        assert!(
            woken.get() > 0,
            "the end of the reactor wakes who waits for it"
        );
        let _entered = handle.enter();
        must_panic(&["polling handle", "tokio's reactor", "waiting"], || {
            run.as_mut().poll(&mut cx)
        });
        drop(run);
        // And whoever begins on it is refused.
        let run = Tokio::run_with(RefLink::new(&io), async |_: &Object| pending::<()>().await);
        must_panic(
            &["polling handle", "tokio's reactor", "registering"],
            || poll(pin!(run)),
        );
        assert_eq!(io.block_on(async { 1 }), 1);
    });
}

#[test]
fn a_future_polled_where_there_is_no_reactor_of_tokios() {
    must_end(|| {
        let io = Object::with_bell(Bell::eventfd(), pending());
        let run = || Tokio::run_with(RefLink::new(&io), async |_: &Object| pending::<()>().await);
        let outside = ["`Tokio`", "outside of a tokio runtime"];
        must_panic(&outside, || smol::block_on(run()));
        // Begun within, and polled outside afterwards: the first runtime may never look at its
        // reactor again.
        let mut begun = Box::pin(run());
        let runtime = tokio_here();
        runtime.block_on(poll_here(begun.as_mut()));
        must_panic(&outside, || smol::block_on(begun.as_mut()));
        drop(begun);
        assert_eq!(io.block_on(async { 1 }), 1);
    });
}

/// The runtime where it began lives on, and nobody runs it.
#[test]
fn a_future_moved_to_another_runtime_waiting_for_the_first() {
    must_end(|| {
        let io = Object::with_bell(Bell::socket_pair(), pending());
        let rings = Rings::of(io.bell());
        let (first, second) = (tokio_here(), tokio_here());
        let mut run = Box::pin(Tokio::run_with(RefLink::new(&io), async |_: &Object| {
            for _ in 0..20 {
                rings.hear_one().await;
            }
        }));
        // A poll here and a poll there, and then only there.
        for runtime in [&first, &second, &first] {
            runtime.block_on(poll_here(run.as_mut()));
        }
        second.block_on(run);
        drop(first);
    });
}

#[test]
fn empty_or_write_only_interests_hanging_in_a_reactor() {
    must_end(|| {
        for interests in [PollingFlags::new(), PollingFlags::new().write(true)] {
            for smol in [false, true] {
                let mut bell = Bell::socket_pair();
                bell.interests = interests.clone();
                let mut io = Object::with_bell(bell, pending());
                let rings = Rings::of(io.bell());
                let thrice = async {
                    for _ in 0..3 {
                        rings.hear_one().await;
                    }
                };
                match smol {
                    true => smol::block_on(AsyncIo::run_with_mut(&mut io, |_| thrice)),
                    false => tokio_here().block_on(Tokio::run_with_mut(&mut io, |_| thrice)),
                }
            }
        }
    });
}
