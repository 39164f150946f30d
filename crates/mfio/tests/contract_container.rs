//! Containers and their handles: rules 1 to 3 of the backend's contract (one holder, the order of a
//! round, backends that end).
#![cfg(any(unix, windows))]

mod common;

#[cfg(unix)]
use common::tokio_here;
use common::{Adder, Bell, Object, must_end, must_panic, panic_of, poll};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::mem::{forget, take};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

type Log = Arc<Mutex<Vec<char>>>;

/// A backend that writes its name into the log in each round.
fn named(log: &Log, name: char) -> BackendContainer<DynBackend> {
    let log = log.clone();
    BackendContainer::new_dyn(poll_fn(move |_| {
        log.lock().unwrap().push(name);
        Poll::Pending
    }))
}

fn logged(log: &Log) -> String {
    take(&mut *log.lock().unwrap()).iter().collect()
}

/// A future that completes in the given poll, and says when it is polled after that.
struct Completes {
    polls: Arc<AtomicUsize>,
    at: usize,
}

impl Future for Completes {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.polls.fetch_add(1, Ordering::SeqCst) + 1 {
            n if n < self.at => Poll::Pending,
            n => {
                assert_eq!(n, self.at, "polled after it completed");
                Poll::Ready(())
            }
        }
    }
}

fn completes(at: usize) -> (Arc<AtomicUsize>, Completes) {
    let polls = Arc::new(AtomicUsize::new(0));
    (polls.clone(), Completes { polls, at })
}

/// A future that panics in its first poll, and counts all of them.
fn panics() -> (Arc<AtomicUsize>, impl Future<Output = ()> + Send + 'static) {
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = polls.clone();
    let future = poll_fn(move |_| {
        let polled = counted.fetch_add(1, Ordering::SeqCst);
        assert_ne!(polled, 0, "the disk is on fire");
        Poll::Pending
    });
    (polls, future)
}

/// Nobody can use the container any more, and everybody is told why.
fn must_be_dead(object: &Object, why: &str) {
    let busy = object.container.try_acquire(None).unwrap_err();
    assert!(busy.is_dead());
    assert!(busy.to_string().contains(why), "{busy}");
    must_panic(&[why], || object.container.acquire(None));
    must_panic(&[why], || object.get_backend());
    must_panic(&[why], || object.with_backend(ready(())));
    must_panic(&[why], || object.block_on(ready(())));
    let free = BackendContainer::new_dyn(pending());
    must_panic(&[why], || {
        object.container.acquire_nested(free.acquire(None))
    });
    must_panic(&[why], || {
        free.acquire_nested(object.container.acquire(None))
    });
    assert!(free.try_acquire(None).is_ok(), "released by unwinding");
}

#[test]
fn rule_1_a_second_acquire_panics_on_this_thread_and_on_others() {
    let container = BackendContainer::new_dyn(pending());
    let first = container.acquire(None);
    let twice = ["acquire", "twice", "already", "one handle at a time"];
    must_panic(&twice, || container.acquire(None));
    thread::scope(|scope| {
        scope.spawn(|| must_panic(&twice, || container.acquire(None)));
    });
    let busy = container.try_acquire(None).unwrap_err();
    assert!(
        !busy.is_dead() && busy.to_string().contains("already"),
        "{busy}"
    );
    let _: &dyn std::error::Error = &busy;
    drop(first);
    drop(container.acquire(None));
    thread::scope(|scope| {
        scope.spawn(|| drop(container.acquire(None)));
    });
}

#[test]
fn rule_1_of_many_threads_one_gets_it() {
    let container = BackendContainer::new_dyn(pending());
    let (inside, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    if let Ok(handle) = container.try_acquire(None) {
                        assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0);
                        // Others get their chance to get in, too.
                        thread::yield_now();
                        taken.fetch_add(1, Ordering::Relaxed);
                        inside.fetch_sub(1, Ordering::Relaxed);
                        drop(handle);
                    }
                }
            });
        }
    });
    assert!(taken.into_inner() > 0);
}

#[test]
fn rule_1_the_first_holder_goes_on_and_the_container_is_usable_afterwards() {
    must_end(|| {
        for io in Adder::each() {
            let (both, _) = io.with_backend(io.hundred());
            let mut both = Box::pin(both);
            assert!(poll(both.as_mut()).is_pending());
            must_panic(&["already"], || io.get_backend());
            must_panic(&["already"], || io.with_backend(ready(())));
            must_panic(&["already"], || io.block_on(ready(())));
            assert_eq!(pollster::block_on(both), 100);
            assert_eq!(io.block_on(io.hundred()), 100);
        }
    });
}

#[test]
fn rule_1_a_forgotten_handle_leaves_it_locked_and_nothing_worse() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let guard = Dropped(drops.clone());
    let object = Object::bare(async move {
        let _guard = guard;
        pending().await
    });
    forget(object.get_backend());
    for _ in 0..3 {
        must_panic(&["already"], || object.get_backend());
        assert!(!object.container.try_acquire(None).unwrap_err().is_dead());
    }
    let inner = BackendContainer::new_dyn(pending());
    must_panic(&["already"], || {
        object.container.acquire_nested(inner.acquire(None))
    });
    drop(object);
    assert_eq!(
        drops.load(Ordering::SeqCst),
        1,
        "dropped with the container, once"
    );
}

#[test]
fn rule_1_a_forgotten_future_leaves_it_locked_and_nothing_worse() {
    let io = Adder::bare();
    let (mut both, _) = io.with_backend(pending::<()>());
    assert!(poll(Pin::new(&mut both)).is_pending());
    forget(both);
    must_panic(&["already"], || io.block_on(ready(())));
    drop(io);
}

#[test]
fn rule_1_block_on_within_block_on_of_the_same_backend_panics_and_never_hangs() {
    must_end(|| {
        for io in Adder::each() {
            io.block_on(async {
                must_panic(&["already"], || io.block_on(ready(())));
                assert_eq!(io.hundred().await, 100, "the outer one goes on");
            });
            // Unwinding through the outer call, too, leaves it usable.
            must_panic(&["already"], || {
                io.block_on(async { io.block_on(ready(())) })
            });
            assert_eq!(io.block_on(io.hundred()), 100);
        }
    });
}

#[test]
fn rule_2_a_round_polls_the_future_and_then_the_backends_layer_by_layer() {
    let log = Log::default();
    let [a, b, c, d] = ['A', 'B', 'C', 'D'].map(|name| named(&log, name));
    let object = |container| Object {
        container,
        bell: None,
    };
    let (a, b) = (object(a), object(b));
    let future = || {
        let log = log.clone();
        poll_fn(move |_| -> Poll<()> {
            log.lock().unwrap().push('F');
            Poll::Pending
        })
    };
    let (one, _) = a.with_backend(future());
    assert!(poll(pin!(one)).is_pending());
    assert_eq!(logged(&log), "FA");

    // The future that `block_on` polls; it leaves by panicking in the third round.
    for (depth, round) in ["FA", "FAB", "FABC", "FABCD"].iter().enumerate() {
        let stack = match depth {
            0 => a.get_backend(),
            1 => a.container.acquire_nested(b.get_backend()),
            2 => a
                .container
                .acquire_nested(b.container.acquire_nested(c.acquire(None))),
            _ => {
                let inner = c.acquire_nested(d.acquire(None));
                a.container
                    .acquire_nested(b.container.acquire_nested(inner))
            }
        };
        let mut left = 3;
        let log = &log;
        let rounds = poll_fn(move |cx| {
            log.lock().unwrap().push('F');
            left -= 1;
            cx.waker().wake_by_ref();
            if left == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        block_on::<DefaultHandle, _, Object>(rounds, stack, None);
        assert_eq!(logged(log), round.repeat(3));
    }
}

#[test]
fn rule_2_dropping_the_outer_handle_releases_every_layer() {
    let log = Log::default();
    let all = ['A', 'B', 'C'].map(|name| named(&log, name));
    let [a, b, c] = &all;
    let stack = a.acquire_nested(b.acquire_nested(c.acquire(None)));
    assert!(
        all.iter()
            .all(|container| container.try_acquire(None).is_err())
    );
    drop(stack);
    assert!(
        all.iter()
            .all(|container| container.try_acquire(None).is_ok())
    );

    let object = Object {
        container: BackendContainer::new_dyn(pending()),
        bell: None,
    };
    let stack = object
        .container
        .acquire_nested(a.acquire_nested(b.acquire(None)));
    must_panic(&["the user's"], || {
        block_on::<DefaultHandle, _, Object>(async { panic!("the user's") }, stack, None)
    });
    assert!(
        all.iter()
            .all(|container| container.try_acquire(None).is_ok())
    );
    assert!(object.container.try_acquire(None).is_ok());
}

#[test]
fn rule_2_the_wake_flags_of_a_stack_are_those_of_the_innermost_handle() {
    must_end(|| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (outer, inner) = (Bell::eventfd(), Bell::eventfd());
        let (outer_flags, inner_flags) = (outer.flags(), inner.flags());
        let backend = {
            let (seen, outer, inner) = (seen.clone(), outer_flags.clone(), inner_flags.clone());
            poll_fn(move |_| {
                let byte = |flags: &AtomicU8| flags.load(Ordering::SeqCst);
                seen.lock().unwrap().push((byte(&outer), byte(&inner)));
                Poll::Pending
            })
        };
        let outer = Object::with_bell(outer, backend);
        let middle = BackendContainer::new_dyn(pending());
        let inner = Object::with_bell(inner, pending());
        let stack = outer
            .container
            .acquire_nested(middle.acquire_nested(inner.get_backend()));
        // Woken in its first round: the flags of the innermost handle record it, and a second round
        // follows.
        let mut rounds = 0;
        let waker = inner.bell().waker();
        let twice = poll_fn(|_| {
            rounds += 1;
            waker.wake_by_ref();
            if rounds == 2 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        block_on::<DefaultHandle, _, Object>(twice, stack, None);
        const POLLING: u8 = 0b010;
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        assert!(
            seen.iter()
                .all(|(outer, inner)| *outer == 0 && inner & POLLING != 0),
            "{seen:?}"
        );
        assert_eq!(outer_flags.load(Ordering::SeqCst), 0);
        assert_eq!(inner_flags.load(Ordering::SeqCst) & POLLING, 0);
        assert_eq!(inner.bell().drain(), [0u8; 0], "recorded only");
    });
}

#[test]
fn rule_2_acquiring_a_busy_outer_backend_releases_the_inner_ones() {
    let log = Log::default();
    let all = ['A', 'B', 'C'].map(|name| named(&log, name));
    let [a, b, c] = &all;
    let busy = a.acquire(None);
    must_panic(&["already"], || {
        a.acquire_nested(b.acquire_nested(c.acquire(None)))
    });
    assert!(b.try_acquire(None).is_ok() && c.try_acquire(None).is_ok());
    drop(busy);
    drop(a.acquire_nested(b.acquire_nested(c.acquire(None))));
    assert!(
        all.iter()
            .all(|container| container.try_acquire(None).is_ok())
    );
}

#[test]
fn rule_3_a_backend_that_completes_panics_the_poll_and_is_refused_afterwards() {
    must_end(|| {
        for io in Object::each(|| ready(())) {
            must_panic(&["backend", "completed"], || io.block_on(pending::<()>()));
            must_be_dead(&io, "completed");
        }
        for io in Object::each(|| completes(3).1) {
            let (both, _) = io.with_backend(pending::<()>());
            let mut both = pin!(both);
            assert!(poll(both.as_mut()).is_pending());
            assert!(poll(both.as_mut()).is_pending());
            for _ in 0..3 {
                must_panic(&["backend", "completed"], || poll(both.as_mut()));
            }
        }
    });
}

#[test]
fn rule_3_a_backend_that_completes_panics_in_every_integration() {
    must_end(|| {
        let completed = ["backend", "completed"];
        let mut bare = Object::bare(ready(()));
        must_panic(&completed, || {
            pollster::block_on(Null::run_with_mut(&mut bare, |_| pending::<()>()))
        });
        must_be_dead(&bare, "completed");
        #[cfg(unix)]
        {
            let mut io = Object::with_bell(Bell::eventfd(), ready(()));
            must_panic(&completed, || {
                tokio_here().block_on(Tokio::run_with_mut(&mut io, |_| pending::<()>()))
            });
            must_be_dead(&io, "completed");
            let mut io = Object::with_bell(Bell::eventfd(), ready(()));
            must_panic(&completed, || {
                smol::block_on(AsyncIo::run_with_mut(&mut io, |_| pending::<()>()))
            });
            must_be_dead(&io, "completed");
        }
    });
}

#[test]
fn rule_3_a_backend_that_panicked_is_refused_afterwards() {
    must_end(|| {
        for n in 0..3 {
            let (polls, backend) = panics();
            let io = match n {
                0 => Object::bare(backend),
                1 => Object::with_bell(Bell::socket_pair(), backend),
                _ => Object::with_bell(Bell::eventfd(), backend),
            };
            let (both, _) = io.with_backend(pending::<()>());
            let mut both = Box::pin(both);
            must_panic(&["on fire"], || poll(both.as_mut()));
            must_panic(&["backend", "panicked"], || poll(both.as_mut()));
            drop(both);
            must_be_dead(&io, "panicked");
            assert_eq!(polls.load(Ordering::SeqCst), 1, "never resumed");
        }
    });
}

#[test]
fn rule_3_holds_at_every_depth_of_a_stack() {
    must_end(|| {
        for depth in 0..3 {
            for panicking in [false, true] {
                let (polls, ends) = completes(1);
                let (panicked, fails) = panics();
                let mut all = [0, 1, 2].map(|_| Object::bare(pending()));
                all[depth] = if panicking {
                    Object::bare(fails)
                } else {
                    Object::bare(ends)
                };
                let (message, why) = if panicking {
                    ("on fire", "panicked")
                } else {
                    ("completed", "completed")
                };
                let [a, b, c] = &all;
                let stack = a
                    .container
                    .acquire_nested(b.container.acquire_nested(c.get_backend()));
                must_panic(&[message], || {
                    block_on::<DefaultHandle, _, Object>(pending::<()>(), stack, None)
                });
                for (at, object) in all.iter().enumerate() {
                    if at == depth {
                        must_be_dead(object, why);
                    } else {
                        assert_eq!(
                            object.block_on(ready(1)),
                            1,
                            "the others are free and alive"
                        );
                    }
                }
                let polled = polls.load(Ordering::SeqCst) + panicked.load(Ordering::SeqCst);
                assert_eq!(polled, 1, "never resumed");
            }
        }
    });
}

/// A stack keeps its handles after a panic: whoever polls it again must be refused, whichever layer
/// died.
struct Stack<'a>(
    BackendContainer<DynBackend>,
    Cell<Option<BackendHandle<'a, DynBackend>>>,
);

impl IoBackend for Stack<'_> {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        None
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.0.acquire_nested(self.1.take().unwrap())
    }
}

#[test]
fn rule_3_a_stack_with_a_dead_layer_is_not_resumed() {
    for panicking in [false, true] {
        for depth in 1..3 {
            let (polls, ends) = completes(1);
            let (panicked, fails) = panics();
            let dead = if panicking {
                Object::bare(fails)
            } else {
                Object::bare(ends)
            };
            let alive = Object::bare(pending());
            let inner = match depth {
                1 => dead.container.acquire_nested(alive.get_backend()),
                _ => alive.container.acquire_nested(dead.get_backend()),
            };
            let stack = Stack(BackendContainer::new_dyn(pending()), Cell::new(Some(inner)));
            let (both, _) = stack.with_backend(pending::<()>());
            let mut both = pin!(both);
            panic_of(|| poll(both.as_mut()));
            let why = if panicking { "panicked" } else { "completed" };
            must_panic(&["backend", why], || poll(both.as_mut()));
            let polled = polls.load(Ordering::SeqCst) + panicked.load(Ordering::SeqCst);
            assert_eq!(polled, 1, "never resumed");
        }
    }
}

#[test]
fn rule_3_a_backend_that_completes_in_the_very_round_of_readiness_lets_the_output_out() {
    must_end(|| {
        for io in Object::each(|| ready(())) {
            assert_eq!(io.block_on(ready(7)), 7);
            must_be_dead(&io, "completed");
        }
        let io = Object::bare(ready(()));
        let (both, _) = io.with_backend(ready(7));
        assert_eq!(poll(pin!(both)), Poll::Ready(7));
        must_be_dead(&io, "completed");
        let mut io = Object::bare(ready(()));
        assert_eq!(
            pollster::block_on(Null::run_with_mut(&mut io, |_| ready(7))),
            7
        );
        #[cfg(unix)]
        {
            let mut io = Object::with_bell(Bell::eventfd(), ready(()));
            assert_eq!(
                tokio_here().block_on(Tokio::run_with_mut(&mut io, |_| ready(7))),
                7
            );
            let mut io = Object::with_bell(Bell::eventfd(), ready(()));
            assert_eq!(
                smol::block_on(AsyncIo::run_with_mut(&mut io, |_| ready(7))),
                7
            );
            must_be_dead(&io, "completed");
        }
        // In a stack, too.
        let (outer, inner) = (Object::bare(pending()), Object::bare(ready(())));
        let stack = outer.container.acquire_nested(inner.get_backend());
        assert_eq!(
            block_on::<DefaultHandle, _, Object>(ready(7), stack, None),
            7
        );
        must_be_dead(&inner, "completed");
        assert_eq!(outer.block_on(ready(7)), 7);
    });
}

#[test]
fn rule_3_a_panic_of_the_backend_is_never_swallowed() {
    must_end(|| {
        let fire = ["on fire"];
        // Not even in the round in which the user's future is ready.
        for io in Object::each(|| panics().1) {
            must_panic(&fire, || io.block_on(ready(7)));
            must_be_dead(&io, "panicked");
        }
        let mut io = Object::bare(panics().1);
        must_panic(&fire, || {
            pollster::block_on(Null::run_with_mut(&mut io, |_| ready(7)))
        });
        must_be_dead(&io, "panicked");
        #[cfg(unix)]
        {
            let mut io = Object::with_bell(Bell::eventfd(), panics().1);
            must_panic(&fire, || {
                tokio_here().block_on(Tokio::run_with_mut(&mut io, |_| ready(7)))
            });
            let mut io = Object::with_bell(Bell::eventfd(), panics().1);
            must_panic(&fire, || {
                smol::block_on(AsyncIo::run_with_mut(&mut io, |_| ready(7)))
            });
            must_be_dead(&io, "panicked");
        }
    });
}
