//! [`Timeout`]: fails requests that take too long.

mod limits;
mod shared;
mod table;

use crate::clock::Clock;
use crate::directions::{DirectionExt, front_of_stream, impl_packet_io, is_stream};
use crate::forward::{forward_backend, forward_len, forward_object};
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use mfio::control::{Capabilities, ControlIo, ControlOp};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Alignment, PacketIo, Position, Read};
use mfio::packet::{BufferFor, View};
use shared::{Memory, TimeoutShared};

pub use limits::TimeoutLimits;

/// Fails requests that take too long with [`TimedOut`](ErrorKind::TimedOut), whatever the object
/// does: the initiator has its memory back at that time, even where the object never ends the
/// request.
///
/// So the object cannot borrow the memory of the initiator. It works on memory of the layer. Bytes
/// that were read are copied from there once, when the request ends; bytes to be written are copied
/// there once, before the request is sent. That memory is page-aligned, and kept for later
/// requests. Long requests are split into chunks with a time each. A long read of a stream comes
/// short after the first chunk, and a long write to a stream is not split.
///
/// A request has at least its time, and up to 5 ms more ([`TimeoutLimits::slack`]): the clock is
/// not read for each request, so those that begin within a few milliseconds share one deadline.
///
/// A request that has timed out is abandoned, as one is that its initiator gave up: an object may
/// stop a read early. Otherwise it goes on until the object ends it, and the layer frees its memory
/// then. The number of such requests is [counted](Self::overdue) and bounded, and so is that of all
/// requests ([`TimeoutLimits`]), for reads and for writes. Requests beyond the bounds fail with
/// [`LimitReached`](ErrorKind::LimitReached); under a [`Limit`](crate::Limit) they wait instead.
///
/// # Late ends
/// A write that has timed out may happen later, even after a newer one to the same place. A read of
/// a stream that has timed out takes no bytes from later ones, if the object checks whether reads
/// are abandoned when the next one arrives, as streams of the native runtime and pipes in memory
/// do. Bytes that arrive before that may go to the old read, and be lost. Where that matters, give
/// the object up after a time-out.
///
/// When the layer is dropped, requests that wait fail with [`Dropped`](ErrorKind::Dropped). The
/// backend of the object drives the layer too, and the clock needs no driver. There is no short cut
/// for blocking calls, as nothing could end them.
///
/// # Control operations
/// An operation has its time as a read has, and counts as a read towards the bounds. One with an
/// empty range has none. Give a flush its time: of a disk it may take many seconds. An operation
/// that happens later may do so after newer writes to its range.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll` | fails with `TimedOut`; nothing is known of the writes before it |
/// | `Discard`, `WriteZeroes`, `Allocate`, `SetLen` | fails with `TimedOut`, and may happen later |
/// | `Len`, `Extents` | fails with `TimedOut`; the answer is copied, if it is in time |
/// | `Prefetch`, `Shutdown` | fails with `TimedOut`, and may happen later |
/// | any, with too many requests | fails with `LimitReached` |
/// | not supported by the object | fails as the object does |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::error::ErrorKind;
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use mfio_layers::clock::ManualClock;
/// use mfio_layers::{Fault, Rule, Timeout};
/// use std::time::Duration;
///
/// // The second request is never answered.
/// let stuck = Fault::new(Memory::new(vec![7; 16]), [Rule::hold().nth(2)]);
/// let clock = ManualClock::new();
/// let io = Timeout::new(stuck, Duration::from_secs(5), clock.clone());
///
/// assert_eq!(io.block_on(io.read_value_at::<u8>(3))?, 7);
/// let mut late = std::pin::pin!(io.read_value_at::<u8>(3));
/// let error = io.block_on(std::future::poll_fn(|cx| {
///     let polled = late.as_mut().poll(cx);
///     clock.advance(Duration::from_secs(6));
///     polled
/// }));
/// assert_eq!(error.unwrap_err().kind(), ErrorKind::TimedOut);
/// assert_eq!(io.overdue(), 1);
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Timeout<Io> {
    inner: Arc<Io>,
    shared: Arc<TimeoutShared>,
}

impl<Io> Timeout<Io> {
    /// Fails requests that `inner` has not ended after `timeout`, with the default bounds. Programs
    /// use a [`ThreadClock`](crate::clock::ThreadClock).
    pub fn new(inner: Io, timeout: Duration, clock: impl Clock) -> Self {
        Self::with_limits(inner, timeout, clock, TimeoutLimits::default())
    }

    /// Fails requests that `inner` has not ended after `timeout`, with other bounds.
    pub fn with_limits(
        inner: Io,
        timeout: Duration,
        clock: impl Clock,
        mut limits: TimeoutLimits,
    ) -> Self {
        limits.chunk = limits.chunk.max(1);
        limits.slack = limits.slack.min(timeout);
        let shared = TimeoutShared::new(timeout, clock, limits);
        Self {
            inner: Arc::new(inner),
            shared: Arc::new(shared),
        }
    }

    /// Returns the object.
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    /// Returns how many requests have timed out that the object still has.
    pub fn overdue(&self) -> usize {
        self.shared.overdue()
    }

    /// Returns how many requests have timed out so far; of a long one each chunk counts.
    pub fn timed_out(&self) -> u64 {
        self.shared.timed_out()
    }

    #[inline]
    fn send_on<D: DirectionExt, P: Position>(&self, pos: P, view: View<D>)
    where
        Memory<D>: BufferFor<D>,
        Io: PacketIo<D, P>,
    {
        if view.len() <= self.shared.limits.chunk {
            self.send_chunk(pos, view);
        } else {
            self.send_chunks(pos, view);
        }
    }

    fn send_chunks<D: DirectionExt, P: Position>(&self, mut pos: P, mut view: View<D>)
    where
        Memory<D>: BufferFor<D>,
        Io: PacketIo<D, P>,
    {
        let alignment = self.inner.alignment(D::OPERATION);
        let blocks = alignment.round_down(self.shared.limits.chunk);
        let chunk = blocks.max(alignment.block());
        view = front_of_stream::<D, P>(view, chunk, alignment);
        if is_stream::<P>(alignment) {
            // A second part of a write might be done before the first.
            return self.send_chunk(pos, view);
        }
        while view.len() > chunk {
            let (head, tail) = view.split_at(chunk);
            self.send_chunk(pos, head);
            view = tail;
            match pos.advance(chunk) {
                Some(next) => pos = next,
                None => return view.fail(ErrorKind::UnexpectedEof),
            }
        }
        self.send_chunk(pos, view);
    }

    #[inline]
    fn send_chunk<D: DirectionExt, P: Position>(&self, pos: P, view: View<D>)
    where
        Memory<D>: BufferFor<D>,
        Io: PacketIo<D, P>,
    {
        let len = view.len();
        match self.shared.begin(view, self.inner.alignment(D::OPERATION)) {
            Ok(own) => self.inner.send_io(pos, own.start_prefix(len)),
            Err((view, cause)) => view.fail(cause),
        }
    }

    fn help(&self, cause: Cause) -> Option<&'static str> {
        match cause.kind() {
            ErrorKind::TimedOut if cause.errno().is_none() && self.timed_out() > 0 => Some(
                "the object did not answer in time (`Timeout`), and may still do what it was asked \
                 to",
            ),
            ErrorKind::LimitReached if self.overdue() > 0 => Some(
                "too many requests that have timed out are still with the object (`TimeoutLimits`)",
            ),
            ErrorKind::LimitReached if self.shared.refused() > 0 => Some(
                "more requests, or chunks of long ones, than a timeout may have at once \
                 (`TimeoutLimits::requests`): put a `Limit` over it, under which they wait",
            ),
            _ => None,
        }
    }
}

impl<Io> Drop for Timeout<Io> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl_packet_io!(Timeout<Io>);

impl<Io: ControlIo> ControlIo for Timeout<Io> {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        if op.is_empty() {
            return self.inner.send_control(op, view);
        }
        let len = view.len();
        match self.shared.begin(view, Alignment::NONE) {
            Ok(own) => self.inner.send_control(op, own.start_prefix(len)),
            Err((view, cause)) => view.fail(cause),
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

forward_object!([Io] Timeout<Io>, Io, |layer| &*layer.inner, help: help);
forward_backend!([Io] Timeout<Io>, Io, |layer| &layer.inner);

impl<Io: fmt::Debug> fmt::Debug for Timeout<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("inner", &self.inner)
            .field("timeout", &self.shared.timeout())
            .field("overdue", &self.overdue())
            .finish_non_exhaustive()
    }
}

forward_len!([Io] Timeout<Io>, Io, |layer| &layer.inner);
