//! The part of a [`Blocks`](super::Blocks) that requests keep while the object below has them. It
//! does not own that object.

use super::buffers::{Borrowed, Buffers};
use super::geometry::{Geometry, Part};
use crate::directions::DirectionExt;
use crate::gate::Gate;
use crate::order::Number;
use crate::queued::{QueuedRequest, Resume};
use crate::sent::{self, SentPool};
use crate::steps::{OnPanic, Steps};
use alloc::sync::{Arc, Weak};
use core::ops::Range;
use mfio::control::{ControlOp, Span, Unmap};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, Direction, PacketIo, Read, Write};
use mfio::lock::Lock;
use mfio::packet::{AlignedBuf, RelayPool, View};

/// How many idle blocks of each kind of control operation are kept.
const CONTROLS: usize = 32;

pub(super) struct BlocksShared<Io, P> {
    pub(super) inner: Weak<Io>,
    pub(super) geometry: Geometry,
    /// The order of writes, by the blocks that they touch.
    pub(super) gate: Gate<Queued<Io, P>>,
    buffers: Lock<Buffers<QueuedPart<Io, P>>>,
    pub(super) writes: SentPool<View<Write>, Self, OrderedWrite>,
    pub(super) controls: SentPool<View<Read>, Self, OrderedControl>,
    pub(super) zeroes: SentPool<View<Read>, Self, ZeroedBlocks>,
    pub(super) extents: SentPool<View<Read>, Self, AskedExtents>,
    pub(super) buffered_reads: SentPool<AlignedBuf, Self, BufferedRead>,
    pub(super) buffered_writes: SentPool<AlignedBuf, Self, BufferedWrite<P, View<Write>>>,
    pub(super) buffered_zeroes: SentPool<AlignedBuf, Self, BufferedWrite<P, ZeroedBytes>>,
}

/// A request that waits for earlier ones to the same blocks.
pub(super) enum Queued<Io, P> {
    Write {
        at: u64,
        view: View<Write>,
    },
    Control {
        op: ControlOp,
        view: View<Read>,
        /// Begins it; for objects that have control operations.
        begin: BeginControl<Io, P>,
    },
}

pub(super) type BeginControl<Io, P> =
    fn(&Arc<BlocksShared<Io, P>>, &Io, Number, ControlOp, View<Read>);

type ResumeZeroes<Io, P> = fn(&Arc<BlocksShared<Io, P>>, &Io, Zeroes, View<Read>);

/// A part of a request, which waits for a buffer.
type QueuedPart<Io, P> = QueuedRequest<BlocksShared<Io, P>, u64, Note<Io, P>>;

/// The rest of a range that is set to zero, which waits for a buffer; `None` for a read or a write.
pub(super) type Note<Io, P> = Option<QueuedZeroes<Io, P>>;

pub(super) struct QueuedZeroes<Io, P> {
    pub(super) zeroes: Zeroes,
    pub(super) resume: ResumeZeroes<Io, P>,
}

/// A range that is set to zero.
#[derive(Clone, Copy)]
pub(super) struct Zeroes {
    pub(super) span: Span,
    pub(super) unmap: Unmap,
}

/// A control operation that is carried out in the order of writes.
pub(super) struct OrderedControl {
    pub(super) number: Number,
}

/// Whole blocks that the object sets to zero, and what is left of the range.
pub(super) struct ZeroedBlocks {
    pub(super) rest: Zeroes,
}

/// A question for the extents of a range, asked about whole blocks.
pub(super) struct AskedExtents {
    pub(super) wanted: Span,
    pub(super) asked: Span,
}

/// A write that is carried out.
pub(super) struct OrderedWrite {
    pub(super) number: Number,
}

/// A read of whole blocks into a buffer.
pub(super) struct BufferedRead {
    pub(super) view: View<Read>,
    /// The offset of its bytes in the buffer.
    pub(super) within: usize,
}

/// A part of a request that goes through a buffer: whole blocks, or bytes of one block.
pub(super) struct BufferedWrite<P, S> {
    pub(super) source: S,
    /// The range of its bytes in the buffer.
    pub(super) bytes: Range<usize>,
    /// The position of the first block, and the length of the blocks.
    pub(super) pos: P,
    pub(super) len: usize,
    /// Whether the blocks are being written, after the block was read if that was necessary.
    pub(super) writes: bool,
}

/// Zeros for bytes of one block, and what is left of the range.
pub(super) struct ZeroedBytes {
    pub(super) view: View<Read>,
    pub(super) rest: Zeroes,
}

impl<Io, P> BlocksShared<Io, P> {
    pub(super) fn new(inner: &Arc<Io>, geometry: Geometry) -> Self {
        Self {
            inner: Arc::downgrade(inner),
            geometry,
            gate: Gate::new(),
            buffers: Lock::new(Buffers::new()),
            writes: RelayPool::new(sent::KEPT),
            controls: RelayPool::new(CONTROLS),
            zeroes: RelayPool::new(CONTROLS),
            extents: RelayPool::new(CONTROLS),
            buffered_reads: RelayPool::new(sent::KEPT),
            buffered_writes: RelayPool::new(sent::KEPT),
            buffered_zeroes: RelayPool::new(CONTROLS),
        }
    }

    /// Returns a buffer for the first bytes of a request, and the request. The buffer is a failure
    /// where memory is missing; see [`fail_unbuffered`](Self::fail_unbuffered). Where all buffers
    /// are in use the request waits.
    pub(super) fn borrow<D: DirectionExt>(
        self: &Arc<Self>,
        at: u64,
        view: View<D>,
        note: Note<Io, P>,
    ) -> Option<(Result<AlignedBuf, Cause>, View<D>)>
    where
        Self: Resume<D, u64, Note<Io, P>>,
    {
        let mut buffers = self.buffers.lock();
        let Some(borrowed) = buffers.borrow() else {
            buffers.queue(QueuedRequest::new(at, view, note));
            return None;
        };
        drop(buffers);
        let buffer = match borrowed {
            Borrowed::Idle(buffer) => Ok(buffer),
            Borrowed::New => {
                AlignedBuf::try_with_alignment(self.geometry.buffer(), self.geometry.memory())
            }
        };
        Some((buffer, view))
    }

    /// Sends a request, part by part, until it must wait for a buffer. Each part is what `part_of`
    /// says: it goes to the object as it is, or to `buffered` with a buffer.
    pub(super) fn send_parts<D: DirectionExt>(
        self: &Arc<Self>,
        io: &Io,
        mut at: u64,
        view: View<D>,
        part_of: impl Fn(u64, &View<D>) -> Part,
        buffered: impl Fn(u64, View<D>, AlignedBuf),
    ) where
        P: Address,
        Io: PacketIo<D, P>,
        Self: Resume<D, u64, Note<Io, P>>,
    {
        let mut next = Some(view);
        while let Some(view) = next {
            let len;
            match part_of(at, &view) {
                Part::Direct(direct) => {
                    let (part, rest) = split(view, direct);
                    (len, next) = (direct, rest);
                    send::<D, P, Io>(io, at, part);
                }
                Part::Buffered(fits) => {
                    let Some((buffer, view)) = self.borrow(at, view, None) else {
                        return;
                    };
                    let (part, rest) = split(view, fits);
                    (len, next) = (fits, rest);
                    match buffer {
                        Ok(buffer) => buffered(at, part, buffer),
                        Err(cause) => self.fail_unbuffered(part, cause),
                    }
                }
            }
            // Addresses may end behind the last part.
            at = at.wrapping_add(len as u64);
        }
    }

    /// Fails a part of a request for which there is no memory.
    #[cold]
    pub(super) fn fail_unbuffered<D: DirectionExt>(self: &Arc<Self>, part: View<D>, cause: Cause) {
        part.fail(cause);
        self.give_back(None);
    }

    /// Takes back a buffer, and serves the requests that wait for one. One loop at a time does so:
    /// calls during it, from within it too, leave them to it, so that calls do not nest.
    pub(super) fn give_back(self: &Arc<Self>, buffer: Option<AlignedBuf>) {
        // Takes the lock for this line only.
        let drains = self.buffers.lock().give_back(buffer);
        if drains {
            self.drain();
        }
    }

    #[cold]
    fn drain(self: &Arc<Self>) {
        let left = OnPanic(|| while self.drop_next() {});
        let mut steps = Steps::default();
        loop {
            // Takes the lock for this line only.
            let next = self.buffers.lock().next();
            let Some(request) = next else {
                break;
            };
            steps.run(|| request.resume(self));
        }
        core::mem::forget(left);
        steps.over();
    }

    fn drop_next(&self) -> bool {
        // Drops the request without the lock.
        let next = self.buffers.lock().next();
        next.is_some()
    }
}

/// Sends a part of a request that goes below as it is.
pub(super) fn send<D, P, Io>(io: &Io, at: u64, view: View<D>)
where
    D: Direction,
    P: Address,
    Io: PacketIo<D, P>,
{
    match P::from_u64(at) {
        Some(pos) => io.send_io(pos, view),
        None => view.fail(Cause::new(ErrorKind::UnexpectedEof)),
    }
}

/// Splits off the first `len` bytes. `None` if there are no more.
fn split<D: Direction>(view: View<D>, len: usize) -> (View<D>, Option<View<D>>) {
    if len >= view.len() {
        return (view, None);
    }
    let (part, rest) = view.split_at(len);
    (part, Some(rest))
}
