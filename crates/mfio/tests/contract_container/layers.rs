//! The order of a round, and backends on top of others: rule 2.

use crate::common::{Bell, Object, must_end, must_panic, poll};
use mfio::backend::*;
use std::future::{pending, poll_fn};
use std::mem::take;
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

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
