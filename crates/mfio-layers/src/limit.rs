//! [`Limit`]: bounds the load on an object.

mod admission;
mod bucket;
mod control;

use crate::clock::{Alarm, Clock};
use crate::directions::{
    AnyView, DirectionExt, Directions, PerDirection, front_of_stream, impl_packet_io,
};
use crate::forward::{forward_backend, forward_len, forward_object};
use crate::layer_alarm::LayerAlarm;
use crate::queued::{QueuedRequest, Resume};
use crate::sent::{self, Sent, SentPool};
use crate::steps::{OnPanic, Steps};
use admission::{Admission, Next, Splittable};
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use mfio::control::{ControlIo, ControlOp};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{PacketIo, Position, Read};
use mfio::lock::Lock;
use mfio::packet::{Outcome, RelayPool, View};

pub use admission::Limits;
pub use bucket::Rate;

/// Bounds the operations and bytes that an object has in flight, and the rate at which they begin.
/// Requests beyond that wait in one first-in, first-out queue for both directions and for control
/// operations, so that small requests do not starve a large one.
///
/// The queue is bounded too. A request that finds it full fails with
/// [`LimitReached`](ErrorKind::LimitReached), and the error names the limit. Only a request of more
/// bytes than may be in flight is split, except a read of a stream, which comes short instead.
/// Nothing is copied, and in the steady state nothing is allocated.
///
/// A queued read that is abandoned fails with [`Cancelled`](ErrorKind::Cancelled), and is not sent.
/// It leaves the queue before another request is refused, and does not count towards a rate. A
/// write that was sent is carried out, also where its future is dropped. When the layer is dropped,
/// queued requests fail with [`Dropped`](ErrorKind::Dropped). The backend of the object drives the
/// layer too. There is no short cut for blocking calls, which would not be counted.
///
/// # Control operations
/// An operation is passed on as it is, when there is room for it. It counts as one operation
/// without bytes, however long its range is. One with an empty range is not counted.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll` | waits for its place; it does not wait for the requests in flight |
/// | `Discard`, `WriteZeroes`, `Allocate`, `Prefetch` | waits for its place |
/// | `SetLen`, `Shutdown` | waits for its place, behind the writes that were queued before |
/// | `Len`, `Extents` | waits for its place; fails with `Cancelled`, if abandoned in the queue |
/// | any, with the queue full | fails with `LimitReached` |
/// | not supported by the object | waits for its place, and fails as the object does |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use mfio_layers::{Limit, Limits};
///
/// let limits = Limits { operations: 4, bytes: 1 << 16, ..Limits::default() };
/// let io: Limit<_> = Limit::new(Memory::new(vec![7; 1 << 20]), limits);
/// let bytes = io.block_on(io.read_vec_at(0, 1 << 20))?;
/// assert_eq!(bytes.len(), 1 << 20, "read in sixteen parts, one after another");
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Limit<Io, P: Position = u64> {
    inner: Arc<Io>,
    shared: Arc<LimitShared<Io, P>>,
}

/// The part that requests keep while the object has them. It does not own the object.
struct LimitShared<Io, P: Position> {
    inner: Weak<Io>,
    /// Set where there is a rate.
    alarm: Option<LayerAlarm>,
    admission: Lock<Admission<QueuedOperation<Io, P>>>,
    pools: Directions<LimitPools<Io, P>>,
    controls: SentPool<View<Read>, Self, AdmittedControl>,
}

struct LimitPools<Io, P>(PhantomData<(Io, P)>);

impl<Io, P: Position> PerDirection for LimitPools<Io, P> {
    type Of<D: DirectionExt> = SentPool<View<D>, LimitShared<Io, P>, Admitted>;
}

/// A request in the queue, with the block size of the object.
type QueuedOperation<Io, P> = QueuedRequest<LimitShared<Io, P>, P, usize>;

/// A request that is counted and sent.
struct Admitted;

/// A control operation that is counted and sent.
struct AdmittedControl;

impl<C, P: Position> Splittable for QueuedRequest<C, P, usize> {
    fn is_unwanted(&self) -> bool {
        self.is_unwanted()
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn block(&self) -> usize {
        self.note
    }

    fn split_at(self, len: usize) -> (Self, Result<Self, AnyView>) {
        self.split(len)
    }
}

impl<Io, P: Position> Limit<Io, P> {
    /// Bounds the load on `inner`.
    ///
    /// # Panics
    /// If the limits have a rate, which needs a [clock](Self::with_clock).
    pub fn new(inner: Io, limits: Limits) -> Self {
        let rate = limits.operation_rate.or(limits.byte_rate);
        assert!(rate.is_none(), "a rate needs `Limit::with_clock`");
        Self::assemble(inner, limits, None)
    }

    /// Bounds the load on `inner`, with rates measured by `clock`.
    pub fn with_clock(inner: Io, limits: Limits, clock: impl Clock) -> Self {
        let rate = limits.operation_rate.or(limits.byte_rate);
        let alarm = rate.map(|_| LayerAlarm::new(Arc::new(clock)));
        Self::assemble(inner, limits, alarm)
    }

    fn assemble(inner: Io, limits: Limits, alarm: Option<LayerAlarm>) -> Self {
        let inner = Arc::new(inner);
        let now = alarm.as_ref().map_or(Duration::ZERO, LayerAlarm::now);
        let shared = LimitShared {
            inner: Arc::downgrade(&inner),
            alarm,
            admission: Lock::new(Admission::new(limits, now)),
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

    /// Returns how many operations the object has now, and their bytes.
    pub fn in_flight(&self) -> (usize, usize) {
        self.shared.admission.lock().in_flight()
    }

    /// Returns how many requests wait, after removing abandoned reads from the queue.
    pub fn waiting(&self) -> usize {
        self.shared.sweep();
        self.shared.admission.lock().waiting()
    }

    /// Returns how many requests have found the queue full so far.
    pub fn refused(&self) -> u64 {
        self.shared.admission.lock().refused()
    }

    #[inline]
    fn send_on<D: DirectionExt>(&self, pos: P, view: View<D>)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let shared = &self.shared;
        let now = shared.now();
        let mut admission = shared.admission.lock();
        if admission.try_admit(view.len(), now) {
            drop(admission);
            return shared.dispatch(&self.inner, pos, view);
        }
        let most = admission.most();
        drop(admission);
        let alignment = self.inner.alignment(D::OPERATION);
        let view = front_of_stream::<D, P>(view, most, alignment);
        shared.enqueue(QueuedRequest::new(pos, view, alignment.block()));
    }

    fn help(&self, cause: Cause) -> Option<&'static str> {
        (cause == Cause::new(ErrorKind::LimitReached) && self.refused() > 0).then_some(
            "the queue of a limit was full: send fewer requests at once, or give it a longer queue \
             (`Limits::queue`)",
        )
    }
}

impl<Io, P: Position> LimitShared<Io, P> {
    #[inline]
    fn now(&self) -> Duration {
        self.alarm.as_ref().map_or(Duration::ZERO, LayerAlarm::now)
    }

    /// Ends abandoned reads that wait, so that they do not take the place of other requests.
    #[cold]
    fn sweep(&self) {
        // Takes the lock for this line only.
        let unwanted = self.admission.lock().sweep();
        for request in unwanted {
            request.view.fail(ErrorKind::Cancelled.into());
        }
    }

    /// Sends a request that was admitted.
    #[inline]
    fn dispatch<D: DirectionExt>(self: &Arc<Self>, io: &Io, pos: P, view: View<D>)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let relay = sent::relay(self, view, Admitted);
        io.send_io(pos, D::send(relay));
    }

    /// Sends a control operation that was admitted.
    fn dispatch_control(self: &Arc<Self>, io: &Io, op: ControlOp, view: View<Read>)
    where
        Io: ControlIo + Send + Sync + 'static,
    {
        let relay = sent::relay(self, view, AdmittedControl);
        io.send_control(op, relay.start());
    }
}

impl<Io: Send + Sync + 'static, P: Position> LimitShared<Io, P> {
    /// Queues a request, or fails it where the queue is full.
    fn enqueue(self: &Arc<Self>, request: QueuedOperation<Io, P>) {
        if self.admission.lock().needs_sweep() {
            self.sweep();
        }
        // Takes the lock for this line only.
        let queued = self.admission.lock().enqueue(request);
        match queued {
            Ok(()) => self.pump(),
            Err(refused) => refused.view.fail(ErrorKind::LimitReached.into()),
        }
    }

    /// Sends queued requests as long as there is room. One loop at a time does so: requests that
    /// end or arrive during it leave the queue to it, so that calls do not nest.
    #[cold]
    fn pump(self: &Arc<Self>) {
        if !self.admission.lock().begin_pumping() {
            return;
        }
        // Where the loop unwinds, nothing else would send the queue.
        let left = OnPanic(|| {
            let left = self.admission.lock().abandon();
            drop(left);
        });
        let mut steps = Steps::default();
        let next = loop {
            let now = self.now();
            // Takes the lock for this line only.
            let step = self.admission.lock().next(now);
            match step {
                Next::Send(request) => steps.run(|| request.resume(self)),
                Next::Last(request, beyond) => {
                    beyond.fail(ErrorKind::UnexpectedEof.into());
                    steps.run(|| request.resume(self));
                }
                Next::Unwanted(request) => request.view.fail(ErrorKind::Cancelled.into()),
                Next::At(when) => break Some(when),
                Next::Nothing => break None,
            }
        };
        core::mem::forget(left);
        if let (Some(when), Some(alarm)) = (next, &self.alarm) {
            alarm.arm_by(when, self);
        }
        steps.over();
    }

    #[inline]
    fn release(&self, len: usize) -> bool {
        self.admission.lock().release(len)
    }
}

impl<D, P, Io> Resume<D, P, usize> for LimitShared<Io, P>
where
    D: DirectionExt,
    P: Position,
    Io: PacketIo<D, P> + Send + Sync + 'static,
{
    fn resume(self: &Arc<Self>, pos: P, view: View<D>, _: usize) {
        match self.inner.upgrade() {
            Some(io) => self.dispatch(&io, pos, view),
            None => {
                // The layer is dropped, and its queue with it.
                let _ = self.release(view.len());
            }
        }
    }
}

impl<D, P, Io> Sent<View<D>, LimitShared<Io, P>> for Admitted
where
    D: DirectionExt,
    P: Position,
    Io: PacketIo<D, P> + Send + Sync + 'static,
{
    #[inline]
    fn pool(shared: &LimitShared<Io, P>) -> &SentPool<View<D>, LimitShared<Io, P>, Self> {
        D::pick(&shared.pools)
    }

    #[inline]
    fn ended(self, shared: Arc<LimitShared<Io, P>>, view: View<D>, outcome: Outcome) {
        // Before the initiator learns of the end, and may send the next request.
        let pump = shared.release(view.len());
        view.resolve(&outcome);
        if pump {
            shared.pump();
        }
    }
}

impl<Io: Send + Sync + 'static, P: Position> Alarm for LimitShared<Io, P> {
    fn fire(self: Arc<Self>) {
        if let Some(alarm) = &self.alarm {
            alarm.fired();
            self.pump();
        }
    }
}

impl<Io, P: Position> Drop for Limit<Io, P> {
    fn drop(&mut self) {
        if let Some(alarm) = &self.shared.alarm {
            alarm.close();
        }
        // Takes the lock for this line only.
        let left = self.shared.admission.lock().close();
        drop(left);
    }
}

impl_packet_io!(Limit<Io, P>);

forward_object!([Io, P: Position] Limit<Io, P>, Io, |layer| &*layer.inner, help: help);
forward_backend!([Io, P: Position] Limit<Io, P>, Io, |layer| &layer.inner);
forward_len!([Io, P: Position] Limit<Io, P>, Io, |layer| &layer.inner);

impl<Io: fmt::Debug, P: Position> fmt::Debug for Limit<Io, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("inner", &self.inner)
            .field("in_flight", &self.in_flight())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
