//! Runtimes for [`mfio`]: where the packets go.
//!
//! # Map
//!
//! | module | what |
//! |---|---|
//! | [`fs`] | what a file system runtime offers ([`fs::Fs`]), and [`fs::OpenOptions`] |
//! | [`native`] | the operating system's files: io_uring, or a bounded pool of threads (Unix) |
//!
//! ```no_run
//! use mfio::backend::IoBackendExt;
//! use mfio::traits::IoRead;
//! use mfio_rt::native::NativeRt;
//!
//! let rt = NativeRt::new()?;
//! println!("{}", rt.report());
//! let magic = rt.block_on(async {
//!     let file = rt.open_read("/bin/sh").await?;
//!     file.read::<[u8; 4]>(0).await
//! })?;
//! assert_eq!(&magic, b"\x7fELF");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod fs;

#[cfg(unix)]
pub mod native;

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
