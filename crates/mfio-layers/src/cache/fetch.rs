//! Fetches and writes of a [`Cache`](super::Cache) that the object below has ended.

use super::set::Waiter;
use super::shared::{CacheShared, Fetch, WriteThrough};
use crate::directions::answer;
use crate::sent::{Sent, SentPool};
use alloc::sync::Arc;
use mfio::error::{Cause, ErrorKind};
use mfio::io::Write;
use mfio::packet::{AlignedBuf, Outcome, View};

impl Sent<AlignedBuf, CacheShared> for Fetch {
    #[inline]
    fn pool(shared: &CacheShared) -> &SentPool<AlignedBuf, CacheShared, Self> {
        &shared.fetches
    }

    fn ended(self, shared: Arc<CacheShared>, bytes: AlignedBuf, outcome: Outcome) {
        match prefix(&outcome) {
            Some((good, cause)) => self.settle(&shared, bytes, good, cause),
            None => self.settle_parts(&shared, bytes, &outcome),
        }
    }
}

/// Returns how many bytes from the start were read, and the cause that the others failed with;
/// `None` where that is not one cause for all of them.
fn prefix(outcome: &Outcome) -> Option<(usize, Option<Cause>)> {
    let mut failures = outcome.failures();
    match (failures.next(), failures.next()) {
        (None, _) => Some((outcome.len(), None)),
        (Some(last), None) if last.offset + last.len == outcome.len() => {
            Some((last.offset, Some(last.cause)))
        }
        _ => None,
    }
}

impl Fetch {
    /// Ends a fetch of which the first `good` bytes were read. A short block is kept only where the
    /// data ends within it.
    fn settle(self, shared: &CacheShared, bytes: AlignedBuf, good: usize, cause: Option<Cause>) {
        let keep = match cause {
            Some(cause) if cause.kind() != ErrorKind::UnexpectedEof => 0,
            _ => good,
        };
        let waiters = shared.sets[self.set]
            .lock()
            .settle(self.way, bytes, good, keep);
        shared.end(waiters, |Waiter { view, within }| {
            match cause {
                None => view.done(),
                Some(cause) => view.done_prefix(good.saturating_sub(within), cause),
            };
        });
    }

    /// Ends a fetch that failed in several ranges.
    #[cold]
    fn settle_parts(self, shared: &CacheShared, bytes: AlignedBuf, outcome: &Outcome) {
        let set = &shared.sets[self.set];
        let waiters = set.lock().withdraw(self.way);
        shared.end(waiters, |Waiter { view, within }| {
            answer(view, &bytes, within, outcome);
        });
        set.lock().release(self.way, Some(bytes));
    }
}

impl Sent<View<Write>, CacheShared> for WriteThrough {
    #[inline]
    fn pool(shared: &CacheShared) -> &SentPool<View<Write>, CacheShared, Self> {
        &shared.writes
    }

    fn ended(self, shared: Arc<CacheShared>, view: View<Write>, outcome: Outcome) {
        // Before the initiator learns of the end, and after a failure too: a failed write may have
        // changed any of its bytes.
        shared.invalidate(self.at, view.len() as u64);
        view.resolve(&outcome);
    }
}
