//! What becomes of a write that went to all replicas.

use super::replicas::Mask;
use super::{Core, WritePolicy};
use alloc::sync::Arc;
use alloc::vec::Vec;
use mfio::error::Cause;
use mfio::io::{PacketIo, Position, Write};
use mfio::packet::{FailedRange, OnEnd, Outcome, Relay, View};

pub(super) struct Writing<Io, P: Position> {
    /// Taken out at the end, so that there is one clone for each write.
    core: Option<Arc<Core<Io, P>>>,
}

impl<Io, P: Position> Writing<Io, P> {
    #[inline]
    pub(super) fn new(core: Arc<Core<Io, P>>) -> Self {
        Self { core: Some(core) }
    }
}

impl<Io, P> OnEnd<View<Write>> for Writing<Io, P>
where
    P: Position,
    Io: PacketIo<Write, P> + Send + Sync + 'static,
{
    #[inline]
    fn on_end(mut relay: Relay<View<Write>, Self>, outcome: Outcome) {
        let Some(core) = relay.state_mut().core.take() else {
            return;
        };
        let (view, _) = core.writes.reclaim(relay);
        if outcome.is_success() {
            view.done();
        } else {
            core.judge(view, &outcome);
        }
    }
}

impl<Io, P: Position> Core<Io, P> {
    /// Ends a write that some replica failed, range by range.
    #[cold]
    fn judge(&self, view: View<Write>, outcome: &Outcome) {
        let len = view.len();
        if len == 0 {
            return view.resolve(outcome);
        }
        let mut failed: Vec<Failed> = (0..self.replicas.number())
            .map(|replica| Failed::new(outcome.part(replica * len..(replica + 1) * len)))
            .collect();
        let mut edges: Vec<usize> = failed.iter().flat_map(Failed::edges).collect();
        edges.push(len);
        edges.sort_unstable();
        edges.dedup();

        let (mut rest, mut at) = (view, 0);
        for edge in edges.into_iter().filter(|edge| *edge > 0) {
            let (range, tail) = rest.split_at(edge - at);
            let causes = failed.iter_mut().enumerate();
            let causes = causes.filter_map(|(replica, failed)| Some((replica, failed.at(at)?)));
            match self.verdict(causes) {
                Ok(()) => range.done(),
                Err(cause) => range.fail(cause),
            }
            (rest, at) = (tail, edge);
        }
    }

    /// What becomes of a range, by the replicas that failed it. Marks those that have missed it.
    fn verdict(&self, causes: impl Iterator<Item = (usize, Cause)>) -> Result<(), Cause> {
        let mut failed: Mask = 0;
        let mut first = None;
        for (replica, cause) in causes {
            failed |= 1 << replica;
            first = first.or(Some(cause));
        }
        let Some(cause) = first else {
            return Ok(());
        };
        let written = self.replicas.mark(failed) != 0;
        match self.policy {
            WritePolicy::Any if written => Ok(()),
            WritePolicy::Any | WritePolicy::All => Err(cause),
        }
    }
}

/// What one replica failed, asked for by rising offsets.
struct Failed {
    ranges: Vec<FailedRange>,
    next: usize,
}

impl Failed {
    fn new(outcome: Outcome) -> Self {
        Self {
            ranges: outcome.failures().collect(),
            next: 0,
        }
    }

    fn edges(&self) -> impl Iterator<Item = usize> + '_ {
        self.ranges
            .iter()
            .flat_map(|range| [range.offset, range.offset + range.len])
    }

    /// Why the byte at `offset` failed, if it did.
    fn at(&mut self, offset: usize) -> Option<Cause> {
        while self
            .ranges
            .get(self.next)
            .is_some_and(|range| range.offset + range.len <= offset)
        {
            self.next += 1;
        }
        let range = self.ranges.get(self.next)?;
        (range.offset <= offset).then_some(range.cause)
    }
}
