//! Ranges on their way.

use super::alone::Alone;
use super::ended::{Context, EndedRanges};
use super::{Piece, Ranges};
use crate::io::{Address, PacketIo, Read};
use crate::packet::{AlignedBuf, Ended, InFlight, Outcome, View};
use alloc::boxed::Box;
use core::pin::Pin;
use core::task::{Poll, ready};

/// One packet, of which each request has a part.
pub(crate) struct Sending<P: Address> {
    ranges: Ranges<P>,
    /// `None` where nothing had to be read. Dropped before what is left of the view, which then wakes nobody.
    in_flight: Option<InFlight<AlignedBuf, Read>>,
    /// What is still to be sent; `None` when all was.
    rest: Option<View<Read>>,
    /// Which piece comes next.
    next: usize,
    /// How many bytes are on their way; only counted while something is left.
    bytes: usize,
    /// What became of the requests.
    outcome: Option<Outcome>,
    /// Ranges that are read once more. Rare, so not in the future.
    alone: Option<Box<Alone>>,
}

impl<P: Address> Sending<P> {
    pub(crate) fn start<Io: PacketIo<Read, P> + ?Sized>(mut ranges: Ranges<P>, io: &Io) -> Self {
        ranges.plan(io);
        let mut this = Self {
            ranges,
            in_flight: None,
            rest: None,
            next: 0,
            bytes: 0,
            outcome: None,
            alone: None,
        };
        this.launch(io);
        this
    }

    /// Starts the packet and sends what may be on its way.
    fn launch<Io: PacketIo<Read, P> + ?Sized>(&mut self, io: &Io) {
        let total = self.ranges.total;
        if self.ranges.pieces.is_empty() {
            return;
        }
        let Some(packet) = self.ranges.packet.take() else {
            return;
        };
        let (in_flight, view) = match total > self.ranges.merge.in_flight {
            true => packet.start_prefix_segments(total),
            false => packet.start_prefix(total),
        };
        self.in_flight = Some(in_flight);
        self.rest = Some(view);
        (self.next, self.bytes) = (0, 0);
        self.send(io);
    }

    /// Sends as much as may be on its way.
    fn send<Io: PacketIo<Read, P> + ?Sized>(&mut self, io: &Io) {
        while let Some(rest) = self.rest.take() {
            let Some(&piece) = self.ranges.pieces.get(self.next) else {
                // Behind the last request.
                rest.done();
                return;
            };
            let room = self.ranges.merge.in_flight.saturating_sub(self.bytes);
            if self.bytes != 0 && piece.len > room {
                self.rest = Some(rest);
                return;
            }
            self.next += 1;
            let skipped = piece.offset - rest.offset();
            self.bytes += skipped + piece.len;
            let (kept, rest) = rest.split_at(skipped);
            let (part, rest) = rest.split_at(piece.len);
            self.rest = Some(rest);
            // What lies between requests is nobody's.
            kept.done();
            Self::send_piece(io, piece, part);
        }
    }

    fn send_piece<Io: PacketIo<Read, P> + ?Sized>(io: &Io, piece: Piece, part: View<Read>) {
        // There is such a position: it lies within a range that has a first one. Otherwise the view fails.
        if let Some(pos) = P::from_u64(piece.start) {
            io.send_io(pos, part);
        }
    }

    pub(crate) fn poll<Io: PacketIo<Read, P> + ?Sized>(
        &mut self,
        io: &Io,
        cx: &mut core::task::Context<'_>,
    ) -> Poll<EndedRanges<P>> {
        if self.in_flight.is_some() {
            let outcome = ready!(self.poll_packet(io, cx));
            if !outcome.is_success() {
                self.alone = Alone::of(&self.ranges, &outcome);
            }
            self.outcome = Some(outcome);
        }
        if let Some(alone) = &mut self.alone {
            ready!(alone.poll(&mut self.ranges, io, cx));
        }
        let (ranges, outcome) = (core::mem::take(&mut self.ranges), self.outcome.take());
        let failed = outcome.as_ref().filter(|outcome| !outcome.is_success());
        let context = Context::of(io, &ranges, failed);
        Poll::Ready(EndedRanges::new(ranges, outcome, context))
    }

    fn poll_packet<Io: PacketIo<Read, P> + ?Sized>(
        &mut self,
        io: &Io,
        cx: &mut core::task::Context<'_>,
    ) -> Poll<Outcome> {
        while self.rest.is_some() {
            let in_flight = self.in_flight.as_mut().expect("it was sent");
            // Only what has ended makes room.
            let ended = ready!(in_flight.poll_segment_len(cx));
            self.bytes -= ended.unwrap_or(self.bytes);
            self.send(io);
        }
        let in_flight = self.in_flight.as_mut().expect("it was sent");
        let Ended { packet, outcome } = ready!(Pin::new(in_flight).poll(cx));
        self.in_flight = None;
        self.ranges.packet = Some(packet);
        Poll::Ready(outcome)
    }
}
