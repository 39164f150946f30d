//! [`HasLen`].

use crate::backend::{IoBackend, IoBackendExt};
use crate::error::Result;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::Future;

/// An object with a length, and so with an end to seek to.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::HasLen;
///
/// let io = Memory::new(vec![0; 16]);
/// assert_eq!(io.block_on(io.io_len())?, 16);
/// assert_eq!(io.io_len_blocking()?, 16);
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub trait HasLen {
    /// The future of the length. It borrows nothing.
    type Len: Future<Output = Result<u64>> + Send + Unpin + 'static;

    /// Returns the current length, in bytes. Nothing is sent before the first poll; dropping the
    /// future discards the answer.
    ///
    /// # Errors
    /// If the object cannot tell its length.
    fn io_len(&self) -> Self::Len;

    /// Returns the current length, in bytes, and blocks until it is known.
    ///
    /// # Errors
    /// If the object cannot tell its length.
    ///
    /// # Panics
    /// If [`block_on`](IoBackendExt::block_on) does.
    fn io_len_blocking(&self) -> Result<u64>
    where
        Self: IoBackend,
    {
        self.block_on(self.io_len())
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: HasLen + ?Sized> HasLen for $pointer {
            type Len = T::Len;

            fn io_len(&self) -> T::Len {
                (**self).io_len()
            }
        }
    )*};
}
forward!(&T, Arc<T>, Box<T>);
