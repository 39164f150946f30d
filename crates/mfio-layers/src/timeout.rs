//! [`Timeout`]: who waits for too long is told so.

mod table;

use crate::bell::Bell;
use crate::clock::{Alarm, Clock};
use crate::delegate::drive_below;
use crate::ways::{AnyView, Both, Family, Way, both_ways};
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Direction, PacketIo, Position};
use mfio::lock::Lock;
use mfio::packet::{AlignedBuf, BufferFor, OnEnd, Outcome, Relay, RelayPool, View};

use table::Table;
pub use table::TimeoutLimits;

/// How many blocks of each direction are kept.
const KEPT: usize = 256;

/// Fails what takes too long with [`TimedOut`](ErrorKind::TimedOut), whatever the object does: the initiator has its memory
/// back at that time, even where the object never ends the request.
///
/// So the object cannot be lent the initiator's memory. It works with memory of the layer, from which bytes that were read
/// are copied, once, when the request ends, and into which bytes to be written are copied, once, before it is sent. Memory
/// is page-aligned and kept for later requests. Long requests are split into chunks, and each chunk has its own time.
///
/// What has timed out goes on in the object until that ends it: then the layer frees its memory and forgets it. The number of
/// such requests is [counted](Self::overdue) and bounded, as is that of all requests ([`TimeoutLimits`]): what exceeds the
/// bounds fails with [`LimitReached`](ErrorKind::LimitReached). Under a [`Limit`](crate::Limit) it waits instead.
///
/// # Late writes
/// A write that has timed out may happen later, even after a newer one to the same place. What reads late from something
/// without positions takes bytes that nobody gets. Where that matters, give the object up after a timeout.
///
/// When the layer is dropped, what it waits for fails with [`Dropped`](ErrorKind::Dropped). Driving it drives the object;
/// the clock needs nobody to drive it. There is no short cut for blocking calls, as nothing could end them.
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
/// let io: Timeout<_> = Timeout::new(stuck, Duration::from_secs(5), clock.clone());
///
/// assert_eq!(io.block_on(io.read::<u8>(3))?, 7);
/// let mut late = std::pin::pin!(io.read::<u8>(3));
/// let error = io.block_on(std::future::poll_fn(|cx| {
///     let polled = late.as_mut().poll(cx);
///     clock.advance(Duration::from_secs(5));
///     polled
/// }));
/// assert_eq!(error.unwrap_err().kind(), ErrorKind::TimedOut);
/// assert_eq!(io.overdue(), 1);
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub struct Timeout<Io, P: Position = u64> {
    inner: Arc<Io>,
    core: Arc<Core<Io, P>>,
}

/// Does not know the object: relays that the object has keep this.
struct Core<Io, P> {
    timeout: Duration,
    limits: TimeoutLimits,
    bell: Bell,
    table: Lock<Table>,
    pools: Both<Pools<Io, P>>,
}

struct Pools<Io, P>(PhantomData<fn(Io, P)>);

impl<Io, P> Family for Pools<Io, P> {
    type Of<D: Direction> = RelayPool<AlignedBuf, Asked<D, Io, P>>;
}

/// A request of the layer.
struct Asked<D, Io, P> {
    /// Taken out at the end, so that there is one clone for each request.
    core: Option<Arc<Core<Io, P>>>,
    slot: usize,
    way: PhantomData<fn(D)>,
}

impl<Io, P: Position> Timeout<Io, P> {
    /// Fails what `inner` has not ended after `timeout`. Bounds are the default ones.
    pub fn new(inner: Io, timeout: Duration, clock: impl Clock) -> Self {
        Self::with_limits(inner, timeout, clock, TimeoutLimits::default())
    }

    /// As [`new`](Self::new), with bounds.
    pub fn with_limits(
        inner: Io,
        timeout: Duration,
        clock: impl Clock,
        mut limits: TimeoutLimits,
    ) -> Self {
        limits.chunk = limits.chunk.max(1);
        let core = Core {
            timeout,
            limits,
            bell: Bell::new(Arc::new(clock)),
            table: Lock::new(Table::default()),
            pools: Both {
                read: RelayPool::new(KEPT),
                write: RelayPool::new(KEPT),
            },
        };
        Self {
            inner: Arc::new(inner),
            core: Arc::new(core),
        }
    }

    /// The object.
    pub fn inner(&self) -> &Io {
        &self.inner
    }

    /// How many requests have timed out and are still with the object.
    pub fn overdue(&self) -> usize {
        self.core.table.lock().overdue()
    }

    /// How many requests have timed out so far; of a long one each chunk counts.
    pub fn timed_out(&self) -> u64 {
        self.core.table.lock().timed_out()
    }

    fn send_on<D: Way>(&self, mut pos: P, mut view: View<D>)
    where
        AlignedBuf: BufferFor<D>,
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let chunk = self.core.limits.chunk;
        while view.len() > chunk {
            let (head, tail) = view.split_at(chunk);
            self.ask(pos, head);
            view = tail;
            match pos.advance(chunk) {
                Some(next) => pos = next,
                None => return view.fail(ErrorKind::UnexpectedEof),
            }
        }
        self.ask(pos, view);
    }

    fn ask<D: Way>(&self, pos: P, view: View<D>)
    where
        AlignedBuf: BufferFor<D>,
        Io: PacketIo<D, P> + Send + Sync + 'static,
    {
        let core = &self.core;
        let len = view.len();
        // The lock is released at the end of this line.
        let reserved = core.table.lock().reserve(len, &core.limits);
        let (slot, mut buffer) = match reserved {
            Ok(reserved) => reserved,
            Err(cause) => return view.fail(cause),
        };
        D::copy_out(&view, &mut buffer);
        let due = core.bell.now().saturating_add(core.timeout);
        let asked = Asked {
            core: Some(core.clone()),
            slot,
            way: PhantomData,
        };
        let relay = D::pick(&core.pools).relay(buffer, asked);
        let first = core.table.lock().wait(slot, D::erase(view), due);
        if first {
            core.bell.ring_by(due, core);
        }
        self.inner.send_io(pos, relay.send_prefix(len));
    }

    fn help(&self, cause: Cause) -> Option<&'static str> {
        match cause.kind() {
            ErrorKind::TimedOut if cause.errno().is_none() && self.timed_out() > 0 => Some(
                "the object did not answer in time (`Timeout`), and may still do what it was asked to",
            ),
            ErrorKind::LimitReached if self.overdue() > 0 => Some(
                "too many requests that have timed out are still with the object (`TimeoutLimits`)",
            ),
            _ => None,
        }
    }
}

impl<D, P, Io> OnEnd<AlignedBuf> for Asked<D, Io, P>
where
    D: Way,
    P: Position,
    Io: PacketIo<D, P> + Send + Sync + 'static,
{
    fn on_end(mut relay: Relay<AlignedBuf, Self>, outcome: Outcome) {
        let Some(core) = relay.state_mut().core.take() else {
            return;
        };
        let (buffer, asked) = D::pick(&core.pools).reclaim(relay);
        // From here on the view is this call's alone: the alarm does not find it any more. Or it was the alarm's.
        let waiting = core.table.lock().end(asked.slot);
        if let Some(view) = waiting.and_then(D::restore) {
            let start = view.offset();
            for (mut part, result) in view.parts(&outcome) {
                match result {
                    Ok(()) => {
                        let at = part.offset() - start;
                        let bytes = at..at + part.len();
                        D::copy_in(&mut part, &buffer[bytes]);
                        part.done();
                    }
                    Err(cause) => part.fail(cause),
                }
            }
        }
        core.table.lock().keep(buffer);
    }
}

impl<Io: Send + Sync + 'static, P: Position> Alarm for Core<Io, P> {
    fn ring(self: Arc<Self>) {
        let now = self.bell.rang();
        loop {
            // The lock is released at the end of this line.
            let expired = self.table.lock().expire(now);
            match expired {
                Ok(view) => view.fail(ErrorKind::TimedOut.into()),
                Err(Some(due)) => return self.bell.ring_by(due, &self),
                Err(None) => return,
            }
        }
    }
}

impl<Io, P: Position> Drop for Timeout<Io, P> {
    fn drop(&mut self) {
        self.core.bell.close();
        loop {
            // The lock is released at the end of this line.
            let left: Option<AnyView> = self.core.table.lock().abandon();
            match left {
                Some(view) => drop(view),
                None => return,
            }
        }
    }
}

both_ways!(Timeout, help: help);

drive_below!([Io, P: Position] Timeout<Io, P>, Io, |layer| &layer.inner);

impl<Io: fmt::Debug, P: Position> fmt::Debug for Timeout<Io, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("inner", &self.inner)
            .field("timeout", &self.core.timeout)
            .field("overdue", &self.overdue())
            .finish_non_exhaustive()
    }
}
