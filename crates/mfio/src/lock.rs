//! [`Lock`], for short critical sections without user code, with and without std; also for layers.
//!
//! It is `std::sync::Mutex` with std, loom's in models, and a spin lock without std. Poisoning is
//! ignored: holders run no user code, and leave the value consistent.
//!
//! Without std a holder must not be preempted for good by code that takes the same lock, such as an
//! interrupt handler.
//!
//! ```
//! use mfio::lock::Lock;
//!
//! static COUNT: Lock<u32> = Lock::new(0);
//! *COUNT.lock() += 1;
//! assert_eq!(*COUNT.lock(), 1);
//! ```
// Invariants of the spin lock:
// 1. `locked` is true exactly while one guard exists; a guard is made only by the thread that
//    turned it from false to true, and turns it back when it is dropped.
// 2. `value` is reached only through a guard, or by value.
#![cfg_attr(not(feature = "std"), allow(unsafe_code))]

#[cfg(any(feature = "std", mfio_loom))]
mod imp {
    use core::fmt;
    use core::ops::{Deref, DerefMut};
    #[cfg(mfio_loom)]
    use loom::sync::{Mutex, MutexGuard};
    use std::sync::PoisonError;
    #[cfg(not(mfio_loom))]
    use std::sync::{Mutex, MutexGuard};

    /// A value that one thread at a time may use. See the [module](super).
    #[derive(Debug)]
    pub struct Lock<T>(Mutex<T>);

    /// Access to the value of a [`Lock`]; unlocks when dropped.
    #[must_use]
    pub struct LockGuard<'a, T>(MutexGuard<'a, T>);

    impl<T> Lock<T> {
        #[cfg(not(mfio_loom))]
        /// Creates an unlocked lock.
        pub const fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        #[cfg(mfio_loom)]
        /// Creates an unlocked lock.
        pub fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        /// Waits for the lock, and takes it.
        ///
        /// # Panics
        /// Possibly, if this thread holds the lock already; otherwise it then blocks for ever.
        pub fn lock(&self) -> LockGuard<'_, T> {
            LockGuard(self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    impl<T: fmt::Debug> fmt::Debug for LockGuard<'_, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (**self).fmt(f)
        }
    }

    impl<T> Deref for LockGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.0
        }
    }

    impl<T> DerefMut for LockGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.0
        }
    }
}

#[cfg(not(any(feature = "std", mfio_loom)))]
mod imp {
    use core::cell::UnsafeCell;
    use core::fmt;
    use core::marker::PhantomData;
    use core::ops::{Deref, DerefMut};
    use core::sync::atomic::{AtomicBool, Ordering};

    /// A value that one thread at a time may use. See the [module](super).
    #[derive(Debug)]
    pub struct Lock<T> {
        locked: AtomicBool,
        value: UnsafeCell<T>,
    }

    /// Access to the value of a [`Lock`]; unlocks when dropped. Not `Send`, as std's.
    #[must_use]
    pub struct LockGuard<'a, T> {
        lock: &'a Lock<T>,
        _not_send: PhantomData<*const ()>,
    }

    // SAFETY: moving a lock moves its value; sharing it gives one thread at a time exclusive access
    // to the value (invariants 1 and 2), which is what `T: Send` permits.
    unsafe impl<T: Send> Send for Lock<T> {}
    // SAFETY: as above.
    unsafe impl<T: Send> Sync for Lock<T> {}

    impl<T> Lock<T> {
        /// Creates an unlocked lock.
        pub const fn new(value: T) -> Self {
            Self {
                locked: AtomicBool::new(false),
                value: UnsafeCell::new(value),
            }
        }

        /// Waits for the lock, and takes it.
        ///
        /// # Panics
        /// Possibly, if this thread holds the lock already; otherwise it then blocks for ever.
        pub fn lock(&self) -> LockGuard<'_, T> {
            while self
                .locked
                .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
            {
                core::hint::spin_loop();
            }
            LockGuard {
                lock: self,
                _not_send: PhantomData,
            }
        }
    }

    impl<T: fmt::Debug> fmt::Debug for LockGuard<'_, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (**self).fmt(f)
        }
    }

    impl<T> Deref for LockGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            // SAFETY: this guard is the only one (invariant 1), and the value is reached only
            // through it (invariant 2).
            unsafe { &*self.lock.value.get() }
        }
    }

    impl<T> DerefMut for LockGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: as in `deref`, and `self` is borrowed exclusively.
            unsafe { &mut *self.lock.value.get() }
        }
    }

    impl<T> Drop for LockGuard<'_, T> {
        fn drop(&mut self) {
            self.lock.locked.store(false, Ordering::Release);
        }
    }
}

pub use imp::{Lock, LockGuard};

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::Lock;

    #[test]
    fn excludes_and_survives_a_panic_of_a_holder() {
        static LOCK: Lock<u64> = Lock::new(0);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| (0..10_000).for_each(|_| *LOCK.lock() += 1));
            }
        });
        let died = std::thread::spawn(|| {
            let _guard = LOCK.lock();
            panic!("a holder dies");
        });
        assert!(died.join().is_err());
        assert_eq!(*LOCK.lock(), 40_000);
    }
}
