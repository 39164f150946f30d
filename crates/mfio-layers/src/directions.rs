//! Code of layers that is written once for reads and writes.

use mfio::control::ControlOp;
use mfio::error::ErrorKind;
use mfio::io::{Alignment, Direction, Position, Read, Write};
use mfio::packet::{OnEnd, Outcome, Relay, View};

/// A family of types with one for each direction.
pub(crate) trait PerDirection {
    type Of<D: DirectionExt>;
}

/// A value for each direction.
pub(crate) struct Directions<F: PerDirection> {
    pub(crate) read: F::Of<Read>,
    pub(crate) write: F::Of<Write>,
}

/// A view of either direction. Control operations have views to be read into.
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

/// Extends [`Direction`] for code that is written once for both.
pub(crate) trait DirectionExt: Direction {
    /// Returns the value for this direction.
    fn pick<F: PerDirection>(both: &Directions<F>) -> &F::Of<Self>;

    /// Forgets the direction in the type.
    fn erase(view: View<Self>) -> AnyView;

    /// Returns the view, if it has this direction.
    fn restore(view: AnyView) -> Option<View<Self>>;

    /// Calls [`Relay::start`], which generic code cannot: it does not know that the buffer suits.
    fn send<S: OnEnd<View<Self>>>(relay: Relay<View<Self>, S>) -> View<Self>;

    /// Copies the bytes of a write to the front of `own`. Does nothing for a read.
    fn copy_out(view: &View<Self>, own: &mut [u8]);

    /// Fills the view of a read from `own`, which has the same length. Does nothing for a write.
    fn copy_in(view: &mut View<Self>, own: &[u8]);
}

impl DirectionExt for Read {
    #[inline]
    fn pick<F: PerDirection>(both: &Directions<F>) -> &F::Of<Self> {
        &both.read
    }

    #[inline]
    fn send<S: OnEnd<View<Self>>>(relay: Relay<View<Self>, S>) -> View<Self> {
        relay.start()
    }

    /// Forgets the direction in the type.
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
        relay.start()
    }

    /// Forgets the direction in the type.
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

/// Ends a view that a layer served through its own memory `own`, where the bytes of the view begin
/// at `within`, and copies the bytes that were read. `outcome` is that of `own`.
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

/// Whether a view is an abandoned read. A write that was sent is carried out in any case.
pub(crate) fn is_unwanted<D: Direction>(view: &View<D>) -> bool {
    D::READS && view.is_abandoned()
}

/// Whether a control operation is an abandoned question. Another one that was sent is carried out
/// in any case.
pub(crate) fn is_unwanted_control(op: ControlOp, view: &View<Read>) -> bool {
    matches!(op, ControlOp::Len | ControlOp::Extents(_)) && view.is_abandoned()
}

/// Whether requests must follow each other, as the type of positions or the object demands.
pub(crate) fn is_stream<P: Position>(alignment: Alignment) -> bool {
    P::SEQUENTIAL || alignment.is_in_order()
}

/// Cuts a read of a stream to `most` bytes, for a layer that splits requests of more; other
/// requests are returned as they are. The rest fails with `WouldBlock`, so that the read comes
/// short. A second part would wait for bytes that may never come, and two parts at once would get
/// them in any order.
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

/// Implements `PacketIo` for a layer over one object, once for each direction, by generic methods
/// of the layer: `send_on`, and the two short cuts, which a layer leaves out where they would
/// bypass its purpose.
macro_rules! impl_packet_io {
    ($layer:ty $(, transfer: $transfer:ident, expose: $expose:ident)?) => {
        $crate::directions::impl_packet_io!(@ mfio::io::Read, $layer, [$($transfer, $expose)?]);
        $crate::directions::impl_packet_io!(@ mfio::io::Write, $layer, [$($transfer, $expose)?]);
    };
    (@ $d:ty, $layer:ty, [$($transfer:ident, $expose:ident)?]) => {
        impl<P: mfio::io::Position, Io> mfio::io::PacketIo<$d, P> for $layer
        where
            Io: mfio::io::PacketIo<$d, P> + Send + Sync + 'static,
        {
            #[inline]
            fn send_io(&self, pos: P, view: mfio::packet::View<$d>) {
                self.send_on(pos, view);
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
        }
    };
}

pub(crate) use impl_packet_io;
