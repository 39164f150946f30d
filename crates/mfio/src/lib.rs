//! Completion I/O that is `Send`, and awaits on any executor or on none.
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
//! An *object*, such as bytes in memory or a file, takes requests to read or write a range of bytes
//! at a position, and reports when each range has succeeded or failed. One object serves
//! synchronous code, tokio and smol tasks, and a foreign event loop, all at the same time.
//!
//! | crate | contents |
//! |---|---|
//! | [`mfio-rt`] | files, through io_uring or threads; re-exports this crate: begin there |
//! | `mfio` (this one) | objects, requests, cursors and executors; `no_std` + `alloc` |
//! | [`mfio-layers`] | objects made of others: caches, copy on write, mirrors, limits, retries, … |
//!
//! # Modules
//!
//! | module | contents |
//! |---|---|
//! | [`prelude`] | the names that most programs need |
//! | [`backend`] | driving objects: containers, polling handles, `block_on`, integrations |
//! | [`poller`] | minimal executors: a future and a way to park |
//! | [`packet`] | requests: buffers, views that split, outcomes by range |
//! | [`io`] | [`io::PacketIo`], the I/O primitive |
//! | [`control`] | what objects can be asked besides: syncs, holes, lengths, ends of streams |
//! | [`traits`] | reading and writing: values, borrowed and owned buffers; async and blocking |
//! | [`cursor`] | an object and a position: the I/O traits of std, futures, tokio, embedded-io |
//! | [`ranges`] | many ranges of one object read together, coalesced if they are near |
//! | [`pipeline`] | a stream of requests with a bounded number in flight |
//! | [`scope`] | lending memory to the kernel without a copy, from synchronous code |
//! | [`memory`] | objects in memory: a complete small backend, a pipe, immutable bytes |
//! | [`contain`] | calls of wakers and callbacks that contain their panics |
//! | [`lock`] | the lock used by this crate, for layers and other objects |
//! | [`error`] | [`error::Cause`] inside packets, [`error::Error`] for the caller |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | waiting on descriptors and threads; without it: `no_std` + `alloc` |
//! | `tokio` | `backend::integrations::tokio` (Unix), tokio's I/O traits for [cursors](cursor) |
//! | `async-io` | `backend::integrations::async_io` (Unix), for smol and others on async-io |
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
pub mod control;
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
