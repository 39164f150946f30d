//! [`Retry`]: tries again what failed.

mod policy;

use crate::blocks;
use crate::clock::Alarm;
use crate::deferred::Deferred;
use crate::directions::{
    DirectionExt, Directions, Parked, PerDirection, Resume, impl_packet_io, is_stream, is_unwanted,
};
use crate::forward::{forward_backend, forward_len};
use crate::steps::{OnPanic, Steps};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Exposed, PacketIo, Position};
use mfio::lock::Lock;
use mfio::packet::{OnEnd, Outcome, Relay, RelayPool, View};

pub use policy::RetryPolicy;

/// How many blocks of each direction are kept.
const KEPT: usize = 256;

/// Sends again what failed, and nothing else: of a request only the ranges that failed, for a reason that is worth another
/// attempt, and each a bounded number of times. What a [`RetryPolicy`] gives up fails with its last cause.
///
/// Requests keep their memory: nothing is copied, and in the steady state nothing allocated. Calls do not nest, however many
/// attempts end within the call that made them.
///
/// A range that is tried again may be written twice below, as it is unknown what a failed write has done. A read that
/// nobody waits for any more is not tried again. When the layer is dropped, what waits for its next attempt fails with the cause
/// of its last one.
///
/// A read of a stream that has brought something ends with that, whatever the policy says: it is not tried again, as that
/// would wait for more. Where the policy would have, the rest fails with [`WouldBlock`](ErrorKind::WouldBlock), which says
/// that it may be asked for anew.
///
/// Driving it drives the object. The short cut for blocking calls is an attempt; where it fails for a reason that is worth
/// it, the attempts of a packet follow.
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
    core: Arc<Core<Io, P>>,
}

/// Does not keep the object: relays that the object has keep this.
struct Core<Io, P: Position> {
    inner: Weak<Io>,
    policy: RetryPolicy,
    deferred: Option<Deferred<Waiting<Io, P>>>,
    at_once: Lock<AtOnce<Waiting<Io, P>>>,
    pools: Directions<Pools<Io, P>>,
}

struct Pools<Io, P>(PhantomData<(Io, P)>);

impl<Io, P: Position> PerDirection for Pools<Io, P> {
    type Of<D: DirectionExt> = RelayPool<View<D>, Attempt<Io, P>>;
}

type Waiting<Io, P> = Parked<Core<Io, P>, P, Failed>;

/// What is tried again without a pause: as many ranges as are under way at most.
struct AtOnce<W> {
    queue: VecDeque<W>,
    /// Somebody takes them out, one after another, and will look again.
    busy: bool,
}

/// What is known of a range that waits.
#[derive(Clone, Copy)]
struct Failed {
    /// How many attempts there were.
    attempts: u8,
    cause: Cause,
}

struct Attempt<Io, P: Position> {
    /// Taken out at the end, so that there is one clone for each attempt.
    core: Option<Arc<Core<Io, P>>>,
    pos: P,
    /// How many attempts there were before.
    before: u8,
}

impl<Io, P: Position> Retry<Io, P> {
    /// Retries what fails in `inner`.
    pub fn new(inner: Io, policy: RetryPolicy) -> Self {
        let inner = Arc::new(inner);
        let core = Core {
            inner: Arc::downgrade(&inner),
            deferred: policy.clock().map(Deferred::new),
            policy,
            at_once: Lock::new(AtOnce {
                queue: VecDeque::new(),
                busy: false,
            }),
            pools: Directions {
                read: RelayPool::new(KEPT),
                write: RelayPool::new(KEPT),
            },
        };
        Self {
            inner,
            core: Arc::new(core),
        }
    }

    /// The object.
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    #[inline]
    fn send_on<D: DirectionExt>(&self, pos: P, view: View<D>)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        self.core.attempt(&self.inner, pos, view, 0);
    }

    fn transfer<D: DirectionExt>(&self, pos: P, bytes: D::Slice<'_>) -> Option<Result<usize, Cause>>
    where
        Io: PacketIo<D, P>,
    {
        let tried = self.inner.transfer_blocking(pos, bytes);
        tried.filter(|tried| {
            let again = |cause: &Cause| self.core.policy.next_delay(*cause, 1).is_some();
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

impl<Io, P: Position> Core<Io, P> {
    #[inline]
    fn attempt<D: DirectionExt>(self: &Arc<Self>, io: &Io, pos: P, view: View<D>, before: u8)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let attempt = Attempt {
            core: Some(self.clone()),
            pos,
            before,
        };
        let relay = D::pick(&self.pools).relay(view, attempt);
        io.send_io(pos, D::send(relay));
    }

    /// A range failed: it is tried again, now or later, or fails.
    #[cold]
    fn failed<D: DirectionExt>(self: &Arc<Self>, pos: Option<P>, view: View<D>, failed: Failed)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let again = self.policy.next_delay(failed.cause, failed.attempts);
        let (Some(delay), Some(pos), false) = (again, pos, is_unwanted(&view)) else {
            return view.fail(failed.cause);
        };
        match &self.deferred {
            Some(deferred) if delay > Duration::ZERO => {
                for unwanted in deferred.sweep(|waiting| waiting.view.is_unwanted()) {
                    unwanted.view.fail(unwanted.note.cause);
                }
                if let Err(late) = deferred.keep(delay, Parked::new(pos, view, failed), self) {
                    late.view.fail(failed.cause);
                }
            }
            _ => self.at_once(Parked::new(pos, view, failed)),
        }
    }

    /// Tries again now. Where an attempt ends within that, its failures are left to the loop that is running.
    fn at_once(self: &Arc<Self>, waiting: Waiting<Io, P>) {
        let mut at_once = self.at_once.lock();
        at_once.queue.push_back(waiting);
        if core::mem::replace(&mut at_once.busy, true) {
            return;
        }
        drop(at_once);
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

    fn next(&self) -> Option<Waiting<Io, P>> {
        let mut at_once = self.at_once.lock();
        let next = at_once.queue.pop_front();
        at_once.busy = next.is_some();
        next
    }
}

impl<D, P, Io> Resume<D, P, Failed> for Core<Io, P>
where
    D: DirectionExt,
    P: Position,
    Io: PacketIo<D, P> + Send + Sync + 'static,
{
    fn resume(self: &Arc<Self>, pos: P, view: View<D>, failed: Failed) {
        match self.inner.upgrade() {
            Some(io) if !is_unwanted(&view) => {
                self.attempt(&io, pos, view, failed.attempts);
            }
            _ => view.fail(failed.cause),
        }
    }
}

impl<D, P, Io> OnEnd<View<D>> for Attempt<Io, P>
where
    D: DirectionExt,
    P: Position,
    Io: PacketIo<D, P> + Send + Sync + 'static,
{
    #[inline]
    fn on_end(mut relay: Relay<View<D>, Self>, outcome: Outcome) {
        let Some(core) = relay.state_mut().core.take() else {
            return;
        };
        let (view, attempt) = D::pick(&core.pools).reclaim(relay);
        if outcome.is_success() {
            return view.done();
        }
        let gave = core.stream_gave::<D>(&outcome);
        let attempts = attempt.before.saturating_add(1);
        let again = |cause| !gave && core.policy.next_delay(cause, attempts).is_some();
        let alignment = core.inner.upgrade().map(|io| io.alignment());
        let alignment = alignment.unwrap_or_default();
        blocks::each_part(
            view,
            &outcome,
            alignment,
            again,
            |part, at, result| match result {
                Ok(()) => part.done(),
                Err(cause) if gave => part.fail(core.rest_of_stream(&outcome, cause)),
                Err(cause) => {
                    let failed = Failed { attempts, cause };
                    core.failed(attempt.pos.advance(at), part, failed);
                }
            },
        );
    }
}

impl<Io, P: Position> Core<Io, P> {
    /// Whether a read has brought bytes of a stream: then it is over, as another attempt would wait for others.
    #[cold]
    fn stream_gave<D: DirectionExt>(&self, outcome: &Outcome) -> bool
    where
        Io: PacketIo<D, P>,
    {
        let failed: usize = outcome.failures().map(|range| range.len).sum();
        let is_stream = || match self.inner.upgrade() {
            Some(io) => is_stream::<P>(io.alignment()),
            None => P::SEQUENTIAL,
        };
        D::READS && failed < outcome.len() && is_stream()
    }

    /// What is said of the bytes that a stream did not give. Where it might give them next time that is no failure.
    #[cold]
    fn rest_of_stream(&self, outcome: &Outcome, cause: Cause) -> Cause {
        let passes = outcome.good_prefix() > 0 && self.policy.next_delay(cause, 1).is_some();
        match passes {
            true => Cause::new(ErrorKind::WouldBlock),
            false => cause,
        }
    }
}

impl<Io: Send + Sync + 'static, P: Position> Alarm for Core<Io, P> {
    fn fire(self: Arc<Self>) {
        if let Some(deferred) = &self.deferred {
            deferred.due(&self, |waiting| waiting.resume(&self));
        }
    }
}

impl<Io, P: Position> Drop for Retry<Io, P> {
    fn drop(&mut self) {
        if let Some(deferred) = &self.core.deferred {
            deferred.close(|waiting| waiting.view.fail(waiting.note.cause));
        }
    }
}

impl_packet_io!(Retry<Io, P>, transfer: transfer, expose: expose);

forward_backend!([Io, P: Position] Retry<Io, P>, Io, |layer| &layer.inner);
forward_len!([Io, P: Position] Retry<Io, P>, Io, |layer| &layer.inner);

impl<Io: fmt::Debug, P: Position> fmt::Debug for Retry<Io, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("policy", &self.core.policy)
            .finish()
    }
}
