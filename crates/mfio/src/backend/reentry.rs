//! Detection of re-entry: `block_on` within `block_on` of the same backend on the same thread,
//! within a poll of that backend, or within a future that holds it. The thread's identity tells,
//! not the drive lock.
//!
//! A backend is known by its number, `Attendance::id`, which is never 0.

#[cfg(all(feature = "std", not(mfio_loom)))]
mod imp {
    use core::cell::{Cell, RefCell};

    thread_local! {
        /// The backend of the innermost `block_on` of this thread; 0: there is none.
        static INNERMOST: Cell<usize> = const { Cell::new(0) };
        /// The backends of the calls around it, outermost first. Rarely used.
        static AROUND: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
        /// The backend that this thread drives as soon as the task that it polls returns; 0: there
        /// is none.
        static POLLING_FOR: Cell<usize> = const { Cell::new(0) };
    }

    /// Returns whether this thread drives the backend as soon as the future that it polls returns.
    #[inline]
    pub(crate) fn is_inside(backend: usize) -> bool {
        INNERMOST.get() == backend || POLLING_FOR.get() == backend
    }

    /// A poll of a task's future after which this thread drives the backend.
    #[derive(Debug)]
    pub(crate) struct Inside {
        around: usize,
    }

    impl Inside {
        pub(crate) fn enter(backend: usize) -> Self {
            Self {
                around: POLLING_FOR.replace(backend),
            }
        }
    }

    impl Drop for Inside {
        fn drop(&mut self) {
            POLLING_FOR.set(self.around);
        }
    }

    /// A call of `block_on` on this thread, or a poll of a backend.
    #[derive(Debug)]
    pub(crate) struct Blocked {
        around: usize,
        backend: usize,
    }

    impl Blocked {
        /// Enters `block_on` of a backend. Returns `None` when this thread is within one already.
        #[inline]
        pub(crate) fn enter(backend: usize) -> Option<Self> {
            let around = INNERMOST.get();
            if around != 0 && !Self::nest(backend, around) {
                return None;
            }
            INNERMOST.set(backend);
            Some(Self { around, backend })
        }

        /// Enters a poll of a backend, or of a future that holds it: `block_on` in there could
        /// never end.
        #[inline]
        pub(crate) fn polling(backend: usize) -> Self {
            let around = INNERMOST.get();
            if around != 0 && around != backend {
                let _ = AROUND.try_with(|backends| backends.borrow_mut().push(around));
            }
            INNERMOST.set(backend);
            Self { around, backend }
        }

        #[cold]
        fn nest(backend: usize, around: usize) -> bool {
            // Gone in the destructors of thread-locals, where nesting is not detected.
            AROUND
                .try_with(|backends| {
                    let mut backends = backends.borrow_mut();
                    let fresh = backend != around && !backends.contains(&backend);
                    if fresh {
                        backends.push(around);
                    }
                    fresh
                })
                .unwrap_or(true)
        }
    }

    impl Drop for Blocked {
        #[inline]
        fn drop(&mut self) {
            INNERMOST.set(self.around);
            if self.around != 0 && self.around != self.backend {
                let _ = AROUND.try_with(|backends| backends.borrow_mut().pop());
            }
        }
    }
}

#[cfg(any(not(feature = "std"), mfio_loom))]
mod imp {
    /// Detects nothing: without threads that have an identity, re-entry shows as the user's parker
    /// parking for good.
    #[derive(Debug)]
    pub(crate) struct Blocked(());

    impl Blocked {
        #[allow(
            clippy::unnecessary_wraps,
            reason = "the same signature as with threads"
        )]
        pub(crate) fn enter(_backend: usize) -> Option<Self> {
            Some(Self(()))
        }

        pub(crate) fn polling(_backend: usize) -> Self {
            Self(())
        }
    }

    pub(crate) fn is_inside(_backend: usize) -> bool {
        false
    }

    #[derive(Debug)]
    pub(crate) struct Inside(());

    impl Inside {
        pub(crate) fn enter(_backend: usize) -> Self {
            Self(())
        }
    }
}

pub(crate) use imp::{Blocked, Inside, is_inside};
