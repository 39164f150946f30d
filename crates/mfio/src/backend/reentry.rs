//! `block_on` within `block_on` of the same backend on the same thread, told by the thread's identity.

#[cfg(all(feature = "std", not(mfio_loom)))]
mod imp {
    use core::cell::{Cell, RefCell};

    thread_local! {
        /// The hub that the innermost `block_on` of this thread waits for; 0: there is none.
        static INNERMOST: Cell<usize> = const { Cell::new(0) };
        /// The hubs of the calls around it, outermost first. Hardly ever used.
        static AROUND: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    /// This thread is in `block_on` of a hub.
    #[derive(Debug)]
    pub(crate) struct Blocked {
        around: usize,
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
            Some(Self { around })
        }

        #[cold]
        fn nest(hub: usize, around: usize) -> bool {
            AROUND.with_borrow_mut(|hubs| {
                let fresh = hub != around && !hubs.contains(&hub);
                if fresh {
                    hubs.push(around);
                }
                fresh
            })
        }
    }

    impl Drop for Blocked {
        #[inline]
        fn drop(&mut self) {
            INNERMOST.set(self.around);
            if self.around != 0 {
                AROUND.with_borrow_mut(Vec::pop);
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
    }
}

pub(crate) use imp::Blocked;
