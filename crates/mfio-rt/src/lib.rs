//! Runtimes for [`mfio`]: the operating system's files, through io_uring or a bounded pool of
//! threads.
//!
//! This crate is all that a program needs to begin: it re-exports
//! [`mfio`], has its features, and a [`prelude`].
//!
//! ```toml
//! [dependencies]
//! mfio-rt = "0.2"
//! ```
//!
//! ```
//! use mfio_rt::prelude::*;
//!
//! # let dir = std::env::temp_dir().join(format!("mfio-doc-root-{}", std::process::id()));
//! # std::fs::create_dir_all(&dir)?;
//! let rt = NativeRt::new()?;
//! println!("{}", rt.report());
//!
//! let file = rt.block_on(rt.create(dir.join("greeting")))?;
//! rt.block_on(async {
//!     file.write_all_at(b"Hello, file!", 0).await?;
//!     assert_eq!(&file.read_value_at::<[u8; 4]>(7).await?, b"file");
//!     file.sync_all().await
//! })?;
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same file works from any thread, and from tasks of any executor. A write that has ended is
//! with the system; what is on the medium when, and in which order to sync, is in [`durability`].
//!
//! # Map
//!
//! | module | contents |
//! |---|---|
//! | [`prelude`] | the names that most programs need |
//! | [`native`] | the operating system's files: io_uring, or a bounded pool of threads (Unix) |
//! | [`fs`] | opening files on any runtime ([`fs::Fs`]), and [`fs::OpenOptions`] |
//! | [`durability`] | when writes are durable, and in which order to sync |
//!
//! | feature | adds |
//! |---|---|
//! | `tokio` | `Tokio::drive`, and tokio's I/O traits for [cursors](mfio::cursor) |
//! | `async-io` | `AsyncIo::drive`, for smol |
//! | `futures-io`, `embedded-io-async` | their I/O traits for cursors |
//! | `bytes` | `Bytes` and `BytesMut` as buffers |
//! | `stream` | [pipelines](mfio::pipeline) as `futures_core::Stream` |
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use mfio;

pub mod fs;
pub mod prelude;

#[cfg(unix)]
pub mod native;

#[cfg(unix)]
#[doc = include_str!("../durability.md")]
pub mod durability {}

pub use fs::OpenOptions;
#[cfg(unix)]
pub use native::{File, NativeRt};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
