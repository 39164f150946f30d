//! [`Offset`]: the rest of an object as an object.

use crate::alignment;
use crate::forward::forward_backend;
use crate::identity::identity_over;
use crate::len::{PartLen, part_len};
use crate::route::missing;
use crate::translate::{self, OF_PARTS, PartOfLen, Translated};
use mfio::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{
    Address, Alignment, Direction, Exposed, Identity, IoObject, Operation, PacketIo, Place, Read,
};
use mfio::packet::View;
use mfio::traits::HasLen;

/// Adds a base to each position: byte 0 is byte `base` of the object.
///
/// A request fails with [`UnexpectedEof`](ErrorKind::UnexpectedEof) where the sum of its position
/// and the base exceeds the type of positions. Others are forwarded as they are, also behind the
/// end of the object; a [`Window`](crate::Window) has an end of its own.
///
/// The backend of the object drives the layer too.
///
/// # Control operations
/// Short cuts of the object are kept. Ranges may be longer than the address space of the object.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll` | none: the whole object is synced |
/// | `Discard`, `Prefetch`, `Extents` | the range is moved, and cut to the address space |
/// | `WriteZeroes`, `Allocate` | moved; `UnexpectedEof`, and nothing done, if it is too long |
/// | `SetLen` | the base is added; `InvalidInput` if the sum is too large |
/// | `Len` | the base is subtracted; 0 if the object ends before it |
/// | `Shutdown` | none: the object is shut down |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use mfio_layers::Offset;
///
/// let io = Offset::new(Memory::new(b"header, body".to_vec()), 8);
/// assert_eq!(io.block_on(io.read_vec_at(0, 100))?, b"body");
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Offset<Io> {
    inner: Io,
    base: u64,
}

impl<Io> Offset<Io> {
    /// Shows `inner` from byte `base` on. Over an object that takes whole blocks only, see
    /// [`aligned`](Self::aligned).
    pub const fn new(inner: Io, base: u64) -> Self {
        Self { inner, base }
    }

    /// Shows `inner` from byte `base` on, and checks that requests can be aligned.
    ///
    /// # Errors
    /// `InvalidInput` where `base` is no multiple of the object's block
    /// ([`alignment`](IoObject::alignment)).
    pub fn aligned(inner: Io, base: u64) -> mfio::error::Result<Self>
    where
        Io: IoObject,
    {
        let layer = Self { inner, base };
        let alignment = layer.inner.alignment(Operation::Read);
        alignment::check(
            layer.suits(alignment),
            "showing a part",
            alignment::PART_CUT,
        )?;
        Ok(layer)
    }

    fn suits(&self, alignment: Alignment) -> bool {
        alignment::is_edge(self.base, alignment)
    }

    /// Returns the address of byte 0 in the object.
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// Returns the object.
    pub const fn inner(&self) -> &Io {
        &self.inner
    }

    /// Returns the object.
    pub fn into_inner(self) -> Io {
        self.inner
    }

    #[inline]
    fn place<P: Address>(&self, pos: P) -> Option<P> {
        self.base.checked_add(pos.to_u64()).and_then(P::from_u64)
    }
}

impl<Io: IoObject> IoObject for Offset<Io> {
    #[inline]
    fn below(&self) -> Option<&dyn IoObject> {
        Some(&self.inner)
    }

    fn identity(&self) -> Identity<'_> {
        identity_over(
            format_args!("the part from byte {}", self.base),
            self.inner.identity(),
        )
    }

    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        let aligned = || self.suits(self.inner.alignment(operation));
        alignment::explain(cause, alignment::PART_CUT, aligned)
            .or_else(|| self.inner.explain(operation, cause))
    }

    fn locate(&self, offset: u64) -> Place {
        match self.base.checked_add(offset) {
            Some(place) => self.inner.locate(place),
            None => Place::of(self, offset),
        }
    }

    /// Returns the end of the object, counted from the base.
    fn appends_at(&self) -> Option<u64> {
        self.inner.appends_at()?.checked_sub(self.base)
    }

    fn len_now(&self) -> Option<u64> {
        Some(part_len(self.inner.len_now()?, self.base, u64::MAX))
    }
}

impl<D: Direction, P: Address, Io: PacketIo<D, P>> PacketIo<D, P> for Offset<Io> {
    #[inline]
    fn send_io(&self, pos: P, view: View<D>) {
        match self.place(pos) {
            Some(pos) => self.inner.send_io(pos, view),
            // An empty view completes immediately, wherever it is.
            None if view.is_empty() => view.done(),
            None => view.fail(ErrorKind::UnexpectedEof),
        }
    }

    #[inline]
    fn transfer_blocking(&self, pos: P, bytes: D::Slice<'_>) -> Option<Result<usize, Cause>> {
        match self.place(pos) {
            Some(pos) => self.inner.transfer_blocking(pos, bytes),
            None if D::size(&bytes) == 0 => Some(Ok(0)),
            None => missing::<D>(ErrorKind::UnexpectedEof.into()),
        }
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        self.inner.expose(self.place(pos)?, len)
    }
}

impl<Io> Offset<Io> {
    fn translate(&self, op: ControlOp) -> Translated {
        match op {
            ControlOp::SyncData | ControlOp::SyncAll | ControlOp::Shutdown => Translated::Below(op),
            ControlOp::SetLen(len) => match self.base.checked_add(len) {
                Some(len) => Translated::Below(ControlOp::SetLen(len)),
                None => Translated::Failed(ErrorKind::InvalidInput),
            },
            ControlOp::Len => Translated::Len(PartOfLen {
                base: self.base,
                most: u64::MAX,
            }),
            _ => translate::part(op, self.base, u64::MAX),
        }
    }
}

impl<Io: ControlIo> ControlIo for Offset<Io> {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        self.translate(op).send(&self.inner, view);
    }

    fn capabilities(&self) -> Capabilities {
        let kept = OF_PARTS
            .with(ControlKind::SetLen)
            .with(ControlKind::Shutdown);
        self.inner.capabilities().intersection(kept)
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        self.translate(op).execute(&self.inner, answer)
    }
}

forward_backend!([Io] Offset<Io>, Io, |layer| &layer.inner);

impl<Io: HasLen> HasLen for Offset<Io> {
    type Len = PartLen<Io::Len>;

    /// Returns the length of the object from the base on; 0 where it ends before.
    fn io_len(&self) -> Self::Len {
        PartLen::new(self.inner.io_len(), self.base, u64::MAX)
    }
}
