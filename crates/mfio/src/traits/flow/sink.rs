//! Bytes that go in chunks, in order, a few of them at once.

use super::ring::Ring;
use crate::error::{Cause, ErrorKind};
use crate::io::{Address, Exposed, PacketIo, Write};
use crate::packet::{Buffer, Ended, InFlight, Packet, PoolBuf, View};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// See the module.
pub(super) struct Sink<'a, P, Io: ?Sized> {
    pub(super) io: &'a Io,
    pub(super) pos: P,
    /// How many bytes there are in all, where the last ones come first.
    from_end: Option<u64>,
    /// How many bytes were sent.
    sent: u64,
    /// How many bytes were in the chunks that have ended.
    ended: u64,
    slots: Ring<Slot>,
    /// How many bytes from the start were written without a gap.
    pub(super) good: u64,
    /// How many bytes of the first chunk that failed were not written, and why. Of those that have
    /// ended, where the last bytes come first.
    pub(super) failed: Option<(usize, Cause)>,
    /// How far from the start the first of those bytes is.
    pub(super) failed_at: u64,
    /// For memory that is exposed.
    spare: Option<Packet<Exposed>>,
}

/// A chunk on its way.
enum Slot {
    Packet {
        in_flight: InFlight<PoolBuf, Write>,
        /// How many bytes of the packet were not to be written.
        skip: usize,
        len: usize,
    },
    Exposed(InFlight<Exposed, Write>),
}

impl<'a, P: Address, Io: PacketIo<Write, P> + ?Sized> Sink<'a, P, Io> {
    pub(super) fn new(io: &'a Io, pos: P) -> Self {
        Self {
            io,
            pos,
            from_end: None,
            sent: 0,
            ended: 0,
            slots: Ring::new(),
            good: 0,
            failed: None,
            failed_at: 0,
            spare: None,
        }
    }

    /// Says that of so many bytes the last ones come first. Before anything is sent.
    pub(super) fn begin_at_end(&mut self, len: u64) {
        self.from_end = Some(len);
    }

    /// How far from the start a chunk of `len` bytes belongs that comes after `before` bytes.
    #[inline]
    fn place(&self, before: u64, len: u64) -> u64 {
        self.from_end.map_or(before, |all| all - before - len)
    }

    /// How many bytes were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// How many chunks are on their way.
    pub(super) fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// Sends `len` bytes of a packet, those after the first `skip`.
    pub(super) fn send(&mut self, packet: Packet<PoolBuf>, skip: usize, len: usize) {
        let (in_flight, view) = packet.start_prefix::<Write>(skip + len);
        self.slots.push(Slot::Packet {
            in_flight,
            skip,
            len,
        });
        let (head, view) = view.split_at(skip);
        head.done();
        self.send_view(view);
    }

    /// Sends memory that an object has exposed.
    pub(super) fn send_exposed(&mut self, bytes: Exposed) {
        let packet = match self.spare.take() {
            Some(mut packet) => {
                drop(packet.replace(bytes));
                packet
            }
            None => Packet::new(bytes),
        };
        let (in_flight, view) = packet.start::<Write>();
        self.slots.push(Slot::Exposed(in_flight));
        self.send_view(view);
    }

    fn send_view(&mut self, view: View<Write>) {
        let len = view.len() as u64;
        let at = self.pos.to_u64().checked_add(self.place(self.sent, len));
        self.sent += len;
        match at.and_then(P::from_u64) {
            Some(pos) => self.io.send_io(pos, view),
            // Where positions end the object does.
            None => view.fail(ErrorKind::UnexpectedEof),
        }
    }

    /// Waits for the end of the oldest chunk. Gives its memory back, where that is a packet's. Only
    /// where there is one.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Option<Packet<PoolBuf>>> {
        match self.slots.front() {
            Some(Slot::Packet {
                in_flight,
                skip,
                len,
            }) => {
                let (skip, len) = (*skip, *len);
                let ended = ready!(Pin::new(in_flight).poll(cx));
                Poll::Ready(Some(self.ended(ended, skip, len)))
            }
            Some(Slot::Exposed(in_flight)) => {
                let ended = ready!(Pin::new(in_flight).poll(cx));
                let len = ended.outcome.len();
                let mut packet = self.ended(ended, 0, len);
                // Kept without the memory, which somebody may wait for.
                drop(packet.replace(Exposed::from(&[][..])));
                self.spare = Some(packet);
                Poll::Ready(None)
            }
            None => Poll::Ready(None),
        }
    }

    /// Writes down what became of the oldest chunk.
    fn ended<B: Buffer>(&mut self, ended: Ended<B>, skip: usize, len: usize) -> Packet<B> {
        self.slots.pop();
        let Ended { packet, outcome } = ended;
        let good = outcome.good_prefix().saturating_sub(skip).min(len);
        let at = self.place(self.ended, len as u64);
        self.ended += len as u64;
        if self.failed.is_none() {
            self.good += good as u64;
        }
        if (self.failed.is_none() || self.from_end.is_some())
            && let (true, Some(cause)) = (good < len, outcome.first_error())
        {
            self.failed = Some((len - good, cause));
            self.failed_at = at + good as u64;
        }
        packet
    }
}
