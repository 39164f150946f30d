//! The traits and types that most programs need, for one import: `use mfio::prelude::*;`.
//!
//! | name | for |
//! |---|---|
//! | [`IoRead`], [`IoWrite`] | I/O at positions: `io.read_exact_at(&mut bytes, 0).await` |
//! | [`StreamRead`], [`StreamWrite`] | I/O of streams: `io.read_exact(&mut bytes).await` |
//! | [`BlockingIo`] | both, for plain threads: `io.blocking().read_exact_at(&mut bytes, 0)` |
//! | [`IoControl`] | syncs, holes, lengths: `io.sync_all().await`, `io.discard(0..4096).await` |
//! | [`HasLen`] | the length of an object |
//! | [`IoBackend`], [`IoBackendExt`] | `io.block_on(future)`, on every object that has a backend |
//! | [`Integration`] | `Tokio::drive`, `AsyncIo::run_with`, … |
//! | `Tokio`, `AsyncIo` | the executors, with the features `tokio` and `async-io` (Unix) |
//! | [`Cursor`], [`ByteStream`] | the asynchronous I/O traits of tokio, futures-io, embedded-io |
//! | `BlockingCursor`, `BlockingByteStream` | the I/O traits of std, which block |
//!
//! None of these names is in a prelude of std, tokio or futures, and the methods apply to objects
//! of mfio only. So the prelude can be imported beside `std::io::prelude`,
//! `tokio::io::AsyncReadExt` and the like.
//!
//! ```
//! use mfio::memory::Memory;
//! use mfio::prelude::*;
//! use std::io::prelude::*;
//!
//! let io = Memory::new(b"some bytes".to_vec());
//! let first = io.block_on(io.read_value_at::<[u8; 4]>(0))?;
//! assert_eq!(&first, b"some");
//!
//! let mut text = String::new();
//! BlockingCursor::new(&io).read_to_string(&mut text)?;
//! assert_eq!(text, "some bytes");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

#[cfg(all(unix, feature = "async-io"))]
pub use crate::backend::integrations::async_io::AsyncIo;
#[cfg(all(unix, feature = "tokio"))]
pub use crate::backend::integrations::tokio::Tokio;
pub use crate::backend::{Integration, IoBackend, IoBackendExt};
#[cfg(feature = "std")]
pub use crate::cursor::{BlockingByteStream, BlockingCursor};
pub use crate::cursor::{ByteStream, Cursor};
pub use crate::traits::{BlockingIo, HasLen, IoControl, IoRead, IoWrite, StreamRead, StreamWrite};
