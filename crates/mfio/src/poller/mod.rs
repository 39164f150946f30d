//! The smallest executors: one future, and something that parks until the future is woken.
//!
//! | file | what |
//! |---|---|
//! | `parker` | the state word of a thread that waits: why it is to look again, and how it is reached |
//! | `lease` | the parker of a call: one per thread is kept and used again |
//!
//! With std, [`block_on`] parks the calling thread. Without it, bring something that parks ([`ParkHandle`]) and use
//! [`block_on_handle`]. Neither drives a backend; [`IoBackendExt::block_on`](crate::backend::IoBackendExt::block_on) does.

mod lease;
mod parker;

pub(crate) use lease::Lease;
pub(crate) use parker::Parker;

use alloc::sync::Arc;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll};

/// Something on which one thread (or core, or task of an RTOS) can park, and from which others can release it.
///
/// It works like a token: [`unpark`](Self::unpark) makes the token available, [`park`](Self::park) waits for it and takes
/// it. So an `unpark` that comes before the `park` makes that return at once, and many of them count as one. `park` may
/// return without a token; callers look again and park again.
///
/// ```
/// use mfio::poller::ParkHandle;
/// use std::sync::{Condvar, Mutex};
///
/// #[derive(Default)]
/// struct Token(Mutex<bool>, Condvar);
///
/// impl ParkHandle for Token {
///     fn park(&self) {
///         let token = self.0.lock().unwrap();
///         *self.1.wait_while(token, |token| !*token).unwrap() = false;
///     }
///
///     fn unpark(&self) {
///         *self.0.lock().unwrap() = true;
///         self.1.notify_one();
///     }
/// }
/// ```
pub trait ParkHandle {
    /// Waits for the token and takes it.
    fn park(&self);

    /// Makes the token available. Called from any context that wakes a future, so it must neither block nor panic.
    fn unpark(&self);
}

/// Polls `future` until it is ready, and parks on `parker` between the polls.
///
/// Wakes are told apart by call: a nested call on the same `parker` takes no wake from this one. A wake while the future is
/// being polled costs no [`unpark`](ParkHandle::unpark), and of many wakes while it is parked, only the first does. A waker
/// that is woken late may still unpark once after the call has returned.
///
/// # Panics
///
/// Only if the future or `parker` does.
///
/// ```
/// use mfio::poller::{ParkHandle, block_on_handle};
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
/// assert_eq!(block_on_handle(async { 42 }, parker), 42);
/// ```
pub fn block_on_handle<F, P>(future: F, parker: Arc<P>) -> F::Output
where
    F: Future,
    P: ParkHandle + Send + Sync + 'static,
{
    drive(future, &Parker::with_handle(parker))
}

/// Polls `future` until it is ready, and parks the calling thread between the polls.
///
/// Calls may be nested: none takes a wake from another. Whatever else unparks the thread does no harm.
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
    drive(future, &Parker::of_this_thread())
}

fn drive<F: Future>(future: F, lease: &Lease) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(lease.waker());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        while !lease.park().notified {}
    }
}

#[cfg(all(test, feature = "std", not(mfio_loom)))]
mod tests;
