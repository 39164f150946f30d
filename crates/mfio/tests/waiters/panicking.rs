//! Wakers that panic cost nobody else anything: two of a thousand, wherever they wait, however the
//! backend ends.

use crate::common::{Count, must_end};
use crate::object::{End, Manual, Reactor, Waited};
use mfio::backend::*;
use mfio::cursor::{Cursor, SeekFrom};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

const WAITING: usize = 1000;
const BOMBS: [usize; 2] = [300, 301];

struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        std::panic::panic_any(Payload);
    }
}

/// Panics in turn, when it is dropped.
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        panic!("this payload panics");
    }
}

/// The wakers of all tasks, and what the good ones count.
fn wakers() -> (Arc<Count>, Vec<Waker>) {
    let (count, counts) = Count::new();
    let waker = |n| match BOMBS.contains(&n) {
        true => Waker::from(Arc::new(Bomb)),
        false => counts.clone(),
    };
    (count, (0..WAITING).map(waker).collect())
}

fn all_others_are_woken(count: &Count) {
    assert_eq!(count.get(), WAITING - BOMBS.len());
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

fn wait(wakers: &[Waker], task: impl Fn() -> Task) -> Vec<Task> {
    let begin = |waker| {
        let mut task = task();
        assert!(
            task.as_mut()
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
        task
    };
    wakers.iter().map(begin).collect()
}

#[test]
fn two_wakers_that_panic_cost_no_other_task_its_wake() {
    for end in End::ALL {
        must_end(move || {
            let io = Arc::new(Waited::bare());
            let (count, wakers) = wakers();
            let _tasks = wait(&wakers, || {
                let io = io.clone();
                Box::pin(async move { io.share_with_backend(pending()).0.await })
            });
            match end {
                End::Alive => io.backend.sharing().signal(),
                end => {
                    io.end(end);
                    io.turn();
                }
            }
            all_others_are_woken(&count);
        });
    }
}

#[test]
fn two_wakers_that_panic_cost_no_other_task_of_a_reactor_its_wake() {
    for end in End::ALL {
        must_end(move || {
            let io = Arc::new(Waited::with_handle());
            let reactor = Reactor::here();
            let (count, wakers) = wakers();
            let _tasks = wait(&wakers, || {
                Box::pin(Manual::run_with(io.clone(), async |_: &Arc<Waited>| {
                    pending().await
                }))
            });
            match end {
                // With the backend alive they are woken where the reactor fails.
                End::Alive => reactor.fail(),
                end => io.end(end),
            }
            reactor.fire();
            all_others_are_woken(&count);
        });
    }
}

#[test]
fn two_wakers_that_panic_cost_no_other_handle_of_a_cursor_its_wake() {
    for end in End::ALL {
        must_end(move || {
            let io = Waited::bare();
            let cursor = Cursor::new(&io);
            let (count, wakers) = wakers();
            let mut handles: Vec<_> = wakers.iter().map(|_| cursor.clone()).collect();
            for (handle, waker) in handles.iter_mut().zip(&wakers) {
                let read = handle.poll_read(&mut Context::from_waker(waker), &mut [0; 2]);
                assert!(read.is_pending());
            }
            io.end(end);
            io.turn();
            all_others_are_woken(&count);
        });
    }
}

/// The cursor's state is put back within a poll, which wakes those that wait for it.
#[test]
fn two_wakers_that_panic_do_not_panic_in_the_poll_of_another_handle() {
    must_end(|| {
        let io = Waited::bare();
        let mut cursor = Cursor::new(&io);
        let (count, wakers) = wakers();
        let mut handles: Vec<_> = wakers.iter().map(|_| cursor.clone()).collect();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(cursor.poll_read(&mut cx, &mut [0; 2]).is_pending());
        for (handle, waker) in handles.iter_mut().zip(&wakers) {
            let read = handle.poll_read(&mut Context::from_waker(waker), &mut [0; 2]);
            assert!(read.is_pending());
        }
        // It throws the read away, which is a change: all that wait for it are woken.
        let seek = cursor.poll_seek(&mut cx, SeekFrom::Start(7));
        assert!(matches!(seek, std::task::Poll::Ready(Ok(7))));
        all_others_are_woken(&count);
    });
}

/// A backend that goes wakes the tasks that wait, though it panics when it is dropped. Only
/// forgotten futures can still wait for it.
#[test]
#[allow(unsafe_code)]
fn a_backend_that_panics_when_dropped_leaves_nobody_asleep() {
    /// Keeps the futures for leak checkers.
    static FORGOTTEN: Mutex<Vec<Vec<Task>>> = Mutex::new(Vec::new());
    struct Drops;
    impl Drop for Drops {
        fn drop(&mut self) {
            panic!("this backend panics when it is dropped");
        }
    }
    struct Gone(SharedBackend);
    impl IoBackend for Gone {
        type Backend = DynBackend;
        fn shared(&self) -> Option<&SharedBackend> {
            Some(&self.0)
        }
    }
    must_end(|| {
        let drops = Drops;
        let backend = SharedBackend::new(async move {
            let _drops = drops;
            pending::<()>().await
        });
        let io = Box::into_raw(Box::new(Gone(backend)));
        // SAFETY: the box is taken back below; the futures are neither polled nor dropped after.
        let gone: &'static Gone = unsafe { &*io };
        let (count, wakers) = wakers();
        let tasks = wait(&wakers, || Box::pin(gone.share_with_backend(pending()).0));
        FORGOTTEN.lock().unwrap().push(tasks);
        // SAFETY: it came from a box above.
        let io = unsafe { Box::from_raw(io) };
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(io)));
        assert!(dropped.is_err());
        all_others_are_woken(&count);
    });
}

/// A registration is user code too: one that panics has failed, and says so to its own tasks.
#[test]
fn a_reactor_that_panics_is_reported_to_its_tasks_and_stalls_no_other_reactor() {
    must_end(|| {
        let io = Arc::new(Waited::with_handle());
        let reactor = Reactor::here();
        let (count, waker) = Count::new();
        let mut task: Task = Box::pin(Manual::run_with(io.clone(), async |_: &Arc<Waited>| {
            pending().await
        }));
        assert!(
            task.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        reactor.panic();
        reactor.fire();
        assert_eq!(count.get(), 1);
        crate::common::must_panic(&["reactor", "panicked"], || {
            task.as_mut().poll(&mut Context::from_waker(&waker))
        });
        let _next = Reactor::here();
        let mut task: Task = Box::pin(Manual::run_with(io, async |_: &Arc<Waited>| {
            pending().await
        }));
        assert!(
            task.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    });
}
