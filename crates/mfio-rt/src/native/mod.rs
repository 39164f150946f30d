//! The operating system's files, through io_uring or a bounded pool of threads.
//!
//! ```
//! use mfio_rt::native::NativeRt;
//!
//! let rt = NativeRt::new()?;
//! println!("{}", rt.report());
//! # Ok::<(), mfio_rt::native::BuildError>(())
//! ```
//!
//! A [`NativeRt`] takes the best driver that is available; [`NativeRt::report`] says which one that
//! is, and why each better one was rejected. Runtime and files are `Send + Sync`. Any number of
//! threads and tasks, of any executors, may use and drive them at once: by `block_on`,
//! `Tokio::drive`, `AsyncIo::drive`, or a foreign loop around the polling handle. While nothing
//! else does, the runtime drives itself on a thread of its own ([`Builder::self_driving`]), so a
//! task of any executor just awaits.
//!
//! # Limits
//!
//! The operations that the system has at a time are bounded ([`Builder::queue_depth`],
//! [`Builder::threads`]), and so are those lined up for it ([`Builder::max_in_flight`]). Operations
//! beyond that wait for room, in order, as a part of being awaited; none fails because there are
//! too many.
//!
//! # Fork
//!
//! A forked child must not use the runtime of its parent. Every operation, of the blocking forms
//! too, fails there with `ErrorKind::BackendGone`; a wait for the runtime panics, because it would
//! never end; dropping handles releases nothing.

// config, builder, report, selection    the settings, and the driver that follows from them
// owner, runtime                        the parts of a runtime; its handle
// file, stream, open, call              files, and the futures of operations that move no bytes
// control                               control operations of files and streams
// op, metadata                          the operations that drivers carry out
// cached, cache_policy                  reads that the page cache answers
// driver, table                         io_uring, threads; what is in flight
// object, sys, fork, lock               descriptors, system calls, forked children
mod builder;
mod cache_policy;
mod cached;
mod call;
mod config;
mod control;
mod driver;
mod file;
mod fork;
mod lock;
mod metadata;
mod object;
mod op;
mod open;
mod owner;
mod report;
mod runtime;
mod selection;
mod stream;
mod sys;
mod table;

pub use self::builder::Builder;
pub use self::call::{CloseFile, FileLen, SyncFile};
pub use self::driver::kind::DriverKind;
pub use self::file::File;
pub use self::open::OpenFile;
pub use self::owner::leaked_operations;
pub use self::report::{BuildError, ProbeResult, Rejected, Report};
pub use self::runtime::NativeRt;
pub use self::stream::Stream;
