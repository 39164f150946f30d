//! Writes, which go to all replicas, and what becomes of them.

use super::order::{Entry, Number};
use super::replicas::Mask;
use super::{Core, WritePolicy};
use crate::directions::is_stream;
use crate::identity::strictest;
use crate::steps::{OnPanic, Steps};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroUsize;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{PacketIo, Position, Write};
use mfio::packet::{FailedRange, OnEnd, Outcome, Relay, View};

pub(super) struct Writing<Io, P: Position> {
    /// Taken out at the end, so that there is one clone for each write.
    core: Option<Arc<Core<Io, P>>>,
    /// Its place in the order; `None` where it needs none.
    number: Option<Number>,
}

/// A write that waits for others to end.
pub(super) struct Parked<P> {
    pos: P,
    pub(super) view: View<Write>,
}

impl<Io, P> Core<Io, P>
where
    P: Position,
    Io: PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Sends a write, or keeps it until those have ended that came before and overlap it.
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
            Entry::Waits(number) => order.park(number, Parked { pos, view }),
            Entry::Refused => {
                drop(order);
                view.fail(ErrorKind::LimitReached);
            }
        }
    }

    /// The first and the last byte of a write, which is to be ordered by that: everything where positions do not say where
    /// bytes go. `None` where there is nothing to order.
    #[inline]
    fn range(&self, objects: &[Io], pos: P, len: usize) -> Option<(u64, u64)> {
        if objects.len() == 1 || len == 0 {
            return None;
        }
        let alignment = || strictest::<Write, P, Io>(objects.iter());
        if P::SEQUENTIAL || self.writes_in_order.get(|| is_stream::<P>(alignment())) {
            return Some((0, u64::MAX));
        }
        let range = |first: u64| (first, first.saturating_add(len as u64 - 1));
        Some(pos.offset().map_or((0, u64::MAX), range))
    }

    #[inline]
    fn send(self: &Arc<Self>, objects: &[Io], pos: P, view: View<Write>, number: Option<Number>) {
        let writing = Writing {
            core: Some(self.clone()),
            number,
        };
        let copies = NonZeroUsize::new(objects.len()).unwrap_or(NonZeroUsize::MIN);
        let relay = self.writes.relay(view, writing);
        for (replica, copy) in objects.iter().zip(relay.send_copies(copies)) {
            replica.send_io(pos, copy);
        }
    }

    /// Begins the writes that need not wait any more. One at a time does so, and loops: what ends at once finds it at work
    /// and leaves the rest to it, so that calls do not nest.
    #[cold]
    fn start_ready(self: &Arc<Self>) {
        if !self.order.order().begin_starting() {
            return;
        }
        let left = OnPanic(|| while self.give_up_next() {});
        let mut steps = Steps::default();
        loop {
            // The lock is released at the end of this line.
            let next = self.order.order().next();
            let Some((number, parked)) = next else {
                break;
            };
            steps.run(|| match (parked, self.objects.upgrade()) {
                (Some(Parked { pos, view }), Some(objects)) => {
                    self.send(&objects, pos, view, Some(number));
                }
                // The layer goes, and takes what waits along.
                (parked, _) => self.give_up(number, parked),
            });
        }
        core::mem::forget(left);
        steps.over();
    }

    fn give_up_next(&self) -> bool {
        // The lock is released at the end of this line.
        let next = self.order.order().next();
        let found = next.is_some();
        if let Some((number, parked)) = next {
            self.give_up(number, parked);
        }
        found
    }

    /// Fails a write that was not sent, within the loop that begins what that lets go on.
    fn give_up(&self, number: Number, parked: Option<Parked<P>>) {
        let starts = self.order.finish(number);
        debug_assert!(!starts, "this is the loop");
        drop(parked);
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
        let (view, Self { number, .. }) = core.writes.reclaim(relay);
        // Before the initiator can write there again.
        let starts = number.is_some_and(|number| core.order.finish(number));
        if outcome.is_success() {
            view.done();
        } else {
            core.judge(view, &outcome);
        }
        if starts {
            core.start_ready();
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
