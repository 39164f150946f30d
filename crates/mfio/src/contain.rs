//! Containment of panics in user code that is called on behalf of others.
//!
//! A driver, a reactor or a thread that completes one operation calls code of a user unrelated to
//! the other operations: wakers, `on_end` callbacks, alarms, destructors of buffers. A panic in
//! there must neither unwind the caller nor keep other tasks asleep. So every loop over wakers is
//! [`wake_all`], and every other such call is in [`contained`]. Runtimes and layers outside of this
//! crate call them too. Call neither with a lock held.
//!
//! With std a panic is caught, after the panic hook has reported it. Without std nothing can be
//! caught: a panic unwinds (where panics unwind at all) through the caller after the other wakers
//! were woken, and a second one aborts.
//!
//! ```
//! use mfio::contain::{contained, wake_all};
//! use std::{sync::Arc, task::{Wake, Waker}};
//!
//! struct Broken;
//! impl Wake for Broken {
//!     fn wake(self: Arc<Self>) {
//!         panic!("this waker panics");
//!     }
//! }
//! # std::panic::set_hook(Box::new(|_| {}));
//!
//! wake_all([Waker::from(Arc::new(Broken)), Waker::noop().clone()]);
//! assert!(!contained(|| panic!("a callback panics")));
//! assert!(contained(|| ()));
//! ```

use core::task::Waker;

/// Calls `user` and contains its panic. Returns `false` if it panicked.
///
/// With std the payload of the panic is dropped; if that drop panics in turn, its payload is
/// leaked. Without std a panic unwinds through this call.
pub fn contained(user: impl FnOnce()) -> bool {
    #[cfg(feature = "std")]
    {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        match catch_unwind(AssertUnwindSafe(user)) {
            Ok(()) => true,
            Err(payload) => {
                discard(payload);
                false
            }
        }
    }
    #[cfg(not(feature = "std"))]
    {
        user();
        true
    }
}

/// Drops the payload of a panic. The drop may panic itself.
#[cfg(feature = "std")]
#[cold]
fn discard(payload: alloc::boxed::Box<dyn core::any::Any + Send>) {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
    // The second payload is leaked: dropping it may panic again, without end.
    core::mem::forget(dropped);
}

/// Wakes all of `wakers`, in order, in a loop. A panic of one waker keeps no other from being
/// woken.
///
/// The iterator may take a lock to find the next waker, if it releases the lock before it returns.
pub fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    let mut rest = Rest(wakers.into_iter());
    // One catch serves for all wakers up to the first one that panics.
    while !contained(|| rest.wake()) {}
}

/// The wakers that are left to wake.
struct Rest<I: Iterator<Item = Waker>>(I);

impl<I: Iterator<Item = Waker>> Rest<I> {
    fn wake(&mut self) {
        for waker in self.0.by_ref() {
            waker.wake();
        }
    }
}

/// Without std a panic unwinds through [`wake_all`]: the others are woken on the way.
#[cfg(not(feature = "std"))]
impl<I: Iterator<Item = Waker>> Drop for Rest<I> {
    fn drop(&mut self) {
        self.wake();
    }
}

#[cfg(all(test, feature = "std", not(mfio_loom)))]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use alloc::task::Wake;
    use alloc::vec::Vec;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Panics when it is woken, with a payload that panics when it is dropped, with such a payload.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Bomb);
        }
    }

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::panic_any(Bomb);
        }
    }

    #[test]
    fn wakers_that_panic_keep_no_other_from_being_woken_whatever_their_payloads_do() {
        let count = Arc::new(Count::default());
        let wakers: Vec<_> = (0..10)
            .map(|n| match n % 3 {
                0 => Waker::from(Arc::new(Panics)),
                _ => Waker::from(count.clone()),
            })
            .collect();
        wake_all(wakers);
        assert_eq!(count.0.load(Ordering::Relaxed), 6);
    }

    #[test]
    fn wakers_that_panic_within_a_panic_are_contained() {
        struct Wakes(Arc<Count>);
        impl Drop for Wakes {
            fn drop(&mut self) {
                let panics = || Waker::from(Arc::new(Panics));
                wake_all([panics(), panics(), Waker::from(self.0.clone())]);
            }
        }
        let count = Arc::new(Count::default());
        let wakes = Wakes(count.clone());
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _wakes = wakes;
            panic!("the backend panics");
        }));
        assert!(unwound.is_err());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
}
