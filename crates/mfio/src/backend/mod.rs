//! Backends, and the ways to drive them.
//!
//! A *backend* is a future that makes progress on I/O: it submits what was queued and completes
//! what has ended. An object with a backend implements [`IoBackend`]. A future of that object
//! completes while the backend is driven:
//!
//! * by plain synchronous code: [`IoBackendExt::block_on`];
//! * by a task of an async executor: the [`integrations`], or one spawned `drive` future for all
//!   tasks;
//! * by the event loop of another library: [`ForeignLoop`];
//! * by other code: [`IoBackendExt::with_backend`], a future that polls both.

// Each file depends on those above it only.
//
// | file | contents |
// |---|---|
// | `wake_flags` | the byte that coalesces wakes of a descriptor |
// | `closing` | a value that many threads use and any of them may close |
// | `polling` | handles, interests, and the waits on them |
// | `windows` | event objects, and the plain waker that sets one |
// | `fd`, `handle` | wakers of a descriptor (Unix, WASI) and of an event object (Windows) |
// | `registration` | a handle registered with an executor's reactor |
// | `reentry` | detection of `block_on` within `block_on` |
// | `drive_lock` | the word that says which party may poll the backend, and which one must next |
// | `attendance` | whether a backend is driven, and the policy for operations that nobody drives |
// | `task_wakers` | the wakers of tasks that wait for the same thing |
// | `waiters` | threads and tasks that wait for a backend, and how each is woken |
// | `drive` | the interface of a shared backend; the lock's guard; the budget of rounds |
// | `reactor` | registrations with reactors; the reactor's thread drives when the handle is ready |
// | `cell` | the block of a backend: drive lock, waiters, reactors and the backend itself |
// | `sharing` | the interface of a shared backend to drivers and senders |
// | `duplicate` | a duplicate of a backend's descriptor |
// | `fallback` | a thread that drives while nobody else does |
// | `container` | containers of exclusive backends, and the exclusive handle to one |
// | `exported_handle` | the handle of a shared backend, with its waker and wake flags |
// | `shared_backend` | backends that any number of tasks and threads drive |
// | `io_backend`, `links` | the traits of objects with a backend |
// | `with_backend` | a future and a backend held exclusively |
// | `shared` | the state machine of a task on a shared backend |
// | `block_on` | threads that block on a future, of a shared backend or an exclusive one |
// | `ext` | the methods of every object with a backend |
// | `foreign` | a backend in the event loop of another library |
// | `integrations` | a backend in a task of an executor: tokio, async-io, or any |
// | `compile_fail` | programs that must not compile (read by rustdoc only) |

mod attendance;
mod block_on;
mod cell;
mod container;
mod drive;
mod drive_lock;
#[cfg(all(
    feature = "std",
    unix,
    any(not(mfio_loom), feature = "tokio", feature = "async-io")
))]
mod duplicate;
mod exported_handle;
mod ext;
#[cfg(all(feature = "std", unix, not(mfio_loom)))]
mod fallback;
mod foreign;
mod io_backend;
mod links;
mod polling;
mod reactor;
mod reentry;
mod registration;
mod shared;
mod shared_backend;
mod sharing;
mod task_wakers;
mod waiters;
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
pub use exported_handle::{ExportedHandle, HandleWaker};
pub use ext::IoBackendExt;
pub use foreign::{ForeignLoop, Tick};
pub use integrations::{
    Integration,
    null::{Null, NullImpl},
};
pub use io_backend::IoBackend;
pub use links::{LinksIoBackend, RefLink};
pub use polling::{DefaultHandle, Pollable, PollingFlags, PollingHandle};
pub use shared::SharedWithBackend;
pub use shared_backend::{BackendWait, SharedBackend, SharedBackendBuilder};
pub use sharing::Sharing;
pub use with_backend::WithBackend;
