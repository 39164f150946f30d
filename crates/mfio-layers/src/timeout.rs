//! [`Timeout`]: who waits for too long is told so.

mod table;

use crate::clock::{Alarm, Clock};
use crate::directions::{
    DirectionExt, Directions, PerDirection, answer, front_of_stream, impl_packet_io, is_stream,
};
use crate::forward::forward_backend;
use crate::layer_alarm::LayerAlarm;
use alloc::sync::{Arc, Weak};
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Alignment, PacketIo, Position, Read, Write};
use mfio::lock::Lock;
use mfio::packet::{AlignedBuf, BufferFor, OnEnd, Outcome, Recallable, Recalled, Relay, View};
use table::{SMALL, Table};

pub use table::TimeoutLimits;

/// Fails what takes too long with [`TimedOut`](ErrorKind::TimedOut), whatever the object does: the initiator has its memory
/// back at that time, even where the object never ends the request.
///
/// So the object cannot be lent the initiator's memory. It works with memory of the layer, from which bytes that were read
/// are copied, once, when the request ends, and into which bytes to be written are copied, once, before it is sent. Memory
/// is page-aligned and kept for later requests. Long requests are split into chunks, and each chunk has its own time;
/// a long read of a stream ends with the first one, and a long write to one is not split.
///
/// A request has at least its time, and up to 5 ms more ([`TimeoutLimits::slack`]), as the clock is not read for each: those
/// that begin while others are on their way are given one time for all of them, a little later.
///
/// What has timed out is abandoned, as what the initiator has given up: an object may stop early where nobody waits for a read.
/// It goes on until the object ends it; then the layer frees its memory and forgets it. The number of such requests is
/// [counted](Self::overdue) and bounded, as is that of all requests ([`TimeoutLimits`]), for reads and for writes: what exceeds
/// the bounds fails with [`LimitReached`](ErrorKind::LimitReached). Under a [`Limit`](crate::Limit) it waits instead.
///
/// # Late ends
/// A write that has timed out may happen later, even after a newer one to the same place. A read of a stream that has timed
/// out takes no bytes from later ones where the object looks whether reads are abandoned, as streams of the native runtime and
/// pipes in memory do when they are asked for the next one. What arrives before that may go to the old one, and be lost. Where
/// that matters, give the object up after a timeout.
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
    core: Arc<Core>,
}

/// Does not know the object: requests that the object has keep this.
struct Core {
    timeout: Duration,
    limits: TimeoutLimits,
    alarm: LayerAlarm,
    tables: Directions<Tables>,
}

struct Tables;

impl PerDirection for Tables {
    type Of<D: DirectionExt> = Lock<Table<D>>;
}

/// A request of the layer, in memory of its own. What is kept for the next one has no `core`, and so does not keep it.
struct Asked<D> {
    /// Taken out at the end, so that there is one clone for each request.
    core: Option<Arc<Core>>,
    /// Its own as long as it exists.
    slot: usize,
    way: PhantomData<fn(D)>,
}

type Memory<D> = Recallable<AlignedBuf, Mark<D>>;

type Own<D> = Relay<Memory<D>, Asked<D>>;

/// Tells the object whether somebody waits for a request: not where its time is over, nor where the initiator has gone.
struct Mark<D> {
    core: Weak<Core>,
    slot: usize,
    way: PhantomData<fn(D)>,
}

impl<D: DirectionExt> Recalled for Mark<D> {
    /// Takes the lock of the table, under which nothing is sent or ended.
    fn is_recalled(&self) -> bool {
        let core = self.core.upgrade();
        // A request that is under way keeps the core, so this never drops it.
        core.is_none_or(|core| !D::pick(&core.tables).lock().is_wanted(self.slot))
    }
}

impl<Io> Timeout<Io> {
    /// Fails what `inner` has not ended after `timeout`. Bounds are the default ones. Programs use a
    /// [`ThreadClock`](crate::clock::ThreadClock).
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
        limits.slack = limits.slack.min(timeout);
        let core = Core {
            timeout,
            limits,
            alarm: LayerAlarm::new(Arc::new(clock)),
            tables: Directions {
                read: Lock::new(Table::default()),
                write: Lock::new(Table::default()),
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
        let Directions { read, write } = &self.core.tables;
        read.lock().overdue() + write.lock().overdue()
    }

    /// How many requests have timed out so far; of a long one each chunk counts.
    pub fn timed_out(&self) -> u64 {
        let Directions { read, write } = &self.core.tables;
        read.lock().timed_out() + write.lock().timed_out()
    }

    fn refused(&self) -> u64 {
        let Directions { read, write } = &self.core.tables;
        read.lock().refused() + write.lock().refused()
    }

    #[inline]
    fn send_on<D: DirectionExt, P: Position>(&self, pos: P, view: View<D>)
    where
        Memory<D>: BufferFor<D>,
        Io: PacketIo<D, P>,
    {
        if view.len() <= self.core.limits.chunk {
            self.ask(pos, view);
        } else {
            self.ask_for_chunks(pos, view);
        }
    }

    fn ask_for_chunks<D: DirectionExt, P: Position>(&self, mut pos: P, mut view: View<D>)
    where
        Memory<D>: BufferFor<D>,
        Io: PacketIo<D, P>,
    {
        let alignment = self.inner.alignment();
        let blocks = alignment.round_down(self.core.limits.chunk);
        let chunk = blocks.max(alignment.block());
        view = front_of_stream::<D, P>(view, chunk, alignment);
        if is_stream::<P>(alignment) {
            // A second part of a write might be done before the first.
            return self.ask(pos, view);
        }
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

    #[inline]
    fn ask<D: DirectionExt, P: Position>(&self, pos: P, view: View<D>)
    where
        Memory<D>: BufferFor<D>,
        Io: PacketIo<D, P>,
    {
        let len = view.len();
        match self.core.begin(view, self.inner.alignment()) {
            Ok(own) => self.inner.send_io(pos, own.send_prefix(len)),
            Err((view, cause)) => view.fail(cause),
        }
    }

    fn help(&self, cause: Cause) -> Option<&'static str> {
        match cause.kind() {
            ErrorKind::TimedOut if cause.errno().is_none() && self.timed_out() > 0 => Some(
                "the object did not answer in time (`Timeout`), and may still do what it was asked to",
            ),
            ErrorKind::LimitReached if self.overdue() > 0 => Some(
                "too many requests that have timed out are still with the object (`TimeoutLimits`)",
            ),
            ErrorKind::LimitReached if self.refused() > 0 => Some(
                "more requests, or chunks of long ones, than a timeout may have at once (`TimeoutLimits::requests`): \
                 put a `Limit` over it, under which they wait",
            ),
            _ => None,
        }
    }
}

impl Core {
    /// Copies what is to be written. From then on the view waits for its end, or for its time.
    #[inline]
    fn begin<D: DirectionExt>(
        self: &Arc<Self>,
        view: View<D>,
        alignment: Alignment,
    ) -> Result<Own<D>, (View<D>, Cause)> {
        let len = view.len();
        let mut table = D::pick(&self.tables).lock();
        let mut own = match table.take(len, alignment, self) {
            Ok(own) => own,
            Err(cause) => {
                drop(table);
                return Err((view, cause));
            }
        };
        if len <= SMALL {
            D::copy_out(&view, own.buffer_mut());
        } else {
            drop(table);
            D::copy_out(&view, own.buffer_mut());
            table = D::pick(&self.tables).lock();
        }
        let slot = own.state().slot;
        let untimed = table.wait(slot, view, self.limits.slack);
        drop(table);
        own.state_mut().core = Some(self.clone());
        if let Some(number) = untimed {
            let unsent = Unsent::<D>(self, slot, PhantomData);
            self.look_at_the_clock::<D>(number);
            core::mem::forget(unsent);
        }
        Ok(own)
    }

    /// Gives its time to request `number`, and sees to it that those who come next are given theirs.
    #[cold]
    fn look_at_the_clock<D: DirectionExt>(self: &Arc<Self>, number: u64) {
        let now = self.alarm.now();
        let due = now.saturating_add(self.timeout);
        let table = D::pick(&self.tables);
        let ticks = {
            let mut table = table.lock();
            table.time(number, due);
            table.ticks()
        };
        let slack = self.limits.slack;
        if slack.is_zero() {
            return self.alarm.arm_by(due, self);
        }
        // Others rely on it only when it is done.
        self.alarm.arm_by(now.saturating_add(slack), self);
        table.lock().armed(ticks);
    }

    /// Ends those whose time is over, and says when to look again. `newest` had begun before it was `now`.
    fn expire<D: DirectionExt>(&self, newest: u64, now: Duration) -> Option<Duration> {
        let table = D::pick(&self.tables);
        loop {
            // The lock is released at the end of this line.
            let expired = table.lock().expire(now);
            match expired {
                Some(view) => view.fail(ErrorKind::TimedOut),
                None => break,
            }
        }
        let due = now.saturating_add(self.timeout);
        table.lock().tick(newest, due, now, self.limits.slack)
    }

    /// The object has ended a request that is long, or of which some bytes failed.
    #[cold]
    fn end_any<D: DirectionExt>(&self, own: Own<D>, outcome: &Outcome) {
        // The lock is released at the end of this line.
        let waiting = D::pick(&self.tables).lock().end(own.state().slot);
        if let Some(view) = waiting {
            answer(view, own.buffer(), 0, outcome);
        }
        self.keep(own);
    }

    fn keep<D: DirectionExt>(&self, own: Own<D>) {
        // What is not kept is dropped when the lock is released.
        let _spare = D::pick(&self.tables).lock().keep(own);
    }

    fn abandon<D: DirectionExt>(&self) {
        loop {
            // The lock is released at the end of this line.
            let left: Option<View<D>> = D::pick(&self.tables).lock().abandon();
            match left {
                Some(view) => drop(view),
                None => return,
            }
        }
    }
}

/// A request that waits and was not sent yet: a clock that panics takes nobody's time away, and leaves nobody waiting.
struct Unsent<'a, D: DirectionExt>(&'a Core, usize, PhantomData<D>);

impl<D: DirectionExt> Drop for Unsent<'_, D> {
    fn drop(&mut self) {
        let mut table = D::pick(&self.0.tables).lock();
        let waiting = table.end(self.1);
        table.vacate(self.1);
        drop(table);
        drop(waiting);
    }
}

impl<D: DirectionExt> OnEnd<Memory<D>> for Asked<D> {
    #[inline]
    fn on_end(mut own: Own<D>, outcome: Outcome) {
        let Some(core) = own.state_mut().core.take() else {
            return;
        };
        if !outcome.is_success() || own.len() > SMALL {
            return core.end_any(own, &outcome);
        }
        let mut table = D::pick(&core.tables).lock();
        // From here on the view is this call's alone: the alarm does not find it any more.
        if let Some(mut view) = table.end(own.state().slot) {
            let len = view.len();
            D::copy_in(&mut view, &own.buffer()[..len]);
            let spare = table.keep(own);
            drop(table);
            drop(spare);
            view.done();
        } else {
            drop(table);
            core.keep(own);
        }
    }
}

impl Alarm for Core {
    fn fire(self: Arc<Self>) {
        // Who begins later has more time than the clock will say.
        let Directions { read, write } = &self.tables;
        let (reads, writes) = (read.lock().newest(), write.lock().newest());
        let now = self.alarm.fired();
        let nexts = [
            self.expire::<Read>(reads, now),
            self.expire::<Write>(writes, now),
        ];
        if let Some(next) = nexts.into_iter().flatten().min() {
            self.alarm.arm_by(next, &self);
        }
    }
}

impl<Io> Drop for Timeout<Io> {
    fn drop(&mut self) {
        self.core.alarm.close();
        self.core.abandon::<Read>();
        self.core.abandon::<Write>();
    }
}

impl_packet_io!(Timeout<Io>, help: help);

forward_backend!([Io] Timeout<Io>, Io, |layer| &layer.inner);

impl<Io: fmt::Debug> fmt::Debug for Timeout<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("inner", &self.inner)
            .field("timeout", &self.core.timeout)
            .field("overdue", &self.overdue())
            .finish_non_exhaustive()
    }
}

crate::forward::forward_len!([Io] Timeout<Io>, Io, |layer| &layer.inner);
