//! The parker of a call. Calls on a thread use the same one again, one after the other; nested ones make their own.
//!
//! A parker and its waker are taken out of the thread's cache for the call and put back at its end, and only if nobody
//! else holds them by then. So a call of which no waker is left allocates nothing, and a late wake of an earlier call
//! reaches nobody.

use super::Parker;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::marker::PhantomData;
use core::ops::Deref;
use core::task::Waker;

/// A parker for the time of one call, with the waker of the call's future.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Always there until the drop. Boxed: a cache access then moves one word.
    pair: Option<Box<Pair>>,
    #[cfg(feature = "std")]
    cached: bool,
    /// It parks the thread that made it, and goes back to that one's cache.
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
    pub(super) fn new(parker: Parker) -> Self {
        Self {
            pair: Some(Pair::new(parker)),
            #[cfg(feature = "std")]
            cached: false,
            _stays: PhantomData,
        }
    }

    /// The waker of the call's future.
    pub(crate) fn waker(&self) -> &Waker {
        &self.pair().waker
    }

    fn pair(&self) -> &Pair {
        match &self.pair {
            Some(pair) => pair,
            None => unreachable!("a lease gives its parker up only when it is dropped"),
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
            // Ours and our waker's.
            cache::put(pair);
        }
    }
}

#[cfg(feature = "std")]
impl Lease {
    /// The thread's own parker, or a new one where that is in use.
    #[inline]
    pub(super) fn of_this_thread(new: impl FnOnce() -> Parker) -> Self {
        let pair = cache::take().unwrap_or_else(|| Pair::new(new()));
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

    /// Nothing, too, while the thread's locals are being destroyed.
    pub(super) fn take() -> Option<Box<Pair>> {
        PAIR.try_with(Cell::take).ok().flatten()
    }

    pub(super) fn put(pair: Box<Pair>) {
        // What cannot be kept is dropped.
        let _ = PAIR.try_with(|cell| drop(cell.replace(Some(pair))));
    }
}

/// Loom's types live for one run of a model.
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
