//! [`Concat`]: objects one after another.

use crate::alignment;
use crate::gather::{self, Gather, MemberOp};
use crate::identity::{first_explanation, first_pool, identity_over_many, strictest};
use crate::route::{self, Destination};
use crate::routed::{self, Routed, Routing, Sequence};
use crate::translate::OF_PARTS;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Ready, ready};
use mfio::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp};
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{
    Address, Alignment, Direction, Exposed, Identity, IoObject, Operation, PacketIo, Read,
};
use mfio::packet::{PacketPool, View};
use mfio::traits::HasLen;

/// Concatenates objects of given lengths: each begins where the one before ends.
///
/// Requests are split where one object ends and the next one begins. The part of a request beyond
/// the last one fails with [`UnexpectedEof`](ErrorKind::UnexpectedEof). An object that is longer
/// than its given length is cut. Of one that is shorter the missing part fails, and the next object
/// still begins at the given place. That is `UnexpectedEof` too, so calls that end with the data
/// (`read_at`, `read_vec_at`, cursors) end there, before the objects behind it: give the real
/// lengths.
///
/// Under a [`Remap`](crate::Remap) it maps ranges of several objects: [`start`](Self::start)
/// returns where each begins.
///
/// It has no backend of its own, because its objects may have several:
/// [`AttachBackend`](crate::AttachBackend) adds the one that all share, and
/// [`BackendSet`](crate::BackendSet) makes one of many.
///
/// # Control operations
/// The parts of an operation are in flight at once, and it ends when all have ended, with the first
/// failure in the order of the objects. Only an operation on one object has a short cut.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll`, `Shutdown` | all objects carry it out |
/// | `Discard`, `Prefetch` | each object gets its part of the range, within its given length |
/// | `WriteZeroes`, `Allocate` | likewise; `UnexpectedEof`, and nothing done, if it is too long |
/// | `Extents` | those of the objects, up to the first byte that is missing |
/// | `SetLen` | `NotSupported`: the lengths are given |
/// | `Len` | the given length: no object is asked |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use mfio_layers::{Concat, AttachBackend, BackendSet};
/// use std::sync::Arc;
///
/// let parts = ["Hello, ", "world"].map(|text| Arc::new(Memory::new(text)));
/// let concat = Concat::new(parts.clone().map(|part| (part.clone(), part.len() as u64)))?;
/// assert_eq!(concat.start(1), Some(7));
///
/// let io = AttachBackend::new(concat, BackendSet::new(parts)?);
/// assert_eq!(io.block_on(io.read_vec_at(3, 100))?, b"lo, world");
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Concat<Io> {
    parts: Box<[Member<Io>]>,
    control: Arc<Gather<Sequence>>,
}

#[derive(Clone, Debug)]
struct Member<Io> {
    io: Io,
    start: u64,
    /// The start of the next part.
    end: u64,
}

impl<Io> Concat<Io> {
    /// Concatenates objects with their lengths in bytes.
    ///
    /// # Errors
    /// `InvalidInput` where the sum of the lengths exceeds 2^64 - 1, or one of them is no multiple
    /// of the largest block that an object asks for ([`alignment`](IoObject::alignment)). The given
    /// length of the last object may be greater than the real one.
    pub fn new(parts: impl IntoIterator<Item = (Io, u64)>) -> Result<Self>
    where
        Io: IoObject,
    {
        let concat = Self::join(parts)?;
        let alignment = strictest(concat.members(), Operation::Read);
        let aligned = concat
            .parts
            .iter()
            .all(|part| alignment::is_end(part.end, alignment));
        let help = "an object takes whole blocks only (`IoObject::alignment`): the length of each \
                    must be a multiple of the largest block (round that of the last one up: where \
                    it ends it says so itself)";
        alignment::check(aligned, "concatenating", help)?;
        Ok(concat)
    }

    fn join(parts: impl IntoIterator<Item = (Io, u64)>) -> Result<Self> {
        let mut start = 0u64;
        let place = |(io, len)| {
            let part = Member {
                io,
                start,
                end: start.checked_add(len)?,
            };
            start = part.end;
            Some(part)
        };
        match parts.into_iter().map(place).collect::<Option<Vec<_>>>() {
            Some(parts) => Ok(Self {
                parts: parts.into(),
                control: Gather::new(),
            }),
            None => Err(Error::new(ErrorKind::InvalidInput, "concatenating")
                .help("the lengths of the objects add up to more than 2^64 - 1 bytes")),
        }
    }

    /// Returns the length in bytes.
    pub fn len(&self) -> u64 {
        self.parts.last().map_or(0, |last| last.end)
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the address where an object begins; `None` where there is no such object.
    pub fn start(&self, index: usize) -> Option<u64> {
        self.parts.get(index).map(|part| part.start)
    }

    /// Returns the objects, in their order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Io> {
        self.parts.iter().map(|part| &part.io)
    }

    #[inline]
    fn route<Q: Address>(&self, at: u64, wanted: u64) -> Destination<'_, Io, Q> {
        // Objects without bytes end where they begin, so none of them is the first to end beyond
        // `at`.
        let index = self.parts.partition_point(|part| part.end <= at);
        match self.parts.get(index) {
            Some(part) => Destination::of(&part.io, at - part.start, part.end - at),
            None => Destination::missing(ErrorKind::UnexpectedEof, wanted),
        }
    }
}

impl<Io: IoObject> IoObject for Concat<Io> {
    fn identity(&self) -> Identity<'_> {
        let first = self.members().next().map(IoObject::identity);
        identity_over_many(
            "a concatenation",
            self.parts.len(),
            first.unwrap_or_default(),
        )
    }

    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        let named = || self.control.explain(operation, cause);
        first_explanation(self.members(), operation, cause).or_else(named)
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        first_pool(self.members())
    }

    fn alignment(&self, operation: Operation) -> Alignment {
        strictest(self.members(), operation)
    }
}

impl<D: Direction, P: Address, Io: PacketIo<D, P>> PacketIo<D, P> for Concat<Io> {
    #[inline]
    fn send_io(&self, pos: P, view: View<D>) {
        route::split_and_send(pos, view, |at, wanted| self.route::<P>(at, wanted));
    }

    /// Transfers the part in the first object.
    #[inline]
    fn transfer_blocking(
        &self,
        pos: P,
        bytes: D::Slice<'_>,
    ) -> Option<core::result::Result<usize, Cause>> {
        route::transfer_first::<D, P, P, Io>(pos, bytes, |at, wanted| self.route(at, wanted))
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        route::expose_first::<D, P, P, Io>(pos, len, |at, wanted| self.route(at, wanted))
    }
}

impl<Io: ControlIo> Routed for Concat<Io> {
    type Io = Io;
    type Rule = Sequence;

    fn gather(&self) -> &Arc<Gather<Sequence>> {
        &self.control
    }

    fn object(&self, index: usize) -> &Io {
        &self.parts[index].io
    }

    fn route(&self, op: ControlOp) -> Routing<Sequence> {
        match op {
            ControlOp::SyncData | ControlOp::SyncAll | ControlOp::Shutdown => {
                Routing::Objects(op, Sequence)
            }
            ControlOp::Len => Routing::Len(self.len()),
            op => Routing::within(self.len(), op, Sequence),
        }
    }

    fn parts(&self, op: ControlOp, room: usize) -> impl Iterator<Item = MemberOp> {
        let span = op.span();
        let first = span.map_or(0, |span| {
            self.parts.partition_point(|part| part.end <= span.start())
        });
        let parts = self.parts.iter().enumerate().skip(first);
        let parts = parts.map_while(move |(index, part)| match span {
            None => Some(MemberOp::new(index, op)),
            Some(span) if part.start < span.end() => {
                let within = span.starting_at(part.start).until(part.end);
                let moved = within.start() - part.start..within.end() - part.start;
                Some(MemberOp::new(index, op.with_span(moved.into())))
            }
            Some(_) => None,
        });
        let parts = parts.filter(|part| !part.op.is_empty());
        parts.take(routed::needed(op, room))
    }
}

impl<Io: ControlIo> ControlIo for Concat<Io> {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        routed::send(self, op, view);
    }

    fn capabilities(&self) -> Capabilities {
        let kept = OF_PARTS.with(ControlKind::Shutdown);
        let all = gather::common(self.members()).intersection(kept);
        all.with(ControlKind::Len)
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<core::result::Result<(), Cause>> {
        routed::execute(self, op, answer)
    }
}

impl<Io> HasLen for Concat<Io> {
    type Len = Ready<Result<u64>>;

    /// Returns the given length: no object is asked.
    fn io_len(&self) -> Self::Len {
        ready(Ok(self.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parts_are_passed_over_and_the_end_is_the_end() {
        let concat = Concat::join([('a', 0), ('b', 3), ('c', 0), ('d', 2), ('e', 0)]).unwrap();
        let at = |at| concat.route::<u64>(at, 9).to.map(|(io, at)| (*io, at)).ok();
        assert_eq!(
            [at(0), at(2), at(3), at(4), at(5)],
            [
                Some(('b', 0)),
                Some(('b', 2)),
                Some(('d', 0)),
                Some(('d', 1)),
                None
            ]
        );
        assert_eq!(concat.len(), 5);
        assert!(Concat::<char>::join([]).unwrap().is_empty());
    }

    #[test]
    fn lengths_that_overflow_are_an_error() {
        let error = Concat::join([('a', u64::MAX), ('b', 1)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(Concat::join([('a', u64::MAX)]).unwrap().len(), u64::MAX);
    }
}
