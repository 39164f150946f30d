//! [`DynObject`]: an object whose type is chosen at run time.

use super::len::HasLen;
use crate::backend::{DynBackend, IoBackend};
use crate::control::ControlIo;
use crate::error::Result;
use crate::io::{PacketIo, Read, Write};
use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

/// The future of [`DynObject::boxed_len`].
pub type BoxedLen = Pin<Box<dyn Future<Output = Result<u64>> + Send>>;

/// An object of any type that is read, written, controlled, measured and driven: the trait object
/// for stacks that are built at run time.
///
/// Every type with these supertraits and [`HasLen`] implements it. `Box<dyn DynObject>`,
/// `Arc<dyn DynObject>` and `&dyn DynObject` are objects like any other: they have the blocking,
/// asynchronous and batch calls, and layers and cursors go over them. A request costs one virtual
/// call for each such pointer in the stack, and nothing is allocated for it; a length that has to
/// be asked for costs one allocation. Stacks of static types do not change.
///
/// ```
/// use mfio::io::{IoObject, Operation};
/// use mfio::memory::Memory;
/// use mfio::prelude::*;
/// use mfio::traits::DynObject;
/// use std::sync::Arc;
///
/// fn open(name: &str) -> Option<Box<dyn DynObject>> {
///     match name {
///         "empty" => Some(Box::new(Memory::new(vec![]))),
///         "small" => Some(Box::new(Arc::new(Memory::new(vec![0; 16])))),
///         _ => None,
///     }
/// }
///
/// let io = open("small").unwrap();
/// io.blocking().write_all_at(b"bytes", 11)?;
/// io.block_on(async {
///     assert_eq!(io.read_vec_at(11, 5).await?, b"bytes");
///     assert_eq!(io.io_len().await?, 16);
///     io.sync_all().await
/// })?;
/// assert_eq!(io.alignment(Operation::Read).block(), 1);
/// # Ok::<_, mfio::error::Error>(())
/// ```
///
/// A function whose future is to be spawned takes `&dyn DynObject`: for a type parameter with the
/// bounds `DynObject + HasLen + ?Sized` the compiler finds `HasLen` "not general enough".
///
/// An object without one of these abilities, such as a stream, or with another type of positions or
/// of backend, needs a trait of the abilities that it has, which takes no code:
///
/// ```
/// use mfio::backend::DynBackend;
/// use mfio::io::{PacketIo, Read};
/// use mfio::memory::Frozen;
/// use mfio::prelude::*;
///
/// trait Source: PacketIo<Read> + IoBackend<Backend = DynBackend> + Send + Sync {}
/// impl<T: PacketIo<Read> + IoBackend<Backend = DynBackend> + Send + Sync> Source for T {}
///
/// let source: Box<dyn Source> = Box::new(Frozen::from(vec![7; 4]));
/// assert_eq!(source.blocking().read_value_at::<u8>(3)?, 7);
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub trait DynObject:
    PacketIo<Read> + PacketIo<Write> + ControlIo + IoBackend<Backend = DynBackend> + Send + Sync
{
    /// Returns the current length, in bytes, as [`HasLen::io_len`] does, by a future of a type that
    /// all objects share.
    ///
    /// # Errors
    /// If the object cannot tell its length.
    fn boxed_len(&self) -> BoxedLen;
}

impl<T> DynObject for T
where
    T: PacketIo<Read>
        + PacketIo<Write>
        + ControlIo
        + HasLen
        + IoBackend<Backend = DynBackend>
        + Send
        + Sync,
{
    fn boxed_len(&self) -> BoxedLen {
        Box::pin(self.io_len())
    }
}

impl HasLen for dyn DynObject + '_ {
    type Len = BoxedLen;

    fn io_len(&self) -> BoxedLen {
        self.boxed_len()
    }
}

impl fmt::Debug for dyn DynObject + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynObject")
            .field("identity", &self.identity())
            .finish_non_exhaustive()
    }
}
