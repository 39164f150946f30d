//! Send-able completion I/O that you await from any executor, or from none.
//!
//! An *object* is asked to read or write a range of bytes at a position, and tells when each range has succeeded or failed.
//! One object works under plain synchronous code, in tokio and smol tasks, and inside a foreign event loop, all at once.
//!
//! | crate | contents |
//! |---|---|
//! | [`mfio-rt`] | files, through io_uring or threads; it re-exports this crate and suffices to begin |
//! | `mfio`, this one | objects and requests, reading and writing, cursors, executors; `no_std` + `alloc` |
//! | [`mfio-layers`] | objects made of others: caches, copy on write, mirrors, stripes, limits, retries, … |
//!
//! The smallest object is bytes in memory:
//!
//! ```
//! use mfio::memory::Memory;
//! use mfio::prelude::*;
//!
//! let io = Memory::new(vec![0; 4096]);
//! io.block_on(async {
//!     io.write_all_at(b"eight", 8).await?;
//!     assert_eq!(&io.read_value_at::<[u8; 5]>(8).await?, b"eight");
//!     Ok::<_, mfio::error::Error>(())
//! })?;
//! # Ok::<_, mfio::error::Error>(())
//! ```
//!
//! # Map
//!
//! | module | what |
//! |---|---|
//! | [`prelude`] | the names that most programs need |
//! | [`backend`] | who drives: containers, polling handles, wake flags, `block_on`, integrations |
//! | [`poller`] | the smallest executors: a future and something that parks |
//! | [`packet`] | requests: buffers, views that split, outcomes per range |
//! | [`io`] | [`io::PacketIo`], the one I/O primitive |
//! | [`traits`] | reading and writing: typed values, owned and borrowed buffers; async and blocking |
//! | [`cursor`] | an object and a position: the I/O traits of std, futures, tokio and embedded-io |
//! | [`ranges`] | many ranges of one object read together, merged where they are near |
//! | [`pipeline`] | requests in, results out, so many at once and no more |
//! | [`scope`] | lending memory to the kernel without a copy, from synchronous code |
//! | [`memory`] | bytes behind the packet interface: the smallest real backend, and bytes that nobody changes |
//! | [`contain`] | calls of wakers and callbacks, whose panics go no further |
//! | [`lock`] | the lock of all this, for layers and objects of others |
//! | [`error`] | [`error::Cause`] inside packets, [`error::Error`] where the user meets it |
//!
//! `backend` never names `packet`; dependencies point down the table of DESIGN.md only.
//!
//! # Features
//!
//! | feature | what |
//! |---|---|
//! | `std` (default) | waiting on descriptors and threads; without it the crate is `no_std` + `alloc` |
//! | `tokio` | `backend::integrations::tokio` (Unix), and tokio's I/O traits for [cursors](cursor) |
//! | `async-io` | `backend::integrations::async_io` (Unix): smol and everything else on async-io |
//! | `futures-io`, `embedded-io-async` | their I/O traits for cursors |
//! | `bytes` | `Bytes` and `BytesMut` as buffers |
//! | `stream` | [pipelines](pipeline) as `futures_core::Stream` |
//!
#![cfg_attr(docsrs, doc = "[`mfio-rt`]: https://docs.rs/mfio-rt")]
#![cfg_attr(docsrs, doc = "[`mfio-layers`]: https://docs.rs/mfio-layers")]
#![cfg_attr(not(docsrs), doc = "[`mfio-rt`]: ../mfio_rt/index.html")]
#![cfg_attr(not(docsrs), doc = "[`mfio-layers`]: ../mfio_layers/index.html")]
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod budget;
mod slab;
mod sync;

pub mod backend;
pub mod contain;
pub mod cursor;
pub mod error;
pub mod io;
pub mod lock;
pub mod memory;
pub mod packet;
pub mod pipeline;
pub mod poller;
pub mod prelude;
pub mod ranges;
pub mod scope;
pub mod traits;
