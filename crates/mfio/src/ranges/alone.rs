//! Ranges that are read once more, each by itself, because their coalesced request failed.
//!
//! An object may fail a request from the first bad byte on, as a whole, or in parts, as a layer
//! over several members does. So the outcome of a coalesced request does not tell which range has
//! the bad byte. Each range that shows a failure, and was not a request of its own, is therefore
//! read by itself, and that result counts: at most one more request for each distinct range.
//!
//! Overlapping ranges share memory, and a failed request may leave anything in its memory. So these
//! requests have memory of their own, from which the good bytes are copied. It is bounded: ranges
//! are read in waves, as many bytes at a time as may be in flight.

use super::layout::{PAGE, padded};
use super::{RangeMemory, Ranges, Wanted};
use crate::error::Cause;
use crate::io::{Address, PacketIo, Read};
use crate::packet::{AlignedBuf, InFlight, Outcome, Packet, View};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// Number of waves that one poll handles before it yields to other tasks.
const BUDGET: usize = 32;

/// The ranges that are read once more; see the module.
pub(super) struct Alone {
    /// Indices of the ranges; equal ranges are adjacent.
    indices: Vec<usize>,
    /// The part of `indices` in flight.
    wave: Range<usize>,
    /// Memory of a wave, in bytes; a single longer range is allowed.
    most: usize,
    in_flight: Option<InFlight<AlignedBuf, Read>>,
    /// `None` while it is in flight.
    packet: Option<Packet<AlignedBuf>>,
}

/// A request for one range, which equal ranges share.
struct LoneRequest {
    /// The part of the indices that it is for.
    indices: Range<usize>,
    start: u64,
    len: usize,
    /// Number of bytes before the range that align the request.
    skip: usize,
}

impl Alone {
    /// Returns the ranges that may have failed for bytes of others; `None` if there are none.
    #[cold]
    pub(super) fn of<P: Address>(ranges: &Ranges<P>, outcome: &Outcome) -> Option<Box<Self>> {
        let blamed = |&index: &usize| ranges.may_fail_for_others(&ranges.wanted[index], outcome);
        let mut indices: Vec<usize> = ranges.order.iter().copied().filter(blamed).collect();
        if indices.is_empty() {
            return None;
        }
        indices.sort_unstable_by_key(|&index| ranges.wanted[index].extent());
        Some(Box::new(Self {
            indices,
            wave: 0..0,
            most: ranges.merge.in_flight.min(ranges.merge.memory),
            in_flight: None,
            packet: None,
        }))
    }

    /// Reads wave after wave, and wakes itself after [`BUDGET`] of them. `Ready` when each range
    /// has its result.
    pub(super) fn poll<P: Address, Io: PacketIo<Read, P> + ?Sized>(
        &mut self,
        ranges: &mut Ranges<P>,
        io: &Io,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        for _ in 0..BUDGET {
            if let Some(in_flight) = &mut self.in_flight {
                let ended = ready!(Pin::new(in_flight).poll(cx));
                self.in_flight = None;
                self.settle(ranges, &ended.packet, &ended.outcome);
                self.packet = Some(ended.packet);
            }
            if self.wave.end == self.indices.len() {
                return Poll::Ready(());
            }
            self.launch(ranges, io);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends the next wave. If its memory cannot be allocated, its ranges fail.
    fn launch<P: Address, Io: PacketIo<Read, P> + ?Sized>(
        &mut self,
        ranges: &mut Ranges<P>,
        io: &Io,
    ) {
        let total = self.next_wave(ranges);
        let align = ranges.unit().max(PAGE);
        let kept = self.packet.take().filter(|packet| packet.len() >= total);
        let new = || AlignedBuf::try_with_alignment(total, align).map(Packet::new);
        match kept.map_or_else(new, Ok) {
            Ok(packet) => {
                let (in_flight, view) = packet.start_prefix(total);
                self.in_flight = Some(in_flight);
                self.send(ranges, io, view);
            }
            // A smaller wave may fit.
            Err(_) if total <= self.most => {
                self.most = total / 2;
                self.wave = self.wave.start..self.wave.start;
            }
            Err(cause) => {
                for &index in &self.indices[self.wave.clone()] {
                    ranges.wanted[index].settle(Some((0, cause)));
                }
            }
        }
    }

    /// Chooses the next wave. Returns the memory that it takes, in bytes.
    fn next_wave<P: Address>(&mut self, ranges: &Ranges<P>) -> usize {
        let from = self.wave.end;
        let (mut at, mut total) = (from, 0usize);
        while let Some(request) = self.request(ranges, at, self.indices.len()) {
            let end = total.saturating_add(ranges.padded(request.len));
            if total != 0 && end > self.most {
                break;
            }
            (at, total) = (request.indices.end, end);
        }
        self.wave = from..at;
        total
    }

    /// Returns the request whose first index is number `at`, if that is before `end`.
    fn request<P: Address>(
        &self,
        ranges: &Ranges<P>,
        at: usize,
        end: usize,
    ) -> Option<LoneRequest> {
        let rest = &self.indices[at..end];
        let wanted = &ranges.wanted[*rest.first()?];
        let same = |&&index: &&usize| ranges.wanted[index].extent() == wanted.extent();
        let (start, end) = ranges.aligned(wanted);
        Some(LoneRequest {
            indices: at..at + rest.iter().take_while(same).count(),
            start,
            // Less than the length of the coalesced request.
            len: (end - start) as usize,
            skip: (wanted.start - start) as usize,
        })
    }

    fn send<P: Address, Io: PacketIo<Read, P> + ?Sized>(
        &self,
        ranges: &Ranges<P>,
        io: &Io,
        view: View<Read>,
    ) {
        let mut rest = view.splitter();
        let mut at = self.wave.start;
        while let Some(request) = self.request(ranges, at, self.wave.end) {
            let part = rest.take(request.len);
            let padding = ranges.padded(request.len) - request.len;
            rest.take(padding).done();
            at = request.indices.end;
            // The position exists, as in the coalesced request; otherwise dropping the view fails
            // it.
            if let Some(pos) = P::from_u64(request.start) {
                io.send_io(pos, part);
            }
        }
        rest.into_rest().done();
    }

    /// Stores the result of each range of the wave.
    fn settle<P: Address>(
        &self,
        ranges: &mut Ranges<P>,
        packet: &Packet<AlignedBuf>,
        outcome: &Outcome,
    ) {
        let Some(mut memory) = ranges.packet.take() else {
            return;
        };
        let (mut at, mut offset) = (self.wave.start, 0);
        while let Some(request) = self.request(ranges, at, self.wave.end) {
            let begin = offset + request.skip;
            let mut copied = None;
            for &index in &self.indices[request.indices.clone()] {
                let wanted = &mut ranges.wanted[index];
                let failed = outcome.failure_within(begin..begin + wanted.len);
                let failed = failed.map(|failed| (failed.offset - begin, failed.cause));
                let good = failed.map_or(wanted.len, |(good, _)| good);
                let place = wanted.settle(failed);
                if copied != Some(place) {
                    let bytes = &packet.buffer()[begin..][..good];
                    memory.buffer_mut()[place..][..good].copy_from_slice(bytes);
                    copied = Some(place);
                }
            }
            at = request.indices.end;
            offset += ranges.padded(request.len);
        }
        ranges.packet = Some(memory);
    }
}

impl Wanted {
    fn extent(&self) -> (u64, usize) {
        (self.start, self.len)
    }

    /// Stores the number of good bytes and the cause after a failure. Returns the offset of the
    /// range in memory.
    fn settle(&mut self, failed: Option<(usize, Cause)>) -> usize {
        let at = match self.place {
            RangeMemory::Memory(at) | RangeMemory::Alone { at, .. } => at,
            _ => unreachable!("what is read once more was read before"),
        };
        self.place = RangeMemory::Alone { at, failed };
        at
    }
}

impl<P: Address> Ranges<P> {
    /// Whether bytes of the range failed in a request that was for more than the range.
    fn may_fail_for_others(&self, wanted: &Wanted, outcome: &Outcome) -> bool {
        let RangeMemory::Memory(at) = wanted.place else {
            return false;
        };
        if outcome.failure_within(at..at + wanted.len).is_none() {
            return false;
        }
        let behind = self.pieces.partition_point(|piece| piece.offset <= at);
        let (start, end) = self.aligned(wanted);
        let own = |piece: &super::Piece| (piece.start, piece.len as u64) == (start, end - start);
        !self.pieces[..behind].last().is_some_and(own)
    }

    /// Returns the memory, in bytes, of a request that had memory before.
    fn padded(&self, len: usize) -> usize {
        padded(len, self.unit()).unwrap_or(len)
    }
}
