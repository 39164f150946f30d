//! Backends that complete or panic: rule 3.

#[cfg(unix)]
use crate::common::tokio_here;
use crate::common::{Bell, Object, must_end, must_panic, panic_of, poll};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

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
