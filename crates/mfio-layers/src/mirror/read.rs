//! Reads of a [`Mirror`](super::Mirror): from one replica, and the ranges that it failed from the
//! next one.

use super::shared::{MirrorShared, ReplicaRead};
use crate::alignment;
use crate::identity::strictest;
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Alignment, Operation, PacketIo, Position, Read};
use mfio::packet::{AlignedBuf, OnEnd, Outcome, Relay, View};

impl<Io, P> Sent<View<Read>, MirrorShared<Io, P>> for ReplicaRead<P>
where
    P: Position,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    #[inline]
    fn pool(shared: &MirrorShared<Io, P>) -> &SentPool<View<Read>, MirrorShared<Io, P>, Self> {
        &shared.reads
    }

    #[inline]
    fn ended(self, shared: Arc<MirrorShared<Io, P>>, view: View<Read>, outcome: Outcome) {
        if outcome.is_success() {
            return view.done();
        }
        let objects = shared.objects.upgrade();
        let alignment = objects.map(|objects| strictest(objects.iter(), Operation::Read));
        // Where the data of a replica ends within a block, the bytes before its end are good.
        let again = |cause: Cause| self.left > 0 && cause.kind() != ErrorKind::UnexpectedEof;
        let alignment = alignment.unwrap_or_default();
        alignment::each_part(
            view,
            &outcome,
            alignment,
            again,
            |part, at, result| match result {
                Ok(()) => part.done(),
                Err(cause) => self.read_from_next(&shared, at, part, cause),
            },
        );
    }
}

impl<P: Position> ReplicaRead<P> {
    #[inline]
    pub(super) fn send<Io>(
        self,
        shared: &Arc<MirrorShared<Io, P>>,
        objects: &[Io],
        view: View<Read>,
    ) where
        Io: PacketIo<Read, P> + Send + Sync + 'static,
    {
        let (pos, replica) = (self.pos, self.replica);
        let relay = sent::relay(shared, view, self);
        objects[replica].send_io(pos, relay.start());
    }

    /// Reads a failed range from the next replica, if there is one. Calls nest no deeper than there
    /// are replicas.
    #[cold]
    fn read_from_next<Io>(
        &self,
        shared: &Arc<MirrorShared<Io, P>>,
        offset: usize,
        view: View<Read>,
        cause: Cause,
    ) where
        Io: PacketIo<Read, P> + Send + Sync + 'static,
    {
        let cause = self.cause.unwrap_or(cause);
        let next = shared.replicas.after(self.replica, self.left);
        let pos = self.pos.advance(offset);
        let (Some((replica, left)), Some(pos), false) = (next, pos, view.is_abandoned()) else {
            return view.fail(cause);
        };
        let Some(objects) = shared.objects.upgrade() else {
            return view.fail(cause);
        };
        let next = Self {
            pos,
            replica,
            left,
            cause: Some(cause),
        };
        next.send_aligned(shared, &objects, (self.pos, offset), view);
    }

    /// Sends a part of a request, `offset` bytes behind its `start`: as it is, or the blocks around
    /// it where the replica would refuse that.
    fn send_aligned<Io>(
        mut self,
        shared: &Arc<MirrorShared<Io, P>>,
        objects: &[Io],
        (start, offset): (P, usize),
        mut view: View<Read>,
    ) where
        Io: PacketIo<Read, P> + Send + Sync + 'static,
    {
        let alignment = objects[self.replica].alignment(Operation::Read);
        // A request that the first replica refused is refused by this one too.
        let refused = self
            .cause
            .is_some_and(|cause| cause.kind() == ErrorKind::InvalidInput);
        if refused || is_aligned(self.pos, &mut view, alignment) {
            return self.send(shared, objects, view);
        }
        let number = self.pos.offset();
        let within = number.map_or(0, |number| alignment.excess(number));
        match offset
            .checked_sub(within)
            .and_then(|offset| start.advance(offset))
        {
            Some(pos) => {
                self.pos = pos;
                self.bounce(shared, objects, view, within, alignment);
            }
            None => self.send(shared, objects, view),
        }
    }

    /// Reads the blocks that hold the bytes of `view`, which begin `within` bytes behind the
    /// position, into a bounce buffer.
    fn bounce<Io>(
        self,
        shared: &Arc<MirrorShared<Io, P>>,
        objects: &[Io],
        view: View<Read>,
        within: usize,
        alignment: Alignment,
    ) where
        Io: PacketIo<Read, P> + Send + Sync + 'static,
    {
        let len = alignment.round_up(within + view.len());
        match AlignedBuf::try_with_alignment(len, alignment.memory()) {
            Ok(memory) => {
                let (pos, replica) = (self.pos, self.replica);
                let bounce = BouncedReplicaRead {
                    shared: shared.clone(),
                    read: self,
                    view,
                    within,
                };
                let relay = Relay::new(memory, bounce);
                objects[replica].send_io(pos, relay.start_prefix(len));
            }
            Err(cause) => view.fail(self.cause.unwrap_or(cause)),
        }
    }
}

/// Whether an object with this alignment takes a part of a request as it is.
fn is_aligned<P: Position>(pos: P, view: &mut View<Read>, alignment: Alignment) -> bool {
    let start = pos.offset().unwrap_or_default();
    alignment.excess(start) == 0
        && alignment.round_down(view.len()) == view.len()
        && view
            .bytes_mut()
            .as_ptr()
            .addr()
            .is_multiple_of(alignment.memory())
}

/// A read that is under way into a bounce buffer.
struct BouncedReplicaRead<Io, P: Position> {
    shared: Arc<MirrorShared<Io, P>>,
    read: ReplicaRead<P>,
    view: View<Read>,
    /// The offset of its bytes in the buffer.
    within: usize,
}

impl<Io, P> OnEnd<AlignedBuf> for BouncedReplicaRead<Io, P>
where
    P: Position,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    fn on_end(relay: Relay<AlignedBuf, Self>, outcome: Outcome) {
        let (bytes, bounce) = relay.into_parts();
        let Self {
            shared,
            read,
            view,
            within,
        } = bounce;
        let outcome = outcome.part(within..within + view.len());
        let start = view.offset();
        for (mut part, result) in view.parts(&outcome) {
            let at = within + part.offset() - start;
            match result {
                Ok(()) => {
                    let len = part.len();
                    part.bytes_mut().copy_from_slice(&bytes[at..at + len]);
                    part.done();
                }
                Err(cause) => read.read_from_next(&shared, at, part, cause),
            }
        }
    }
}
