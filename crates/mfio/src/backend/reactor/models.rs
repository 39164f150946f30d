//! Loom model of [`ReactorWaiter::join`]: two tasks that join at the same instant.

use super::ReactorWaiter;
use crate::backend::SharedBackend;
use crate::backend::polling::{PollingFlags, PollingHandle};
use crate::backend::registration::{ReactorError, Registration};
use crate::backend::sharing::Sharing;
use crate::sync::atomic::Ordering;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::task::{Context, Poll, Waker};
use loom::sync::atomic::AtomicUsize;
use loom::thread;

/// A registration that counts how many there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn register(live: &Arc<AtomicUsize>) -> Result<Box<dyn Registration>, ReactorError> {
        live.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Self(live.clone())))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Registration for Counted {
    fn is_current(&self) -> bool {
        true
    }

    fn poll_ready(&self, _: &PollingFlags, _: &mut Context<'_>) -> Poll<Result<(), ReactorError>> {
        Poll::Pending
    }
}

fn never(_: &PollingHandle<'_>) -> Result<Box<dyn Registration>, ReactorError> {
    Err(ReactorError::new("registrations are made by the closure"))
}

fn join<'a>(sharing: &'a Sharing, live: &Arc<AtomicUsize>) -> ReactorWaiter<'a> {
    let interests = PollingFlags::new().read(true);
    ReactorWaiter::join(
        sharing.backend(),
        sharing.reactors(),
        Waker::noop(),
        &interests,
        never,
        || Counted::register(live),
    )
    .unwrap()
}

/// Whatever the order of snapshots and insertions, one watch is left, and it goes with the last
/// task.
#[test]
fn loom_tasks_that_join_at_once_make_one_watch() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let container = SharedBackend::new(core::future::pending());
        let sharing = container.sharing().clone();
        let live = Arc::new(AtomicUsize::new(0));
        let other = {
            let (sharing, live) = (sharing.clone(), live.clone());
            thread::spawn(move || {
                // Kept: the first task must not leave before the second has joined.
                core::mem::forget(join(&sharing, &live));
                drop(sharing);
            })
        };
        let waiter = join(&sharing, &live);
        other.join().unwrap();
        assert_eq!(live.load(Ordering::Relaxed), 1, "registrations");
        assert_eq!(sharing.reactors().snapshot().0.iter().count(), 1);
        drop(waiter);
    });
}
