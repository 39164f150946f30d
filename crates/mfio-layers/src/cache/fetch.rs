//! What a [`Cache`](super::Cache) does when the object below has answered.

use super::Core;
use super::set::Waiting;
use crate::directions::answer;
use alloc::sync::Arc;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Read, Write};
use mfio::packet::{AlignedBuf, OnEnd, Outcome, Relay, View};

/// A block on its way.
pub(super) struct Fetch {
    pub(super) core: Arc<Core>,
    pub(super) set: usize,
    pub(super) way: usize,
}

impl OnEnd<AlignedBuf> for Fetch {
    fn on_end(relay: Relay<AlignedBuf, Self>, outcome: Outcome) {
        let core = relay.state().core.clone();
        let (bytes, fetch) = core.fetches.reclaim(relay);
        match prefix(&outcome) {
            Some((good, cause)) => fetch.settle(bytes, good, cause),
            None => fetch.settle_parts(bytes, &outcome),
        }
    }
}

/// How many bytes from the start were read, and why not the others, where there is one reason for all of them.
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
    /// Only what is as it is because the data ends is kept of a block that was not read whole.
    fn settle(self, bytes: AlignedBuf, good: usize, cause: Option<Cause>) {
        let keep = match cause {
            Some(cause) if cause.kind() != ErrorKind::UnexpectedEof => 0,
            _ => good,
        };
        let settled = self.core.sets[self.set]
            .lock()
            .settle(self.way, bytes, good, keep);
        self.core.end(settled, |Waiting { view, within }| {
            match cause {
                None => view.done(),
                Some(cause) => view.done_prefix(good.saturating_sub(within), cause),
            };
        });
    }

    /// A block with failures here and there.
    #[cold]
    fn settle_parts(self, bytes: AlignedBuf, outcome: &Outcome) {
        let set = &self.core.sets[self.set];
        let waiting = set.lock().withdraw(self.way);
        self.core.end(waiting, |Waiting { view, within }| {
            answer(view, &bytes, within, outcome);
        });
        set.lock().release(self.way, Some(bytes));
    }
}

/// A read that goes around the cache, in memory that suits the object below.
pub(super) struct Detour {
    pub(super) view: View<Read>,
    /// Where in that memory its bytes begin.
    pub(super) within: usize,
}

impl OnEnd<AlignedBuf> for Detour {
    fn on_end(relay: Relay<AlignedBuf, Self>, outcome: Outcome) {
        let (bytes, Self { view, within }) = relay.into_parts();
        answer(view, &bytes, within, &outcome);
    }
}

/// A write on its way.
pub(super) struct Through {
    /// Taken out at the end, so that there is one clone for each write.
    pub(super) core: Option<Arc<Core>>,
    pub(super) at: u64,
}

impl OnEnd<View<Write>> for Through {
    fn on_end(mut relay: Relay<View<Write>, Self>, outcome: Outcome) {
        let Some(core) = relay.state_mut().core.take() else {
            return;
        };
        let (view, Self { at, .. }) = core.writes.reclaim(relay);
        // Before the initiator learns of it, and even if it failed: how far it came is not known.
        core.invalidate(at, view.len() as u64);
        view.resolve(&outcome);
    }
}
