//! The number of a scope's loans in packets.

use crate::contain::contained;
use crate::lock::Lock;
use core::future::{Future, poll_fn};
use core::task::{Poll, Waker};

/// Counts the loans in packets, and wakes the task that waits for the count to be 0.
#[derive(Debug, Default)]
pub(super) struct Loans(Lock<Count>);

#[derive(Debug, Default)]
struct Count {
    out: usize,
    waiter: Option<Waker>,
}

impl Default for Lock<Count> {
    fn default() -> Self {
        Lock::new(Count {
            out: 0,
            waiter: None,
        })
    }
}

impl Loans {
    /// Counts a loan that goes into a packet.
    pub(super) fn take(&self) {
        self.0.lock().out += 1;
    }

    /// Counts a loan that comes out of a packet. Its memory must not be accessed after this.
    pub(super) fn give_back(&self) {
        let mut inner = self.0.lock();
        inner.out -= 1;
        let waiter = match inner.out {
            0 => inner.waiter.take(),
            _ => None,
        };
        drop(inner);
        if let Some(waiter) = waiter {
            contained(|| waiter.wake());
        }
    }

    /// Whether no loan is in a packet.
    pub(super) fn none(&self) -> bool {
        self.0.lock().out == 0
    }

    /// Waits until no loan is in a packet.
    pub(super) fn settled(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(|cx| {
            let new = cx.waker().clone();
            let mut inner = self.0.lock();
            if inner.out == 0 {
                return Poll::Ready(());
            }
            let old = inner.waiter.replace(new);
            drop(inner);
            drop(old);
            Poll::Pending
        })
    }
}
