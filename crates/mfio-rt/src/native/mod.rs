//! The operating system's files, through io_uring or a bounded pool of threads.
//!
//! A [`NativeRt`] takes the best driver that can be had, and [`NativeRt::report`] says which that is and why no better
//! one. Runtime and files are `Send + Sync`, and any number of threads and tasks, of any executors, may use and drive
//! them at once: `block_on`, `Tokio::drive`, `AsyncIo::drive`, or a foreign loop around the polling handle. While nobody does,
//! the runtime drives itself on a thread of its own ([`Builder::self_driving`]), so a task of any executor just awaits.
//!
//! # Map
//!
//! | module | what |
//! |---|---|
//! | `owner` | what a runtime is made of, how operations are sent, how it ends |
//! | `file`, `stream`, `open`, `call` | files, those without positions, and the futures of operations that move no bytes |
//! | `op`, `metadata` | the vocabulary of operations, the same for all drivers |
//! | `table` | who owns what is in flight |
//! | `cached` | reads of what the page cache holds |
//! | `driver` | the contract of drivers, io_uring, threads, and the template for others |
//! | `ladder`, `builder` | which driver, and why |
//! | `object`, `sys`, `fork` | descriptors, system calls, telling a forked child |
//!
//! # Limits
//!
//! What the system has at a time is bounded ([`Builder::queue_depth`], [`Builder::threads`]), and so is what is lined up
//! for it ([`Builder::max_in_flight`]). Operations beyond wait for room, in order, as a part of being awaited; none is
//! refused for there being too many.
//!
//! # Fork
//!
//! A forked child must not use the runtime of its parent: there every operation fails with `ErrorKind::BackendGone`, the
//! blocking forms too, a wait for the runtime panics instead of lasting for ever, and dropping handles only forgets.

mod builder;
mod cache_policy;
mod cached;
mod call;
mod config;
mod driver;
mod file;
mod fork;
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
