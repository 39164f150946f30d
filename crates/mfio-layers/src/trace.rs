//! [`Trace`]: what goes through, counted and timed.

mod counters;
mod histogram;
mod span;

#[cfg(feature = "std")]
use crate::clock::ThreadClock;
use crate::clock::{Clock, ManualClock};
use crate::delegate::{delegate, drive_below};
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use counters::{Counters, Depth};
use mfio::error::Cause;
use mfio::io::{Direction, PacketIo, Position, Read, Write};
use mfio::packet::{BufferFor, OnEnd, Outcome, Relay, RelayPool, View};
use span::Span;

pub use counters::{TraceSnapshot, TracedDirection};
pub use histogram::{Histogram, Latencies};

/// How many requests on their way are prepared for without allocating.
const IN_FLIGHT: usize = 256;

/// What tells the time to a [`Trace`]: the time since some moment, which never runs backwards. A closure can, and the clocks
/// of other layers.
pub trait Now: Send + Sync + 'static {
    /// What time it is.
    fn now(&self) -> Duration;
}

impl<F: Fn() -> Duration + Send + Sync + 'static> Now for F {
    #[inline]
    fn now(&self) -> Duration {
        self()
    }
}

impl Now for ManualClock {
    fn now(&self) -> Duration {
        Clock::now(self)
    }
}

#[cfg(feature = "std")]
impl Now for ThreadClock {
    fn now(&self) -> Duration {
        Clock::now(self)
    }
}

/// The system's monotonic clock.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct SystemNow(std::time::Instant);

#[cfg(feature = "std")]
impl Default for SystemNow {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

#[cfg(feature = "std")]
impl Now for SystemNow {
    #[inline]
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Counts and times the requests that go through, and changes nothing: operations, bytes and failures of each direction,
/// how long they took (a [`Histogram`]), and how many are on their way at once.
///
/// Blocking calls count where the object below has a short cut for them; otherwise the request that they send does.
///
/// How many parts a layer splits requests into is not seen from outside: put a `Trace` above it and one below, and compare.
///
/// With the feature `tracing` each request is a span `request` of that crate at level `TRACE`, with `verb`, `pos` and `len`,
/// in which an event tells how long it took and how many bytes failed. It is within the span that the object below is
/// called, so that the spans of its own are children.
///
/// Driving it drives the object below.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{IoRead, IoWrite};
/// use mfio_layers::Trace;
///
/// let io = Trace::new(Memory::new(vec![0; 100]));
/// io.block_on(async {
///     io.write_all(0, &[1; 50]).await?;
///     io.read_to_vec(0, 200).await
/// })?;
/// let seen = io.snapshot();
/// assert_eq!((seen.writes.operations(), seen.writes.bytes), (1, 50));
/// assert_eq!((seen.reads.bytes, seen.reads.failed_bytes), (100, 100));
/// assert!(seen.reads.latency.percentile(99.0).is_some());
/// println!("{seen}");
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Trace<Io, N> {
    inner: Io,
    core: Arc<Core<N>>,
}

/// Without the object below: requests that it has keep this, and must not keep it.
struct Core<N> {
    now: N,
    depth: Depth,
    reads: Lane<Read, N>,
    writes: Lane<Write, N>,
}

/// What belongs to one direction.
struct Lane<D: Direction, N> {
    counters: Counters,
    relays: RelayPool<View<D>, Timed<N>>,
}

impl<D: Direction, N> Lane<D, N> {
    fn new() -> Self {
        Self {
            counters: Counters::default(),
            relays: RelayPool::new(IN_FLIGHT),
        }
    }
}

/// A direction, and which lane it has.
trait Way: Direction {
    fn lane<N>(core: &Core<N>) -> &Lane<Self, N>;
}

impl Way for Read {
    #[inline]
    fn lane<N>(core: &Core<N>) -> &Lane<Self, N> {
        &core.reads
    }
}

impl Way for Write {
    #[inline]
    fn lane<N>(core: &Core<N>) -> &Lane<Self, N> {
        &core.writes
    }
}

#[cfg(feature = "std")]
impl<Io> Trace<Io, SystemNow> {
    /// Traces what goes to `inner`, by the system's clock.
    pub fn new(inner: Io) -> Self {
        Self::with_now(inner, SystemNow::default())
    }
}

impl<Io, N: Now> Trace<Io, N> {
    /// Traces what goes to `inner`, by another clock.
    pub fn with_now(inner: Io, now: N) -> Self {
        Self {
            inner,
            core: Arc::new(Core {
                now,
                depth: Depth::default(),
                reads: Lane::new(),
                writes: Lane::new(),
            }),
        }
    }
}

impl<Io, N> Trace<Io, N> {
    /// The object below.
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    /// Gives the object back.
    pub fn into_inner(self) -> Io {
        self.inner
    }

    /// What was seen so far. Requests that end at the same time may be half in it.
    pub fn snapshot(&self) -> TraceSnapshot {
        let (depth, deepest) = self.core.depth.get();
        TraceSnapshot {
            reads: self.core.reads.counters.snapshot(),
            writes: self.core.writes.counters.snapshot(),
            depth,
            deepest,
        }
    }

    /// Forgets what was seen so far, but for the requests that are on their way.
    pub fn reset(&self) {
        self.core.reads.counters.reset();
        self.core.writes.counters.reset();
        self.core.depth.reset();
    }
}

/// A request on its way.
struct Timed<N> {
    /// Taken out at the end, so that there is one clone for each request.
    core: Option<Arc<Core<N>>>,
    began: Duration,
    span: Span,
}

impl<D: Way, N: Now> OnEnd<View<D>> for Timed<N> {
    fn on_end(mut relay: Relay<View<D>, Self>, outcome: Outcome) {
        let Some(core) = relay.state_mut().core.take() else {
            return;
        };
        let (view, timed) = D::lane(&core).relays.reclaim(relay);
        let failed = outcome.failures().map(|range| range.len).sum();
        core.count::<D>(
            timed.began,
            &timed.span,
            outcome.len(),
            failed,
            outcome.is_success(),
        );
        view.resolve(&outcome);
    }
}

impl<N: Now> Core<N> {
    #[inline]
    fn count<D: Way>(&self, began: Duration, span: &Span, len: usize, failed: usize, good: bool) {
        let counters = &D::lane(self).counters;
        let took = self.now.now().saturating_sub(began);
        counters.count(took, len - failed);
        if !good {
            counters.count_failure(failed);
        }
        span.end(took, failed);
        self.depth.end();
    }
}

impl<Io, N: Now> Trace<Io, N> {
    #[inline]
    fn send<D: Way, P: Position>(&self, pos: P, view: View<D>)
    where
        View<D>: BufferFor<D>,
        Io: PacketIo<D, P>,
    {
        let core = &self.core;
        let span = Span::begin(D::VERB, pos, view.len());
        core.depth.begin();
        let timed = Timed {
            core: Some(core.clone()),
            began: core.now.now(),
            span: span.clone(),
        };
        let relay = D::lane(core).relays.relay(view, timed);
        span.within(|| self.inner.send_io(pos, relay.send()));
    }

    fn transfer<D: Way, P: Position>(
        &self,
        pos: P,
        bytes: D::Slice<'_>,
    ) -> Option<Result<usize, Cause>>
    where
        Io: PacketIo<D, P>,
    {
        let core = &*self.core;
        let len = D::size(&bytes);
        let span = Span::begin(D::VERB, pos, len);
        let began = core.now.now();
        core.depth.begin();
        let Some(result) = span.within(|| self.inner.transfer_blocking(pos, bytes)) else {
            core.depth.end();
            return None;
        };
        match result {
            // What it did not move it has not tried.
            Ok(moved) => core.count::<D>(began, &span, moved, 0, true),
            Err(_) => core.count::<D>(began, &span, len, len, false),
        }
        Some(result)
    }
}

macro_rules! traced {
    ($($direction:ty),*) => {$(
        impl<P, Io, N> PacketIo<$direction, P> for Trace<Io, N>
        where
            P: Position,
            Io: PacketIo<$direction, P>,
            N: Now,
        {
            #[inline]
            fn send_io(&self, pos: P, view: View<$direction>) {
                self.send(pos, view);
            }

            fn transfer_blocking(
                &self,
                pos: P,
                bytes: <$direction as Direction>::Slice<'_>,
            ) -> Option<Result<usize, Cause>> {
                self.transfer::<$direction, P>(pos, bytes)
            }

            delegate!(PacketIo<$direction, P> for Io, inner: pool, identity, explain, alignment);
        }
    )*};
}
traced!(Read, Write);

drive_below!([Io, N] Trace<Io, N>, Io, |layer| &layer.inner);

impl<Io, N> fmt::Debug for Trace<Io, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (depth, deepest) = self.core.depth.get();
        f.debug_struct("Trace")
            .field("depth", &depth)
            .field("deepest", &deepest)
            .finish_non_exhaustive()
    }
}
