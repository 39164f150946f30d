//! Read-modify-write of blocks in a buffer.

use super::shared::{BlocksShared, BufferedWrite};
use crate::alignment::{end_of_data, needed_failure};
use crate::route::addressable;
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, PacketIo, Read, Write};
use mfio::packet::{AlignedBuf, Outcome};

/// The new bytes of blocks, and the request that they belong to.
pub(super) trait Source<Io, P>: Send + Sized + 'static {
    /// Returns the pool that keeps idle blocks of such requests.
    fn pool(
        shared: &BlocksShared<Io, P>,
    ) -> &SentPool<AlignedBuf, BlocksShared<Io, P>, BufferedWrite<P, Self>>;

    /// Copies the new bytes.
    fn copy_to(&self, bytes: &mut [u8]);

    /// Ends the request, or continues it, by the outcome of the new bytes.
    fn end(self, shared: &Arc<BlocksShared<Io, P>>, outcome: &Outcome);

    /// Fails the request, whose bytes were not written.
    fn fail(self, cause: Cause);
}

impl<Io, P> BlocksShared<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Writes `new` bytes of whole blocks, or reads the block that is to be changed.
    pub(super) fn modify<S: Source<Io, P>>(
        self: &Arc<Self>,
        io: &Io,
        at: u64,
        new: usize,
        source: S,
        buffer: AlignedBuf,
    ) {
        let within = self.geometry.within(at);
        let start = self.geometry.start(at);
        let len = addressable::<P>(start, self.geometry.round_up(within + new));
        let Some(pos) = P::from_u64(start) else {
            self.give_back(Some(buffer));
            return source.fail(ErrorKind::UnexpectedEof.into());
        };
        let write = BufferedWrite {
            source,
            bytes: within..within + new,
            pos,
            len,
            writes: false,
        };
        if new == len {
            return write.store(self, io, buffer);
        }
        let relay = sent::relay(self, buffer, write);
        PacketIo::<Read, P>::send_io(io, pos, relay.start_prefix(len));
    }
}

impl<Io, P, S> Sent<AlignedBuf, BlocksShared<Io, P>> for BufferedWrite<P, S>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
    S: Source<Io, P>,
{
    #[inline]
    fn pool(shared: &BlocksShared<Io, P>) -> &SentPool<AlignedBuf, BlocksShared<Io, P>, Self> {
        S::pool(shared)
    }

    fn ended(self, shared: Arc<BlocksShared<Io, P>>, mut buffer: AlignedBuf, outcome: Outcome) {
        if self.writes {
            shared.give_back(Some(buffer));
            return self.source.end(&shared, &outcome.part(self.bytes));
        }
        let missing = match outcome.is_success() {
            true => None,
            false => {
                let end = end_of_data(&outcome);
                needed_failure(&mut buffer, &outcome, end, &self.bytes)
            }
        };
        match (missing, shared.inner.upgrade()) {
            (None, Some(io)) => self.store(&shared, &io, buffer),
            (missing, _) => {
                shared.give_back(Some(buffer));
                let gone = Cause::new(ErrorKind::Dropped);
                self.source.fail(missing.unwrap_or(gone));
            }
        }
    }
}

impl<P: Address, S> BufferedWrite<P, S> {
    /// Copies the new bytes into the buffer, and writes its blocks.
    fn store<Io>(mut self, shared: &Arc<BlocksShared<Io, P>>, io: &Io, mut buffer: AlignedBuf)
    where
        Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
        S: Source<Io, P>,
    {
        self.source.copy_to(&mut buffer[self.bytes.clone()]);
        self.writes = true;
        let (pos, len) = (self.pos, self.len);
        let relay = sent::relay(shared, buffer, self);
        PacketIo::<Write, P>::send_io(io, pos, relay.start_prefix(len));
    }
}
