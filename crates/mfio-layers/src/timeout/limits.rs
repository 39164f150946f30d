//! [`TimeoutLimits`]: the bounds of a [`Timeout`](super::Timeout).

use core::time::Duration;

/// The bounds of a [`Timeout`](super::Timeout). Each direction has them by itself; control
/// operations count as reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutLimits {
    /// Upper bound on the bytes of a request to the object; longer ones are split. 0 is as 1. Where
    /// the object asks for whole blocks ([`alignment`](mfio::io::IoObject::alignment)), it is
    /// rounded down to blocks, and is one block at least.
    pub chunk: usize,
    /// Upper bound on requests that the object has, overdue ones included. A request beyond it
    /// fails with `LimitReached`.
    pub requests: usize,
    /// Upper bound on overdue requests. While there are so many, new ones fail with `LimitReached`.
    pub overdue: usize,
    /// Upper bound on how much later than its time a request times out; it never does before. The
    /// clock is read once in so long, and rings as often while there are requests. 0: it is read
    /// for each request. At most as long as the timeout.
    pub slack: Duration,
}

impl Default for TimeoutLimits {
    /// 64 KiB; 4096 requests; 256 overdue ones; 5 ms.
    fn default() -> Self {
        Self {
            chunk: 65_536,
            requests: 4096,
            overdue: 256,
            slack: Duration::from_millis(5),
        }
    }
}
