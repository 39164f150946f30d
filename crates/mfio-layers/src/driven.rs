//! [`Driven`]: an object, and what drives it.

use crate::delegate::{delegate, drive_below, len_below};
use mfio::backend::LinksIoBackend;
use mfio::io::{Direction, PacketIo, Position};
use mfio::packet::View;

/// An object together with the object whose backend drives it: for layers over several objects, which have none of their
/// own, so that they can `block_on` and be spawned like a file.
///
/// `B` is what has the backend: a runtime, an `Arc` of an object, a [`RefLink`](mfio::backend::RefLink), or
/// [`Together`](crate::Together) where there are several. It is the user who knows that it is the right one: what nobody
/// drives does not end.
///
/// ```
/// use mfio::backend::{IoBackendExt, RefLink};
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use mfio_layers::{Concat, Driven, Window};
///
/// // Two ends of one object: all parts have one backend.
/// let memory = Memory::new(b"abcdef".to_vec());
/// let ends = [4, 0].map(|at| (Window::new(&memory, at, 2), 2));
/// let io = Driven::new(Concat::new(ends)?, RefLink::new(&memory));
/// assert_eq!(io.block_on(io.read_vec_at(0, 4))?, b"efab");
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Driven<Io, B> {
    inner: Io,
    driver: B,
}

impl<Io, B: LinksIoBackend> Driven<Io, B> {
    /// Drives `inner` by the backend of `driver`.
    pub const fn new(inner: Io, driver: B) -> Self {
        Self { inner, driver }
    }
}

impl<Io, B> Driven<Io, B> {
    /// The object.
    pub const fn inner(&self) -> &Io {
        &self.inner
    }

    /// What drives it.
    pub const fn driver(&self) -> &B {
        &self.driver
    }

    /// Gives both back.
    pub fn into_parts(self) -> (Io, B) {
        (self.inner, self.driver)
    }
}

impl<D, P, Io, B> PacketIo<D, P> for Driven<Io, B>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P>,
{
    #[inline]
    fn send_io(&self, pos: P, view: View<D>) {
        self.inner.send_io(pos, view);
    }

    delegate!(PacketIo<D, P> for Io, inner: pool, identity, explain, alignment, appends_at, locate, expose, transfer_blocking);
}

drive_below!([Io, B: LinksIoBackend] Driven<Io, B>, B::Link, |layer| layer.driver.get_mut());
len_below!([Io, B] Driven<Io, B>, Io, |layer| &layer.inner);
