//! The parker of a call. Consecutive calls on a thread reuse one parker; nested calls make their
//! own.
//!
//! A call takes a parker and its waker out of the thread's cache and puts them back at its end,
//! unless clones of the waker are left. So a call that leaves no waker behind allocates nothing,
//! and a late wake of an earlier call reaches no later one.

use super::park_handle::ParkHandle;
#[cfg(feature = "std")]
use super::parker::thread;
use super::parker::{Handle, Parker};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::marker::PhantomData;
use core::ops::Deref;
use core::task::Waker;

/// A parker on lease for one call, with the waker of the call's future.
#[derive(Debug)]
pub(crate) struct Lease {
    /// `Some` until the drop. Boxed, so that a cache access moves one word.
    pair: Option<Box<Pair>>,
    #[cfg(feature = "std")]
    cached: bool,
    /// Not `Send`: it parks the thread that made it, and returns to the cache of that thread.
    _stays: PhantomData<*const ()>,
}

#[derive(Debug)]
struct Pair {
    parker: Arc<Parker>,
    waker: Waker,
}

impl Pair {
    fn new(parker: Parker) -> Box<Self> {
        let parker = Arc::new(parker);
        Box::new(Self {
            waker: Waker::from(parker.clone()),
            parker,
        })
    }
}

impl Lease {
    /// Makes a parker on the user's handle.
    pub(crate) fn with_handle<P>(handle: Arc<P>) -> Self
    where
        P: ParkHandle + Send + Sync + 'static,
    {
        Self {
            pair: Some(Pair::new(Parker::new(Handle::User(handle)))),
            #[cfg(feature = "std")]
            cached: false,
            _stays: PhantomData,
        }
    }

    /// Returns the waker of the call's future.
    pub(crate) fn waker(&self) -> &Waker {
        &self.pair().waker
    }

    fn pair(&self) -> &Pair {
        match &self.pair {
            Some(pair) => pair,
            None => unreachable!("the parker is taken out only when the lease is dropped"),
        }
    }
}

impl Deref for Lease {
    type Target = Arc<Parker>;

    fn deref(&self) -> &Arc<Parker> {
        &self.pair().parker
    }
}

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        let Some(pair) = self.pair.take() else { return };
        pair.parker.reset();
        #[cfg(feature = "std")]
        if self.cached && Arc::strong_count(&pair.parker) == 2 {
            // Held by the pair and its waker only.
            cache::put(pair);
        }
    }
}

#[cfg(feature = "std")]
impl Lease {
    /// Takes the calling thread's cached parker, or makes one where calls are nested or left wakers
    /// behind.
    #[inline]
    pub(crate) fn of_this_thread() -> Self {
        let new = || Pair::new(Parker::new(Handle::Thread(thread::current())));
        let pair = cache::take().unwrap_or_else(new);
        Self {
            pair: Some(pair),
            cached: true,
            _stays: PhantomData,
        }
    }
}

#[cfg(all(feature = "std", not(mfio_loom)))]
mod cache {
    use super::{Box, Pair};
    use std::cell::Cell;

    std::thread_local! {
        static PAIR: Cell<Option<Box<Pair>>> = const { Cell::new(None) };
    }

    /// Returns `None` when the parker is in use, and while the thread's locals are being destroyed.
    pub(super) fn take() -> Option<Box<Pair>> {
        PAIR.try_with(Cell::take).ok().flatten()
    }

    pub(super) fn put(pair: Box<Pair>) {
        // While the locals are being destroyed, the pair is dropped instead.
        let _ = PAIR.try_with(|cell| drop(cell.replace(Some(pair))));
    }
}

/// No cache: loom's types live for one run of a model.
#[cfg(all(feature = "std", mfio_loom))]
mod cache {
    use super::{Box, Pair};

    pub(super) fn take() -> Option<Box<Pair>> {
        None
    }

    pub(super) fn put(pair: Box<Pair>) {
        drop(pair);
    }
}
