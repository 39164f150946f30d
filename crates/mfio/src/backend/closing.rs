//! [`Closing`]: a value that many threads use and any of them can close, at any moment, without a
//! lock. The last thread to use it after the close drops it.
//!
//! The state is one word: the number of users ([`USER`] each), whether the value is [`CLOSED`], and
//! whether a party has been chosen to drop it ([`DONE`]).
//!
//! Invariants:
//! 1. A reference to the value is made only by a user that found `CLOSED` clear in the same
//!    operation that counted it, and ends before that user stops being counted.
//! 2. `CLOSED` and `DONE` are never cleared.
//! 3. `DONE` is set once, by a compare-exchange from exactly `CLOSED`: closed, and no user. A user
//!    that was counted before the close is still counted then or has ended; one that is counted
//!    later finds `CLOSED` set and makes no reference.
//! 4. The party that set `DONE` drops the value. If none did, the value is dropped with the
//!    `Closing` itself.
//!
//! Every operation is a bounded number of read-modify-writes, so it may run anywhere, even where
//! another operation on the same value has been interrupted.
#![allow(unsafe_code)]

use crate::sync::UnsafeCell;
use crate::sync::atomic::{AtomicUsize, Ordering};
use core::mem::ManuallyDrop;

const CLOSED: usize = 0b01;
const DONE: usize = 0b10;
const USER: usize = 0b100;

/// See the module.
pub(crate) struct Closing<T> {
    state: AtomicUsize,
    value: UnsafeCell<ManuallyDrop<T>>,
}

// SAFETY: a shared `Closing` hands out `&T` to several threads at once (invariant 1), which needs
// `T: Sync`, and drops the value on whichever thread is last (invariant 4), which needs `T: Send`.
unsafe impl<T: Send + Sync> Sync for Closing<T> {}

impl<T> Closing<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            state: AtomicUsize::new(0),
            value: UnsafeCell::new(ManuallyDrop::new(value)),
        }
    }

    /// Calls `f` with the value, unless the value is closed. A close in the meantime takes effect
    /// after `f`.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        let before = self.state.fetch_add(USER, Ordering::Acquire);
        // Also on unwind: the value may be a user's type, and so may `f`.
        let _user = User(self);
        if before & CLOSED != 0 {
            return None;
        }
        let call = |value: *const ManuallyDrop<T>| {
            // SAFETY: this user is counted, and was so before the close (invariant 1): no party
            // drops the value or makes an exclusive reference to it until `_user` is dropped
            // (invariants 3 and 4).
            f(unsafe { &*value })
        };
        Some(read(&self.value, call))
    }

    /// Closes the value: no further use begins. It is dropped now, or by the last user that is at
    /// it.
    ///
    /// Closing again does nothing.
    pub(crate) fn close(&self) {
        let before = self.state.fetch_or(CLOSED, Ordering::AcqRel);
        if before == 0 {
            self.claim();
        }
    }

    /// Drops the value if it is closed and has no user.
    fn claim(&self) {
        // Acquire: the uses, up to their end, happen before the drop.
        let claimed = self.state.compare_exchange(
            CLOSED,
            CLOSED | DONE,
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        if claimed.is_ok() {
            write(&self.value, |value| {
                // SAFETY: this call set `DONE`, so no other party has dropped or will drop the
                // value, and no reference to it exists or will be made (invariants 1, 3 and 4).
                unsafe { ManuallyDrop::drop(&mut *value) }
            });
        }
    }
}

/// One counted use.
struct User<'a, T>(&'a Closing<T>);

impl<T> Drop for User<'_, T> {
    fn drop(&mut self) {
        let before = self.0.state.fetch_sub(USER, Ordering::Release);
        if before == CLOSED | USER {
            self.0.claim();
        }
    }
}

impl<T> Drop for Closing<T> {
    fn drop(&mut self) {
        // Relaxed: this is the only party left, and the end of the sharing has been ordered by the
        // owner.
        if self.state.load(Ordering::Relaxed) & DONE == 0 {
            write(&self.value, |value| {
                // SAFETY: `DONE` is clear, so the value is live (invariant 4), and `&mut self`
                // excludes other parties.
                unsafe { ManuallyDrop::drop(&mut *value) }
            });
        }
    }
}

impl<T> core::fmt::Debug for Closing<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let closed = self.state.load(Ordering::Relaxed) & CLOSED != 0;
        f.debug_struct("Closing").field("closed", &closed).finish()
    }
}

#[cfg(not(mfio_loom))]
fn read<T, R>(cell: &UnsafeCell<T>, f: impl FnOnce(*const T) -> R) -> R {
    f(cell.get())
}

#[cfg(not(mfio_loom))]
fn write<T, R>(cell: &UnsafeCell<T>, f: impl FnOnce(*mut T) -> R) -> R {
    f(cell.get())
}

#[cfg(mfio_loom)]
fn read<T, R>(cell: &UnsafeCell<T>, f: impl FnOnce(*const T) -> R) -> R {
    cell.with(f)
}

#[cfg(mfio_loom)]
fn write<T, R>(cell: &UnsafeCell<T>, f: impl FnOnce(*mut T) -> R) -> R {
    cell.with_mut(f)
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;
    use alloc::sync::Arc;

    #[test]
    fn the_value_is_dropped_once_by_any_closer() {
        let value = Arc::new(());
        let closing = Closing::new(value.clone());
        assert_eq!(closing.with(Arc::strong_count), Some(2));
        closing.close();
        assert_eq!(Arc::strong_count(&value), 1);
        closing.close();
        assert!(closing.with(|_| ()).is_none());
        drop(closing);
        assert_eq!(Arc::strong_count(&value), 1);
        drop(Closing::new(value.clone()));
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn a_close_during_a_use_takes_effect_after_it() {
        let value = Arc::new(());
        let closing = Closing::new(value.clone());
        closing.with(|inner| {
            closing.close();
            assert!(closing.with(|_| ()).is_none());
            assert_eq!(Arc::strong_count(inner), 2);
        });
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn a_use_that_panics_is_no_longer_counted() {
        let value = Arc::new(());
        let closing = Closing::new(value.clone());
        let used = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            closing.with(|_| panic!("in the use"));
        }));
        assert!(used.is_err());
        closing.close();
        assert_eq!(Arc::strong_count(&value), 1);
    }
}

#[cfg(all(test, mfio_loom))]
mod loom_models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// A descriptor: open until it is dropped, and dropped once.
    struct Descriptor(Arc<AtomicUsize>);

    impl Drop for Descriptor {
        fn drop(&mut self) {
            assert_eq!(self.0.fetch_add(1, Ordering::Relaxed), 0, "closed twice");
        }
    }

    fn write_to(closing: &Closing<Descriptor>) {
        closing.with(|descriptor| {
            assert_eq!(
                descriptor.0.load(Ordering::Relaxed),
                0,
                "a write after the close"
            );
        });
    }

    fn race(parties: &'static [fn(&Closing<Descriptor>)]) {
        loom::model(move || {
            let closed = Arc::new(AtomicUsize::new(0));
            let closing = Arc::new(Closing::new(Descriptor(closed.clone())));
            let others: Vec<_> = parties[1..]
                .iter()
                .map(|party| {
                    let closing = closing.clone();
                    thread::spawn(move || party(&closing))
                })
                .collect();
            parties[0](&closing);
            others.into_iter().for_each(|other| other.join().unwrap());
            assert_eq!(
                closed.load(Ordering::Relaxed),
                1,
                "closed once, by the last"
            );
        });
    }

    #[test]
    fn a_close_racing_wakes() {
        race(&[Closing::close, write_to, write_to]);
    }

    #[test]
    fn two_closes_racing_a_wake() {
        race(&[Closing::close, Closing::close, write_to]);
    }
}
