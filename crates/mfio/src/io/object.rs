//! [`IoObject`]: the properties of an object, whatever the direction.

use super::alignment::Alignment;
use super::direction::Operation;
use super::identity::Identity;
use super::place::Place;
use crate::error::Cause;
use crate::packet::PacketPool;
use alloc::boxed::Box;
use alloc::sync::Arc;

/// An object of I/O: its name, its requirements and abilities, its packet pool. Its bytes are moved
/// by [`PacketIo`](super::PacketIo), which is implemented on top of this trait once for each
/// direction and type of positions.
///
/// Every method has a default, so `impl IoObject for Disk {}` is enough. A layer over one object
/// implements [`below`](Self::below), and so has the properties of that object:
///
/// ```
/// use mfio::io::{Identity, IoObject};
/// use mfio::memory::Memory;
///
/// struct Layer<Io>(Io);
///
/// impl<Io: IoObject> IoObject for Layer<Io> {
///     fn below(&self) -> Option<&dyn IoObject> {
///         Some(&self.0)
///     }
/// }
///
/// let layer = Layer(Memory::new([0; 8]));
/// assert_eq!(layer.identity().driver, Some("memory"));
/// assert!(layer.pool().is_some());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `IoObject`",
    note = "all methods have defaults: `impl IoObject for {Self} {{}}`"
)]
pub trait IoObject {
    /// Returns the object below, if this is a layer over one object. By default all other methods
    /// return the answers of that object. A layer that moves positions implements at least
    /// `locate`, `appends_at` and `len_now` itself.
    #[inline]
    fn below(&self) -> Option<&dyn IoObject> {
        None
    }

    /// Returns the name of this object for error messages.
    fn identity(&self) -> Identity<'_> {
        self.below()
            .map(|below| below.identity())
            .unwrap_or_default()
    }

    /// Returns advice on a failure with this cause, if there is any, such as the limit that was
    /// reached and how to raise it. A sentence for [`Error::help`](crate::error::Error::help),
    /// called when an error is built.
    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        self.below()?.explain(operation, cause)
    }

    /// Returns the pool that the borrowed and the typed calls take their packets from; with `None`
    /// they allocate.
    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        self.below()?.pool()
    }

    /// Returns the alignment that requests must have. The calls that choose positions and memory
    /// themselves (`read_with_at`, `forward`, `read_ranges`) keep it; in all others it is up to the
    /// caller.
    #[inline]
    fn alignment(&self, operation: Operation) -> Alignment {
        self.below()
            .map_or(Alignment::NONE, |below| below.alignment(operation))
    }

    /// Returns the storage location of the byte at `offset`, which tells
    /// [`forward`](crate::traits::forward) whether it copies within one object. By default this
    /// object is the storage, identified by its address; a layer that only moves positions asks the
    /// object below, and an object with several handles names the storage that they share. Does not
    /// block, and does no I/O.
    fn locate(&self, offset: u64) -> Place {
        match self.below() {
            Some(below) => below.locate(offset),
            None => Place::of(self, offset),
        }
    }

    /// Returns the offset of the next write if the object appends every write, whatever its
    /// position (a file opened for appending): its length as known without waiting. A
    /// [`Cursor`](crate::cursor::Cursor) sends writes there, and moves there. `None` if writes go
    /// to their positions.
    #[inline]
    fn appends_at(&self) -> Option<u64> {
        self.below()?.appends_at()
    }

    /// Returns the current length in bytes if it is known without waiting, see
    /// [`HasLen`](crate::traits::HasLen).
    fn len_now(&self) -> Option<u64> {
        self.below()?.len_now()
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: IoObject + ?Sized> IoObject for $pointer {
            #[inline]
            fn below(&self) -> Option<&dyn IoObject> {
                (**self).below()
            }

            fn identity(&self) -> Identity<'_> {
                (**self).identity()
            }

            fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
                (**self).explain(operation, cause)
            }

            #[inline]
            fn pool(&self) -> Option<&PacketPool> {
                (**self).pool()
            }

            #[inline]
            fn alignment(&self, operation: Operation) -> Alignment {
                (**self).alignment(operation)
            }

            fn locate(&self, offset: u64) -> Place {
                (**self).locate(offset)
            }

            #[inline]
            fn appends_at(&self) -> Option<u64> {
                (**self).appends_at()
            }

            fn len_now(&self) -> Option<u64> {
                (**self).len_now()
            }
        }
    )*};
}
forward!(&T, Arc<T>, Box<T>);
