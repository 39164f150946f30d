//! Ranges in flight.

use super::alone::Alone;
use super::ended::{EndedRanges, ErrorTemplate};
use super::{Piece, Ranges};
use crate::io::{Address, PacketIo, Read};
use crate::packet::{AlignedBuf, Ended, InFlight, Outcome, View};
use alloc::boxed::Box;
use core::pin::Pin;
use core::task::{Poll, ready};

/// One packet, each part of which is a request.
pub(crate) struct Sending<P: Address> {
    ranges: Ranges<P>,
    /// `None` if nothing had to be read. Declared before `rest`, so that it is dropped first and
    /// dropping `rest` wakes no task.
    in_flight: Option<InFlight<AlignedBuf, Read>>,
    /// The part not yet sent; `None` when all was.
    rest: Option<View<Read>>,
    /// Index of the next piece.
    next: usize,
    /// Number of bytes in flight; only counted while `rest` is left.
    bytes: usize,
    /// The outcome of the requests.
    outcome: Option<Outcome>,
    /// Ranges that are read once more. Rare, so boxed.
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

    /// Starts the packet and sends as much as the limit allows.
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

    /// Sends as much as the limit allows.
    fn send<Io: PacketIo<Read, P> + ?Sized>(&mut self, io: &Io) {
        while let Some(rest) = self.rest.take() {
            let Some(&piece) = self.ranges.pieces.get(self.next) else {
                // The bytes behind the last request.
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
            // Padding between requests.
            kept.done();
            Self::send_piece(io, piece, part);
        }
    }

    fn send_piece<Io: PacketIo<Read, P> + ?Sized>(io: &Io, piece: Piece, part: View<Read>) {
        // The position exists, as it is within a range; otherwise dropping the view fails it.
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
        let context = ErrorTemplate::of(io, &ranges, failed);
        Poll::Ready(EndedRanges::new(ranges, outcome, context))
    }

    fn poll_packet<Io: PacketIo<Read, P> + ?Sized>(
        &mut self,
        io: &Io,
        cx: &mut core::task::Context<'_>,
    ) -> Poll<Outcome> {
        while self.rest.is_some() {
            let in_flight = self.in_flight.as_mut().expect("it was sent");
            // Only completed requests make room.
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
