//! [`Retry`]: sends failed ranges again.

mod control;
mod policy;

use crate::alignment;
use crate::clock::Alarm;
use crate::deferred::Deferred;
use crate::directions::{
    DirectionExt, Directions, PerDirection, impl_packet_io, is_stream, is_unwanted,
};
use crate::forward::{forward_backend, forward_len, forward_object};
use crate::queued::{QueuedRequest, Resume};
use crate::sent::{self, Sent, SentPool};
use crate::steps::{OnPanic, Steps};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use mfio::control::{ControlIo, ControlOp};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Exposed, PacketIo, Position, Read};
use mfio::lock::Lock;
use mfio::packet::{Outcome, RelayPool, View};

pub use policy::RetryPolicy;

/// Sends failed ranges again: of a request only the ranges that failed with a cause that a
/// [`RetryPolicy`] retries, and each a bounded number of times. A range that the policy gives up
/// fails with its last cause.
///
/// Requests keep their memory: nothing is copied, and in the steady state nothing is allocated.
/// Calls do not nest, however many attempts end within the call that sent them.
///
/// A retried write may write its range twice, as the effect of a failed write is unknown. An
/// abandoned read is not retried. When the layer is dropped, ranges that wait for their next
/// attempt fail with the cause of the last one.
///
/// A read of a stream that brought some bytes ends with those, whatever the policy says, because
/// another attempt would wait for more. Where the policy would have retried, the rest fails with
/// [`WouldBlock`](ErrorKind::WouldBlock): read again.
///
/// The backend of the object drives the layer too. The short cut for blocking calls is an attempt;
/// where it fails with a cause that is retried, the attempts of a packet follow.
///
/// # Control operations
/// Only an operation that may be repeated is. The error of a flush comes once: the system may have
/// dropped the bytes that it could not write, so that the next flush succeeds and proves nothing
/// (<https://lwn.net/Articles/752063/>). So nothing repeats it, whatever the policy says.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll` | sent once |
/// | `SetLen` | sent once: a repeat could cut off bytes that were written meanwhile |
/// | `Shutdown` | sent once |
/// | `Discard`, `WriteZeroes`, `Allocate` | retried as a whole, as a write is |
/// | `Prefetch` | retried as a whole |
/// | `Len`, `Extents` | retried as a whole, unless abandoned |
/// | not supported by the object | sent once, unless the policy retries `NotSupported` |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::error::ErrorKind;
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use mfio_layers::{Fault, Retry, RetryPolicy, Rule};
///
/// // Bytes 2 and 3 are busy, once.
/// let rule = Rule::fail(ErrorKind::Busy).within(2..4).times(1);
/// let below = Fault::new(Memory::new(b"abcdef".to_vec()), [rule]);
/// let hits = below.handle();
///
/// let io: Retry<_> = Retry::new(below, RetryPolicy::new(3));
/// assert_eq!(io.block_on(io.read_vec_at(0, 6))?, b"abcdef");
/// assert_eq!(hits.hits(0), 1);
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Retry<Io, P: Position = u64> {
    inner: Arc<Io>,
    shared: Arc<RetryShared<Io, P>>,
}

/// The part that requests keep while the object has them. It does not own the object.
struct RetryShared<Io, P: Position> {
    inner: Weak<Io>,
    policy: RetryPolicy,
    deferred: Option<Deferred<QueuedRetry<Io, P>>>,
    immediate: Lock<Immediate<QueuedRetry<Io, P>>>,
    pools: Directions<RetryPools<Io, P>>,
    controls: SentPool<View<Read>, Self, ControlAttempt>,
}

struct RetryPools<Io, P>(PhantomData<(Io, P)>);

impl<Io, P: Position> PerDirection for RetryPools<Io, P> {
    type Of<D: DirectionExt> = SentPool<View<D>, RetryShared<Io, P>, Attempt<P>>;
}

type QueuedRetry<Io, P> = QueuedRequest<RetryShared<Io, P>, P, Failure>;

/// Ranges that are sent again without a pause; no more than are under way.
struct Immediate<W> {
    queue: VecDeque<W>,
    /// A loop sends them, and looks again before it stops.
    busy: bool,
}

/// The last failure of a range.
#[derive(Clone, Copy)]
struct Failure {
    /// How many attempts have failed.
    attempts: u8,
    cause: Cause,
}

/// An attempt that the object has.
struct Attempt<P> {
    pos: P,
    /// How many attempts have failed before.
    before: u8,
}

/// An attempt at a control operation that the object has.
struct ControlAttempt {
    op: ControlOp,
    /// How many attempts have failed before.
    before: u8,
}

impl<Io, P: Position> Retry<Io, P> {
    /// Retries the requests that fail in `inner`.
    pub fn new(inner: Io, policy: RetryPolicy) -> Self {
        let inner = Arc::new(inner);
        let shared = RetryShared {
            inner: Arc::downgrade(&inner),
            deferred: policy.clock().map(Deferred::new),
            policy,
            immediate: Lock::new(Immediate {
                queue: VecDeque::new(),
                busy: false,
            }),
            pools: Directions {
                read: RelayPool::new(sent::KEPT),
                write: RelayPool::new(sent::KEPT),
            },
            controls: RelayPool::new(sent::KEPT),
        };
        Self {
            inner,
            shared: Arc::new(shared),
        }
    }

    /// Returns the object.
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    #[inline]
    fn send_on<D: DirectionExt>(&self, pos: P, view: View<D>)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        self.shared.attempt(&self.inner, pos, view, 0);
    }

    fn transfer<D: DirectionExt>(&self, pos: P, bytes: D::Slice<'_>) -> Option<Result<usize, Cause>>
    where
        Io: PacketIo<D, P>,
    {
        let tried = self.inner.transfer_blocking(pos, bytes);
        tried.filter(|tried| {
            let again = |cause: &Cause| self.shared.policy.next_delay(*cause, 1).is_some();
            !tried.as_ref().is_err_and(again)
        })
    }

    fn expose<D: DirectionExt>(&self, pos: P, len: usize) -> Option<Exposed>
    where
        Io: PacketIo<D, P>,
    {
        self.inner.expose(pos, len)
    }
}

impl<Io, P: Position> RetryShared<Io, P> {
    #[inline]
    fn attempt<D: DirectionExt>(self: &Arc<Self>, io: &Io, pos: P, view: View<D>, before: u8)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let relay = sent::relay(self, view, Attempt { pos, before });
        io.send_io(pos, D::send(relay));
    }

    /// Retries a range that failed, now or later, or fails it.
    #[cold]
    fn retry<D: DirectionExt>(self: &Arc<Self>, pos: Option<P>, view: View<D>, failure: Failure)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let again = self.policy.next_delay(failure.cause, failure.attempts);
        let (Some(delay), Some(pos), false) = (again, pos, is_unwanted(&view)) else {
            return view.fail(failure.cause);
        };
        self.retry_after(delay, QueuedRequest::new(pos, view, failure));
    }

    /// Makes an attempt at a control operation that may be repeated.
    fn attempt_control(self: &Arc<Self>, io: &Io, op: ControlOp, view: View<Read>, before: u8)
    where
        Io: ControlIo + Send + Sync + 'static,
    {
        let relay = sent::relay(self, view, ControlAttempt { op, before });
        io.send_control(op, relay.start());
    }

    /// Retries after a delay, if there is one.
    fn retry_after(self: &Arc<Self>, delay: Duration, request: QueuedRetry<Io, P>)
    where
        Io: Send + Sync + 'static,
    {
        match &self.deferred {
            Some(deferred) if delay > Duration::ZERO => {
                for unwanted in deferred.sweep(QueuedRequest::is_unwanted) {
                    unwanted.view.fail(unwanted.note.cause);
                }
                if let Err(late) = deferred.keep(delay, request, self) {
                    late.view.fail(late.note.cause);
                }
            }
            _ => self.retry_now(request),
        }
    }

    /// Retries without a pause. One loop at a time does so: attempts that fail within it leave the
    /// next ones to it, so that calls do not nest.
    fn retry_now(self: &Arc<Self>, request: QueuedRetry<Io, P>) {
        let mut immediate = self.immediate.lock();
        immediate.queue.push_back(request);
        if core::mem::replace(&mut immediate.busy, true) {
            return;
        }
        drop(immediate);
        let left = OnPanic(|| {
            while let Some(left) = self.next() {
                left.view.fail(left.note.cause);
            }
        });
        let mut steps = Steps::default();
        while let Some(next) = self.next() {
            steps.run(|| next.resume(self));
        }
        core::mem::forget(left);
        steps.over();
    }

    fn next(&self) -> Option<QueuedRetry<Io, P>> {
        let mut immediate = self.immediate.lock();
        let next = immediate.queue.pop_front();
        immediate.busy = next.is_some();
        next
    }
}

impl<D, P, Io> Resume<D, P, Failure> for RetryShared<Io, P>
where
    D: DirectionExt,
    P: Position,
    Io: PacketIo<D, P> + Send + Sync + 'static,
{
    fn resume(self: &Arc<Self>, pos: P, view: View<D>, failure: Failure) {
        match self.inner.upgrade() {
            Some(io) if !is_unwanted(&view) => {
                self.attempt(&io, pos, view, failure.attempts);
            }
            _ => view.fail(failure.cause),
        }
    }
}

impl<D, P, Io> Sent<View<D>, RetryShared<Io, P>> for Attempt<P>
where
    D: DirectionExt,
    P: Position,
    Io: PacketIo<D, P> + Send + Sync + 'static,
{
    #[inline]
    fn pool(shared: &RetryShared<Io, P>) -> &SentPool<View<D>, RetryShared<Io, P>, Self> {
        D::pick(&shared.pools)
    }

    #[inline]
    fn ended(self, shared: Arc<RetryShared<Io, P>>, view: View<D>, outcome: Outcome) {
        if outcome.is_success() {
            return view.done();
        }
        let gave = shared.stream_gave::<D>(&outcome);
        let attempts = self.before.saturating_add(1);
        let again = |cause| !gave && shared.policy.next_delay(cause, attempts).is_some();
        let alignment = shared.inner.upgrade().map(|io| io.alignment(D::OPERATION));
        let alignment = alignment.unwrap_or_default();
        alignment::each_part(
            view,
            &outcome,
            alignment,
            again,
            |part, at, result| match result {
                Ok(()) => part.done(),
                Err(cause) if gave => part.fail(shared.rest_of_stream(&outcome, cause)),
                Err(cause) => {
                    let failure = Failure { attempts, cause };
                    shared.retry(self.pos.advance(at), part, failure);
                }
            },
        );
    }
}

impl<Io, P: Position> RetryShared<Io, P> {
    /// Whether a read has brought bytes of a stream, and so is not retried: another attempt would
    /// wait for more.
    #[cold]
    fn stream_gave<D: DirectionExt>(&self, outcome: &Outcome) -> bool
    where
        Io: PacketIo<D, P>,
    {
        let failed: usize = outcome.failures().map(|range| range.len).sum();
        let is_stream = || match self.inner.upgrade() {
            Some(io) => is_stream::<P>(io.alignment(D::OPERATION)),
            None => P::SEQUENTIAL,
        };
        D::READS && failed < outcome.len() && is_stream()
    }

    /// Returns the cause for the bytes that a stream did not give: `WouldBlock` where it may give
    /// them to the next read.
    #[cold]
    fn rest_of_stream(&self, outcome: &Outcome, cause: Cause) -> Cause {
        let passes = outcome.good_prefix() > 0 && self.policy.next_delay(cause, 1).is_some();
        match passes {
            true => Cause::new(ErrorKind::WouldBlock),
            false => cause,
        }
    }
}

impl<Io: Send + Sync + 'static, P: Position> Alarm for RetryShared<Io, P> {
    fn fire(self: Arc<Self>) {
        if let Some(deferred) = &self.deferred {
            deferred.due(&self, |waiting| waiting.resume(&self));
        }
    }
}

impl<Io, P: Position> Drop for Retry<Io, P> {
    fn drop(&mut self) {
        if let Some(deferred) = &self.shared.deferred {
            deferred.close(|waiting| waiting.view.fail(waiting.note.cause));
        }
    }
}

impl_packet_io!(Retry<Io, P>, transfer: transfer, expose: expose);

forward_object!([Io, P: Position] Retry<Io, P>, Io, |layer| &*layer.inner);
forward_backend!([Io, P: Position] Retry<Io, P>, Io, |layer| &layer.inner);
forward_len!([Io, P: Position] Retry<Io, P>, Io, |layer| &layer.inner);

impl<Io: fmt::Debug, P: Position> fmt::Debug for Retry<Io, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("policy", &self.shared.policy)
            .finish()
    }
}
