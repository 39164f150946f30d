//! The state of a [`Limit`](super::Limit): the load that is counted, and the queue. Nothing here
//! runs code of an object or a waker.

use super::bucket::{Bucket, Rate};
use crate::directions::AnyView;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

/// The bounds of a [`Limit`](super::Limit). By default there are none, but for a queue of 1024
/// requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Upper bound on operations in flight, control operations included; 0 is as 1.
    pub operations: usize,
    /// Upper bound on the bytes of all operations in flight; 0 is as 1. A control operation has
    /// none. A longer request is split,
    /// into whole blocks where the object asks for them
    /// ([`alignment`](mfio::io::IoObject::alignment)). One block is always admitted when nothing
    /// else is in flight.
    pub bytes: usize,
    /// The rate at which operations begin. Needs a [clock](super::Limit::with_clock).
    pub operation_rate: Option<Rate>,
    /// The rate of their bytes. Needs a [clock](super::Limit::with_clock).
    pub byte_rate: Option<Rate>,
    /// Upper bound on queued requests, abandoned reads and questions not included. A request beyond
    /// it fails with `LimitReached`. With 0 no request waits, so that one that has to be split is
    /// refused too, as its rest would wait.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            operations: usize::MAX,
            bytes: usize::MAX,
            operation_rate: None,
            byte_rate: None,
            queue: 1024,
        }
    }
}

/// The length at which a queue is swept first.
const SWEPT_AT: usize = 64;

pub(super) struct Admission<W> {
    limits: Limits,
    operations: usize,
    bytes: usize,
    operation_rate: Option<Bucket>,
    byte_rate: Option<Bucket>,
    queue: VecDeque<W>,
    /// The length at which the queue is swept next: twice what the last sweep left, so that
    /// sweeping costs each request a look at two queued ones at most.
    swept_at: usize,
    /// A loop sends queued requests, and looks again before it stops.
    pumping: bool,
    refused: u64,
    closed: bool,
}

/// A request that can be queued.
pub(super) trait Splittable: Sized {
    fn is_unwanted(&self) -> bool;
    /// Returns how many bytes it moves.
    fn len(&self) -> usize;
    /// Returns the block size in bytes: the request is split at multiples of it.
    fn block(&self) -> usize;
    /// Splits off the first `len` bytes. The rest may lie beyond the last position.
    fn split_at(self, len: usize) -> (Self, Result<Self, AnyView>);
}

/// The next step of the loop that sends queued requests.
pub(super) enum Next<W> {
    /// Send it: it is counted.
    Send(W),
    /// Send it as above, and fail the rest of it, which lies beyond the last position.
    Last(W, AnyView),
    /// Fail it: it is an abandoned read.
    Unwanted(W),
    /// Stop, and continue at this time.
    At(Duration),
    /// Stop, until an operation ends or a request arrives.
    Nothing,
}

impl<W: Splittable> Admission<W> {
    pub(super) fn new(mut limits: Limits, now: Duration) -> Self {
        limits.operations = limits.operations.max(1);
        limits.bytes = limits.bytes.max(1);
        Self {
            operation_rate: limits.operation_rate.map(|rate| Bucket::new(rate, now)),
            byte_rate: limits.byte_rate.map(|rate| Bucket::new(rate, now)),
            limits,
            operations: 0,
            bytes: 0,
            queue: VecDeque::new(),
            swept_at: SWEPT_AT,
            pumping: false,
            refused: 0,
            closed: false,
        }
    }

    /// Counts an operation of `len` bytes, if there is room for it. Otherwise returns the time when
    /// there will be; `None` where that depends on others that end.
    #[inline]
    fn admit(&mut self, len: usize, now: Duration) -> Result<(), Option<Duration>> {
        let room = self.limits.bytes.saturating_sub(self.bytes);
        // One block may be more than the limit: it is admitted when nothing else is in flight.
        if self.operations >= self.limits.operations || len > room && self.operations > 0 {
            return Err(None);
        }
        let wait = |bucket: &mut Option<Bucket>, units| {
            bucket
                .as_mut()
                .map_or(Duration::ZERO, |b| b.wait(units, now))
        };
        let wait = wait(&mut self.operation_rate, 1).max(wait(&mut self.byte_rate, len as u64));
        if wait > Duration::ZERO {
            return Err(Some(now.saturating_add(wait)));
        }
        if let Some(bucket) = &mut self.operation_rate {
            bucket.take(1);
        }
        if let Some(bucket) = &mut self.byte_rate {
            bucket.take(len as u64);
        }
        self.operations += 1;
        self.bytes += len;
        Ok(())
    }

    /// Admits a request of `len` bytes, which the caller then sends. Returns `false` where it has
    /// to wait: for room, for the queue, or for the request that the loop has just taken from it.
    #[inline]
    #[must_use]
    pub(super) fn try_admit(&mut self, len: usize, now: Duration) -> bool {
        let whole = len <= self.limits.bytes;
        whole && self.queue.is_empty() && !self.pumping && self.admit(len, now).is_ok()
    }

    /// Queues a request, after which the caller pumps. Returns the request where the queue is full.
    pub(super) fn enqueue(&mut self, request: W) -> Result<(), W> {
        if self.closed || self.queue.len() >= self.limits.queue {
            self.refused += 1;
            return Err(request);
        }
        self.queue.push_back(request);
        Ok(())
    }

    /// Whether to [sweep](Self::sweep) before the next request is queued: the queue is full, or has
    /// grown.
    pub(super) fn needs_sweep(&self) -> bool {
        let len = self.queue.len();
        len > 0 && (len >= self.limits.queue || len >= self.swept_at)
    }

    /// Takes out abandoned reads, which the caller then fails without the lock. A queue has to look
    /// for them, because a future that is dropped tells no layer.
    #[must_use]
    pub(super) fn sweep(&mut self) -> Vec<W> {
        let mut unwanted = Vec::new();
        for _ in 0..self.queue.len() {
            match self.queue.pop_front() {
                Some(request) if request.is_unwanted() => unwanted.push(request),
                request => self.queue.extend(request),
            }
        }
        self.swept_at = SWEPT_AT.max(2 * self.queue.len());
        unwanted
    }

    /// Gives back the room of an operation that has ended. Returns whether the caller is to pump:
    /// not where a loop does so, which will find the room.
    #[inline]
    #[must_use]
    pub(super) fn release(&mut self, len: usize) -> bool {
        self.operations -= 1;
        self.bytes -= len;
        !self.queue.is_empty() && !self.pumping
    }

    /// Claims the loop that sends queued requests. Returns `false` where it runs already.
    pub(super) fn begin_pumping(&mut self) -> bool {
        !core::mem::replace(&mut self.pumping, true)
    }

    /// Returns the next step of the loop, which ends with `At` and `Nothing`.
    pub(super) fn next(&mut self, now: Duration) -> Next<W> {
        let next = self.look(now);
        if matches!(next, Next::At(_) | Next::Nothing) {
            self.pumping = false;
        }
        next
    }

    fn look(&mut self, now: Duration) -> Next<W> {
        let Some(first) = self.queue.pop_front() else {
            return Next::Nothing;
        };
        if first.is_unwanted() {
            return Next::Unwanted(first);
        }
        let len = self.part(first.len(), first.block());
        match self.admit(len, now) {
            Ok(()) if len < first.len() => {
                let (first, rest) = first.split_at(len);
                match rest {
                    Ok(rest) => self.queue.push_front(rest),
                    Err(beyond) => return Next::Last(first, beyond),
                }
                Next::Send(first)
            }
            Ok(()) => Next::Send(first),
            Err(when) => {
                self.queue.push_front(first);
                when.map_or(Next::Nothing, Next::At)
            }
        }
    }

    /// Returns how many bytes of a request are sent at once.
    fn part(&self, len: usize, block: usize) -> usize {
        let most = self.limits.bytes;
        if len <= most {
            return len;
        }
        (most - most % block).max(block).min(len)
    }

    /// Ends a loop that unwinds. Returns the queued requests, which nothing would send.
    #[must_use]
    pub(super) fn abandon(&mut self) -> VecDeque<W> {
        self.pumping = false;
        core::mem::take(&mut self.queue)
    }

    /// Closes the queue, as the layer is dropped. Returns the queued requests.
    #[must_use]
    pub(super) fn close(&mut self) -> VecDeque<W> {
        self.closed = true;
        core::mem::take(&mut self.queue)
    }

    /// Returns the upper bound on bytes in flight.
    pub(super) fn most(&self) -> usize {
        self.limits.bytes
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn in_flight(&self) -> (usize, usize) {
        (self.operations, self.bytes)
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}
