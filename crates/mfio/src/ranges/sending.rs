//! Ranges on their way.

use super::ended::{Context, EndedRanges};
use super::{Piece, Ranges};
use crate::io::{Address, PacketIo, Read};
use crate::packet::{AlignedBuf, Ended, InFlight, Outcome, View};
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
    /// What became of the requests, where parts of them are tried once more.
    before: Option<Outcome>,
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
            before: None,
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
                self.keep(rest);
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
            self.keep(kept);
            Self::send_piece(io, piece, part);
        }
    }

    fn send_piece<Io: PacketIo<Read, P> + ?Sized>(io: &Io, piece: Piece, part: View<Read>) {
        // There is such a position: it lies within a range that has a first one. Otherwise the view fails.
        if let Some(pos) = P::from_u64(piece.start) {
            io.send_io(pos, part);
        }
    }

    /// Ends what is not sent: as it ended before, where it was sent before; what lies between requests is nobody's.
    fn keep(&self, view: View<Read>) {
        match &self.before {
            _ if view.is_empty() => view.done(),
            None => view.done(),
            Some(before) => {
                let range = view.offset()..view.offset() + view.len();
                view.resolve(&before.part(range));
            }
        }
    }

    pub(crate) fn poll<Io: PacketIo<Read, P> + ?Sized>(
        &mut self,
        io: &Io,
        cx: &mut core::task::Context<'_>,
    ) -> Poll<EndedRanges<P>> {
        loop {
            let outcome = match &mut self.in_flight {
                None => None,
                Some(_) => Some(ready!(self.poll_packet(io, cx))),
            };
            let failed = outcome.as_ref().filter(|outcome| !outcome.is_success());
            if let (Some(failed), None) = (failed, &self.before)
                && self.ranges.plan_again(failed)
            {
                self.before = outcome;
                self.launch(io);
                continue;
            }
            let ranges = core::mem::take(&mut self.ranges);
            let context = Context::of(io, &ranges, failed);
            return Poll::Ready(EndedRanges::new(ranges, outcome, context));
        }
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
