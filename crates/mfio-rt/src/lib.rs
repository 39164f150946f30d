//! Runtimes for [`mfio`]: files, through io_uring or a bounded pool of threads.
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
//! ```toml
//! [dependencies]
//! mfio-rt = "0.2"
//! ```
//!
//! This crate suffices to begin: it re-exports [`mfio`], with its features and a [`prelude`]. A
//! file works from any thread and from tasks of any executor. [`durability`] explains which data
//! survive a crash, and in which order to sync.
//!
//! # Modules
//!
//! | module | contents |
//! |---|---|
//! | [`prelude`] | the names that most programs need |
//! | [`native`] | files of the operating system: io_uring, or a bounded pool of threads (Unix) |
//! | [`fs`] | the trait of file system runtimes, [`fs::Fs`], and [`fs::OpenOptions`] |
//! | [`durability`] | durability and sync order of files, cursors and layers |
//!
//! # Features
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
