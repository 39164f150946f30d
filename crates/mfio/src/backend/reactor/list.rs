//! [`Reactors`]: the list of a backend's watches.
//!
//! The list changes only with the first and the last task of a reactor, so it is copied then, and a
//! snapshot of it is a clone of one pointer. The tasks of a watch have a lock of their own.

use super::watch::Watch;
use crate::backend::waiters::Waiters;
use crate::lock::Lock;
use crate::sync::atomic::Ordering;
use alloc::sync::Arc;

/// The watches at some moment.
#[derive(Clone, Default)]
pub(super) struct Watches(Option<Arc<[Arc<Watch>]>>);

impl Watches {
    pub(super) fn iter(&self) -> core::slice::Iter<'_, Arc<Watch>> {
        self.0.as_deref().unwrap_or_default().iter()
    }
}

/// The reactors that watch the handle of a backend.
pub(crate) struct Reactors(Lock<WatchList>);

#[derive(Default)]
struct WatchList {
    watches: Watches,
    /// The number of watches that were ever inserted: a party that saw another number has not seen
    /// all (R5).
    inserted: usize,
}

impl Reactors {
    pub(in crate::backend) fn new() -> Self {
        Self(Lock::new(WatchList::default()))
    }

    /// Returns the watches, and the number that [`insert`](Self::insert) needs to know which ones
    /// the caller has seen.
    pub(super) fn snapshot(&self) -> (Watches, usize) {
        let list = self.0.lock();
        (list.watches.clone(), list.inserted)
    }

    /// Adds a watch, unless others were added since the snapshot: one of them may suit the task
    /// that made it (R5). Returns whether it was added.
    pub(super) fn insert(&self, watch: &Arc<Watch>, seen: usize) -> bool {
        let mut list = self.0.lock();
        if list.inserted != seen {
            return false;
        }
        list.inserted = list.inserted.wrapping_add(1);
        let watches = list.watches.iter().chain([watch]).cloned().collect();
        let before = core::mem::replace(&mut list.watches, Watches(Some(watches)));
        drop(list);
        drop(before);
        true
    }

    /// Removes a watch that has ended. Returns the list before, which is to be dropped where a
    /// panic is contained.
    pub(super) fn remove(&self, watch: &Arc<Watch>) -> Watches {
        let mut list = self.0.lock();
        let others = list
            .watches
            .iter()
            .filter(|other| !Arc::ptr_eq(other, watch));
        let others: Arc<[_]> = others.cloned().collect();
        let others = (!others.is_empty()).then_some(others);
        core::mem::replace(&mut list.watches, Watches(others))
    }

    /// Wakes all tasks that wait at reactors: the backend is dead.
    pub(in crate::backend) fn wake_tasks(&self) {
        self.snapshot()
            .0
            .iter()
            .for_each(|watch| watch.wake_tasks());
    }

    /// Arms the watches whose arming was deferred (R4), or whose interests have changed. Called
    /// after each unlock.
    #[inline]
    pub(in crate::backend) fn rearm(&self, waiters: &Waiters, interests_may_change: bool) {
        if waiters.rearms_pending.load(Ordering::Acquire) != 0 || interests_may_change {
            self.rearm_due(waiters);
        }
    }

    fn rearm_due(&self, waiters: &Waiters) {
        let mut ready = false;
        for watch in self.snapshot().0.iter() {
            ready |= watch.rearm(waiters);
        }
        if ready {
            waiters.signal();
        }
    }

    /// Drives for a signal that was left with a watch which could not be armed.
    pub(in crate::backend) fn drive_undelivered(&self, waiters: &Waiters) {
        #[cfg(feature = "std")]
        if std::thread::panicking() {
            // The next driver sees the signal.
            return;
        }
        if waiters.has_undelivered_signal()
            && let Some(watch) = self.snapshot().0.iter().last()
        {
            watch.drive_if_signalled();
        }
    }
}
