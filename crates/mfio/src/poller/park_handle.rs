//! [`ParkHandle`]: the primitive that a thread parks on.

/// A primitive on which one thread (or core, or task of an RTOS) parks, and by which others unpark
/// it.
///
/// It works like the token of
/// [`std::thread::park`](https://doc.rust-lang.org/std/thread/fn.park.html):
/// [`unpark`](Self::unpark) makes the token available, [`park`](Self::park) waits for it and takes
/// it. An `unpark` before the `park` makes that return at once, and many count as one. `park` may
/// return without a token; callers check and park again.
///
/// A [`PollingHandle`](crate::backend::PollingHandle) is one, too: it parks by waiting for its
/// handle.
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

    /// Makes the token available. Called from any context that wakes a future: it must neither
    /// block nor panic.
    fn unpark(&self);
}
