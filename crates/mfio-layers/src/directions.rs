//! What layers need to know of the two directions, and requests that are kept without saying which way they go.

use alloc::sync::Arc;
use mfio::error::ErrorKind;
use mfio::io::{Alignment, Direction, Position, Read, Write};
use mfio::packet::{OnEnd, Outcome, Relay, View};

/// Something for each direction.
pub(crate) trait PerDirection {
    type Of<D: DirectionExt>;
}

pub(crate) struct Directions<F: PerDirection> {
    pub(crate) read: F::Of<Read>,
    pub(crate) write: F::Of<Write>,
}

/// A view of either direction.
pub(crate) enum AnyView {
    Read(View<Read>),
    Write(View<Write>),
}

impl AnyView {
    pub(crate) fn is_unwanted(&self) -> bool {
        match self {
            Self::Read(view) => is_unwanted(view),
            Self::Write(view) => is_unwanted(view),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Read(view) => view.len(),
            Self::Write(view) => view.len(),
        }
    }

    pub(crate) fn split_at(self, at: usize) -> (Self, Self) {
        match self {
            Self::Read(view) => {
                let (head, tail) = view.split_at(at);
                (Self::Read(head), Self::Read(tail))
            }
            Self::Write(view) => {
                let (head, tail) = view.split_at(at);
                (Self::Write(head), Self::Write(tail))
            }
        }
    }

    pub(crate) fn fail(self, cause: mfio::error::Cause) {
        match self {
            Self::Read(view) => view.fail(cause),
            Self::Write(view) => view.fail(cause),
        }
    }
}

/// [`Direction`], as seen by code that is written once for both.
pub(crate) trait DirectionExt: Direction {
    fn pick<F: PerDirection>(both: &Directions<F>) -> &F::Of<Self>;

    fn erase(view: View<Self>) -> AnyView;

    /// The view, if it goes this way.
    fn restore(view: AnyView) -> Option<View<Self>>;

    /// [`Relay::send`], which cannot be called where the direction is not known.
    fn send<S: OnEnd<View<Self>>>(relay: Relay<View<Self>, S>) -> View<Self>;

    /// A write: copies the bytes to the front of `own`.
    fn copy_out(view: &View<Self>, own: &mut [u8]);

    /// A read: fills the view from `own`, of which there are as many bytes.
    fn copy_in(view: &mut View<Self>, own: &[u8]);
}

impl DirectionExt for Read {
    #[inline]
    fn pick<F: PerDirection>(both: &Directions<F>) -> &F::Of<Self> {
        &both.read
    }

    #[inline]
    fn send<S: OnEnd<View<Self>>>(relay: Relay<View<Self>, S>) -> View<Self> {
        relay.send()
    }

    fn erase(view: View<Self>) -> AnyView {
        AnyView::Read(view)
    }

    fn restore(view: AnyView) -> Option<View<Self>> {
        match view {
            AnyView::Read(view) => Some(view),
            AnyView::Write(_) => None,
        }
    }

    #[inline]
    fn copy_out(_: &View<Self>, _: &mut [u8]) {}

    #[inline]
    fn copy_in(view: &mut View<Self>, own: &[u8]) {
        view.bytes_mut().copy_from_slice(own);
    }
}

impl DirectionExt for Write {
    #[inline]
    fn pick<F: PerDirection>(both: &Directions<F>) -> &F::Of<Self> {
        &both.write
    }

    #[inline]
    fn send<S: OnEnd<View<Self>>>(relay: Relay<View<Self>, S>) -> View<Self> {
        relay.send()
    }

    fn erase(view: View<Self>) -> AnyView {
        AnyView::Write(view)
    }

    fn restore(view: AnyView) -> Option<View<Self>> {
        match view {
            AnyView::Write(view) => Some(view),
            AnyView::Read(_) => None,
        }
    }

    #[inline]
    fn copy_out(view: &View<Self>, own: &mut [u8]) {
        own[..view.len()].copy_from_slice(view.bytes());
    }

    #[inline]
    fn copy_in(_: &mut View<Self>, _: &[u8]) {}
}

/// A request that waits in a layer `C`, with what the layer notes beside it. It does not keep the layer, nor the object
/// below, so that what waits ends when the layer goes.
pub(crate) struct Parked<C, P, X = ()> {
    pub(crate) pos: P,
    pub(crate) view: AnyView,
    pub(crate) note: X,
    resume: fn(&Arc<C>, P, AnyView, X),
}

/// How a layer goes on with a request.
pub(crate) trait Resume<D: Direction, P, X>: Sized {
    fn resume(self: &Arc<Self>, pos: P, view: View<D>, note: X);
}

impl<C, P: Copy, X> Parked<C, P, X> {
    pub(crate) fn new<D: DirectionExt>(pos: P, view: View<D>, note: X) -> Self
    where
        C: Resume<D, P, X>,
    {
        Self {
            pos,
            view: D::erase(view),
            note,
            resume: |core, pos, view, note| {
                if let Some(view) = D::restore(view) {
                    core.resume(pos, view, note);
                }
            },
        }
    }

    pub(crate) fn resume(self, core: &Arc<C>) {
        (self.resume)(core, self.pos, self.view, self.note);
    }

    /// Splits the first `len` bytes off. The others are at `next`; where there is no such position they are given back.
    pub(crate) fn split(self, len: usize, next: Option<P>) -> (Self, Result<Self, AnyView>)
    where
        X: Copy,
    {
        let (head, tail) = self.view.split_at(len);
        let first = Self { view: head, ..self };
        let rest = match next {
            Some(pos) => Ok(Self {
                pos,
                view: tail,
                ..first
            }),
            None => Err(tail),
        };
        (first, rest)
    }
}

/// Ends a view for which a layer has asked with memory of its own, with this outcome; its bytes begin at `within` there. Copies
/// what was read.
#[cold]
pub(crate) fn answer<D: DirectionExt>(view: View<D>, own: &[u8], within: usize, outcome: &Outcome) {
    let outcome = outcome.part(within..within + view.len());
    let mut at = within;
    for (mut part, result) in view.parts(&outcome) {
        let bytes = &own[at..at + part.len()];
        at += part.len();
        match result {
            Ok(()) => {
                D::copy_in(&mut part, bytes);
                part.done();
            }
            Err(cause) => part.fail(cause),
        }
    }
}

/// Whether it is a read that nobody wants. A write that was sent is carried out, whoever still looks.
pub(crate) fn is_unwanted<D: Direction>(view: &View<D>) -> bool {
    D::READS && view.is_abandoned()
}

/// Whether requests must follow each other, as the positions, or what the object asks for, say.
pub(crate) fn is_stream<P: Position>(alignment: Alignment) -> bool {
    P::SEQUENTIAL || alignment.is_in_order()
}

/// What a layer that sends `most` bytes at once is to send of a request: all, but of a read of a stream only the first ones.
/// That ends with those, as with what there is, and who wants more asks again. A second part would wait for bytes that may
/// never come, and two at once would get them in any order.
pub(crate) fn front_of_stream<D: Direction, P: Position>(
    view: View<D>,
    most: usize,
    alignment: Alignment,
) -> View<D> {
    if !(D::READS && is_stream::<P>(alignment)) || view.len() <= most {
        return view;
    }
    let (front, rest) = view.split_at(most);
    rest.fail(ErrorKind::WouldBlock);
    front
}

/// Implements `PacketIo` for a layer over one object, once for each direction, by methods of the layer that are written for
/// both: `send_on`, and as they are named `help`, which explains failures of the layer itself, and the two short cuts, which
/// others leave out: they would miss what the layer is for.
macro_rules! impl_packet_io {
    ($layer:ty $(, help: $help:ident)? $(, transfer: $transfer:ident, expose: $expose:ident)?) => {
        $crate::directions::impl_packet_io!(@one mfio::io::Read, $layer, [$($help)?], [$($transfer, $expose)?]);
        $crate::directions::impl_packet_io!(@one mfio::io::Write, $layer, [$($help)?], [$($transfer, $expose)?]);
    };
    (@one $d:ty, $layer:ty, [$($help:ident)?], [$($transfer:ident, $expose:ident)?]) => {
        impl<P: mfio::io::Position, Io> mfio::io::PacketIo<$d, P> for $layer
        where
            Io: mfio::io::PacketIo<$d, P> + Send + Sync + 'static,
        {
            #[inline]
            fn send_io(&self, pos: P, view: mfio::packet::View<$d>) {
                self.send_on(pos, view);
            }

            fn explain(&self, cause: mfio::error::Cause) -> Option<&'static str> {
                let own: Option<&'static str> = None;
                $(let own = own.or_else(|| self.$help(cause));)?
                own.or_else(|| mfio::io::PacketIo::<$d, P>::explain(&*self.inner, cause))
            }

            fn alignment(&self) -> mfio::io::Alignment {
                mfio::io::PacketIo::<$d, P>::alignment(&*self.inner)
            }

            fn appends_at(&self) -> Option<P> {
                mfio::io::PacketIo::<$d, P>::appends_at(&*self.inner)
            }

            $(fn transfer_blocking(
                &self,
                pos: P,
                bytes: <$d as mfio::io::Direction>::Slice<'_>,
            ) -> Option<Result<usize, mfio::error::Cause>> {
                self.$transfer::<$d>(pos, bytes)
            }

            fn expose(&self, pos: P, len: usize) -> Option<mfio::io::Exposed> {
                self.$expose::<$d>(pos, len)
            })?

            $crate::forward::forward!(PacketIo<$d, P> for Io, inner: pool, identity, locate);
        }
    };
}

pub(crate) use impl_packet_io;
