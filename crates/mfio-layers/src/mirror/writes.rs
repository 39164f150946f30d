//! Writes of a [`Mirror`](super::Mirror), which go to all replicas, and their results.

use super::replicas::Mask;
use super::shared::{MirrorShared, ReplicatedWrite, WritePolicy};
use crate::directions::is_stream;
use crate::identity::strictest;
use crate::order::{Entry, Number};
use crate::queued::{QueuedRequest, Resume};
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroUsize;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{IoObject, Operation, PacketIo, Position, Write};
use mfio::packet::{FailedRange, Outcome, View};

impl<Io, P> MirrorShared<Io, P>
where
    P: Position,
    Io: PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Sends a write, or queues it until the earlier ones that overlap it have ended.
    #[inline]
    pub(super) fn write(self: &Arc<Self>, objects: &[Io], pos: P, view: View<Write>) {
        let Some((first, last)) = self.range(objects, pos, view.len()) else {
            return self.send(objects, pos, view, None);
        };
        if let Some(number) = self.order.alone(first, last) {
            return self.send(objects, pos, view, Some(number));
        }
        let mut order = self.order.enter();
        match order.enter(first, last) {
            Entry::Begins(number) => {
                drop(order);
                self.send(objects, pos, view, Some(number));
            }
            Entry::Waits(number) => order.queue(number, QueuedRequest::new(pos, view, number)),
            Entry::Refused => {
                drop(order);
                view.fail(ErrorKind::LimitReached);
            }
        }
    }

    #[inline]
    fn send(self: &Arc<Self>, objects: &[Io], pos: P, view: View<Write>, number: Option<Number>) {
        let copies = NonZeroUsize::new(objects.len()).unwrap_or(NonZeroUsize::MIN);
        let relay = sent::relay(self, view, ReplicatedWrite { number });
        for (replica, copy) in objects.iter().zip(relay.start_copies(copies)) {
            replica.send_io(pos, copy);
        }
    }
}

impl<Io, P> Resume<Write, P, Number> for MirrorShared<Io, P>
where
    P: Position,
    Io: PacketIo<Write, P> + Send + Sync + 'static,
{
    fn resume(self: &Arc<Self>, pos: P, view: View<Write>, number: Number) {
        match self.objects.upgrade() {
            Some(objects) => self.send(&objects, pos, view, Some(number)),
            // The layer is dropped.
            None => self.order.give_up(number, None),
        }
    }
}

impl<Io: IoObject, P: Position> MirrorShared<Io, P> {
    /// Returns the first and the last byte of a write, by which it is ordered: everything where the
    /// position does not say where bytes go. `None` where it needs no order.
    #[inline]
    fn range(&self, objects: &[Io], pos: P, len: usize) -> Option<(u64, u64)> {
        if objects.len() == 1 || len == 0 {
            return None;
        }
        if self.writes_in_order(objects) {
            return Some((0, u64::MAX));
        }
        let range = |first: u64| (first, first.saturating_add(len as u64 - 1));
        Some(pos.offset().map_or((0, u64::MAX), range))
    }

    /// Whether all writes must follow each other.
    #[inline]
    pub(super) fn writes_in_order(&self, objects: &[Io]) -> bool {
        let alignment = || strictest(objects.iter(), Operation::Write);
        P::SEQUENTIAL || self.writes_in_order.get(|| is_stream::<P>(alignment()))
    }
}

impl<Io, P> Sent<View<Write>, MirrorShared<Io, P>> for ReplicatedWrite
where
    P: Position,
    Io: PacketIo<Write, P> + Send + Sync + 'static,
{
    #[inline]
    fn pool(shared: &MirrorShared<Io, P>) -> &SentPool<View<Write>, MirrorShared<Io, P>, Self> {
        &shared.writes
    }

    #[inline]
    fn ended(self, shared: Arc<MirrorShared<Io, P>>, view: View<Write>, outcome: Outcome) {
        // Before the initiator learns of the end, and may write there again.
        let starts = self
            .number
            .is_some_and(|number| shared.order.finish(number));
        if outcome.is_success() {
            view.done();
        } else {
            shared.end_ranges(view, &outcome);
        }
        if starts {
            shared.start_ready();
        }
    }
}

impl<Io, P: Position> MirrorShared<Io, P> {
    /// Sends the writes that are ready.
    #[cold]
    pub(super) fn start_ready(self: &Arc<Self>) {
        self.order.start_ready(|number, request| match request {
            Some(request) => request.resume(self),
            // The layer is dropped, and its queue with it.
            None => self.order.give_up(number, None),
        });
    }

    /// Ends a write that some replica failed, range by range.
    #[cold]
    fn end_ranges(&self, view: View<Write>, outcome: &Outcome) {
        let len = view.len();
        if len == 0 {
            return view.resolve(outcome);
        }
        let mut failed: Vec<Failures> = (0..self.replicas.number())
            .map(|replica| Failures::new(outcome.part(replica * len..(replica + 1) * len)))
            .collect();
        let mut edges: Vec<usize> = failed.iter().flat_map(Failures::edges).collect();
        edges.push(len);
        edges.sort_unstable();
        edges.dedup();

        let (mut rest, mut at) = (view, 0);
        for edge in edges.into_iter().filter(|edge| *edge > 0) {
            let (range, tail) = rest.split_at(edge - at);
            let causes = failed.iter_mut().enumerate();
            let causes = causes.filter_map(|(replica, failed)| Some((replica, failed.at(at)?)));
            match self.range_result(causes) {
                Ok(()) => range.done(),
                Err(cause) => range.fail(cause),
            }
            (rest, at) = (tail, edge);
        }
    }

    /// Decides the result of a range by the replicas that failed it, and marks those as stale.
    fn range_result(&self, causes: impl Iterator<Item = (usize, Cause)>) -> Result<(), Cause> {
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

/// The ranges that one replica failed, asked for by rising offsets.
struct Failures {
    ranges: Vec<FailedRange>,
    next: usize,
}

impl Failures {
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

    /// Returns the cause that the byte at `offset` failed with, if it did.
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
