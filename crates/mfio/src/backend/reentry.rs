//! `block_on` within `block_on` of the same backend on the same thread, told by the thread's identity.

#[cfg(all(feature = "std", not(mfio_loom)))]
mod imp {
    use core::cell::RefCell;

    thread_local! {
        /// The hubs that a `block_on` of this thread waits for, innermost last.
        static BLOCKED_ON: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    /// This thread is in `block_on` of a hub.
    #[derive(Debug)]
    pub(crate) struct Blocked(());

    impl Blocked {
        /// `None`: it is already.
        pub(crate) fn enter(hub: usize) -> Option<Self> {
            BLOCKED_ON.with_borrow_mut(|hubs| {
                if hubs.contains(&hub) {
                    return None;
                }
                hubs.push(hub);
                Some(Self(()))
            })
        }
    }

    impl Drop for Blocked {
        fn drop(&mut self) {
            BLOCKED_ON.with_borrow_mut(Vec::pop);
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
