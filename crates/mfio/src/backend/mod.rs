//! Who drives: backends, and everything that resolves a future by driving one.
//!
//! A *backend* is a future that makes progress on I/O: it submits what was queued and completes what has ended. An object
//! that has one implements [`IoBackend`]; whoever waits for a future of that object drives the backend along:
//!
//! * plain synchronous code: [`IoBackendExt::block_on`];
//! * a task of an async executor: the [`integrations`], or one spawned `drive` future for all tasks;
//! * somebody else's event loop: [`ForeignLoop`];
//! * anything else: [`IoBackendExt::with_backend`], a future that polls both.
//!
//! # Map
//!
//! | file | what |
//! |---|---|
//! | `turn` | the state word: who may poll the backend, and who must next |
//! | `seats` | who waits: the bell, parked threads, tasks, registrations with reactors |
//! | `tasks` | the wakers of tasks that wait for the same thing |
//! | `reactor` | registrations with reactors, which run the turn where readiness is delivered |
//! | `cell` | the heap block of a container: turn, seats and the backend itself |
//! | `sharing` | [`Sharing`], what a shared backend gives to drivers and senders |
//! | `container` | [`BackendContainer`], [`BackendHandle`], [`Busy`] |
//! | `with_backend` | [`WithBackend`]: a future and a backend held exclusively |
//! | `shared` | [`SharedWithBackend`], the state machine of every task on a shared backend |
//! | `block_on` | the same for a thread |
//! | `attendance`, `fallback` | what happens to operations that nobody drives: an error, or a thread |
//! | `foreign` | the same for a foreign event loop |
//! | `polling`, `wake_flags`, `fd`, `handle`, `windows` | handles, interests, and wakers that write to descriptors |
//! | `io_backend` | the traits |
//! | `integrations` | executors |

mod attendance;
mod block_on;
mod cell;
mod container;
#[cfg(all(feature = "std", unix, not(mfio_loom)))]
mod fallback;
mod foreign;
mod io_backend;
mod polling;
mod reactor;
mod reentry;
mod seats;
mod shared;
mod sharing;
mod tasks;
mod turn;
mod wake_flags;
mod with_backend;

#[cfg(all(feature = "std", any(unix, target_os = "wasi", windows)))]
mod closing;
#[cfg(doctest)]
mod compile_fail;
#[cfg(all(feature = "std", any(unix, target_os = "wasi")))]
pub mod fd;
#[cfg(all(feature = "std", windows))]
pub mod handle;
pub mod integrations;
#[cfg(all(feature = "std", windows))]
pub mod windows;

pub use block_on::block_on;
pub use container::{BackendContainer, BackendHandle, Busy, DynBackend};
pub use foreign::{ForeignLoop, Turned};
pub use integrations::{
    Integration,
    null::{Null, NullImpl},
};
pub use io_backend::{IoBackend, IoBackendExt, LinksIoBackend, RefLink};
pub use polling::{DefaultHandle, Pollable, PollingFlags, PollingHandle};
pub use shared::SharedWithBackend;
pub use sharing::Sharing;
pub use with_backend::WithBackend;
