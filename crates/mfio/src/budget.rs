//! A cooperative budget of completions: a loop over operations that complete as they are sent
//! cannot starve its executor.
//!
//! An object that completes inline (memory, the page cache, a cache hit) never leaves its caller's
//! task pending. A loop over such an object would keep the thread: time-outs would not fire and
//! other tasks would not run. So each completion is charged to the thread, and a thread that has
//! spent its budget yields once: the future wakes itself and is pending, and its next poll returns
//! the result.
//!
//! The budget belongs to the thread and not to the task, because a poll cannot know when its task's
//! last poll ended. A task may therefore yield for completions of other tasks. That costs one
//! wake-up in [`UNITS`] operations; telling tasks apart would cost each operation more.
//!
//! Without std all threads share one budget, read and written with relaxed atomics: a lost update
//! only moves the next yield.

use core::task::{Context, Poll};

/// Operations between two yields. The size of tokio's cooperative budget.
const UNITS: i32 = 128;

/// Charges an operation.
#[inline]
pub(crate) fn charge() {
    store::set(store::left().saturating_sub(1));
}

/// Units that [`poll`] leaves for the operations that follow within the same poll, so that they do
/// not yield.
const RESERVE: i32 = 8;

/// Yields when the budget is nearly spent, and renews it: pending once, with the task woken.
#[inline]
pub(crate) fn poll(cx: &mut Context<'_>) -> Poll<()> {
    if store::left() >= RESERVE {
        return Poll::Ready(());
    }
    renew(cx)
}

/// Charges an operation and yields when nothing is left: [`charge`] and [`poll`] in one, for the
/// hot path.
#[inline(always)]
pub(crate) fn poll_charge(cx: &mut Context<'_>) -> Poll<()> {
    let left = store::left().wrapping_sub(1);
    store::set(left);
    if left < 0 {
        return renew(cx);
    }
    Poll::Ready(())
}

#[cold]
#[inline(never)]
fn renew(cx: &mut Context<'_>) -> Poll<()> {
    store::set(UNITS);
    cx.waker().wake_by_ref();
    Poll::Pending
}

#[cfg(all(feature = "std", not(mfio_loom)))]
mod store {
    use core::cell::Cell;

    std::thread_local! {
        static LEFT: Cell<i32> = const { Cell::new(super::UNITS) };
    }

    #[inline]
    pub(super) fn left() -> i32 {
        LEFT.get()
    }

    #[inline]
    pub(super) fn set(left: i32) {
        LEFT.set(left);
    }
}

#[cfg(all(not(feature = "std"), not(mfio_loom)))]
mod store {
    use crate::sync::atomic::{AtomicI32, Ordering::Relaxed};

    static LEFT: AtomicI32 = AtomicI32::new(super::UNITS);

    #[inline]
    pub(super) fn left() -> i32 {
        LEFT.load(Relaxed)
    }

    #[inline]
    pub(super) fn set(left: i32) {
        LEFT.store(left, Relaxed);
    }
}

/// A budget that is never spent. Loom repeats an execution exactly, so no state may carry over from
/// the one before.
#[cfg(mfio_loom)]
mod store {
    pub(super) fn left() -> i32 {
        super::UNITS
    }

    pub(super) fn set(_left: i32) {}
}

#[cfg(all(test, feature = "std", not(mfio_loom)))]
mod tests {
    use super::{UNITS, charge, poll, poll_charge};
    use core::task::{Context, Poll, Waker};

    #[test]
    fn a_spent_budget_yields_once_and_is_renewed() {
        let mut cx = Context::from_waker(Waker::noop());
        for mut left in [UNITS; 3] {
            // The test harness has spent some of a thread's first budget.
            while poll_charge(&mut cx).is_ready() {
                left -= 1;
            }
            assert!(left >= 0);
            assert_eq!(poll(&mut cx), Poll::Ready(()));
        }
        (0..=UNITS).for_each(|_| charge());
        assert_eq!(poll(&mut cx), Poll::Pending);
        assert_eq!(poll(&mut cx), Poll::Ready(()));
    }
}
