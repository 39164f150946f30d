//! Objects made of other objects: each layer is a [`PacketIo`](mfio::io::PacketIo) over others, so that they nest in any
//! order.
//!
//! # Map
//!
//! | module | what |
//! |---|---|
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

extern crate alloc;
