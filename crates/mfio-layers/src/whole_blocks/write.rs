//! The writes of a [`Blocks`](super::Blocks).

use super::geometry::Part;
use super::shared::{BlocksShared, BufferedWrite, OrderedWrite, QueuedWrite, send, split};
use crate::order::{Entry, Number};
use crate::queued::Resume;
use crate::route::addressable;
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, PacketIo, Read, Write};
use mfio::packet::{AlignedBuf, Outcome, View};

impl<Io, P> BlocksShared<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Carries out a write when the earlier ones to its blocks have ended.
    #[inline]
    pub(super) fn write(self: &Arc<Self>, io: &Io, at: u64, view: View<Write>) {
        let Some((first, last)) = self.geometry.blocks(at, view.len()) else {
            // It has no bytes.
            return view.done();
        };
        match self.gate.alone(first, last) {
            Some(number) => self.begin(io, number, at, view),
            None => self.write_among_others(io, (first, last), at, view),
        }
    }

    fn write_among_others(
        self: &Arc<Self>,
        io: &Io,
        (first, last): (u64, u64),
        at: u64,
        view: View<Write>,
    ) {
        let mut order = self.gate.enter();
        match order.enter(first, last) {
            Entry::Begins(number) => {
                drop(order);
                self.begin(io, number, at, view);
            }
            Entry::Waits(number) => order.queue(number, QueuedWrite { at, view }),
            Entry::Refused => {
                drop(order);
                view.fail(ErrorKind::LimitReached);
            }
        }
    }

    #[inline]
    fn begin(self: &Arc<Self>, io: &Io, number: Number, at: u64, view: View<Write>) {
        let relay = sent::relay(self, view, OrderedWrite { number });
        let view = relay.start();
        let address = view.as_ptr().addr();
        match self.geometry.is_aligned(at, address, view.len()) {
            true => send::<Write, P, Io>(io, at, view),
            false => self.write_parts(io, at, view),
        }
    }

    /// Sends a write, part by part, until it must wait for a buffer.
    fn write_parts(self: &Arc<Self>, io: &Io, at: u64, view: View<Write>) {
        let (mut at, mut next) = (at, Some(view));
        while let Some(view) = next {
            let address = view.as_ptr().addr();
            let len;
            match self.geometry.part_of_write(at, address, view.len()) {
                Part::Direct(direct) => {
                    let (part, rest) = split(view, direct);
                    (len, next) = (direct, rest);
                    send::<Write, P, Io>(io, at, part);
                }
                Part::Buffered(buffered) => {
                    let Some((buffer, view)) = self.borrow(at, view) else {
                        return;
                    };
                    let (part, rest) = split(view, buffered);
                    (len, next) = (buffered, rest);
                    match buffer {
                        Ok(buffer) => self.write_blocks(io, at, part, buffer),
                        Err(cause) => self.fail_unbuffered(part, cause),
                    }
                }
            }
            // Addresses may end behind the last part.
            at = at.wrapping_add(len as u64);
        }
    }

    /// Writes whole blocks, or reads the block that is to be changed.
    fn write_blocks(self: &Arc<Self>, io: &Io, at: u64, view: View<Write>, buffer: AlignedBuf) {
        let within = self.geometry.within(at);
        let start = at - within as u64;
        let len = self.geometry.round_up(within + view.len());
        let Some(pos) = P::from_u64(start) else {
            view.fail(ErrorKind::UnexpectedEof);
            return self.give_back(Some(buffer));
        };
        let write = BufferedWrite {
            within,
            pos,
            len: addressable::<P>(start, len),
            writes: false,
            view,
        };
        if write.view.len() == write.len {
            return write.store(self, io, buffer);
        }
        let len = write.len;
        let relay = sent::relay(self, buffer, write);
        PacketIo::<Read, P>::send_io(io, pos, relay.start_prefix(len));
    }

    /// Takes a write out of the order, and begins those that waited for it.
    pub(super) fn finish(self: &Arc<Self>, number: Number) {
        if self.gate.finish(number) {
            self.start_ready();
        }
    }

    #[cold]
    fn start_ready(self: &Arc<Self>) {
        self.gate
            .start_ready(|number, write| match (write, self.inner.upgrade()) {
                (Some(QueuedWrite { at, view }), Some(io)) => self.begin(&io, number, at, view),
                // The layer is dropped, and its queue with it.
                (write, _) => self.gate.give_up(number, write),
            });
    }
}

impl<Io, P> Resume<Write, u64, ()> for BlocksShared<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    fn resume(self: &Arc<Self>, at: u64, view: View<Write>, (): ()) {
        match self.inner.upgrade() {
            Some(io) => self.write_parts(&io, at, view),
            None => drop(view),
        }
    }
}

impl<Io, P> Sent<View<Write>, BlocksShared<Io, P>> for OrderedWrite
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    #[inline]
    fn pool(shared: &BlocksShared<Io, P>) -> &SentPool<View<Write>, BlocksShared<Io, P>, Self> {
        &shared.writes
    }

    #[inline]
    fn ended(self, shared: Arc<BlocksShared<Io, P>>, view: View<Write>, outcome: Outcome) {
        // Before the initiator learns of the end, and may write there again.
        let starts = shared.gate.finish(self.number);
        view.resolve(&outcome);
        if starts {
            shared.start_ready();
        }
    }
}

impl<Io, P> Sent<AlignedBuf, BlocksShared<Io, P>> for BufferedWrite<P>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    #[inline]
    fn pool(shared: &BlocksShared<Io, P>) -> &SentPool<AlignedBuf, BlocksShared<Io, P>, Self> {
        &shared.buffered_writes
    }

    fn ended(self, shared: Arc<BlocksShared<Io, P>>, mut buffer: AlignedBuf, outcome: Outcome) {
        if self.writes {
            let Self { view, within, .. } = self;
            let outcome = outcome.part(within..within + view.len());
            view.resolve(&outcome);
            return shared.give_back(Some(buffer));
        }
        let missing = self.missing(&mut buffer, &outcome);
        match (missing, shared.inner.upgrade()) {
            (None, Some(io)) => self.store(&shared, &io, buffer),
            (missing, _) => {
                let gone = Cause::new(ErrorKind::Dropped);
                self.view.fail(missing.unwrap_or(gone));
                shared.give_back(Some(buffer));
            }
        }
    }
}

impl<P: Address> BufferedWrite<P> {
    /// Returns the cause that a needed byte of the block could not be read with. All bytes are
    /// needed that are not overwritten. Fills in zeros behind the end of the data.
    fn missing(&self, buffer: &mut [u8], outcome: &Outcome) -> Option<Cause> {
        let (mut end, mut seen) = (0, 0);
        for failed in outcome.failures() {
            if failed.offset > seen {
                end = failed.offset;
            }
            seen = failed.offset + failed.len;
        }
        if seen < outcome.len() {
            end = outcome.len();
        }
        let written = self.within..self.within + self.view.len();
        for failed in outcome.failures() {
            let behind = failed.offset + failed.len;
            let lost = match failed.cause.kind() {
                ErrorKind::UnexpectedEof => end.clamp(failed.offset, behind),
                _ => behind,
            };
            buffer[lost..behind].fill(0);
            let needed = failed.offset < written.start || lost > written.end;
            if failed.offset < lost && needed {
                return Some(failed.cause);
            }
        }
        None
    }

    /// Copies the bytes into the buffer, and writes its blocks.
    fn store<Io>(mut self, shared: &Arc<BlocksShared<Io, P>>, io: &Io, mut buffer: AlignedBuf)
    where
        Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
    {
        let bytes = self.view.bytes();
        buffer[self.within..self.within + bytes.len()].copy_from_slice(bytes);
        self.writes = true;
        let (pos, len) = (self.pos, self.len);
        let relay = sent::relay(shared, buffer, self);
        PacketIo::<Write, P>::send_io(io, pos, relay.start_prefix(len));
    }
}
