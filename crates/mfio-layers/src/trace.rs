//! [`Trace`]: what goes through, counted and timed.

mod counters;
mod histogram;
mod sampler;
mod span;

#[cfg(feature = "std")]
use crate::clock::ThreadClock;
use crate::clock::{Clock, ManualClock};
use crate::directions::{DirectionExt, Directions, PerDirection};
use crate::forward::{forward, forward_backend, forward_len};
use crate::steps::OnPanic;
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use counters::Counters;
use mfio::error::Cause;
use mfio::io::{Direction, PacketIo, Position, Read, Write};
use mfio::packet::{BufferFor, OnEnd, Outcome, Relay, RelayPool, View};
use sampler::Sampler;
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
/// Two readings of a clock can take longer than a request of memory. So [`Trace::new`] times one request in 16 while they take
/// less than 2 µs, and all while they take longer, as does [`Trace::sampled`]; what it does not time it counts all the same.
/// [`Trace::exact`] and [`Trace::with_now`] time all.
///
/// Blocking calls count where the object below has a short cut for them; otherwise the request that they send does.
///
/// How many parts a layer splits requests into is not seen from outside: put a `Trace` above it and one below, and compare.
///
/// With the feature `tracing` each request is a span `request` of that crate at level `TRACE`, with `verb`, `pos` and `len`,
/// in which an event tells how long it took and how many bytes failed; those are all timed. It is within the span that the
/// object below is called, so that the spans of its own are children.
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
///     io.write_all_at(&[1; 50], 0).await?;
///     io.read_vec_at(0, 200).await
/// })?;
/// let seen = io.snapshot();
/// assert_eq!((seen.writes.operations, seen.writes.bytes), (1, 50));
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
    sampler: Sampler,
    /// How many were on their way at once, at most.
    deepest: AtomicU64,
    lanes: Directions<Lanes<N>>,
}

struct Lanes<N>(PhantomData<fn(N)>);

impl<N> PerDirection for Lanes<N> {
    type Of<D: DirectionExt> = Lane<D, N>;
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

#[cfg(feature = "std")]
impl<Io> Trace<Io, SystemNow> {
    /// Traces what goes to `inner`, by the system's clock, which is not read for each request that is quick.
    pub fn new(inner: Io) -> Self {
        Self::sampled(inner, SystemNow::default())
    }

    /// Traces what goes to `inner`, by the system's clock, and times each request.
    pub fn exact(inner: Io) -> Self {
        Self::with_now(inner, SystemNow::default())
    }
}

impl<Io, N: Now> Trace<Io, N> {
    /// Traces what goes to `inner`, by another clock, and times each request.
    pub fn with_now(inner: Io, now: N) -> Self {
        Self::with(inner, now, Sampler::all())
    }

    /// As [`with_now`](Self::with_now), by a clock that costs something: it is not read for each request that is quick.
    pub fn sampled(inner: Io, now: N) -> Self {
        Self::with(inner, now, Sampler::some())
    }

    fn with(inner: Io, now: N, sampler: Sampler) -> Self {
        Self {
            inner,
            core: Arc::new(Core {
                now,
                sampler,
                deepest: AtomicU64::new(0),
                lanes: Directions {
                    read: Lane::new(),
                    write: Lane::new(),
                },
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
        TraceSnapshot {
            reads: self.core.lanes.read.counters.snapshot(),
            writes: self.core.lanes.write.counters.snapshot(),
            depth: self.core.depth(),
            deepest: self.core.deepest.load(Relaxed),
        }
    }

    /// Forgets what was seen so far, but for the requests that are on their way. Of those that end at the same time one number
    /// may be forgotten and another not: take the difference of two snapshots where that matters.
    pub fn reset(&self) {
        self.core.lanes.read.counters.reset();
        self.core.lanes.write.counters.reset();
        self.core.deepest.store(self.core.depth(), Relaxed);
    }
}

/// A request on its way.
struct Timed<N> {
    /// Taken out at the end, so that there is one clone for each request.
    core: Option<Arc<Core<N>>>,
    began: Began,
    span: Span,
}

/// When a request began.
#[derive(Clone, Copy)]
struct Began {
    at: Duration,
    /// For how many its time stands; 0 where it is not timed.
    weight: u64,
}

impl<D: DirectionExt, N: Now> OnEnd<View<D>> for Timed<N> {
    fn on_end(mut relay: Relay<View<D>, Self>, outcome: Outcome) {
        let Some(core) = relay.state_mut().core.take() else {
            return;
        };
        let (view, timed) = D::pick(&core.lanes).relays.reclaim(relay);
        let failed = outcome.failures().map(|range| range.len).sum();
        let good = outcome.is_success();
        core.end::<D>(timed.began, &timed.span, outcome.len(), failed, good);
        view.resolve(&outcome);
    }
}

impl<N> Core<N> {
    #[inline]
    fn depth(&self) -> u64 {
        self.lanes.read.counters.depth() + self.lanes.write.counters.depth()
    }
}

impl<N: Now> Core<N> {
    #[inline]
    fn begin<D: DirectionExt>(&self, span: &Span) -> Began {
        let number = D::pick(&self.lanes).counters.begin();
        let depth = self.depth();
        // Most often it is not the most, and then only read.
        if depth > self.deepest.load(Relaxed) {
            self.deepest.fetch_max(depth, Relaxed);
        }
        let weight = match span.is_wanted() {
            true => 1,
            false => self.sampler.weight(number),
        };
        let at = match weight {
            0 => Duration::ZERO,
            _ => self.now.now(),
        };
        Began { at, weight }
    }

    #[inline]
    fn end<D: DirectionExt>(
        &self,
        began: Began,
        span: &Span,
        len: usize,
        failed: usize,
        good: bool,
    ) {
        let counters = &D::pick(&self.lanes).counters;
        if began.weight > 0 {
            let took = self.now.now().saturating_sub(began.at);
            self.sampler.learn(took);
            counters.time(took, began.weight);
            span.end(took, failed);
        }
        if !good {
            counters.count_failure(failed);
        }
        counters.end(len - failed);
    }
}

impl<Io, N: Now> Trace<Io, N> {
    #[inline]
    fn send<D: DirectionExt, P: Position>(&self, pos: P, view: View<D>)
    where
        View<D>: BufferFor<D>,
        Io: PacketIo<D, P>,
    {
        let core = &self.core;
        let span = Span::begin(D::VERB, pos, view.len());
        let timed = Timed {
            core: Some(core.clone()),
            began: core.begin::<D>(&span),
            span: span.clone(),
        };
        let relay = D::pick(&core.lanes).relays.relay(view, timed);
        span.within(|| self.inner.send_io(pos, relay.send()));
    }

    fn transfer<D: DirectionExt, P: Position>(
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
        let began = core.begin::<D>(&span);
        let unended = OnPanic(|| D::pick(&core.lanes).counters.withdraw());
        let result = span.within(|| self.inner.transfer_blocking(pos, bytes));
        core::mem::forget(unended);
        let Some(result) = result else {
            D::pick(&core.lanes).counters.withdraw();
            return None;
        };
        match result {
            // What it did not move it has not tried.
            Ok(moved) => core.end::<D>(began, &span, moved, 0, true),
            Err(_) => core.end::<D>(began, &span, len, len, false),
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

            forward!(PacketIo<$direction, P> for Io, inner: pool, identity, explain, alignment, appends_at, locate);
        }
    )*};
}
traced!(Read, Write);

forward_backend!([Io, N] Trace<Io, N>, Io, |layer| &layer.inner);
forward_len!([Io, N] Trace<Io, N>, Io, |layer| &layer.inner);

impl<Io, N> fmt::Debug for Trace<Io, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("depth", &self.core.depth())
            .field("deepest", &self.core.deepest)
            .finish_non_exhaustive()
    }
}
