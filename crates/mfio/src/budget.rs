//! A budget of operations that complete as soon as they are sent, so that a loop over them cannot starve its executor.
//!
//! An object that answers at once (memory, the page cache, a hit of a cache) never leaves its caller's task pending, and a
//! loop over such an object would keep the thread for ever: time-outs would not fire and neighbours would not run. So each
//! completion is charged to the thread, and a thread that has spent its budget yields once: the future wakes itself and is
//! pending, and its next poll has the answer.
//!
//! The budget is the thread's and not the task's, because a poll cannot know where its task's last poll ended. A task may
//! therefore yield for what its neighbours have spent; that costs one wake-up in [`UNITS`] operations.
//!
//! Without std there is one budget for all threads, read and written without synchronisation: it is advice, and a lost
//! update changes only when the next yield comes.

use core::task::{Context, Poll};

/// Operations between two yields. tokio's cooperative budget is as large.
const UNITS: u32 = 128;

/// Bytes that count as one further operation, as a power of two: copying 16 KiB takes about as long as a small operation.
const BYTES_PER_UNIT: u32 = 14;

/// Charges an operation that has moved `bytes`.
#[inline]
pub(crate) fn charge(bytes: usize) {
    let cost = 1 + u32::try_from(bytes >> BYTES_PER_UNIT).unwrap_or(UNITS);
    store::set(store::left().saturating_sub(cost));
}

/// Yields where the budget is spent, and renews it: pending once, with the task woken.
#[inline]
pub(crate) fn poll(cx: &mut Context<'_>) -> Poll<()> {
    if store::left() != 0 {
        return Poll::Ready(());
    }
    renew(cx)
}

#[cold]
fn renew(cx: &mut Context<'_>) -> Poll<()> {
    store::set(UNITS);
    cx.waker().wake_by_ref();
    Poll::Pending
}

#[cfg(all(feature = "std", not(mfio_loom)))]
mod store {
    use core::cell::Cell;

    std::thread_local! {
        static LEFT: Cell<u32> = const { Cell::new(super::UNITS) };
    }

    #[inline]
    pub(super) fn left() -> u32 {
        LEFT.get()
    }

    #[inline]
    pub(super) fn set(left: u32) {
        LEFT.set(left);
    }
}

#[cfg(all(not(feature = "std"), not(mfio_loom)))]
mod store {
    use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};

    static LEFT: AtomicU32 = AtomicU32::new(super::UNITS);

    #[inline]
    pub(super) fn left() -> u32 {
        LEFT.load(Relaxed)
    }

    #[inline]
    pub(super) fn set(left: u32) {
        LEFT.store(left, Relaxed);
    }
}

/// Models repeat an execution exactly, so nothing may be left over from the one before: the budget is never spent.
#[cfg(mfio_loom)]
mod store {
    pub(super) fn left() -> u32 {
        super::UNITS
    }

    pub(super) fn set(_left: u32) {}
}

#[cfg(all(test, feature = "std", not(mfio_loom)))]
mod tests {
    use super::{UNITS, charge, poll};
    use core::task::{Context, Poll, Waker};

    fn ops_until_yield(bytes: usize) -> u32 {
        let mut cx = Context::from_waker(Waker::noop());
        let mut ops = 0;
        while poll(&mut cx).is_ready() {
            charge(bytes);
            ops += 1;
        }
        ops
    }

    #[test]
    fn a_spent_budget_yields_once_and_is_renewed() {
        let _ = ops_until_yield(0);
        assert_eq!(ops_until_yield(0), UNITS);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(poll(&mut cx), Poll::Ready(()));
    }

    #[test]
    fn large_operations_cost_more() {
        let _ = ops_until_yield(0);
        assert_eq!(ops_until_yield((1 << 14) - 1), UNITS);
        assert_eq!(ops_until_yield(64 << 10), UNITS.div_ceil(5));
        assert_eq!(ops_until_yield(usize::MAX), 1);
    }
}
