//! [`HasLen`].

use crate::backend::{IoBackend, IoBackendExt};
use crate::error::Result;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::Future;

/// An object that has a length, and so an end that can be sought to.
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
    /// The answer on its way. It has all that it needs, so that who asked can keep it.
    type Len: Future<Output = Result<u64>> + Send + Unpin + 'static;

    /// How many bytes there are now. Nothing is asked before the first poll; dropping the future
    /// forgets the question.
    ///
    /// # Errors
    /// Where the object cannot tell.
    fn io_len(&self) -> Self::Len;

    /// How many bytes there are now, as far as that is known on the spot: without waiting, and
    /// without asking anybody. `None`: it is not.
    fn len_now(&self) -> Option<u64> {
        None
    }

    /// [`io_len`](Self::io_len), waiting for the answer.
    ///
    /// # Errors
    /// Where the object cannot tell.
    ///
    /// # Panics
    /// Where [`block_on`](IoBackendExt::block_on) does.
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

            fn len_now(&self) -> Option<u64> {
                (**self).len_now()
            }
        }
    )*};
}
forward!(&T, Arc<T>, Box<T>);
