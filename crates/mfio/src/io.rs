//! [`IoObject`] and the I/O primitive [`PacketIo`], with directions, positions, identities and
//! exposed memory.

mod alignment;
mod direction;
mod exposed;
mod identity;
mod object;
mod place;
mod position;

use crate::error::Cause;
use crate::packet::View;
use alloc::boxed::Box;
use alloc::sync::Arc;

pub use alignment::Alignment;
pub use direction::{Direction, Operation, Read, Write};
pub use exposed::Exposed;
pub use identity::Identity;
pub use object::IoObject;
pub use place::Place;
pub use position::{Address, NoPos, Position};

/// An [`IoObject`] that moves bytes: the primitive of all reading and writing.
///
/// Users call the methods of [`IoRead`](crate::traits::IoRead) and
/// [`IoWrite`](crate::traits::IoWrite), which every `PacketIo` has. Implementors receive views and
/// complete each of them exactly once, at any time, on any thread.
///
/// ```
/// use mfio::error::ErrorKind;
/// use mfio::io::{IoObject, PacketIo, Read};
/// use mfio::packet::{Packet, View};
///
/// /// An endless run of one byte, except that the address space ends somewhere.
/// struct Repeat(u8);
///
/// impl IoObject for Repeat {}
///
/// impl PacketIo<Read> for Repeat {
///     fn send_io(&self, pos: u64, mut view: View<Read>) {
///         match pos.checked_add(view.len() as u64) {
///             Some(_) => {
///                 view.bytes_mut().fill(self.0);
///                 view.done();
///             }
///             None => view.fail(ErrorKind::UnexpectedEof),
///         }
///     }
/// }
///
/// let (in_flight, view) = Packet::new(vec![0; 4]).start::<Read>();
/// Repeat(7).send_io(0, view);
/// let ended = in_flight.try_end().expect("it ended inline");
/// assert!(ended.outcome.is_success());
/// assert_eq!(ended.packet.into_buffer(), [7; 4]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not `PacketIo<{D}, {P}>`",
    note = "files and memory have positions (`u64`): `Cursor` reads them as a stream",
    note = "streams have none (`NoPos`): `ByteStream` has the usual I/O traits, and \
            `File::into_stream` a stream of a file that is one"
)]
pub trait PacketIo<D: Direction, P: Position = u64>: IoObject {
    /// Accepts a request to move the bytes of `view` from, or to, `pos` and the following
    /// positions.
    ///
    /// Never blocks and never panics, whatever the arguments: a request that cannot be executed
    /// completes its view with a failure. The view may be completed before this call returns.
    ///
    /// # Wakers
    /// Completing the view within this call may run the initiator's waker, and so user code: hold
    /// no lock while calling, nor, as an implementor, while completing a view. No waker runs if the
    /// initiator sends a view that it has just started and not polled, as the calls of this crate
    /// do, except for the later sends of a bounded batch. Layers must take care: the initiator of a
    /// view that a layer splits, queues or retries has been polled meanwhile.
    fn send_io(&self, pos: P, view: View<D>);

    /// Returns the object's own memory with the bytes from `pos` on, if they are in immutable
    /// memory: the caller reads it in place, or writes from it, without a copy. Called with the
    /// direction [`Read`].
    ///
    /// Returns between 1 and `len` bytes, possibly fewer than there are; the caller asks again for
    /// the rest, or sends a packet. `None` if the bytes are not in immutable memory, at end of
    /// file, and if `len` is 0.
    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        let _ = (pos, len);
        None
    }

    /// Moves bytes on this thread without a packet, as `pread` and `pwrite` do: the short cut of
    /// blocking calls.
    ///
    /// Returns `Some(Ok(n))` after moving the first `n` bytes, after which the caller asks for the
    /// rest; 0 if `bytes` is empty, and for a read at the end of the data. A write that can take no
    /// byte returns its cause, that of the packet's failure: behind a fixed end it is
    /// `UnexpectedEof`. Returns `None` if there is no short cut, whereupon the caller sends a
    /// packet. The memory must not be accessed after the return.
    fn transfer_blocking(&self, pos: P, bytes: D::Slice<'_>) -> Option<Result<usize, Cause>> {
        let _ = (pos, bytes);
        None
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<D: Direction, P: Position, T: PacketIo<D, P> + ?Sized> PacketIo<D, P> for $pointer {
            #[inline]
            fn send_io(&self, pos: P, view: View<D>) {
                (**self).send_io(pos, view)
            }

            fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
                (**self).expose(pos, len)
            }

            #[inline]
            fn transfer_blocking(
                &self,
                pos: P,
                bytes: D::Slice<'_>,
            ) -> Option<Result<usize, Cause>> {
                (**self).transfer_blocking(pos, bytes)
            }
        }
    )*};
}
forward!(&T, Arc<T>, Box<T>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primitive_can_be_a_trait_object() {
        fn object(io: &dyn PacketIo<Read>) -> Identity<'_> {
            io.identity()
        }
        struct Nothing;
        impl IoObject for Nothing {}
        impl PacketIo<Read> for Nothing {
            fn send_io(&self, _: u64, view: View<Read>) {
                drop(view);
            }
        }
        assert_eq!(object(&Arc::new(Nothing)), Identity::default());
    }
}
