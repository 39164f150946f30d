//! Waking takes a loop, and not the stack.

use crate::common::{Count, must_end};
use crate::object::{End, Manual, Reactor, Waited};
use mfio::backend::*;
use mfio::cursor::Cursor;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;

const MANY: usize = 1_000_000;
/// Calls that nest a few hundred deep do not fit.
const STACK: usize = 128 * 1024;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls as many tasks as there are to be, all with `waker`.
fn waiting(waker: &Waker, n: usize, task: impl Fn() -> Task) -> Vec<Task> {
    let mut tasks: Vec<_> = (0..n).map(|_| task()).collect();
    for task in &mut tasks {
        assert!(
            task.as_mut()
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
    }
    tasks
}

fn with_a_small_stack(f: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, f).unwrap();
    });
}

/// A task that drives `io` and waits for ever, without a reactor.
fn shared(io: &Arc<Waited>) -> Task {
    let io = io.clone();
    Box::pin(async move { io.share_with_backend(pending()).0.await })
}

#[test]
fn wakes_a_million_tasks_without_recursion() {
    must_end(|| {
        let io = Arc::new(Waited::bare());
        let (count, waker) = Count::new();
        let mut tasks = waiting(&waker, MANY, || shared(&io));
        with_a_small_stack(|| io.backend.sharing().signal());
        assert_eq!(count.get(), MANY);
        // They wait again, and the backend dies.
        for task in &mut tasks {
            assert!(
                task.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        io.end(End::Finished);
        with_a_small_stack(|| io.turn());
        assert_eq!(count.get(), 2 * MANY);
    });
}

#[test]
fn wakes_a_million_tasks_of_a_reactor_without_recursion() {
    for fails in [false, true] {
        must_end(move || {
            let io = Arc::new(Waited::with_handle());
            let reactor = Reactor::here();
            let (count, waker) = Count::new();
            let tasks = waiting(&waker, MANY, || {
                Box::pin(Manual::run_with(io.clone(), async |_: &Arc<Waited>| {
                    pending().await
                }))
            });
            if fails {
                reactor.fail();
            } else {
                io.end(End::Panicked);
            }
            with_a_small_stack(|| reactor.fire());
            assert_eq!(count.get(), MANY);
            drop(tasks);
        });
    }
}

#[test]
fn wakes_a_hundred_thousand_handles_of_a_cursor_without_recursion() {
    const HANDLES: usize = 100_000;
    must_end(|| {
        let io = Waited::bare();
        let first = Cursor::new(&io);
        let (count, waker) = Count::new();
        let mut handles: Vec<_> = (0..HANDLES).map(|_| first.clone()).collect();
        let mut byte = [0];
        for handle in &mut handles {
            let read = handle.poll_read(&mut Context::from_waker(&waker), &mut byte);
            assert!(read.is_pending());
        }
        with_a_small_stack(|| io.turn());
        assert_eq!(count.get(), HANDLES);
    });
}
