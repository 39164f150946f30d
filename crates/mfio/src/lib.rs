//! Send-able completion I/O that you await from any executor, or from none.
//!
//! # Map
//!
//! | module | what |
//! |---|---|
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
//! | [`lock`] | the lock of all this, for layers and objects of others |
//! | [`error`] | [`error::Cause`] inside packets, [`error::Error`] where the user meets it |
//!
//! `backend` never names `packet`; dependencies point down the table of DESIGN.md only.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod sync;

pub mod backend;
pub mod cursor;
pub mod error;
pub mod io;
pub mod lock;
pub mod memory;
pub mod packet;
pub mod pipeline;
pub mod poller;
pub mod ranges;
pub mod scope;
pub mod traits;
