//! The reads of a [`Blocks`](super::Blocks) that are not aligned.

use super::shared::{BlocksShared, BufferedRead, Note, QueuedZeroes, send};
use crate::directions::{answer, is_unwanted};
use crate::queued::Resume;
use crate::route::addressable;
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, PacketIo, Read};
use mfio::packet::{AlignedBuf, Outcome, View};

impl<Io, P> BlocksShared<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    /// Sends a read, part by part, until it must wait for a buffer.
    pub(super) fn read(self: &Arc<Self>, io: &Io, at: u64, view: View<Read>) {
        if view.is_empty() {
            return view.done();
        }
        let part_of = |at, view: &View<Read>| {
            let address = view.as_mut_ptr().addr();
            self.geometry.part_of_read(at, address, view.len())
        };
        self.send_parts(io, at, view, part_of, |at, part, buffer| {
            self.read_blocks(io, at, part, buffer);
        });
    }

    /// Reads the blocks that have the bytes of `view`, which fit a buffer.
    fn read_blocks(self: &Arc<Self>, io: &Io, at: u64, view: View<Read>, buffer: AlignedBuf) {
        let within = self.geometry.within(at);
        let start = self.geometry.start(at);
        let len = self.geometry.round_up(within + view.len());
        let relay = sent::relay(self, buffer, BufferedRead { view, within });
        let blocks = relay.start_prefix(addressable::<P>(start, len));
        send::<Read, P, Io>(io, start, blocks);
    }
}

impl<Io, P> Resume<Read, u64, Note<Io, P>> for BlocksShared<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + Send + Sync + 'static,
{
    /// Continues a read, or a range that is set to zero.
    fn resume(self: &Arc<Self>, at: u64, view: View<Read>, note: Note<Io, P>) {
        match (self.inner.upgrade(), note) {
            (Some(io), Some(QueuedZeroes { zeroes, resume })) => resume(self, &io, zeroes, view),
            (Some(_), None) if is_unwanted(&view) => view.fail(Cause::new(ErrorKind::Cancelled)),
            (Some(io), None) => self.read(&io, at, view),
            (None, _) => drop(view),
        }
    }
}

impl<Io, P> Sent<AlignedBuf, BlocksShared<Io, P>> for BufferedRead
where
    P: Address,
    Io: Send + Sync + 'static,
{
    #[inline]
    fn pool(shared: &BlocksShared<Io, P>) -> &SentPool<AlignedBuf, BlocksShared<Io, P>, Self> {
        &shared.buffered_reads
    }

    fn ended(self, shared: Arc<BlocksShared<Io, P>>, buffer: AlignedBuf, outcome: Outcome) {
        answer(self.view, &buffer, self.within, &outcome);
        shared.give_back(Some(buffer));
    }
}
