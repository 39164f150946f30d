//! A budget of completions, so that a loop over operations that end as they are sent cannot starve its executor.
//!
//! An object that answers at once (memory, the page cache, a hit of a cache) never leaves its caller's task pending, and a
//! loop over such an object would keep the thread for ever: time-outs would not fire and neighbours would not run. So each
//! completion is charged to the thread, and a thread that has spent its budget yields once: the future wakes itself and is
//! pending, and its next poll has the answer.
//!
//! The budget is the thread's and not the task's, because a poll cannot know where its task's last poll ended. A task may
//! therefore yield for what its neighbours have spent, or after having waited anyway; that costs one wake-up in [`UNITS`]
//! operations, and telling would cost each of them more.
//!
//! Without std there is one budget for all threads, read and written without synchronisation: it is advice, and a lost
//! update changes only when the next yield comes.

use core::task::{Context, Poll};

/// Operations between two yields. tokio's cooperative budget is as large.
const UNITS: i32 = 128;

/// Charges an operation.
#[inline]
pub(crate) fn charge() {
    store::set(store::left().saturating_sub(1));
}

/// What [`poll`] leaves for the operations that follow it within the same poll, which therefore do not yield themselves.
const RESERVE: i32 = 8;

/// Yields where the budget is nearly spent, and renews it: pending once, with the task woken.
#[inline]
pub(crate) fn poll(cx: &mut Context<'_>) -> Poll<()> {
    if store::left() >= RESERVE {
        return Poll::Ready(());
    }
    renew(cx)
}

/// [`charge`] and [`poll`] in one, for the hot path: pending where there is nothing left to charge.
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

/// Models repeat an execution exactly, so nothing may be left over from the one before: the budget is never spent.
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
            // The first one of a thread ends where the test harness has left it.
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
