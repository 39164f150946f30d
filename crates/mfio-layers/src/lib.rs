//! Objects made of other objects: each layer is a [`PacketIo`](mfio::io::PacketIo) over others, so
//! that they nest in any order.
//!
//! ```
//! use mfio::backend::IoBackendExt;
//! use mfio::memory::Memory;
//! use mfio::traits::{IoRead, IoWrite};
//! use mfio_layers::{AttachBackend, BackendSet, Stripe, Window};
//! use std::sync::Arc;
//!
//! // A partition of a disk that is striped over three others.
//! let disks = [(); 3].map(|()| Arc::new(Memory::new(vec![0; 1 << 16])));
//! let disk = AttachBackend::new(Stripe::new(disks.clone(), 4096)?, BackendSet::new(disks)?);
//! let partition = Window::new(disk, 1 << 14, 1 << 16);
//! partition.block_on(async {
//!     partition.write_all_at(&[7; 5000], 4000).await?;
//!     assert_eq!(partition.read_value_at::<[u8; 4]>(8998).await?, [7, 7, 0, 0]);
//!     Ok::<_, mfio::error::Error>(())
//! })?;
//! # Ok::<_, mfio::error::Error>(())
//! ```
//!
//! | type | purpose |
//! |---|---|
//! | [`AttachBackend`] | attaches a backend to a layer over several objects |
//! | [`BackendSet`] | drives several backends as one |
//! | [`Blocks`] | any request over an object that takes whole blocks |
//! | [`Cache`] | keeps blocks of an object in memory |
//! | [`Concat`] | concatenates objects |
//! | [`clock`] | the time, for layers that wait |
//! | [`Fault`] | fails requests by a script, for tests |
//! | [`Limit`] | bounds operations and bytes in flight, and their rate |
//! | [`Mirror`] | replicates writes, and reads from any replica |
//! | [`Offset`] | adds a base to each position |
//! | [`Overlay`] | copy on write over a base that is only read |
//! | [`Remap`] | maps sparse ranges to ranges of another object |
//! | [`Retry`] | sends failed ranges again |
//! | [`Stripe`] | stripes an address space over several objects |
//! | [`Timeout`] | fails requests that take too long |
//! | [`Trace`] | counts and times requests; spans of `tracing` |
//! | [`Window`] | shows a part of an object as an object |
//!
//! # Stacks built at run time
//!
//! Each stack has another type. [`DynObject`](mfio::traits::DynObject) is the trait object of them
//! all, and layers go over it as over any object:
//!
//! ```
//! use mfio::prelude::*;
//! use mfio::memory::Memory;
//! use mfio::traits::DynObject;
//! use mfio_layers::{Cache, Limit, Limits, Trace};
//!
//! let mut io: Box<dyn DynObject> = Box::new(Memory::new(vec![0; 1 << 16]));
//! for layer in "cache limit trace".split(' ') {
//!     io = match layer {
//!         "cache" => Box::new(Cache::new(io, 1 << 14, 1 << 12)?),
//!         "limit" => Box::new(Limit::<_>::new(io, Limits::default())),
//!         _ => Box::new(Trace::new(io)),
//!     };
//! }
//! io.block_on(io.write_all_at(b"through three layers", 100))?;
//! assert_eq!(io.blocking().read_value_at::<[u8; 7]>(100)?, *b"through");
//! assert_eq!(io.io_len_blocking()?, 1 << 16);
//! # Ok::<_, mfio::error::Error>(())
//! ```
//!
//! A layer over several objects gets a backend by [`AttachBackend`], and a [`Remap`] a length by a
//! [`Concat`] of it alone.
//!
//! # Copies and allocations
//!
//! A layer splits and forwards views, and does not copy: a request that need not be split is
//! forwarded whole, and nothing is allocated. Bytes are copied once for a hit of a [`Cache`], for a
//! partial write of a granule of an [`Overlay`], and for a request to [`Blocks`] that is not
//! aligned. Layers take the positions of the object below (any [`Address`](mfio::io::Address)), its
//! pool and its explanations of failures. Errors name the layer where offsets are those of the
//! layer.
//!
//! [`Retry`], [`Mirror`], [`Limit`] and [`Fault`] take requests back when the object has ended
//! them. They take any [`Position`](mfio::io::Position), none included, and errors name the object.
//! [`Timeout`] copies once, because it must be able to give up. When one of these is dropped, its
//! requests end as they do when the object itself is dropped: requests under way do not keep the
//! object alive.
//!
//! # Driving
//!
//! The backend of the object drives a layer over it, which has `block_on` and `blocking` as the
//! object has. A layer over several objects has no backend, because only the program knows the one
//! that drives them all. [`AttachBackend`] adds it.
//!
//! # Length
//!
//! A layer over one object has the length of that object, if it has one
//! ([`HasLen`](mfio::traits::HasLen)), so that a [`Cursor`](mfio::cursor::Cursor) over it can
//! seek to the end. The question for it is forwarded as it is: it is not limited, timed out,
//! retried or counted, and the answer is not kept. [`Concat`] and [`Overlay`] have the length that
//! was given; [`Offset`], [`Window`], [`Mirror`] and [`Stripe`] that at which reads end. A
//! [`Remap`] is sparse, and has no length.
//!
//! # Control operations
//!
//! A layer over an object with [control operations](mfio::control) has them too. [`Limit`],
//! [`Timeout`], [`Trace`], [`Fault`] and [`Retry`] treat them as requests, a [`Cache`] forgets the
//! bytes that they change, [`Blocks`] sends whole blocks, and [`AttachBackend`] passes them on.
//! [`Window`], [`Offset`], [`Concat`], [`Stripe`] and [`Remap`] translate ranges: one is a request
//! for each object, or mapping, however long it is. A [`Mirror`] sends operations to its replicas,
//! an [`Overlay`] to its top only. The documentation of each has a table. An operation that the
//! object does not support fails with `NotSupported` there, and
//! [`capabilities`](mfio::control::ControlIo::capabilities) tells beforehand.
//!
//! # Alignment
//!
//! [`Blocks`] has no requirements, whatever the object below. Any other layer has the strictest
//! [`alignment`](mfio::io::IoObject::alignment) of the objects below. So its parts must begin and
//! end where their blocks do: units of a [`Stripe`], objects of a [`Concat`], mappings of a
//! [`Remap`], blocks of a [`Cache`], granules and the end of an [`Overlay`]. A layer with other
//! parts is refused when it is built. [`Window::new`] and [`Offset::new`] cannot fail; use
//! [`Window::aligned`] and [`Offset::aligned`] there.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

// Modules, each of which imports only from lines above it:
//
// clock, hash, steps           time and alarms; a hash; loops over requests that may panic
// order, gate                  the order of writes that overlap
// layer_alarm, deferred        one alarm for each layer; requests that continue at a given time
// blocks, identity, len        alignment of parts; names in errors; lengths
// forward                      macros for methods that go to the object below
// directions, queued, sent     code for reads and writes; requests that wait; requests sent below
// route                        splits requests, and sends the parts to their destinations
// translate                    control operations of layers that move positions
// gather, routed               control operations that go to several objects
// the layers                   none of them imports another one
//
// A layer that takes requests back has two parts: the public type, which owns the object, and a
// state named `…Shared`, which its requests own and which does not own the object.

extern crate alloc;

mod alignment;
mod attach_backend;
mod backend_set;
mod blocks;
mod cache;
pub mod clock;
mod concat;
mod deferred;
mod directions;
mod fault;
mod forward;
mod gate;
mod gather;
mod hash;
mod identity;
mod layer_alarm;
mod len;
mod limit;
mod mirror;
mod offset;
mod order;
mod overlay;
mod queued;
mod remap;
mod retry;
mod route;
mod routed;
mod sent;
mod steps;
mod stripe;
mod timeout;
#[cfg(target_has_atomic = "64")]
mod trace;
mod translate;
mod window;

pub use mfio;

pub use attach_backend::AttachBackend;
pub use backend_set::BackendSet;
pub use blocks::Blocks;
pub use cache::{Cache, CacheStats};
pub use concat::Concat;
pub use fault::{Fault, FaultHandle, Rule};
pub use len::{MirrorLen, PartLen, StripeLen};
pub use limit::{Limit, Limits, Rate};
pub use mirror::{MAX_REPLICAS, Mirror, WritePolicy};
pub use offset::Offset;
pub use overlay::Overlay;
pub use remap::Remap;
pub use retry::{Retry, RetryPolicy};
pub use stripe::Stripe;
pub use timeout::{Timeout, TimeoutLimits};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use trace::SystemNow;
#[cfg(target_has_atomic = "64")]
pub use trace::{Histogram, Latencies, Now, Trace, TraceSnapshot, TracedControl, TracedDirection};
pub use window::Window;
