//! Objects made of other objects: each layer is a [`PacketIo`](mfio::io::PacketIo) over others, so that they nest in any
//! order.
//!
//! A layer splits and forwards views and does not copy: a request that it need not split goes on whole, and nothing is
//! allocated. What is copied, once, is a hit of a [`Cache`], and a part of a granule that an [`Overlay`] makes whole. Layers
//! take the positions of the object below (any [`Address`](mfio::io::Address)), its pool and its help; errors name the
//! layer where offsets are those of the layer.
//!
//! Some keep requests while the object works on their memory, to go on when that has ended: [`Retry`], [`Mirror`],
//! [`Limit`], [`Fault`]. They take any [`Position`](mfio::io::Position), none included, and errors name the object.
//! [`Timeout`] copies, once, because it must be able to give up. Where one of these is dropped, requests end as they do when
//! the object itself is dropped: nothing that is under way keeps the object.
//!
//! # Who drives
//!
//! A layer over one object is driven by the backend of that object, and has `block_on` and `blocking` as it has. A layer
//! over many objects has no backend: only the user knows which one drives them all. [`AttachBackend`] adds it.
//!
//! # How long they are
//!
//! A layer over one object is as long as that, where it has a length ([`HasLen`](mfio::traits::HasLen)), so that a
//! [`Cursor`](mfio::cursor::Cursor) over it can seek to the end. The question goes on as it is: it is not limited, timed
//! out, tried again or counted, and the answer not kept. [`Concat`] and [`Overlay`] are as long as was said; [`Offset`],
//! [`Window`], [`Mirror`] and [`Stripe`] end where reads of them do. A [`Remap`] is sparse, and has no length.
//!
//! # Objects that take whole blocks only
//!
//! A layer asks of requests what the objects below ask ([`alignment`](mfio::io::PacketIo::alignment)), the strictest of all.
//! So its parts must begin and end where their blocks do: units of a [`Stripe`], objects of a [`Concat`], mappings of a
//! [`Remap`], blocks of a [`Cache`], granules and the end of an [`Overlay`]. What does not is refused when it is built, in
//! words. [`Window::new`] and [`Offset::new`] cannot fail; use [`Window::aligned`] and [`Offset::aligned`] there.
//!
//! # Map
//!
//! | type | what |
//! |---|---|
//! | [`Cache`] | blocks of an object kept in memory |
//! | [`Concat`] | objects one after another |
//! | [`clock`] | what time it is, for layers that wait |
//! | [`AttachBackend`] | an object, and the object whose backend drives it |
//! | [`Fault`] | failures by a script, for tests |
//! | [`Limit`] | operations and bytes at once, and how many begin in a second |
//! | [`Mirror`] | several objects that hold the same bytes |
//! | [`Offset`] | adds a base to each position |
//! | [`Overlay`] | copy on write: changes over a base that is only read |
//! | [`Remap`] | sparse ranges mapped to ranges of another object |
//! | [`Retry`] | tries again what failed, and only that |
//! | [`Stripe`] | an address space dealt out to several objects, unit by unit |
//! | [`Timeout`] | who waits for too long is told so |
//! | [`BackendSet`] | the backends of many objects as one |
//! | [`Trace`] | counts and times what goes through; spans of `tracing` |
//! | [`Window`] | a part of an object as an object |
//!
//! ```
//! use mfio::backend::IoBackendExt;
//! use mfio::memory::Memory;
//! use mfio::traits::{IoRead, IoWrite};
//! use mfio_layers::{AttachBackend, Stripe, BackendSet, Window};
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
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

extern crate alloc;

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
mod hash;
mod identity;
mod layer_alarm;
mod len;
mod limit;
mod mirror;
mod overlay;
mod remap;
mod retry;
mod route;
mod steps;
mod stripe;
mod timeout;
#[cfg(target_has_atomic = "64")]
mod trace;
mod window;

pub use mfio;

pub use attach_backend::AttachBackend;
pub use backend_set::BackendSet;
pub use cache::{Cache, CacheStats};
pub use concat::Concat;
pub use fault::{Fault, FaultHandle, Rule};
pub use len::{MirrorLen, PartLen, StripeLen};
pub use limit::{Limit, Limits, Rate};
pub use mirror::{MAX_REPLICAS, Mirror, WritePolicy};
pub use overlay::Overlay;
pub use remap::Remap;
pub use retry::{Retry, RetryPolicy};
pub use stripe::Stripe;
pub use timeout::{Timeout, TimeoutLimits};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use trace::SystemNow;
#[cfg(target_has_atomic = "64")]
pub use trace::{Histogram, Latencies, Now, Trace, TraceSnapshot, TracedDirection};
pub use window::{Offset, Window};
