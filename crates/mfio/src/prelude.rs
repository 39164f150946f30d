//! The traits and types that most programs need, for one import: `use mfio::prelude::*;`.
//!
//! | name | for |
//! |---|---|
//! | [`IoRead`], [`IoWrite`] | reading and writing at positions: `io.read_all(0, &mut bytes).await` |
//! | [`BlockingIo`] | the same for plain threads: `io.blocking().read_all(0, &mut bytes)` |
//! | [`HasLen`] | the length of an object |
//! | [`IoBackend`], [`IoBackendExt`] | `io.block_on(future)`, on every object that has a backend |
//! | [`Integration`] | `Tokio::drive`, `AsyncIo::run_with`, … |
//! | `Tokio`, `AsyncIo` | the executors, with the features `tokio` and `async-io` (Unix) |
//! | [`Seekable`], [`Streaming`] | cursors: the I/O traits of std, tokio, futures-io and embedded-io-async |
//!
//! None of these names is one of std, tokio or futures, and the methods are those of objects of mfio alone. So the prelude can
//! be imported beside `std::io::prelude`, `tokio::io::AsyncReadExt` and the like.
//!
//! ```
//! use mfio::memory::Memory;
//! use mfio::prelude::*;
//! use std::io::prelude::*;
//!
//! let io = Memory::new(b"some bytes".to_vec());
//! let first = io.block_on(io.read::<[u8; 4]>(0))?;
//! assert_eq!(&first, b"some");
//!
//! let mut text = String::new();
//! Seekable::new(&io).read_to_string(&mut text)?;
//! assert_eq!(text, "some bytes");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

#[cfg(all(unix, feature = "async-io"))]
pub use crate::backend::integrations::async_io::AsyncIo;
#[cfg(all(unix, feature = "tokio"))]
pub use crate::backend::integrations::tokio::Tokio;
pub use crate::backend::{Integration, IoBackend, IoBackendExt};
pub use crate::cursor::{Seekable, Streaming};
pub use crate::traits::{BlockingIo, HasLen, IoRead, IoWrite};
