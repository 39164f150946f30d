//! Who is let through, and who waits: the state of a [`Limit`](super::Limit), and nothing that runs code of others.

use super::bucket::{Bucket, Rate};
use crate::directions::AnyView;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

/// What a [`Limit`](super::Limit) allows. The default is everything, with a queue of 1024 requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many operations the object has at once; 0 is as 1.
    pub operations: usize,
    /// How many bytes they have in all; 0 is as 1. A longer request is split, into whole blocks where the object asks for
    /// them ([`alignment`](mfio::io::PacketIo::alignment)); one block is always let through, by itself.
    pub bytes: usize,
    /// How many operations begin in a second. Needs a [clock](super::Limit::with_clock).
    pub operation_rate: Option<Rate>,
    /// How many bytes do. Needs a [clock](super::Limit::with_clock).
    pub byte_rate: Option<Rate>,
    /// How many requests wait at most; what comes then fails with `LimitReached`. Reads that nobody wants any more are not
    /// among them.
    /// With 0 nothing waits, and a request that would have to be split is refused too, as what is left of it waits.
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

/// A queue that grew to this length since it was swept last is swept again.
const SWEPT_AT: usize = 64;

pub(super) struct Admission<W> {
    limits: Limits,
    operations: usize,
    bytes: usize,
    operation_rate: Option<Bucket>,
    byte_rate: Option<Bucket>,
    queue: VecDeque<W>,
    /// How long the queue gets before it is swept. Twice what was left the last time, so that a sweep costs each request
    /// that comes no more than a look at two of those that wait.
    swept_at: usize,
    /// Somebody takes requests out of the queue, one after another, and will look at it again.
    pumping: bool,
    refused: u64,
    closed: bool,
}

/// What waits.
pub(super) trait Queued: Sized {
    fn view(&self) -> &AnyView;
    /// Where it is split, that is at multiples of this.
    fn block(&self) -> usize;
    /// Splits the first `len` bytes off; the others may be at no position.
    fn split_at(self, len: usize) -> (Self, Result<Self, AnyView>);
}

/// What is to be done about the queue.
pub(super) enum Next<W> {
    /// To be sent: it is counted.
    Send(W),
    /// As above, and what lies behind it lies beyond the last position.
    Last(W, AnyView),
    /// Nobody wants it any more.
    Unwanted(W),
    /// At this time something can be sent. The pump has stopped.
    At(Duration),
    /// Nothing, until an operation ends or a request comes. The pump has stopped.
    Nothing,
}

impl<W: Queued> Admission<W> {
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

    /// Counts an operation of so many bytes, if there is room for it. Otherwise says when there is: `None` when others
    /// have ended.
    #[inline]
    fn admit(&mut self, len: usize, now: Duration) -> Result<(), Option<Duration>> {
        let room = self.limits.bytes.saturating_sub(self.bytes);
        // One block may be more than the limit: it goes when nothing else does.
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

    /// A request of `len` bytes comes. Says whether it is to be sent at once: then it is counted. Nobody overtakes those that
    /// wait, nor the one that the pump has just taken.
    #[inline]
    #[must_use]
    pub(super) fn arrive(&mut self, len: usize, now: Duration) -> bool {
        let whole = len <= self.limits.bytes;
        whole && self.queue.is_empty() && !self.pumping && self.admit(len, now).is_ok()
    }

    /// Keeps a request that cannot be sent at once, after which the queue is to be pumped. Gives it back where the queue is
    /// full.
    pub(super) fn wait(&mut self, request: W) -> Result<(), W> {
        if self.closed || self.queue.len() >= self.limits.queue {
            self.refused += 1;
            return Err(request);
        }
        self.queue.push_back(request);
        Ok(())
    }

    /// Whether the queue should be [swept](Self::sweep) before another request comes: it is full, or has grown.
    pub(super) fn is_to_be_swept(&self) -> bool {
        let len = self.queue.len();
        len > 0 && (len >= self.limits.queue || len >= self.swept_at)
    }

    /// Takes out the reads that nobody wants any more, which the caller then fails without the lock. Nothing tells a queue
    /// that a future was dropped, so it has to look.
    #[must_use]
    pub(super) fn sweep(&mut self) -> Vec<W> {
        let mut unwanted = Vec::new();
        for _ in 0..self.queue.len() {
            match self.queue.pop_front() {
                Some(request) if request.view().is_unwanted() => unwanted.push(request),
                request => self.queue.extend(request),
            }
        }
        self.swept_at = SWEPT_AT.max(2 * self.queue.len());
        unwanted
    }

    /// An operation has ended. Says whether the queue is to be pumped: not where somebody does so, who will see the room.
    #[inline]
    #[must_use]
    pub(super) fn end(&mut self, len: usize) -> bool {
        self.operations -= 1;
        self.bytes -= len;
        !self.queue.is_empty() && !self.pumping
    }

    /// Begins to pump, unless somebody does.
    pub(super) fn begin(&mut self) -> bool {
        !core::mem::replace(&mut self.pumping, true)
    }

    /// What the pump does next.
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
        if first.view().is_unwanted() {
            return Next::Unwanted(first);
        }
        let len = self.piece(first.view().len(), first.block());
        match self.admit(len, now) {
            Ok(()) if len < first.view().len() => {
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

    /// How many bytes of a request are sent at once.
    fn piece(&self, len: usize, block: usize) -> usize {
        let most = self.limits.bytes;
        if len <= most {
            return len;
        }
        (most - most % block).max(block).min(len)
    }

    /// The pump has gone without an end. Returns what waits, which nothing would send.
    #[must_use]
    pub(super) fn abandon(&mut self) -> VecDeque<W> {
        self.pumping = false;
        core::mem::take(&mut self.queue)
    }

    /// The layer goes: nothing waits any more. Returns what did.
    #[must_use]
    pub(super) fn close(&mut self) -> VecDeque<W> {
        self.closed = true;
        core::mem::take(&mut self.queue)
    }

    /// How many bytes there may be under way.
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
