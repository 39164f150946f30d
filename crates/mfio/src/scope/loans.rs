//! How much of a scope's memory is out.

use crate::contain::contained;
use crate::lock::Lock;
use core::future::{Future, poll_fn};
use core::task::{Poll, Waker};

/// Counts the loans that are in packets, and wakes who waits for there being none.
#[derive(Debug, Default)]
pub(super) struct Loans(Lock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    out: usize,
    waiter: Option<Waker>,
}

impl Default for Lock<Inner> {
    fn default() -> Self {
        Lock::new(Inner {
            out: 0,
            waiter: None,
        })
    }
}

impl Loans {
    /// Memory goes out.
    pub(super) fn take(&self) {
        self.0.lock().out += 1;
    }

    /// Memory comes back. Nobody may touch it after this.
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

    /// Whether nothing is out.
    pub(super) fn none(&self) -> bool {
        self.0.lock().out == 0
    }

    /// Ready when nothing is out.
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
