//! The writing side of a transfer: chunks in order, several in flight.

use super::ring::Ring;
use crate::error::{Cause, ErrorKind};
use crate::io::{Address, Exposed, PacketIo, Write};
use crate::packet::{Buffer, Ended, InFlight, Packet, PoolBuf, View};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The writing side of a transfer.
pub(super) struct Sink<'a, P, Io: ?Sized> {
    pub(super) io: &'a Io,
    pub(super) pos: P,
    /// Total number of bytes, if the last chunk is written first.
    from_end: Option<u64>,
    /// Number of bytes sent.
    sent: u64,
    /// Number of bytes in completed chunks.
    ended: u64,
    slots: Ring<WriteSlot>,
    /// Number of bytes written from the start without a gap.
    pub(super) good: u64,
    /// The failure of the first chunk by position (from the end: of those completed), and the
    /// number of its bytes that were not written.
    pub(super) failed: Option<(usize, Cause)>,
    /// Distance of the first of those bytes from the start.
    pub(super) failed_at: u64,
    /// A packet for exposed memory.
    spare: Option<Packet<Exposed>>,
}

/// A chunk in flight.
enum WriteSlot {
    Packet {
        in_flight: InFlight<PoolBuf, Write>,
        /// Number of leading bytes of the packet that are not written.
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

    /// Sets the order: of `len` bytes the last chunk is written first. Called before the first
    /// send.
    pub(super) fn begin_at_end(&mut self, len: u64) {
        self.from_end = Some(len);
    }

    /// Returns the distance from the start of a chunk of `len` bytes that is sent after `before`
    /// bytes.
    #[inline]
    fn place(&self, before: u64, len: u64) -> u64 {
        self.from_end.map_or(before, |all| all - before - len)
    }

    /// Returns the number of bytes sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the number of chunks in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// Sends `len` bytes of a packet, from byte `skip` on.
    pub(super) fn send(&mut self, packet: Packet<PoolBuf>, skip: usize, len: usize) {
        let (in_flight, view) = packet.start_prefix::<Write>(skip + len);
        self.slots.push(WriteSlot::Packet {
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
        self.slots.push(WriteSlot::Exposed(in_flight));
        self.send_view(view);
    }

    fn send_view(&mut self, view: View<Write>) {
        let len = view.len() as u64;
        let at = self.pos.to_u64().checked_add(self.place(self.sent, len));
        self.sent += len;
        match at.and_then(P::from_u64) {
            Some(pos) => self.io.send_io(pos, view),
            // There is no such position, so it is past the end of the file.
            None => view.fail(ErrorKind::UnexpectedEof),
        }
    }

    /// Waits for the completion of the oldest chunk, of which there must be one. Returns its
    /// packet, unless it was exposed memory.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Option<Packet<PoolBuf>>> {
        match self.slots.front() {
            Some(WriteSlot::Packet {
                in_flight,
                skip,
                len,
            }) => {
                let (skip, len) = (*skip, *len);
                let ended = ready!(Pin::new(in_flight).poll(cx));
                Poll::Ready(Some(self.ended(ended, skip, len)))
            }
            Some(WriteSlot::Exposed(in_flight)) => {
                let ended = ready!(Pin::new(in_flight).poll(cx));
                let len = ended.outcome.len();
                let mut packet = self.ended(ended, 0, len);
                // The packet is kept, and the owner's memory released.
                drop(packet.replace(Exposed::from(&[][..])));
                self.spare = Some(packet);
                Poll::Ready(None)
            }
            None => Poll::Ready(None),
        }
    }

    /// Records the outcome of the oldest chunk.
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
