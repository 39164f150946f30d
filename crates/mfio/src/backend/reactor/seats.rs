//! Which reactors watch the handle, and for which tasks.
//!
//! The list of watches is under the hub's lock. It changes only with the first and the last task of
//! a reactor, so it is copied then, and a look at it is a clone of one pointer. The tasks of a
//! watch are under a lock of its own.

use super::Watch;
use crate::backend::tasks::Tasks;
use alloc::sync::Arc;

/// The watches at some moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches(Option<Arc<[Arc<Watch>]>>);

impl Watches {
    pub(crate) fn iter(&self) -> core::slice::Iter<'_, Arc<Watch>> {
        self.0.as_deref().unwrap_or_default().iter()
    }

    pub(crate) fn last(&self) -> Option<&Arc<Watch>> {
        self.iter().last()
    }
}

#[derive(Debug, Default)]
pub(crate) struct ReactorSeats {
    watches: Watches,
    /// How many watches were ever inserted: who saw another number has not seen all (R5).
    inserted: usize,
}

impl ReactorSeats {
    pub(crate) fn is_empty(&self) -> bool {
        self.watches.0.is_none()
    }

    /// The watches, and what [`insert`](Self::insert) wants to know about this look at them.
    pub(in crate::backend) fn look(&self) -> (Watches, usize) {
        (self.watches.clone(), self.inserted)
    }

    /// Adds a watch, unless others were added since the look: one of them may suit the task that
    /// made it (R5).
    ///
    /// Returns the list before, which is to be dropped outside the lock; `Err`: nothing was added.
    pub(super) fn insert(&mut self, watch: &Arc<Watch>, seen: usize) -> Result<Watches, ()> {
        if self.inserted != seen {
            return Err(());
        }
        self.inserted = self.inserted.wrapping_add(1);
        let watches = self.watches.iter().chain([watch]).cloned().collect();
        Ok(core::mem::replace(
            &mut self.watches,
            Watches(Some(watches)),
        ))
    }

    /// Removes a watch that has ended. Returns the list before, which is to be dropped outside the
    /// lock.
    pub(super) fn remove(&mut self, watch: &Arc<Watch>) -> Watches {
        let others = self
            .watches
            .iter()
            .filter(|other| !Arc::ptr_eq(other, watch));
        let others: Arc<[_]> = others.cloned().collect();
        let others = (!others.is_empty()).then_some(others);
        core::mem::replace(&mut self.watches, Watches(others))
    }
}

/// The tasks of a watch. Their wakers are woken only to report that the reactor failed or the
/// backend died.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) tasks: Tasks,
    /// The last task has left: nobody joins any more, and the watch leaves the list.
    ended: bool,
}

impl Members {
    /// Adds a task, and returns its number, if the watch has not ended meanwhile.
    pub(super) fn join(&mut self) -> Option<usize> {
        (!self.ended).then(|| self.tasks.join())
    }

    /// Returns whether that was the last task, so that the watch has ended now.
    #[must_use]
    pub(super) fn end(&mut self) -> bool {
        let last = !self.ended && self.tasks.is_empty();
        self.ended |= last;
        last
    }
}
