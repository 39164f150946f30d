//! The block size of a [`Blocks`](super::Blocks), and the parts of a request by it.

use super::buffers::BUFFER;
use mfio::control::Span;

/// The size of blocks and the alignment of memory, in bytes; both are powers of two.
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    block: usize,
    memory: usize,
}

/// The first bytes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// So many bytes go below as they are.
    Direct(usize),
    /// So many bytes go through a buffer.
    Buffered(usize),
}

impl Geometry {
    pub(super) const fn new(block: usize, memory: usize) -> Self {
        Self { block, memory }
    }

    /// Returns the size of a block.
    pub(super) const fn block(self) -> usize {
        self.block
    }

    /// Returns the alignment of the memory of buffers.
    pub(super) fn memory(self) -> usize {
        // Suits unbuffered I/O nearly always.
        self.memory.max(512)
    }

    /// Returns the size of a buffer: whole blocks.
    pub(super) fn buffer(self) -> usize {
        self.block.max(BUFFER)
    }

    /// Returns the offset of an address in its block.
    #[inline]
    pub(super) fn within(self, at: u64) -> usize {
        // Less than a block.
        (at & (self.block as u64 - 1)) as usize
    }

    fn round_down(self, len: usize) -> usize {
        len & !(self.block - 1)
    }

    /// Returns the length of the blocks that begin at a block's start and have the first `len`
    /// bytes from there on. There are no more than a buffer has.
    pub(super) fn round_up(self, len: usize) -> usize {
        len.next_multiple_of(self.block)
    }

    #[inline]
    fn suits_memory(self, address: usize) -> bool {
        address & (self.memory - 1) == 0
    }

    /// Whether the object takes a request as it is.
    #[inline]
    pub(super) fn is_aligned(self, at: u64, address: usize, len: usize) -> bool {
        self.within(at | len as u64) == 0 && self.suits_memory(address)
    }

    /// Returns the first and the last byte of the blocks that a request touches. `None` for a
    /// request without bytes, or beyond the last address.
    #[inline]
    pub(super) fn blocks(self, at: u64, len: u64) -> Option<(u64, u64)> {
        let last = at.checked_add(len.checked_sub(1)?)?;
        let mask = self.block as u64 - 1;
        Some((at & !mask, last | mask))
    }

    /// Returns the position of the block that has a byte.
    pub(super) fn start(self, at: u64) -> u64 {
        at - self.within(at) as u64
    }

    /// Returns the whole blocks of a range.
    pub(super) fn shrink(self, span: Span) -> Span {
        let start = span.start().checked_next_multiple_of(self.block as u64);
        // Behind the last block.
        let start = start.unwrap_or(u64::MAX);
        (start..self.start(span.end())).into()
    }

    /// Returns the blocks that a range touches. A range up to the last position stays so.
    pub(super) fn widen(self, span: Span) -> Span {
        let end = span.end().checked_next_multiple_of(self.block as u64);
        (self.start(span.start())..end.unwrap_or(u64::MAX)).into()
    }

    /// Returns the first part of a range that is set to zero, and whether it is whole blocks: it
    /// lies within one otherwise.
    pub(super) fn part_of_zeroes(self, span: Span) -> (Span, bool) {
        let block = self.block as u64;
        let within = span.start() - self.start(span.start());
        let (len, whole) = match span.len() - span.len() % block {
            whole if within == 0 && whole > 0 => (whole, true),
            _ => (span.len().min(block - within), false),
        };
        (span.until(span.start() + len), whole)
    }

    /// Returns the first part of a read, which has bytes. A read that fits a buffer is one request
    /// below; of a longer one as much as possible goes to the caller's memory.
    pub(super) fn part_of_read(self, at: u64, address: usize, len: usize) -> Part {
        let within = self.within(at);
        let room = self.buffer() - within;
        let head = match within {
            0 => 0,
            _ => self.block - within,
        };
        if len <= room && !self.is_aligned(at, address, len) {
            Part::Buffered(len)
        } else if !self.suits_memory(address.wrapping_add(head)) {
            Part::Buffered(len.min(room))
        } else if head > 0 {
            Part::Buffered(head)
        } else {
            Part::Direct(self.round_down(len))
        }
    }

    /// Returns the first part of a write, which has bytes: whole blocks, or bytes of one block.
    pub(super) fn part_of_write(self, at: u64, address: usize, len: usize) -> Part {
        let within = self.within(at);
        let whole = self.round_down(len);
        if within != 0 || whole == 0 {
            Part::Buffered(len.min(self.block - within))
        } else if self.suits_memory(address) {
            Part::Direct(whole)
        } else {
            Part::Buffered(whole.min(self.buffer()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Part::{Buffered, Direct};
    use super::*;

    const SECTORS: Geometry = Geometry::new(512, 16);

    #[test]
    fn short_reads_are_one_request_and_long_ones_go_to_the_callers_memory() {
        let part = |at, address, len| SECTORS.part_of_read(at, address, len);
        assert_eq!(part(0, 32, 1024), Direct(1024));
        assert_eq!(part(0, 33, 1024), Buffered(1024));
        assert_eq!(part(5, 32, 2000), Buffered(2000));
        assert_eq!(part(0, 32, BUFFER + 1), Direct(BUFFER));
        assert_eq!(part(500, 20, BUFFER), Buffered(12), "aligned from there on");
        assert_eq!(part(500, 32, BUFFER), Buffered(BUFFER - 500));
        assert_eq!(part(0, 33, 3 * BUFFER), Buffered(BUFFER));
    }

    #[test]
    fn writes_are_whole_blocks_or_lie_in_one() {
        let part = |at, address, len| SECTORS.part_of_write(at, address, len);
        assert_eq!(part(0, 32, 1030), Direct(1024));
        assert_eq!(part(0, 33, 1030), Buffered(1024));
        assert_eq!(part(0, 33, 3 * BUFFER), Buffered(BUFFER));
        assert_eq!(part(1024, 32, 6), Buffered(6));
        assert_eq!(part(510, 32, 600), Buffered(2));
        assert_eq!(part(510, 32, 1), Buffered(1));
    }

    #[test]
    fn ranges_shrink_and_widen_to_whole_blocks() {
        let span = |start, end| Span::from(start..end);
        assert_eq!(SECTORS.shrink(span(0, 1024)), span(0, 1024));
        assert_eq!(SECTORS.shrink(span(1, 1500)), span(512, 1024));
        assert!(SECTORS.shrink(span(1, 1000)).is_empty());
        assert!(SECTORS.shrink(span(u64::MAX - 5, u64::MAX)).is_empty());
        assert_eq!(SECTORS.widen(span(1, 1025)), span(0, 1536));
        assert_eq!(SECTORS.widen(Span::from(700..)), span(512, u64::MAX));
        let part = |start, end| SECTORS.part_of_zeroes(span(start, end));
        assert_eq!(part(0, 1030), (span(0, 1024), true));
        assert_eq!(part(1024, 1030), (span(1024, 1030), false));
        assert_eq!(part(1000, 3000), (span(1000, 1024), false));
        assert_eq!(part(1000, 1003), (span(1000, 1003), false));
    }

    #[test]
    fn a_block_larger_than_a_buffer_makes_larger_buffers() {
        let large = Geometry::new(4 * BUFFER, 1);
        assert_eq!(large.buffer(), 4 * BUFFER);
        assert_eq!(
            large.part_of_read(1, 0, 8 * BUFFER),
            Buffered(4 * BUFFER - 1)
        );
        assert_eq!(large.blocks(0, 0), None);
        assert_eq!(large.blocks(u64::MAX, 2), None);
        assert_eq!(
            SECTORS.blocks(u64::MAX, 1),
            Some((u64::MAX - 511, u64::MAX))
        );
        assert_eq!(SECTORS.blocks(511, 2), Some((0, 1023)));
    }
}
