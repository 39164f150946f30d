//! The reading side of a transfer: chunks in order, several read ahead.

use super::chunks::Chunks;
use super::ring::Ring;
use crate::error::{Cause, ErrorKind};
use crate::io::{Address, Alignment, Exposed, Operation, PacketIo, Read};
use crate::packet::{Ended, InFlight, Packet, PoolBuf, give_pooled, take_aligned};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The reading side of a transfer.
pub(super) struct Source<'a, P, Io: ?Sized> {
    pub(super) io: &'a Io,
    pub(super) pos: P,
    len: u64,
    chunks: Chunks,
    /// Requirements of the object.
    alignment: Alignment,
    /// Requirements of the receiver of the chunks.
    target: Alignment,
    /// Whether the last chunk is read first.
    from_end: bool,
    /// Number of bytes requested so far.
    asked: u64,
    sent: Ring<ReadSlot>,
    spare: Option<Packet<PoolBuf>>,
}

/// A chunk in flight.
enum ReadSlot {
    Read {
        in_flight: InFlight<PoolBuf, Read>,
        /// Number of bytes before the first wanted one that align the request.
        skip: usize,
        len: usize,
        /// Distance of the first wanted byte from the start.
        at: u64,
    },
    Exposed(Exposed),
    /// A number of bytes that could not be requested.
    Failed(usize, Cause),
}

/// A chunk that has been read.
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    /// Distance of its first byte from the start, unless the memory is exposed.
    pub(super) at: u64,
    /// Number of bytes missing at its end, and the cause.
    pub(super) failed: Option<(usize, Cause)>,
}

pub(super) enum Bytes {
    Packet {
        packet: Packet<PoolBuf>,
        skip: usize,
        good: usize,
    },
    Exposed(Exposed),
    Nothing,
}

impl Bytes {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Packet { packet, skip, good } => &packet.buffer()[*skip..][..*good],
            Bytes::Exposed(exposed) => exposed,
            Bytes::Nothing => &[],
        }
    }
}

impl<'a, P: Address, Io: PacketIo<Read, P> + ?Sized> Source<'a, P, Io> {
    pub(super) fn new(io: &'a Io, pos: P, len: u64) -> Self {
        Self {
            io,
            pos,
            len,
            chunks: Chunks::default(),
            alignment: Alignment::NONE,
            target: Alignment::NONE,
            from_end: false,
            asked: 0,
            sent: Ring::new(),
            spare: None,
        }
    }

    /// Sets the chunks, and the requirements of the receiver. Called before the first send.
    pub(super) fn prepare(&mut self, chunks: Chunks, target: Alignment) {
        self.alignment = self.io.alignment(Operation::Read);
        self.target = target;
        // Both blocks are powers of two: the larger one is a multiple of the other.
        let both = self.alignment.and(target);
        let size = both.round_up(chunks.size.max(1));
        self.chunks = Chunks { size, ..chunks };
    }

    /// Sets the order: the last chunk is read first. Only for objects with positions, and called
    /// before the first send.
    pub(super) fn begin_at_end(&mut self) {
        self.from_end = true;
    }

    /// Whether the last chunk is read first.
    pub(super) fn is_from_end(&self) -> bool {
        self.from_end
    }

    /// Returns the number of bytes wanted in all.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn window(&self) -> usize {
        self.chunks.window(self.alignment.and(self.target))
    }

    /// Returns the next chunk; `None` after the last. Keeps up to `room` chunks in flight.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<Option<Chunk>> {
        while self.asked < self.len && self.sent.len() < room {
            let slot = self.ask();
            let failed = matches!(slot, ReadSlot::Failed(..));
            self.sent.push(slot);
            if failed {
                // It is the last chunk.
                self.len = self.asked;
            }
        }
        if let Some(ReadSlot::Read {
            in_flight,
            skip,
            len,
            at,
        }) = self.sent.front()
        {
            let (skip, len, at) = (*skip, *len, *at);
            let ended = ready!(Pin::new(in_flight).poll(cx));
            self.sent.pop();
            let mut chunk = arrived(ended, skip, len, at);
            self.go_on(&mut chunk);
            return Poll::Ready(Some(chunk));
        }
        Poll::Ready(self.sent.pop().map(|slot| match slot {
            ReadSlot::Exposed(bytes) => Chunk {
                bytes: Bytes::Exposed(bytes),
                at: 0,
                failed: None,
            },
            ReadSlot::Failed(len, cause) => Chunk {
                bytes: Bytes::Nothing,
                at: 0,
                failed: Some((len, cause)),
            },
            ReadSlot::Read { .. } => unreachable!("these were looked at above"),
        }))
    }

    /// Continues after a short read of a stream, which has no more bytes now: the next chunk begins
    /// there.
    fn go_on(&mut self, chunk: &mut Chunk) {
        if let Some((missing, cause)) = chunk.failed
            && self.alignment.is_in_order()
            && cause.kind() == ErrorKind::WouldBlock
            && !chunk.bytes.as_slice().is_empty()
        {
            self.asked -= missing as u64;
            chunk.failed = None;
        }
    }

    /// Requests the next chunk: exposed memory if there is any, else a packet.
    fn ask(&mut self) -> ReadSlot {
        let size = self.chunks.size;
        let left = usize::try_from(self.len - self.asked).unwrap_or(usize::MAX);
        let at = match self.from_end {
            true => self.last_cut(),
            false => self.asked,
        };
        let number = self.pos.to_u64().checked_add(at);
        let skip = number.map_or(0, |number| self.alignment.excess(number));
        let len = match self.from_end {
            // At most a chunk.
            true => (self.len - self.asked - at) as usize,
            false => left.min(size - skip),
        };
        let pos = number.and_then(P::from_u64);
        let start = number.and_then(|number| P::from_u64(number - skip as u64));
        let (Some(pos), Some(start)) = (pos, start) else {
            // There is no such position, so it is past the end of the file.
            return ReadSlot::Failed(len, ErrorKind::UnexpectedEof.into());
        };
        if let Some(exposed) = self.exposed(pos, len).filter(|_| !self.from_end) {
            self.asked += exposed.len() as u64;
            return ReadSlot::Exposed(exposed);
        }
        let packet = match self.packet() {
            Ok(packet) => packet,
            Err(cause) => return ReadSlot::Failed(len, cause),
        };
        self.asked += len as u64;
        let whole = self.alignment.round_up(skip + len);
        let (in_flight, view) = packet.start_prefix::<Read>(whole);
        self.io.send_io(start, view);
        ReadSlot::Read {
            in_flight,
            skip,
            len,
            at,
        }
    }

    /// Returns the distance from the start of the last chunk not requested yet: one chunk before
    /// the end of those bytes, or at the next block boundary.
    fn last_cut(&self) -> u64 {
        let left = self.len - self.asked;
        let first = self.pos.to_u64();
        let end = first.saturating_add(left);
        let block = self.alignment.and(self.target).block() as u64;
        let cut = end.saturating_sub(self.chunks.size as u64);
        // A chunk has whole blocks, so this is before the end.
        let cut = cut.checked_next_multiple_of(block).unwrap_or(cut);
        cut.saturating_sub(first)
    }

    /// Returns exposed memory, if its alignment suits the receiver.
    fn exposed(&self, pos: P, len: usize) -> Option<Exposed> {
        let exposed = self.io.expose(pos, len)?.slice(..len);
        let whole = exposed.len() == len || exposed.len().is_multiple_of(self.target.block());
        let suits = whole && exposed.as_ptr().addr().is_multiple_of(self.target.memory());
        (suits && !exposed.is_empty()).then_some(exposed)
    }

    fn packet(&mut self) -> Result<Packet<PoolBuf>, Cause> {
        match self.spare.take() {
            Some(packet) => Ok(packet),
            None => {
                let memory = self.alignment.and(self.target).memory();
                take_aligned(self.io.pool(), self.chunks.size, memory)
            }
        }
    }

    /// Takes back a packet for the next chunk.
    pub(super) fn give_back(&mut self, packet: Packet<PoolBuf>) {
        if let Some(packet) = self.spare.replace(packet) {
            give_pooled(self.io.pool(), packet);
        }
    }

    /// Takes back the memory of a chunk.
    pub(super) fn used(&mut self, bytes: Bytes) {
        if let Bytes::Packet { packet, .. } = bytes {
            self.give_back(packet);
        }
    }

    /// Detaches the requests in flight, and returns the packets to the pool.
    pub(super) fn finish(&mut self) {
        self.len = self.asked;
        while self.sent.pop().is_some() {}
        if let Some(packet) = self.spare.take() {
            give_pooled(self.io.pool(), packet);
        }
    }
}

/// Returns the chunk of a completed read.
fn arrived(ended: Ended<PoolBuf>, skip: usize, len: usize, at: u64) -> Chunk {
    let Ended { packet, outcome } = ended;
    // The bytes around the wanted ones only fill blocks of the object.
    let failed = outcome.failure_within(skip..skip + len);
    let good = failed.map_or(len, |failed| failed.offset - skip);
    let failed = failed.map(|failed| (len - good, failed.cause));
    Chunk {
        bytes: Bytes::Packet { packet, skip, good },
        at,
        failed,
    }
}
