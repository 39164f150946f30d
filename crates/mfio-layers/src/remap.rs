//! [`Remap`]: ranges of one address space mapped to ranges of another.

mod table;

use crate::alignment;
use crate::forward::forward_backend;
use crate::gather::{Gather, MemberOp};
use crate::identity::identity_over;
use crate::route;
use crate::routed::{self, Routed, Routing, Sequence};
use crate::translate::OF_PARTS;
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{RangeBounds, RangeInclusive};
use mfio::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp};
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{
    Address, Alignment, Direction, Exposed, Identity, IoObject, Operation, PacketIo, Read,
};
use mfio::packet::{PacketPool, View};
use table::Mappings;

/// Help for requests that are refused because a mapping does not begin and end with blocks.
const CUT: &str = "the object below takes whole blocks only (`IoObject::alignment`), and a mapping \
                   begins or ends within one, here or there, so no request can be aligned: map \
                   whole blocks, as `map_aligned` asks for";

/// Whether a mapping covers whole blocks, above and below.
fn suits(range: &RangeInclusive<u64>, target: u64, alignment: Alignment) -> bool {
    let end = range.end().wrapping_add(1);
    [*range.start(), end, target]
        .iter()
        .all(|edge| alignment::is_edge(*edge, alignment))
}

/// Maps ranges of an address space, whose addresses are `P`, to ranges of an object, whose
/// addresses are `Q`.
///
/// Requests are split at the edges of mappings. Bytes that no mapping covers fail with
/// [`NotFound`](ErrorKind::NotFound); that is not the end of the data, as other mappings may
/// follow. A request within one mapping costs one look-up, and is forwarded whole. Mappings that
/// continue each other are one.
///
/// The mappings of a shared `Remap` do not change, so that requests need no lock. To change a
/// `Remap` that is in use, replace it.
///
/// For ranges of several objects, map to a [`Concat`](crate::Concat) of them. The backend of the
/// object drives the layer too.
///
/// # Control operations
/// A range is one request for each mapping that it touches. They are in flight at once, and the
/// operation ends when all have ended, with the first failure in the order of addresses. Only an
/// operation on one mapping has a short cut.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll` | none: the whole object is synced |
/// | `Discard`, `Prefetch` | the mapped parts of the range are passed on |
/// | `WriteZeroes`, `Allocate` | likewise; `NotFound`, and nothing done, if a byte is not mapped |
/// | `Extents` | those up to the first byte that is not mapped, which may be none |
/// | `SetLen`, `Len` | `NotSupported`: there is no length |
/// | `Shutdown` | `NotSupported`: writes to other ranges of the object go on |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::error::ErrorKind;
/// use mfio::memory::Memory;
/// use mfio::packet::Packet;
/// use mfio::traits::{BlockingIo, IoRead};
/// use mfio_layers::Remap;
///
/// // A process in an image of 8 bytes: its text at 4096, its stack at the end of the addresses.
/// let mut io = Remap::new(Memory::new(b"textSTAK".to_vec()));
/// io.map(4096u64..4100, 0)?;
/// io.map(u64::MAX - 3.., 4)?;
///
/// assert_eq!(io.blocking().read_value_at::<[u8; 4]>(u64::MAX - 3)?, *b"STAK");
///
/// let ended = io.block_on(io.read_packet_at(Packet::new(*b"........"), 4094));
/// let failed: Vec<_> = ended.outcome.failures().map(|r| (r.offset, r.len)).collect();
/// assert_eq!(failed, [(0, 2), (6, 2)]);
/// assert_eq!(ended.outcome.first_error().unwrap().kind(), ErrorKind::NotFound);
/// assert_eq!(&ended.packet.buffer()[2..6], b"text");
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[derive(Clone)]
pub struct Remap<Io, P = u64, Q = u64> {
    inner: Io,
    table: Mappings,
    addresses: PhantomData<fn(P) -> Q>,
    control: Arc<Gather<Sequence>>,
}

impl<Io, P: Address, Q: Address> Remap<Io, P, Q> {
    /// Creates a remapping of `inner` without mappings.
    pub fn new(inner: Io) -> Self {
        Self {
            inner,
            table: Mappings::default(),
            addresses: PhantomData,
            control: Gather::new(),
        }
    }

    /// Maps `range`, which may be unbounded, to as many bytes of the object from `target` on, in
    /// place of earlier mappings. An empty range changes nothing. Over an object that takes whole
    /// blocks only, see [`map_aligned`](Self::map_aligned).
    ///
    /// # Errors
    /// `InvalidInput` where there are not so many addresses from `target` on; the mappings are
    /// unchanged then.
    pub fn map(&mut self, range: impl RangeBounds<P>, target: Q) -> Result<()> {
        let Some(range) = table::numbers(&range) else {
            return Ok(());
        };
        self.map_numbers(range, target.to_u64())
    }

    fn map_numbers(&mut self, range: RangeInclusive<u64>, target: u64) -> Result<()> {
        let last = target.checked_add(range.end() - range.start());
        if last.and_then(Q::from_u64).is_none() {
            return Err(Error::new(ErrorKind::InvalidInput, "mapping")
                .offset(*range.start())
                .help("the target has fewer addresses from there on than the range is long"));
        }
        self.table.map(range, target);
        Ok(())
    }

    /// Maps as [`map`](Self::map) does, and checks that requests can be aligned.
    ///
    /// # Errors
    /// As for [`map`](Self::map), and `InvalidInput` where the range does not begin and end, or the
    /// target not begin, where blocks of the object do ([`alignment`](IoObject::alignment)).
    pub fn map_aligned(&mut self, range: impl RangeBounds<P>, target: Q) -> Result<()>
    where
        Io: IoObject,
    {
        if let Some(range) = table::numbers(&range) {
            let alignment = self.inner.alignment(Operation::Read);
            let aligned = suits(&range, target.to_u64(), alignment);
            alignment::check(aligned, "mapping", CUT)?;
            self.map_numbers(range, target.to_u64())?;
        }
        Ok(())
    }

    /// Removes the mappings of `range`. The whole address space is `..`.
    pub fn unmap(&mut self, range: impl RangeBounds<P>) {
        if let Some(range) = table::numbers(&range) {
            self.table.unmap(range);
        }
    }

    /// Returns the mappings in the order of addresses, each with the target of its first byte.
    /// Mappings that continue each other are one.
    pub fn mappings(&self) -> impl Iterator<Item = (RangeInclusive<P>, Q)> {
        self.table.iter().filter_map(|(range, target)| {
            let (first, last) = range.into_inner();
            Some((
                P::from_u64(first)?..=P::from_u64(last)?,
                Q::from_u64(target)?,
            ))
        })
    }

    /// Returns the target of the byte at `pos`; `None` in a hole.
    pub fn target(&self, pos: P) -> Option<Q> {
        self.table.target(pos.to_u64()).and_then(Q::from_u64)
    }

    /// Returns the object.
    pub const fn inner(&self) -> &Io {
        &self.inner
    }

    /// Returns the object.
    pub fn into_inner(self) -> Io {
        self.inner
    }
}

impl<Io: IoObject, P, Q> IoObject for Remap<Io, P, Q> {
    fn identity(&self) -> Identity<'_> {
        identity_over("a remapping", self.inner.identity())
    }

    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        let hole = (cause == ErrorKind::NotFound.into())
            .then_some("no mapping covers it: map the range, or read around it");
        let alignment = self.inner.alignment(operation);
        let aligned = || {
            let mut mappings = self.table.iter();
            alignment.block() == 1
                || mappings.all(|(range, target)| suits(&range, target, alignment))
        };
        let cut = alignment::explain(cause, CUT, aligned);
        cut.or_else(|| self.inner.explain(operation, cause))
            .or(hole)
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        self.inner.pool()
    }

    fn alignment(&self, operation: Operation) -> Alignment {
        self.inner.alignment(operation)
    }
}

impl<D, P, Q, Io> PacketIo<D, P> for Remap<Io, P, Q>
where
    D: Direction,
    P: Address,
    Q: Address,
    Io: PacketIo<D, Q>,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<D>) {
        let mut walk = self.table.walk(pos.to_u64());
        route::split_and_send(pos, view, |at, wanted| {
            walk.route::<Io, Q>(&self.inner, at, wanted)
        });
    }

    /// Transfers the part in the first mapping.
    #[inline]
    fn transfer_blocking(
        &self,
        pos: P,
        bytes: D::Slice<'_>,
    ) -> Option<core::result::Result<usize, Cause>> {
        route::transfer_first::<D, P, Q, Io>(pos, bytes, |at, wanted| {
            self.table.walk(at).route(&self.inner, at, wanted)
        })
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        route::expose_first::<D, P, Q, Io>(pos, len, |at, wanted| {
            self.table.walk(at).route(&self.inner, at, wanted)
        })
    }
}

impl<Io: ControlIo, P, Q> Routed for Remap<Io, P, Q> {
    type Io = Io;
    type Rule = Sequence;

    fn gather(&self) -> &Arc<Gather<Sequence>> {
        &self.control
    }

    fn object(&self, _: usize) -> &Io {
        &self.inner
    }

    fn route(&self, op: ControlOp) -> Routing<Sequence> {
        let Some(span) = op.span() else {
            return match op {
                ControlOp::SyncData | ControlOp::SyncAll => Routing::Objects(op, Sequence),
                _ => Routing::Failed(ErrorKind::NotSupported),
            };
        };
        let end = match op {
            ControlOp::Discard(_) | ControlOp::Prefetch(_) => span.end(),
            _ => self.table.mapped_until(span),
        };
        let mapped = span.until(end);
        match op {
            ControlOp::Extents(_) => Routing::Objects(op.with_span(mapped), Sequence),
            _ if mapped == span => Routing::Objects(op, Sequence),
            // The last address has a byte, but no range has it.
            _ if self.table.target(end).is_some() => Routing::Failed(ErrorKind::UnexpectedEof),
            _ => Routing::Failed(ErrorKind::NotFound),
        }
    }

    fn parts(&self, op: ControlOp, room: usize) -> impl Iterator<Item = MemberOp> {
        let whole = op.span().is_none().then(|| MemberOp::new(0, op));
        let runs = op.span().map(|span| self.table.runs(span));
        let runs = runs.into_iter().flatten();
        let parts = runs.map(move |(_, target)| MemberOp::new(0, op.with_span(target)));
        let parts = parts.filter(|part| !part.op.is_empty());
        parts.chain(whole).take(routed::needed(op, room))
    }
}

impl<Io: ControlIo, P, Q> ControlIo for Remap<Io, P, Q> {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        routed::send(self, op, view);
    }

    fn capabilities(&self) -> Capabilities {
        let kept = OF_PARTS.without(ControlKind::Len);
        self.inner.capabilities().intersection(kept)
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<core::result::Result<(), Cause>> {
        routed::execute(self, op, answer)
    }
}

forward_backend!([Io, P, Q] Remap<Io, P, Q>, Io, |layer| &layer.inner);

impl<Io: fmt::Debug, P, Q> fmt::Debug for Remap<Io, P, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remap")
            .field("inner", &self.inner)
            .field("mappings", &self.table)
            .finish()
    }
}
