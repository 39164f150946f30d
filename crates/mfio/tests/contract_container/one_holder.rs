//! One holder at a time: rule 1.

use crate::common::{Adder, Object, must_end, must_panic, poll};
use mfio::backend::*;
use std::future::{pending, ready};
use std::mem::forget;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

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
