//! [`Limit`]: bounds what an object has to do at once.

mod admission;
mod bucket;

use crate::clock::{Alarm, Clock};
use crate::directions::{
    AnyView, DirectionExt, Directions, Parked, PerDirection, Resume, front_of_stream,
    impl_packet_io,
};
use crate::forward::{forward_backend, forward_len};
use crate::layer_alarm::LayerAlarm;
use crate::steps::{OnPanic, Steps};
use admission::{Admission, Next, Queued};
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{PacketIo, Position};
use mfio::lock::Lock;
use mfio::packet::{OnEnd, Outcome, Relay, RelayPool, View};

pub use admission::Limits;
pub use bucket::Rate;

/// How many blocks of each direction are kept.
const KEPT: usize = 256;

/// Bounds the operations and bytes that an object has at once, and how many begin in a second. What exceeds that waits, in
/// the order in which it came, whichever way it goes: nobody overtakes, a large request is not starved by small ones.
///
/// The queue is bounded too. A request that finds it full fails with [`LimitReached`](ErrorKind::LimitReached), and the
/// error says whose limit it was. Only a request of more bytes than may be under way at once is split; nothing is copied,
/// and in the steady state nothing allocated. A read of a stream is not split: it is given no more bytes than that.
///
/// A read that waits and is wanted by nobody any more fails with [`Cancelled`](ErrorKind::Cancelled), and is not sent: it
/// leaves the queue before any other request is refused, and takes no part of a rate. A write that was sent is carried out,
/// whether its future is still there or not. When the layer is dropped, what waits fails with
/// [`Dropped`](ErrorKind::Dropped). Driving it drives the object. There is no short cut for blocking calls, which would not
/// be counted.
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
    core: Arc<Core<Io, P>>,
}

/// Does not keep the object: relays that the object has keep this.
struct Core<Io, P: Position> {
    inner: Weak<Io>,
    /// Where there is a rate.
    alarm: Option<LayerAlarm>,
    admission: Lock<Admission<Waiting<Io, P>>>,
    pools: Directions<Pools<Io, P>>,
}

struct Pools<Io, P>(PhantomData<(Io, P)>);

impl<Io, P: Position> PerDirection for Pools<Io, P> {
    type Of<D: DirectionExt> = RelayPool<View<D>, Running<Io, P>>;
}

/// Notes the block that the object wants requests to be whole multiples of.
type Waiting<Io, P> = Parked<Core<Io, P>, P, usize>;

struct Running<Io, P: Position> {
    /// Taken out at the end, so that there is one clone for each operation.
    core: Option<Arc<Core<Io, P>>>,
}

impl<C, P: Position> Queued for Parked<C, P, usize> {
    fn view(&self) -> &AnyView {
        &self.view
    }

    fn block(&self) -> usize {
        self.note
    }

    fn split_at(self, len: usize) -> (Self, Result<Self, AnyView>) {
        let next = self.pos.advance(len);
        self.split(len, next)
    }
}

impl<Io, P: Position> Limit<Io, P> {
    /// Bounds what `inner` has at once.
    ///
    /// # Panics
    /// Where there is a rate: that takes a [clock](Self::with_clock).
    pub fn new(inner: Io, limits: Limits) -> Self {
        let rate = limits.operation_rate.or(limits.byte_rate);
        assert!(rate.is_none(), "a rate needs `Limit::with_clock`");
        Self::assemble(inner, limits, None)
    }

    /// As [`new`](Self::new), with the clock by which rates are measured.
    pub fn with_clock(inner: Io, limits: Limits, clock: impl Clock) -> Self {
        let rate = limits.operation_rate.or(limits.byte_rate);
        let alarm = rate.map(|_| LayerAlarm::new(Arc::new(clock)));
        Self::assemble(inner, limits, alarm)
    }

    fn assemble(inner: Io, limits: Limits, alarm: Option<LayerAlarm>) -> Self {
        let inner = Arc::new(inner);
        let now = alarm.as_ref().map_or(Duration::ZERO, LayerAlarm::now);
        let core = Core {
            inner: Arc::downgrade(&inner),
            alarm,
            admission: Lock::new(Admission::new(limits, now)),
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

    /// How many operations the object has now, and how many bytes they are about.
    pub fn in_flight(&self) -> (usize, usize) {
        self.core.admission.lock().in_flight()
    }

    /// How many requests wait. Reads that nobody wants any more are not counted, and leave the queue.
    pub fn waiting(&self) -> usize {
        self.core.sweep();
        self.core.admission.lock().waiting()
    }

    /// How many requests found the queue full so far.
    pub fn refused(&self) -> u64 {
        self.core.admission.lock().refused()
    }

    #[inline]
    fn send_on<D: DirectionExt>(&self, pos: P, view: View<D>)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let core = &self.core;
        let now = core.now();
        let mut admission = core.admission.lock();
        if admission.arrive(view.len(), now) {
            drop(admission);
            return core.dispatch(&self.inner, pos, view);
        }
        let most = admission.most();
        drop(admission);
        let alignment = self.inner.alignment();
        let view = front_of_stream::<D, P>(view, most, alignment);
        let block = alignment.block();
        if core.admission.lock().is_to_be_swept() {
            core.sweep();
        }
        let kept = core.admission.lock().wait(Parked::new(pos, view, block));
        match kept {
            Ok(()) => core.pump(),
            Err(refused) => refused.view.fail(ErrorKind::LimitReached.into()),
        }
    }

    fn help(&self, cause: Cause) -> Option<&'static str> {
        (cause == Cause::new(ErrorKind::LimitReached) && self.refused() > 0).then_some(
            "the queue of a limit was full: send fewer requests at once, or give it a longer queue (`Limits::queue`)",
        )
    }
}

impl<Io, P: Position> Core<Io, P> {
    #[inline]
    fn now(&self) -> Duration {
        self.alarm.as_ref().map_or(Duration::ZERO, LayerAlarm::now)
    }

    /// Ends the reads that wait and that nobody wants any more, so that they take nobody's place.
    #[cold]
    fn sweep(&self) {
        // The lock is released at the end of this line.
        let unwanted = self.admission.lock().sweep();
        for request in unwanted {
            request.view.fail(ErrorKind::Cancelled.into());
        }
    }

    /// Sends what was counted.
    #[inline]
    fn dispatch<D: DirectionExt>(self: &Arc<Self>, io: &Io, pos: P, view: View<D>)
    where
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let running = Running {
            core: Some(self.clone()),
        };
        let relay = D::pick(&self.pools).relay(view, running);
        io.send_io(pos, D::send(relay));
    }
}

impl<Io: Send + Sync + 'static, P: Position> Core<Io, P> {
    /// Sends what waits as long as there is room. One at a time does so, and loops: what ends at once, or comes meanwhile,
    /// finds the pump at work and leaves the rest to it, so that calls do not nest.
    #[cold]
    fn pump(self: &Arc<Self>) {
        if !self.admission.lock().begin() {
            return;
        }
        // What waits would wait for a pump that has gone.
        let left = OnPanic(|| {
            let left = self.admission.lock().abandon();
            drop(left);
        });
        let mut steps = Steps::default();
        let later = loop {
            let now = self.now();
            // The lock is released at the end of this line.
            let next = self.admission.lock().next(now);
            match next {
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
        if let (Some(when), Some(alarm)) = (later, &self.alarm) {
            alarm.arm_by(when, self);
        }
        steps.over();
    }

    #[inline]
    fn ended(self: &Arc<Self>, len: usize) -> bool {
        self.admission.lock().end(len)
    }
}

impl<D, P, Io> Resume<D, P, usize> for Core<Io, P>
where
    D: DirectionExt,
    P: Position,
    Io: PacketIo<D, P> + Send + Sync + 'static,
{
    fn resume(self: &Arc<Self>, pos: P, view: View<D>, _: usize) {
        match self.inner.upgrade() {
            Some(io) => self.dispatch(&io, pos, view),
            None => {
                // The layer goes, and takes what waits along.
                let _ = self.ended(view.len());
            }
        }
    }
}

impl<D, P, Io> OnEnd<View<D>> for Running<Io, P>
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
        let (view, _) = D::pick(&core.pools).reclaim(relay);
        // Room is made before the initiator can ask for more.
        let pump = core.ended(view.len());
        view.resolve(&outcome);
        if pump {
            core.pump();
        }
    }
}

impl<Io: Send + Sync + 'static, P: Position> Alarm for Core<Io, P> {
    fn fire(self: Arc<Self>) {
        if let Some(alarm) = &self.alarm {
            alarm.fired();
            self.pump();
        }
    }
}

impl<Io, P: Position> Drop for Limit<Io, P> {
    fn drop(&mut self) {
        if let Some(alarm) = &self.core.alarm {
            alarm.close();
        }
        // The lock is released at the end of this line.
        let left = self.core.admission.lock().close();
        drop(left);
    }
}

impl_packet_io!(Limit<Io, P>, help: help);

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
