//! [`mfio::prelude`] and the runtime, for one import: `use mfio_rt::prelude::*;`.
//!
//! `File` and `OpenOptions` have the names of std's types, and are not in it:
//! [`native::File`](crate::native::File), [`fs::OpenOptions`](crate::fs::OpenOptions).

#[cfg(unix)]
pub use crate::native::NativeRt;
pub use mfio::prelude::*;
