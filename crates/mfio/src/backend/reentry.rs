//! `block_on` within `block_on` of the same backend on the same thread, told by the thread's identity; and within a poll of
//! that backend, or of a future that holds it.

#[cfg(all(feature = "std", not(mfio_loom)))]
mod imp {
    use core::cell::{Cell, RefCell};

    thread_local! {
        /// The hub that the innermost `block_on` of this thread waits for; 0: there is none.
        static INNERMOST: Cell<usize> = const { Cell::new(0) };
        /// The hubs of the calls around it, outermost first. Hardly ever used.
        static AROUND: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
        /// The hub whose turn this thread runs as soon as the task that it polls returns; 0: there is none.
        static POLLING_FOR: Cell<usize> = const { Cell::new(0) };
    }

    /// Whether this thread runs the hub's turn as soon as the future that it polls returns.
    #[inline]
    pub(crate) fn is_inside(hub: usize) -> bool {
        INNERMOST.get() == hub || POLLING_FOR.get() == hub
    }

    /// A poll of a task's future after which this thread runs the hub's turn.
    #[derive(Debug)]
    pub(crate) struct Inside {
        around: usize,
    }

    impl Inside {
        pub(crate) fn enter(hub: usize) -> Self {
            Self {
                around: POLLING_FOR.replace(hub),
            }
        }
    }

    impl Drop for Inside {
        fn drop(&mut self) {
            POLLING_FOR.set(self.around);
        }
    }

    /// This thread is in `block_on` of a hub.
    #[derive(Debug)]
    pub(crate) struct Blocked {
        around: usize,
        hub: usize,
    }

    impl Blocked {
        /// `None`: it is already.
        #[inline]
        pub(crate) fn enter(hub: usize) -> Option<Self> {
            let around = INNERMOST.get();
            if around != 0 && !Self::nest(hub, around) {
                return None;
            }
            INNERMOST.set(hub);
            Some(Self { around, hub })
        }

        /// This thread polls the hub's backend, or a future that holds it: `block_on` in there could never end.
        #[inline]
        pub(crate) fn polling(hub: usize) -> Self {
            let around = INNERMOST.get();
            if around != 0 && around != hub {
                let _ = AROUND.try_with(|hubs| hubs.borrow_mut().push(around));
            }
            INNERMOST.set(hub);
            Self { around, hub }
        }

        #[cold]
        fn nest(hub: usize, around: usize) -> bool {
            // Gone in the destructors of thread-locals, where nesting is not told.
            AROUND
                .try_with(|hubs| {
                    let mut hubs = hubs.borrow_mut();
                    let fresh = hub != around && !hubs.contains(&hub);
                    if fresh {
                        hubs.push(around);
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
            if self.around != 0 && self.around != self.hub {
                let _ = AROUND.try_with(|hubs| hubs.borrow_mut().pop());
            }
        }
    }
}

#[cfg(any(not(feature = "std"), mfio_loom))]
mod imp {
    /// Without threads that have an identity, re-entry shows as the user's parker parking for good.
    #[derive(Debug)]
    pub(crate) struct Blocked(());

    impl Blocked {
        #[allow(
            clippy::unnecessary_wraps,
            reason = "the same signature as with threads"
        )]
        pub(crate) fn enter(_hub: usize) -> Option<Self> {
            Some(Self(()))
        }

        pub(crate) fn polling(_hub: usize) -> Self {
            Self(())
        }
    }

    pub(crate) fn is_inside(_hub: usize) -> bool {
        false
    }

    #[derive(Debug)]
    pub(crate) struct Inside(());

    impl Inside {
        pub(crate) fn enter(_hub: usize) -> Self {
            Self(())
        }
    }
}

pub(crate) use imp::{Blocked, Inside, is_inside};
