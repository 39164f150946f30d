//! The parts of writes to a [`Blocks`](super::Blocks) that are not aligned.

use super::modify::Source;
use super::shared::{BlocksShared, BufferedWrite, Note};
use crate::queued::Resume;
use crate::sent::SentPool;
use alloc::sync::Arc;
use mfio::error::Cause;
use mfio::io::{Address, PacketIo, Read, Write};
use mfio::packet::{AlignedBuf, Outcome, View};

impl<Io, P> BlocksShared<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Sends a write, part by part, until it must wait for a buffer.
    pub(super) fn write_parts(self: &Arc<Self>, io: &Io, at: u64, view: View<Write>) {
        let part_of = |at, view: &View<Write>| {
            let address = view.as_ptr().addr();
            self.geometry.part_of_write(at, address, view.len())
        };
        self.send_parts(io, at, view, part_of, |at, part, buffer| {
            self.modify(io, at, part.len(), part, buffer);
        });
    }
}

impl<Io, P> Resume<Write, u64, Note<Io, P>> for BlocksShared<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    fn resume(self: &Arc<Self>, at: u64, view: View<Write>, _: Note<Io, P>) {
        match self.inner.upgrade() {
            Some(io) => self.write_parts(&io, at, view),
            None => drop(view),
        }
    }
}

impl<Io, P> Source<Io, P> for View<Write>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    fn pool(
        shared: &BlocksShared<Io, P>,
    ) -> &SentPool<AlignedBuf, BlocksShared<Io, P>, BufferedWrite<P, Self>> {
        &shared.buffered_writes
    }

    fn copy_to(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self.bytes());
    }

    fn end(self, _: &Arc<BlocksShared<Io, P>>, outcome: &Outcome) {
        self.resolve(outcome);
    }

    fn fail(self, cause: Cause) {
        View::fail(self, cause);
    }
}
