use super::*;
use alloc::task::Wake;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Waker;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Ready at the second poll; the first gives its waker to `first`.
async fn after_wake(first: impl FnOnce(Waker)) {
    let mut first = Some(first);
    poll_fn(|cx| match first.take() {
        Some(first) => {
            first(cx.waker().clone());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await;
}

fn parker_address() -> usize {
    Arc::as_ptr(&Lease::of_this_thread()).addr()
}

#[test]
fn calls_one_after_the_other_share_a_parker() {
    let first = parker_address();
    block_on(after_wake(Waker::wake));
    assert_eq!(parker_address(), first);
}

#[test]
fn a_nested_call_has_its_own() {
    let outer = Lease::of_this_thread();
    let inner = Lease::of_this_thread();
    assert!(!Arc::ptr_eq(&outer, &inner));
}

#[test]
fn a_waker_that_is_left_behind_reaches_no_later_call() {
    let mut left = None;
    block_on(after_wake(|waker| {
        waker.wake_by_ref();
        left = Some(waker);
    }));
    let over = Arc::new(AtomicBool::new(false));
    let mut polls = 0;
    block_on(poll_fn(|cx| {
        polls += 1;
        // Before it begins: the rest of this poll may take longer than the thread sleeps.
        if over.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if let Some(left) = left.take() {
            left.wake();
            let (waker, over) = (cx.waker().clone(), over.clone());
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                over.store(true, Ordering::Release);
                waker.wake();
            });
        }
        Poll::Pending
    }));
    assert_eq!(polls, 2);
}

#[test]
fn a_thread_that_waits_at_a_handle_is_woken_by_the_handles_waker() {
    struct HandleWaker(mpsc::Sender<()>);
    impl Wake for HandleWaker {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }
    let (sender, wakes) = mpsc::channel();
    let waker = Waker::from(Arc::new(HandleWaker(sender)));
    let lease = Lease::of_this_thread();
    assert!(lease.begin_handle_wait(&waker));
    lease.request_drive();
    lease.waker().wake_by_ref();
    assert_eq!(wakes.try_iter().count(), 1);
    lease.end_handle_wait();
    assert!(!lease.begin_handle_wait(&waker), "there are reasons");
    assert!(lease.take_woken() && !lease.take_woken());
    assert!(!lease.begin_handle_wait(&waker), "there is a reason");
    assert!(lease.take_drive());
    assert!(lease.begin_handle_wait(&waker));
    lease.end_handle_wait();
    lease.waker().wake_by_ref();
    assert_eq!(wakes.try_iter().count(), 0, "no thread waits at the handle");
    let reason = lease.park();
    assert_eq!((reason.woken, reason.drive), (true, false));
}

#[test]
fn the_handles_waker_is_not_kept_after_the_call() {
    struct HandleWaker;
    impl Wake for HandleWaker {
        fn wake(self: Arc<Self>) {}
    }
    let waker = Arc::new(HandleWaker);
    let lease = Lease::of_this_thread();
    assert!(lease.begin_handle_wait(&Waker::from(waker.clone())));
    drop(lease);
    assert_eq!(Arc::strong_count(&waker), 1);
}
