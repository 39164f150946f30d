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
        static OUTER: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
        /// The backend that this thread drives as soon as the task that it polls returns; 0: there
        /// is none.
        static POLLING_FOR: Cell<usize> = const { Cell::new(0) };
    }

    /// Returns whether this thread drives the backend as soon as the future that it polls returns.
    #[inline]
    pub(crate) fn is_driving(backend: usize) -> bool {
        INNERMOST.get() == backend || POLLING_FOR.get() == backend
    }

    /// Returns whether this thread is within a call that drives the backend, however deep.
    #[cold]
    pub(crate) fn is_within(backend: usize) -> bool {
        is_driving(backend)
            || OUTER
                .try_with(|backends| backends.borrow().contains(&backend))
                .unwrap_or(false)
    }

    /// The poll of a task's future, after which this thread drives the backend.
    #[derive(Debug)]
    pub(crate) struct TaskPollScope {
        outer: usize,
    }

    impl TaskPollScope {
        pub(crate) fn enter(backend: usize) -> Self {
            Self {
                outer: POLLING_FOR.replace(backend),
            }
        }
    }

    impl Drop for TaskPollScope {
        fn drop(&mut self) {
            POLLING_FOR.set(self.outer);
        }
    }

    /// A call on this thread that drives a backend: `block_on`, or a poll of the backend.
    #[derive(Debug)]
    pub(crate) struct DriveScope {
        outer: usize,
        backend: usize,
    }

    impl DriveScope {
        /// Enters `block_on` of a backend. Returns `None` when this thread is within one already.
        #[inline]
        pub(crate) fn block_on(backend: usize) -> Option<Self> {
            let outer = INNERMOST.get();
            if outer != 0 && !Self::nest(backend, outer) {
                return None;
            }
            INNERMOST.set(backend);
            Some(Self { outer, backend })
        }

        /// Enters a poll of a backend, or of a future that holds it: `block_on` in there could
        /// never end.
        #[inline]
        pub(crate) fn poll(backend: usize) -> Self {
            let outer = INNERMOST.get();
            if outer != 0 && outer != backend {
                let _ = OUTER.try_with(|backends| backends.borrow_mut().push(outer));
            }
            INNERMOST.set(backend);
            Self { outer, backend }
        }

        #[cold]
        fn nest(backend: usize, outer: usize) -> bool {
            // Gone in the destructors of thread-locals, where nesting is not detected.
            OUTER
                .try_with(|backends| {
                    let mut backends = backends.borrow_mut();
                    let fresh = backend != outer && !backends.contains(&backend);
                    if fresh {
                        backends.push(outer);
                    }
                    fresh
                })
                .unwrap_or(true)
        }
    }

    impl Drop for DriveScope {
        #[inline]
        fn drop(&mut self) {
            INNERMOST.set(self.outer);
            if self.outer != 0 && self.outer != self.backend {
                let _ = OUTER.try_with(|backends| backends.borrow_mut().pop());
            }
        }
    }
}

#[cfg(any(not(feature = "std"), mfio_loom))]
mod imp {
    /// Detects nothing: without threads that have an identity, re-entry shows as the user's parker
    /// parking for good.
    #[derive(Debug)]
    pub(crate) struct DriveScope(());

    impl DriveScope {
        #[allow(
            clippy::unnecessary_wraps,
            reason = "the same signature as with threads"
        )]
        pub(crate) fn block_on(_backend: usize) -> Option<Self> {
            Some(Self(()))
        }

        pub(crate) fn poll(_backend: usize) -> Self {
            Self(())
        }
    }

    pub(crate) fn is_driving(_backend: usize) -> bool {
        false
    }

    pub(crate) fn is_within(_backend: usize) -> bool {
        false
    }

    #[derive(Debug)]
    pub(crate) struct TaskPollScope(());

    impl TaskPollScope {
        pub(crate) fn enter(_backend: usize) -> Self {
            Self(())
        }
    }
}

pub(crate) use imp::{DriveScope, TaskPollScope, is_driving, is_within};
