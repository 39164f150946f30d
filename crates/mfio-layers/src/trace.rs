//! [`Trace`]: counts and times requests.

mod controls;
mod counters;
mod histogram;
mod now;
mod sampler;
mod span;
mod timed_control;

use crate::directions::{DirectionExt, Directions, PerDirection};
use crate::forward::{forward_backend, forward_len, forward_object};
use crate::sent::{self, Sent, SentPool};
use crate::steps::OnPanic;
use alloc::sync::Arc;
use controls::Controls;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use counters::Counters;
use mfio::control::ControlKind;
use mfio::error::Cause;
use mfio::io::{Direction, Exposed, PacketIo, Position, Read, Write};
use mfio::packet::{BufferFor, Outcome, RelayPool, View};
use sampler::Sampler;
use span::Span;

pub use controls::TracedControl;
pub use counters::{TraceSnapshot, TracedDirection};
pub use histogram::{Histogram, Latencies};
pub use now::Now;
#[cfg(feature = "std")]
pub use now::SystemNow;

/// Counts and times requests, and forwards them unchanged: operations, bytes and failures of each
/// direction and of each kind of control operation, latencies (a [`Histogram`]), and the queue
/// depth.
///
/// Two readings of a clock can take longer than a request to memory. So [`Trace::new`] and
/// [`Trace::sampled`] time one request in 16 while requests take less than 2 µs, and all while they
/// take longer. All are counted. [`Trace::exact`] and [`Trace::with_now`] time all.
///
/// A blocking call counts as one request, whether the object has a short cut for it or not. Memory
/// that the object exposes is read in place, without a request, and does not count.
///
/// For a monitoring system, a [`snapshot`](Trace::snapshot) has counters that only grow, until a
/// [`reset`](Trace::reset), and [`Latencies`] have buckets
/// ([`cumulative`](Latencies::cumulative)) and a [`sum`](Latencies::sum).
///
/// To see how many parts a layer splits requests into, put a `Trace` above it and one below.
///
/// With the feature `tracing` each request is a span `request` of that crate at level `TRACE`, with
/// `verb`, `pos` and `len`. An event in it has the latency and the number of failed bytes. Requests
/// with such a span are all timed. The object is called within the span, so that its own spans are
/// children. The span of a control operation has its `verb` and `op`.
///
/// The backend of the object drives the layer too.
///
/// # Control operations
/// An operation is passed on as it is, and so is its short cut. It counts by its kind when it has
/// ended, without bytes, and not towards the queue depth. It is timed always.
///
/// | operation | effect of the layer |
/// |---|---|
/// | any | counted and timed, as a failure if it fails |
/// | not supported by the object | counted and timed as a failure |
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
    shared: Arc<TraceShared<N>>,
}

/// The part that requests keep while the object has them. It does not own the object.
struct TraceShared<N> {
    now: N,
    sampler: Sampler,
    /// The greatest queue depth.
    deepest: AtomicU64,
    lanes: Directions<Lanes<N>>,
    controls: Controls,
    control_relays: SentPool<View<Read>, Self, TimedControl>,
}

struct Lanes<N>(PhantomData<fn(N)>);

impl<N> PerDirection for Lanes<N> {
    type Of<D: DirectionExt> = Lane<D, N>;
}

/// The counters of one direction, and its idle blocks.
struct Lane<D: Direction, N> {
    counters: Counters,
    relays: SentPool<View<D>, TraceShared<N>, Timed>,
}

impl<D: Direction, N> Lane<D, N> {
    fn new() -> Self {
        Self {
            counters: Counters::default(),
            relays: RelayPool::new(sent::KEPT),
        }
    }
}

#[cfg(feature = "std")]
impl<Io> Trace<Io, SystemNow> {
    /// Traces requests to `inner`, by the clock of the system, and times one quick request in 16.
    pub fn new(inner: Io) -> Self {
        Self::sampled(inner, SystemNow::default())
    }

    /// Traces requests to `inner`, by the clock of the system, and times each.
    pub fn exact(inner: Io) -> Self {
        Self::with_now(inner, SystemNow::default())
    }
}

impl<Io, N: Now> Trace<Io, N> {
    /// Traces requests to `inner`, by another clock, and times each.
    pub fn with_now(inner: Io, now: N) -> Self {
        Self::with(inner, now, Sampler::all())
    }

    /// Traces requests to `inner`, by another clock, and times one quick request in 16.
    pub fn sampled(inner: Io, now: N) -> Self {
        Self::with(inner, now, Sampler::some())
    }

    fn with(inner: Io, now: N, sampler: Sampler) -> Self {
        Self {
            inner,
            shared: Arc::new(TraceShared {
                now,
                sampler,
                deepest: AtomicU64::new(0),
                lanes: Directions {
                    read: Lane::new(),
                    write: Lane::new(),
                },
                controls: Controls::default(),
                control_relays: RelayPool::new(sent::KEPT),
            }),
        }
    }
}

impl<Io, N> Trace<Io, N> {
    /// Returns the object.
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    /// Returns the object.
    pub fn into_inner(self) -> Io {
        self.inner
    }

    /// Returns the counts so far. Of requests that end during the call, some counts may be missing.
    pub fn snapshot(&self) -> TraceSnapshot {
        TraceSnapshot {
            reads: self.shared.lanes.read.counters.snapshot(),
            writes: self.shared.lanes.write.counters.snapshot(),
            controls: self.shared.controls.snapshot(),
            depth: self.shared.depth(),
            deepest: self.shared.deepest.load(Relaxed),
        }
    }

    /// Resets the counts, but for the requests in flight. Of requests that end during the call, one
    /// count may be reset and another not: take the difference of two snapshots where that matters.
    pub fn reset(&self) {
        self.shared.lanes.read.counters.reset();
        self.shared.lanes.write.counters.reset();
        self.shared.controls.reset();
        self.shared.deepest.store(self.shared.depth(), Relaxed);
    }
}

/// A request that the object has.
struct Timed {
    began: Began,
    span: Span,
}

/// A control operation that the object has.
struct TimedControl {
    kind: ControlKind,
    at: Duration,
    span: Span,
}

/// The begin of a request.
#[derive(Clone, Copy)]
struct Began {
    at: Duration,
    /// How many requests its latency stands for; 0 where it is not timed.
    weight: u64,
}

impl<D: DirectionExt, N: Now> Sent<View<D>, TraceShared<N>> for Timed {
    #[inline]
    fn pool(shared: &TraceShared<N>) -> &SentPool<View<D>, TraceShared<N>, Self> {
        &D::pick(&shared.lanes).relays
    }

    fn ended(self, shared: Arc<TraceShared<N>>, view: View<D>, outcome: Outcome) {
        let failed = outcome.failures().map(|range| range.len).sum();
        let good = outcome.is_success();
        shared.end::<D>(self.began, &self.span, outcome.len(), failed, good);
        view.resolve(&outcome);
    }
}

impl<N> TraceShared<N> {
    #[inline]
    fn depth(&self) -> u64 {
        self.lanes.read.counters.depth() + self.lanes.write.counters.depth()
    }
}

impl<N: Now> TraceShared<N> {
    #[inline]
    fn begin<D: DirectionExt>(&self, span: &Span) -> Began {
        let number = D::pick(&self.lanes).counters.begin();
        let depth = self.depth();
        // Most often it is no new maximum, and the counter is only read.
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
        let shared = &self.shared;
        let span = Span::begin(D::VERB, pos, view.len());
        let timed = Timed {
            began: shared.begin::<D>(&span),
            span: span.clone(),
        };
        let relay = sent::relay(shared, view, timed);
        span.within(|| self.inner.send_io(pos, relay.start()));
    }

    fn transfer<D: DirectionExt, P: Position>(
        &self,
        pos: P,
        bytes: D::Slice<'_>,
    ) -> Option<Result<usize, Cause>>
    where
        Io: PacketIo<D, P>,
    {
        let shared = &*self.shared;
        let len = D::size(&bytes);
        let span = Span::begin(D::VERB, pos, len);
        let began = shared.begin::<D>(&span);
        let unended = OnPanic(|| D::pick(&shared.lanes).counters.withdraw());
        let result = span.within(|| self.inner.transfer_blocking(pos, bytes));
        core::mem::forget(unended);
        let Some(result) = result else {
            D::pick(&shared.lanes).counters.withdraw();
            return None;
        };
        match result {
            // It did not try the rest.
            Ok(moved) => shared.end::<D>(began, &span, moved, 0, true),
            Err(_) => shared.end::<D>(began, &span, len, len, false),
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

            fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
                self.inner.expose(pos, len)
            }
        }
    )*};
}
traced!(Read, Write);

forward_object!([Io, N] Trace<Io, N>, Io, |layer| &layer.inner);
forward_backend!([Io, N] Trace<Io, N>, Io, |layer| &layer.inner);
forward_len!([Io, N] Trace<Io, N>, Io, |layer| &layer.inner);

impl<Io, N> fmt::Debug for Trace<Io, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("depth", &self.shared.depth())
            .field("deepest", &self.shared.deepest)
            .finish_non_exhaustive()
    }
}
