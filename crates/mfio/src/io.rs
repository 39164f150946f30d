//! [`PacketIo`], the one I/O primitive, and what it speaks of: directions, positions, identities, exposed memory.

mod alignment;
mod exposed;
mod place;

use crate::error::Cause;
use crate::packet::{PacketPool, View};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt::Debug;

pub use alignment::Alignment;
pub use exposed::Exposed;
pub use place::Place;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Read {}
    impl Sealed for super::Write {}
}

/// Which way bytes go, as the initiator sees it: [`Read`] or [`Write`].
pub trait Direction: sealed::Sealed + Sized + Send + Sync + Unpin + 'static {
    /// Borrowed memory for this direction: `&mut [u8]` to read into, `&[u8]` to write from.
    type Slice<'a>: Send;
    /// The verb in errors.
    const VERB: &'static str;
    /// Whether bytes go to the initiator.
    const READS: bool;

    /// How many bytes a slice has.
    fn size(slice: &Self::Slice<'_>) -> usize;

    /// The first `at` bytes of a slice, and the rest.
    ///
    /// # Panics
    /// Where `at` is beyond the end.
    fn split_at(slice: Self::Slice<'_>, at: usize) -> (Self::Slice<'_>, Self::Slice<'_>);
}

/// From the object into the initiator's memory.
#[derive(Debug)]
pub enum Read {}

/// From the initiator's memory to the object.
#[derive(Debug)]
pub enum Write {}

impl Direction for Read {
    type Slice<'a> = &'a mut [u8];
    const VERB: &'static str = "read";
    const READS: bool = true;

    #[inline]
    fn size(slice: &&mut [u8]) -> usize {
        slice.len()
    }

    #[inline]
    fn split_at(slice: Self::Slice<'_>, at: usize) -> (Self::Slice<'_>, Self::Slice<'_>) {
        slice.split_at_mut(at)
    }
}

impl Direction for Write {
    type Slice<'a> = &'a [u8];
    const VERB: &'static str = "write";
    const READS: bool = false;

    #[inline]
    fn size(slice: &&[u8]) -> usize {
        slice.len()
    }

    #[inline]
    fn split_at(slice: Self::Slice<'_>, at: usize) -> (Self::Slice<'_>, Self::Slice<'_>) {
        slice.split_at(at)
    }
}

/// Where in an object a request begins.
pub trait Position: Copy + Send + Sync + Unpin + Debug + 'static {
    /// Whether bytes come and go in the order of the requests, wherever these say. A read of such a thing may end with
    /// what there is: its first bytes, and [`WouldBlock`](crate::error::ErrorKind::WouldBlock) for the others.
    const SEQUENTIAL: bool = false;

    /// The position `bytes` further on; `None` where there is no such position.
    fn advance(self, bytes: usize) -> Option<Self>;

    /// The position as an offset, for messages; `None` where there is none.
    fn offset(self) -> Option<u64>;
}

macro_rules! positions {
    ($($int:ty),*) => {$(
        impl Position for $int {
            #[inline]
            fn advance(self, bytes: usize) -> Option<Self> {
                self.checked_add(bytes.try_into().ok()?)
            }

            #[inline]
            fn offset(self) -> Option<u64> {
                self.try_into().ok()
            }
        }
    )*};
}
positions!(u64, u32, usize);

/// A position that can be calculated with: what layers need that map one address space onto another.
pub trait Address: Position + Ord {
    /// The address as a number.
    fn to_u64(self) -> u64;

    /// The address with this number; `None` where the type has no such address.
    fn from_u64(number: u64) -> Option<Self>;
}

macro_rules! addresses {
    ($($int:ty),*) => {$(
        impl Address for $int {
            #[inline]
            fn to_u64(self) -> u64 {
                self as u64
            }

            #[inline]
            fn from_u64(number: u64) -> Option<Self> {
                number.try_into().ok()
            }
        }
    )*};
}
addresses!(u64, u32, usize);

/// The position of what has none: a pipe, a socket, a terminal. Bytes come and go in the order of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoPos;

impl Position for NoPos {
    const SEQUENTIAL: bool = true;

    #[inline]
    fn advance(self, _: usize) -> Option<Self> {
        Some(NoPos)
    }

    #[inline]
    fn offset(self) -> Option<u64> {
        None
    }
}

/// What an object says of itself in errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// A path, an address, a name.
    pub object: Option<Cow<'a, str>>,
    /// Who does the work: `"io_uring"`, `"memory"`.
    pub driver: Option<&'static str>,
}

/// Something that moves bytes: the one primitive on which all reading and writing is built.
///
/// Users call the methods of [`IoRead`](crate::traits::IoRead) and [`IoWrite`](crate::traits::IoWrite), which every
/// `PacketIo` has. Implementors take views and end each of them exactly once, at any time, on any thread.
///
/// ```
/// use mfio::error::ErrorKind;
/// use mfio::io::{PacketIo, Read};
/// use mfio::packet::{Packet, View};
///
/// /// An endless run of one byte, except that the address space ends somewhere.
/// struct Repeat(u8);
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
pub trait PacketIo<D: Direction, P: Position = u64> {
    /// Takes a request over: the bytes of `view` are to be moved from, or to, `pos` and the following.
    ///
    /// Never blocks and never panics, whatever it is given: what cannot be done ends the view with a failure. It may end
    /// the view at once.
    ///
    /// # Wakers
    /// Ending the view within this call may run the initiator's waker, and so code of the user: hold no lock while calling,
    /// and, as an implementor, none while ending a view. No waker runs where the initiator sends what it has just started,
    /// before it is polled, as the calls of this crate do, except for what a bounded batch sends later. It is layers that
    /// must take care: what a layer takes over, and splits, queues or tries again later, belongs to an initiator that was
    /// polled meanwhile.
    fn send_io(&self, pos: P, view: View<D>);

    /// Where the borrowed and the typed calls take their packets from. `None`: they allocate.
    fn pool(&self) -> Option<&PacketPool> {
        None
    }

    /// What to call this object in errors.
    fn identity(&self) -> Identity<'_> {
        Identity::default()
    }

    /// What the user can do about a failure with this cause, where there is something: which limit was reached, and how
    /// to raise it. A sentence for [`Error::help`](crate::error::Error::help); asked for when an error is built.
    fn explain(&self, cause: Cause) -> Option<&'static str> {
        let _ = cause;
        None
    }

    /// The object's own memory with the bytes from `pos` on, where it has them in memory that nobody changes: the caller
    /// looks at it, or writes from it, instead of having it copied into a buffer. Asked of the direction [`Read`].
    ///
    /// At most `len` bytes, at least one: `None` where there is none, where the data ends at `pos`, and for `len` 0. It may
    /// be fewer than there are; the caller asks again for the rest, or sends a packet.
    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        let _ = (pos, len);
        None
    }

    /// What requests must be aligned to. The calls that choose positions and memory themselves (`read_with_at`, `forward`,
    /// `read_ranges`) keep to it; in all others it is the user's to keep.
    fn alignment(&self) -> Alignment {
        Alignment::NONE
    }

    /// Returns where the byte at `pos` is kept, so that [`forward`](crate::traits::forward) knows when it copies within one
    /// object. By default this object is the storage, known by its address; a layer that only moves positions asks the
    /// object below, and an object with several handles names what they share. Does not block, and touches no byte.
    fn locate(&self, pos: P) -> Place {
        Place::of(self, pos.offset().unwrap_or_default())
    }

    /// Where the next write will go, where the object puts every write at its end, whatever position that names (a file
    /// opened for appending): its length as it is known now, without waiting. A [`Cursor`](crate::cursor::Cursor) sends
    /// writes there, and is there afterwards. Both directions give the same answer. `None`: writes go where they are sent.
    fn appends_at(&self) -> Option<P> {
        None
    }

    /// A short cut for blocking calls: moves bytes on this thread, now, without any packet, as `pread` does.
    ///
    /// `Some(Ok(n))` when the first `n` bytes were moved (0: the data ends at `pos`, or nothing was asked for). `None`
    /// when there is no short cut; the caller then sends a packet. It must not touch memory after it has returned.
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

            #[inline]
            fn pool(&self) -> Option<&PacketPool> {
                (**self).pool()
            }

            fn identity(&self) -> Identity<'_> {
                (**self).identity()
            }

            fn explain(&self, cause: Cause) -> Option<&'static str> {
                (**self).explain(cause)
            }

            fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
                (**self).expose(pos, len)
            }

            fn alignment(&self) -> Alignment {
                (**self).alignment()
            }

            fn locate(&self, pos: P) -> Place {
                (**self).locate(pos)
            }

            #[inline]
            fn appends_at(&self) -> Option<P> {
                (**self).appends_at()
            }

            #[inline]
            fn transfer_blocking(&self, pos: P, bytes: D::Slice<'_>) -> Option<Result<usize, Cause>> {
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
    fn positions_end_where_their_type_ends() {
        assert_eq!(5u64.advance(3), Some(8));
        assert_eq!(u64::MAX.advance(1), None);
        assert_eq!(u32::MAX.advance(0), Some(u32::MAX));
        assert_eq!(0u32.advance(usize::MAX), None);
        assert_eq!(7usize.offset(), Some(7));
        assert_eq!(NoPos.advance(usize::MAX), Some(NoPos));
        assert_eq!(NoPos.offset(), None);
        assert_eq!(7u32.to_u64(), 7);
        assert_eq!(u32::from_u64(1 << 32), None);
    }

    #[test]
    fn slices_of_both_directions_come_apart() {
        let mut bytes = [1, 2, 3];
        assert_eq!(Read::size(&&mut bytes[..]), 3);
        let (head, tail) = Read::split_at(&mut bytes, 1);
        tail[0] = head[0];
        assert_eq!(Write::size(&&bytes[..]), 3);
        assert_eq!(Write::split_at(&bytes, 2), (&[1, 1][..], &[3][..]));
    }

    #[test]
    fn the_primitive_can_be_a_trait_object() {
        fn object(io: &dyn PacketIo<Read>) -> Identity<'_> {
            io.identity()
        }
        struct Nothing;
        impl PacketIo<Read> for Nothing {
            fn send_io(&self, _: u64, view: View<Read>) {
                drop(view);
            }
        }
        assert_eq!(object(&Arc::new(Nothing)), Identity::default());
    }
}
