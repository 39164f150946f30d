//! Minimal executors: one future on one thread, which parks until the future is woken.
//!
//! With std, [`block_on`] parks the calling thread. Without it, bring something that parks
//! ([`ParkHandle`]) and use [`block_on_parked`]. [`block_on_handle`] waits on a handle that the
//! caller chooses. None of them drives a backend;
//! [`IoBackendExt::block_on`](crate::backend::IoBackendExt::block_on) does.

// | file | contents |
// |---|---|
// | `park_handle` | the primitive that a thread parks on |
// | `parker` | the state word of a blocked thread: reasons to look again, ways to reach it |
// | `lease` | the parker of a call: each thread keeps one and reuses it |

mod lease;
mod park_handle;
mod parker;

pub(crate) use lease::Lease;
pub use park_handle::ParkHandle;
pub(crate) use parker::Parker;

use alloc::sync::Arc;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// Polls `future` until it is ready, and parks on `parker` between the polls.
///
/// Each call has a waker of its own: a nested call on the same `parker` takes no wake from this
/// one. A wake while the future is being polled costs no [`unpark`](ParkHandle::unpark); of many
/// wakes while the thread is parked only the first does. A waker that is woken late may still
/// unpark once after the call has returned.
///
/// # Panics
///
/// Only if the future or `parker` does.
///
/// ```
/// use mfio::poller::{ParkHandle, block_on_parked};
/// use std::{sync::Arc, thread};
///
/// struct This(thread::Thread);
///
/// impl ParkHandle for This {
///     fn park(&self) {
///         thread::park();
///     }
///
///     fn unpark(&self) {
///         self.0.unpark();
///     }
/// }
///
/// let parker = Arc::new(This(thread::current()));
/// assert_eq!(block_on_parked(async { 42 }, parker), 42);
/// ```
pub fn block_on_parked<F, P>(future: F, parker: Arc<P>) -> F::Output
where
    F: Future,
    P: ParkHandle + Send + Sync + 'static,
{
    run(future, &Lease::with_handle(parker))
}

/// Polls `future` until it is ready, and parks the calling thread between the polls.
///
/// Calls may be nested: none takes a wake from another. Other unparks of the thread do no harm.
///
/// # Panics
///
/// Only if the future does.
///
/// ```
/// assert_eq!(mfio::poller::block_on(async { 42 }), 42);
/// ```
#[cfg(feature = "std")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    run(future, &Lease::of_this_thread())
}

/// Polls `future` with `waker` until it is ready, and parks on `handle` between the polls.
///
/// A wake of `waker` must [unpark](ParkHandle::unpark) `handle`. With a polling handle and its own
/// waker, this blocks on a future of [`with_backend`](crate::backend::IoBackendExt::with_backend).
///
/// # Panics
///
/// Only if the future or `handle` does.
///
/// # Examples
///
/// ```
/// use mfio::backend::*;
/// use mfio::poller::{block_on, block_on_handle};
///
/// fn wait<B: IoBackend>(object: &B) -> i32 {
///     let (future, handle) = object.with_backend(async { 42 });
///     match handle {
///         Some(handle) => block_on_handle(future, &handle, &handle.waker),
///         None => block_on(future),
///     }
/// }
/// assert_eq!(wait(&mfio::memory::Memory::new(vec![0])), 42);
/// ```
pub fn block_on_handle<F, P>(future: F, handle: &P, waker: &Waker) -> F::Output
where
    F: Future,
    P: ParkHandle + ?Sized,
{
    let mut future = pin!(future);
    let mut cx = Context::from_waker(waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        handle.park();
    }
}

fn run<F: Future>(future: F, lease: &Lease) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(lease.waker());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        while !lease.park().woken {}
    }
}

#[cfg(all(test, feature = "std", not(mfio_loom)))]
mod tests;
