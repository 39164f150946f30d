//! [`AttachBackend`]: an object with a backend of another one.

use crate::forward::{forward_backend, forward_control, forward_len, forward_object};
use mfio::backend::LinksIoBackend;
use mfio::error::Cause;
use mfio::io::{Direction, Exposed, PacketIo, Position};
use mfio::packet::View;

/// Attaches the backend of one object to another, so that a layer over several objects, which has
/// none of its own, can `block_on` and be spawned like a file.
///
/// `B` is the object with the backend: a runtime, an `Arc` of an object, a
/// [`RefLink`](mfio::backend::RefLink), or a [`BackendSet`](crate::BackendSet) of several. It has
/// to be the backend that drives the members of the layer: requests that no thread drives do not
/// end.
///
/// # Control operations
/// All are passed on as they are, and their short cuts with them:
///
/// | operation | effect of the layer |
/// |---|---|
/// | any | none: the object answers |
///
/// ```
/// use mfio::backend::{IoBackendExt, RefLink};
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use mfio_layers::{Concat, AttachBackend, Window};
///
/// // Two ends of one object: all parts have one backend.
/// let memory = Memory::new(b"abcdef".to_vec());
/// let ends = [4, 0].map(|at| (Window::new(&memory, at, 2), 2));
/// let io = AttachBackend::new(Concat::new(ends)?, RefLink::new(&memory));
/// assert_eq!(io.block_on(io.read_vec_at(0, 4))?, b"efab");
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "Driven")]
pub struct AttachBackend<Io, B> {
    inner: Io,
    link: B,
}

impl<Io, B: LinksIoBackend> AttachBackend<Io, B> {
    /// Attaches the backend of `link` to `inner`.
    pub const fn new(inner: Io, link: B) -> Self {
        Self { inner, link }
    }
}

impl<Io, B> AttachBackend<Io, B> {
    /// Returns the object.
    pub const fn inner(&self) -> &Io {
        &self.inner
    }

    /// Returns the object with the backend.
    #[doc(alias = "driver")]
    pub const fn link(&self) -> &B {
        &self.link
    }

    /// Returns both objects.
    pub fn into_parts(self) -> (Io, B) {
        (self.inner, self.link)
    }
}

impl<D, P, Io, B> PacketIo<D, P> for AttachBackend<Io, B>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P>,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<D>) {
        self.inner.send_io(pos, view);
    }

    #[inline]
    fn transfer_blocking(&self, pos: P, bytes: D::Slice<'_>) -> Option<Result<usize, Cause>> {
        self.inner.transfer_blocking(pos, bytes)
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        self.inner.expose(pos, len)
    }
}

forward_object!([Io, B] AttachBackend<Io, B>, Io, |layer| &layer.inner);
forward_backend!(
    [Io, B: LinksIoBackend] AttachBackend<Io, B>, B::Link, |layer| layer.link.get_mut()
);
forward_control!([Io, B] AttachBackend<Io, B>, Io, |layer| &layer.inner);
forward_len!([Io, B] AttachBackend<Io, B>, Io, |layer| &layer.inner);
