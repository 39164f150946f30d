//! Faults of the past with handles in handles.
//!
//! That a stack cannot outlive what it is made of, and that handles cannot be made to swap what
//! they hold, is for the compiler to say: see `compile_fail` among the sources of the backend. Here
//! are the programs that are right.
#![cfg(any(unix, windows))]

mod common;

use common::{Adder, Object, must_end, must_panic, poll};
use mfio::backend::*;
use std::future::{pending, poll_fn};
use std::mem::swap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

/// A backend that says when it is dropped, and is never polled after that.
fn watched() -> (
    Arc<AtomicBool>,
    Arc<AtomicUsize>,
    impl Future<Output = ()> + Send + 'static,
) {
    struct Alive(Arc<AtomicBool>);
    impl Drop for Alive {
        fn drop(&mut self) {
            assert!(self.0.swap(false, SeqCst), "dropped twice");
        }
    }
    let (alive, polls) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicUsize::new(0)),
    );
    let guard = Alive(alive.clone());
    let count = polls.clone();
    let backend = poll_fn(move |_| {
        assert!(guard.0.load(SeqCst), "used after it was dropped");
        count.fetch_add(1, SeqCst);
        Poll::Pending
    });
    (alive, polls, backend)
}

#[test]
fn use_after_free_in_safe_code_through_the_lifetimes_of_acquire_nested() {
    let (inner_alive, inner_polls, backend) = watched();
    let inner = BackendContainer::new_dyn(backend);
    let (outer_alive, outer_polls, backend) = watched();
    let outer = Object::bare(backend);
    let alive = || (outer_alive.load(SeqCst), inner_alive.load(SeqCst));
    // The shorter-lived of the two may be either; the stack borrows both.
    {
        let stack = outer.container.acquire_nested(inner.acquire(None));
        let mut rounds = 0;
        let ten = poll_fn(|cx| {
            rounds += 1;
            cx.waker().wake_by_ref();
            if rounds == 10 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        block_on::<DefaultHandle, _, Object>(ten, stack, None);
    }
    assert_eq!(alive(), (true, true));
    drop(inner);
    assert_eq!(alive(), (true, false));
    let (both, _) = outer.with_backend(pending::<()>());
    assert!(poll(pin!(both)).is_pending());
    drop(outer);
    assert_eq!(alive(), (false, false));
    assert_eq!(
        (outer_polls.load(SeqCst), inner_polls.load(SeqCst)),
        (11, 10)
    );
}

#[test]
fn nesting_three_deep_leaves_the_third_unpolled_locked_and_stale() {
    must_end(|| {
        let all: Vec<Adder> = (0..6).map(|_| Adder::bare()).collect();
        for depth in 1..=all.len() {
            let mut layers = all[..depth].iter().rev();
            let mut stack = layers.next().unwrap().get_backend();
            for io in layers {
                stack = io.object.container.acquire_nested(stack);
            }
            let work = async {
                for io in &all[..depth] {
                    assert_eq!(io.hundred().await, 100, "polled, each of them");
                }
            };
            for io in &all[..depth] {
                must_panic(&["already"], || io.get_backend());
            }
            block_on::<DefaultHandle, _, Object>(work, stack, None);
            for io in &all {
                assert!(io.object.container.try_acquire(None).is_ok(), "not locked");
            }
        }
        // Not stale: each goes on alone.
        for io in &all {
            assert_eq!(io.block_on(io.hundred()), 100);
        }
    });
}

/// Handles may be swapped as a whole: each goes on releasing what it holds.
#[test]
fn swapping_two_handles() {
    let (a, b) = (Adder::bare(), Adder::bare());
    let (mut first, mut second) = (a.get_backend(), b.get_backend());
    swap(&mut first, &mut second);
    drop(first);
    assert!(b.object.container.try_acquire(None).is_ok());
    assert!(a.object.container.try_acquire(None).is_err());
    block_on::<DefaultHandle, _, Object>(
        async { assert_eq!(a.hundred().await, 100) },
        second,
        None,
    );
    assert!(a.object.container.try_acquire(None).is_ok());
}
