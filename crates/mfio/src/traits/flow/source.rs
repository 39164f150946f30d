//! Bytes that come in chunks, in order, a few of them ahead.

use super::Chunks;
use super::ring::Ring;
use crate::error::{Cause, ErrorKind};
use crate::io::{Address, Alignment, Exposed, PacketIo, Read};
use crate::packet::{Ended, InFlight, Packet, PoolBuf, give_pooled, take_aligned};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// See the module.
pub(super) struct Source<'a, P, Io: ?Sized> {
    pub(super) io: &'a Io,
    pub(super) pos: P,
    len: u64,
    chunks: Chunks,
    /// What the object asks for.
    alignment: Alignment,
    /// What is asked for by who gets the chunks.
    target: Alignment,
    /// The last bytes come first.
    from_end: bool,
    /// How many bytes were asked for so far.
    asked: u64,
    sent: Ring<Slot>,
    spare: Option<Packet<PoolBuf>>,
}

/// A chunk on its way.
enum Slot {
    Read {
        in_flight: InFlight<PoolBuf, Read>,
        /// How many bytes come before the first that is wanted, so that the request is aligned.
        skip: usize,
        len: usize,
        /// How far the first that is wanted is from the start.
        at: u64,
    },
    Exposed(Exposed),
    /// So many bytes could not be asked for.
    Failed(usize, Cause),
}

/// A chunk that has come.
pub(super) struct Chunk {
    pub(super) bytes: Bytes,
    /// How far its first byte is from the start. Known of chunks that were read.
    pub(super) at: u64,
    /// How many bytes are missing at its end, and why.
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

    /// Says how to cut the bytes, and what who gets them asks for. Before anything is sent.
    pub(super) fn prepare(&mut self, chunks: Chunks, target: Alignment) {
        self.alignment = self.io.alignment();
        self.target = target;
        // Both blocks are powers of two: the larger one is a multiple of the other.
        let both = self.alignment.and(target);
        let size = both.round_up(chunks.size.max(1));
        self.chunks = Chunks { size, ..chunks };
    }

    /// Says that the last bytes come first. Only of an object that has positions, and before
    /// anything is sent.
    pub(super) fn begin_at_end(&mut self) {
        self.from_end = true;
    }

    /// Whether the last bytes come first.
    pub(super) fn is_from_end(&self) -> bool {
        self.from_end
    }

    /// How many bytes are wanted in all.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn window(&self) -> usize {
        self.chunks.window(self.alignment.and(self.target))
    }

    /// The next chunk; `None` after the last. `room` is how many may be on their way.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<Option<Chunk>> {
        while self.asked < self.len && self.sent.len() < room {
            let slot = self.ask();
            let failed = matches!(slot, Slot::Failed(..));
            self.sent.push(slot);
            if failed {
                // Nothing comes after it.
                self.len = self.asked;
            }
        }
        if let Some(Slot::Read {
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
            Slot::Exposed(bytes) => Chunk {
                bytes: Bytes::Exposed(bytes),
                at: 0,
                failed: None,
            },
            Slot::Failed(len, cause) => Chunk {
                bytes: Bytes::Nothing,
                at: 0,
                failed: Some((len, cause)),
            },
            Slot::Read { .. } => unreachable!("these were looked at above"),
        }))
    }

    /// Of what has bytes in order only a chunk may be short because there are no more now: the next
    /// one begins there.
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

    /// Asks for the next chunk: the object's memory if there is any, else a packet's.
    fn ask(&mut self) -> Slot {
        let size = self.chunks.size;
        let left = usize::try_from(self.len - self.asked).unwrap_or(usize::MAX);
        let at = match self.from_end {
            true => self.last_cut(),
            false => self.asked,
        };
        let number = self.pos.to_u64().checked_add(at);
        let skip = number.map_or(0, |number| self.alignment.excess(number));
        let len = match self.from_end {
            // No more than a chunk.
            true => (self.len - self.asked - at) as usize,
            false => left.min(size - skip),
        };
        let pos = number.and_then(P::from_u64);
        let start = number.and_then(|number| P::from_u64(number - skip as u64));
        let (Some(pos), Some(start)) = (pos, start) else {
            // Where positions end the data does.
            return Slot::Failed(len, ErrorKind::UnexpectedEof.into());
        };
        if let Some(exposed) = self.exposed(pos, len).filter(|_| !self.from_end) {
            self.asked += exposed.len() as u64;
            return Slot::Exposed(exposed);
        }
        let packet = match self.packet() {
            Ok(packet) => packet,
            Err(cause) => return Slot::Failed(len, cause),
        };
        self.asked += len as u64;
        let whole = self.alignment.round_up(skip + len);
        let (in_flight, view) = packet.start_prefix::<Read>(whole);
        self.io.send_io(start, view);
        Slot::Read {
            in_flight,
            skip,
            len,
            at,
        }
    }

    /// How far from the start the last chunk begins of the bytes that were not asked for yet: a
    /// chunk before their end, or at the first block behind that.
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

    /// The object's own memory, where it suits who gets it.
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

    /// Takes a packet back that has been used.
    pub(super) fn give_back(&mut self, packet: Packet<PoolBuf>) {
        if let Some(packet) = self.spare.replace(packet) {
            give_pooled(self.io.pool(), packet);
        }
    }

    /// Takes the chunk's memory back.
    pub(super) fn used(&mut self, bytes: Bytes) {
        if let Bytes::Packet { packet, .. } = bytes {
            self.give_back(packet);
        }
    }

    /// Gives up what is on its way, and gives the pool its packets back.
    pub(super) fn finish(&mut self) {
        self.len = self.asked;
        while self.sent.pop().is_some() {}
        if let Some(packet) = self.spare.take() {
            give_pooled(self.io.pool(), packet);
        }
    }
}

/// What has come of the wanted bytes.
fn arrived(ended: Ended<PoolBuf>, skip: usize, len: usize, at: u64) -> Chunk {
    let Ended { packet, outcome } = ended;
    // What is around them is there for the object's blocks only.
    let failed = outcome.failure_within(skip..skip + len);
    let good = failed.map_or(len, |failed| failed.offset - skip);
    let failed = failed.map(|failed| (len - good, failed.cause));
    Chunk {
        bytes: Bytes::Packet { packet, skip, good },
        at,
        failed,
    }
}
