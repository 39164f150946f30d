//! The layout of ranges: which are coalesced into one request, and where its bytes go in memory.

use super::{Piece, RangeMemory, RangeRequest, Ranges, Wanted};
use crate::error::{Cause, ErrorKind};
use crate::io::{Address, Alignment, Operation, PacketIo, Read};
use crate::packet::{AlignedBuf, Packet};
use alloc::vec::Vec;

/// Minimum alignment of the memory of requests.
pub(super) const PAGE: usize = 4096;

impl<P: Address> Ranges<P> {
    /// Plans the requests, and allocates their memory.
    pub(super) fn plan<Io: PacketIo<Read, P> + ?Sized>(&mut self, io: &Io) {
        self.alignment = io.alignment(Operation::Read);
        self.expose(io);
        self.merge_near();
        self.place();
    }

    /// Finds the ranges that the object exposes, and sorts the others.
    fn expose<Io: PacketIo<Read, P> + ?Sized>(&mut self, io: &Io) {
        self.order.clear();
        for (index, wanted) in self.wanted.iter_mut().enumerate() {
            if !matches!(wanted.place, RangeMemory::Unplanned) {
                continue;
            }
            let exposed = P::from_u64(wanted.start)
                .and_then(|pos| io.expose(pos, wanted.len))
                .filter(|exposed| exposed.len() == wanted.len);
            match exposed {
                Some(exposed) => wanted.place = RangeMemory::Exposed(exposed),
                None => self.order.push(index),
            }
        }
        let wanted = &self.wanted;
        self.order
            .sort_unstable_by_key(|&index| wanted[index].start);
    }

    /// Returns the alignment of the requests in memory, which suits a request for any block.
    pub(super) fn unit(&self) -> usize {
        self.alignment.memory().max(self.alignment.block())
    }

    /// Returns the start and the end of a range, extended to whole blocks.
    pub(super) fn aligned(&self, wanted: &Wanted) -> (u64, u64) {
        let start = wanted.start - self.alignment.excess(wanted.start) as u64;
        let end = round_up::<P>(wanted.start + wanted.len as u64, self.alignment);
        (start, end)
    }

    fn merge_near(&mut self) {
        let gap = self.merge.gap as u64;
        let limit = self.merge.limit as u64;
        self.requests.clear();
        // The request that may grow. A range longer than the limit is a request of its own, and
        // lets this one grow on.
        let mut open = None;
        for &index in &self.order {
            let (start, end) = self.aligned(&self.wanted[index]);
            let near = open.filter(|&number: &usize| {
                let request: &RangeRequest = &self.requests[number];
                let end = end.max(request.end);
                start <= request.end.saturating_add(gap) && end - request.start <= limit
            });
            let number = near.unwrap_or(self.requests.len());
            self.wanted[index].place = RangeMemory::Request(number);
            match near {
                Some(number) => {
                    let request = &mut self.requests[number];
                    request.end = request.end.max(end);
                }
                None => {
                    self.requests.push(RangeRequest {
                        start,
                        end,
                        offset: None,
                    });
                    if end - start <= limit {
                        open = Some(number);
                    }
                }
            }
        }
    }

    /// Assigns memory to every request; if there is too little, the longest get none.
    fn place(&mut self) {
        let unit = self.unit();
        self.total = 0;
        let mut fits = true;
        for request in &mut self.requests {
            request.offset = Some(self.total);
            let len = padded(request.len(), unit).and_then(|len| self.total.checked_add(len));
            fits &= len.is_some_and(|total| total <= self.merge.memory);
            self.total = len.unwrap_or(self.total);
        }
        if !(fits && self.allocate(self.total, unit)) {
            self.refuse_the_longest(unit);
        }
        self.pieces.clear();
        for request in &self.requests {
            if let Some(offset) = request.offset {
                let len = request.len();
                self.pieces.push(Piece {
                    offset,
                    len,
                    start: request.start,
                });
            }
        }
        for &index in &self.order {
            let wanted = &mut self.wanted[index];
            if let RangeMemory::Request(number) = wanted.place {
                let request = &self.requests[number];
                wanted.place = match request.offset {
                    // Less than the length of the request.
                    Some(offset) => {
                        RangeMemory::Memory(offset + (wanted.start - request.start) as usize)
                    }
                    None => RangeMemory::Refused(Cause::new(ErrorKind::OutOfMemory)),
                };
            }
        }
    }

    #[cold]
    fn refuse_the_longest(&mut self, unit: usize) {
        let mut by_len: Vec<usize> = (0..self.requests.len()).collect();
        by_len.sort_unstable_by_key(|&number| self.requests[number].len());
        // As many as the limit allows, the shortest first; then fewer until allocation succeeds.
        let mut total = 0usize;
        let room = |len: usize| {
            let sum = total.checked_add(padded(len, unit)?)?;
            total = sum;
            (sum <= self.merge.memory).then_some(())
        };
        let lens = by_len.iter().map(|&number| self.requests[number].len());
        let mut kept = lens.map_while(room).count();
        loop {
            for &number in &by_len[kept..] {
                self.requests[number].offset = None;
            }
            self.total = 0;
            for request in self.requests.iter_mut().filter(|r| r.offset.is_some()) {
                request.offset = Some(self.total);
                self.total += padded(request.len(), unit).unwrap_or(0);
            }
            if kept == 0 || self.allocate(self.total, unit) {
                return;
            }
            // Each round drops half of the bytes, so their number is logarithmic.
            kept = self.fewer(&by_len[..kept], unit);
        }
    }

    /// Returns the number of requests left after dropping the longest, which together have half of
    /// the bytes. `by_len` is sorted by length.
    fn fewer(&self, by_len: &[usize], unit: usize) -> usize {
        let mut gone = 0;
        let longest = by_len.iter().rev().take_while(|&&number| {
            let go_on = gone < self.total.div_ceil(2);
            gone += padded(self.requests[number].len(), unit).unwrap_or(0);
            go_on
        });
        by_len.len() - longest.count()
    }

    /// Makes the packet at least `len` bytes long. Returns whether that succeeded.
    fn allocate(&mut self, len: usize, align: usize) -> bool {
        let align = align.max(PAGE);
        if let Some(packet) = &self.packet
            && packet.len() >= len
            && packet.buffer().as_ptr().addr().is_multiple_of(align)
        {
            return true;
        }
        // The old memory is freed first, to lower the peak.
        let packet = self
            .packet
            .get_or_insert_with(|| Packet::new(AlignedBuf::with_alignment(0, PAGE)));
        drop(packet.replace(AlignedBuf::with_alignment(0, PAGE)));
        match AlignedBuf::try_with_alignment(len, align) {
            Ok(buffer) => drop(packet.replace(buffer)),
            Err(_) => return false,
        }
        true
    }
}

/// Rounds `end` up to a whole block, unless positions do not reach so far.
fn round_up<P: Address>(end: u64, alignment: Alignment) -> u64 {
    end.checked_next_multiple_of(alignment.block() as u64)
        .filter(|&end| P::from_u64(end).is_some())
        .unwrap_or(end)
}

/// Returns the memory that a request takes, in bytes, with padding that aligns the next one.
pub(super) fn padded(len: usize, unit: usize) -> Option<usize> {
    len.checked_next_multiple_of(unit)
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::super::Merge;
    use super::*;

    fn requests(
        merge: Merge,
        alignment: Alignment,
        ranges: &[core::ops::Range<u64>],
    ) -> Vec<(u64, u64)> {
        let mut ranges = Ranges::<u64>::from(ranges);
        ranges.set_merge(merge);
        ranges.order = (0..ranges.len()).collect();
        let wanted = &ranges.wanted;
        ranges.order.sort_unstable_by_key(|&i| wanted[i].start);
        ranges.alignment = alignment;
        ranges.merge_near();
        ranges.requests.iter().map(|r| (r.start, r.end)).collect()
    }

    #[test]
    fn near_ranges_are_merged_up_to_the_limit() {
        let merge = Merge {
            gap: 2,
            limit: 10,
            ..Merge::LOCAL
        };
        let none = Alignment::NONE;
        assert_eq!(requests(merge, none, &[6..8, 0..2, 3..4]), [(0, 8)]);
        assert_eq!(requests(merge, none, &[0..2, 5..6]), [(0, 2), (5, 6)]);
        assert_eq!(requests(merge, none, &[0..5, 5..11]), [(0, 5), (5, 11)]);
        assert_eq!(requests(merge, none, &[0..9, 2..4]), [(0, 9)]);
        // One that is too long for any other to join.
        let long = [0..u64::MAX, 3..4, 5..6];
        assert_eq!(requests(merge, none, &long), [(0, u64::MAX), (3, 6)]);
        let end = [u64::MAX - 1..u64::MAX, u64::MAX - 9..u64::MAX - 8];
        assert_eq!(requests(merge, none, &end).len(), 2);
    }

    #[test]
    fn requests_are_made_of_whole_blocks() {
        let merge = Merge {
            gap: 0,
            limit: 4096,
            ..Merge::LOCAL
        };
        let blocks = Alignment::new(1, 512);
        assert_eq!(
            requests(merge, blocks, &[513..514, 1023..1025]),
            [(512, 1536)]
        );
        let last = u64::MAX - 3..u64::MAX;
        assert_eq!(
            requests(merge, blocks, &[last]),
            [(u64::MAX - 511, u64::MAX)]
        );
    }
}
