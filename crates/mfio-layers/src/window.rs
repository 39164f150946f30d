//! [`Window`]: a part of an object as an object.

use crate::alignment;
use crate::forward::forward_backend;
use crate::identity::identity_over;
use crate::len::{PartLen, part_len};
use crate::route::{self, Destination};
use crate::translate::{self, OF_PARTS, PartOfLen, Translated};
use mfio::control::{Answer, Capabilities, ControlIo, ControlOp};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{
    Address, Alignment, Direction, Exposed, Identity, IoObject, Operation, PacketIo, Place, Read,
};
use mfio::packet::View;
use mfio::traits::HasLen;

/// Shows a part of an object as an object: byte 0 is byte `base`, and it ends after `len` bytes.
///
/// The part of a request beyond the end fails with [`UnexpectedEof`](ErrorKind::UnexpectedEof), and
/// nothing outside the window is touched. The object itself may end earlier. So a window of an
/// object without a length has none either; a [`Concat`](crate::Concat) of one object has the given
/// length.
///
/// The backend of the object drives the layer too.
///
/// # Control operations
/// Short cuts of the object are kept. Nothing outside the window is changed, but a sync makes the
/// whole object durable.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll` | none: the whole object is synced |
/// | `Discard`, `Prefetch`, `Extents` | the range is moved, and cut to the window |
/// | `WriteZeroes`, `Allocate` | moved; `UnexpectedEof`, and nothing done, if it is too long |
/// | `SetLen` | `NotSupported`: bytes behind the window would be lost |
/// | `Len` | that of the window, or less where the object ends within it |
/// | `Shutdown` | `NotSupported`: writes outside the window go on |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{BlockingIo, IoRead};
/// use mfio_layers::Window;
///
/// let io = Window::new(Memory::new(b"head, body, tail".to_vec()), 6, 4);
/// assert_eq!(io.block_on(io.read_vec_at(0, 100))?, b"body");
///
/// let error = io.blocking().write_all_at(b"too long", 2).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "write of 8 bytes at offset 2 of a window of 4 bytes at byte 6 failed: unexpected end of \
///      data [memory]"
/// );
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Window<Io> {
    inner: Io,
    base: u64,
    len: u64,
}

impl<Io> Window<Io> {
    /// Shows `len` bytes of `inner` from byte `base` on. Over an object that takes whole blocks
    /// only, see [`aligned`](Self::aligned).
    pub const fn new(inner: Io, base: u64, len: u64) -> Self {
        Self { inner, base, len }
    }

    /// Shows `len` bytes of `inner` from byte `base` on, and checks that requests can be aligned.
    ///
    /// # Errors
    /// `InvalidInput` where the window does not begin and end where blocks of the object do
    /// ([`alignment`](IoObject::alignment)). The object itself may end within its last block.
    pub fn aligned(inner: Io, base: u64, len: u64) -> mfio::error::Result<Self>
    where
        Io: IoObject,
    {
        let layer = Self { inner, base, len };
        let alignment = layer.inner.alignment(Operation::Read);
        alignment::check(
            layer.suits(alignment),
            "showing a part",
            alignment::PART_CUT,
        )?;
        Ok(layer)
    }

    fn suits(&self, alignment: Alignment) -> bool {
        let end = self.base.saturating_add(self.len);
        alignment::is_edge(self.base, alignment) && alignment::is_end(end, alignment)
    }

    /// Returns the address of byte 0 in the object.
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// Returns the length of the window in bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the length is 0.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
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
    fn route<P: Address>(&self, at: u64, wanted: u64) -> Destination<'_, Io, P> {
        match (self.len.checked_sub(at), self.base.checked_add(at)) {
            (Some(left @ 1..), Some(place)) => Destination::of(&self.inner, place, left),
            _ => Destination::missing(ErrorKind::UnexpectedEof, wanted),
        }
    }
}

impl<Io: IoObject> IoObject for Window<Io> {
    #[inline]
    fn below(&self) -> Option<&dyn IoObject> {
        Some(&self.inner)
    }

    fn identity(&self) -> Identity<'_> {
        let Self { base, len, .. } = self;
        identity_over(
            format_args!("a window of {len} bytes at byte {base}"),
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
        Some(part_len(self.inner.len_now()?, self.base, self.len))
    }
}

impl<D: Direction, P: Address, Io: PacketIo<D, P>> PacketIo<D, P> for Window<Io> {
    #[inline]
    fn send_io(&self, pos: P, view: View<D>) {
        route::split_and_send(pos, view, |at, wanted| self.route::<P>(at, wanted));
    }

    #[inline]
    fn transfer_blocking(&self, pos: P, bytes: D::Slice<'_>) -> Option<Result<usize, Cause>> {
        route::transfer_first::<D, P, P, Io>(pos, bytes, |at, wanted| self.route(at, wanted))
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        route::expose_first::<D, P, P, Io>(pos, len, |at, wanted| self.route(at, wanted))
    }
}

impl<Io> Window<Io> {
    fn translate(&self, op: ControlOp) -> Translated {
        let Self { base, len, .. } = *self;
        match op {
            ControlOp::SyncData | ControlOp::SyncAll => Translated::Below(op),
            ControlOp::Len => Translated::Len(PartOfLen { base, most: len }),
            _ => translate::part(op, base, len),
        }
    }
}

impl<Io: ControlIo> ControlIo for Window<Io> {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        self.translate(op).send(&self.inner, view);
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities().intersection(OF_PARTS)
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        self.translate(op).execute(&self.inner, answer)
    }
}

forward_backend!([Io] Window<Io>, Io, |layer| &layer.inner);

impl<Io: HasLen> HasLen for Window<Io> {
    type Len = PartLen<Io::Len>;

    /// Returns the length at which reads end: less than [`len`](Window::len) where the object ends
    /// within the window.
    fn io_len(&self) -> Self::Len {
        PartLen::new(self.inner.io_len(), self.base, self.len)
    }
}
