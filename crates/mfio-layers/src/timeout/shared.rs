//! The part of a [`Timeout`](super::Timeout) that requests keep while the object has them. It does
//! not own the object.

use super::limits::TimeoutLimits;
use super::table::{LARGE, Own, SMALL, Table};
use crate::clock::{Alarm, Clock};
use crate::directions::{DirectionExt, Directions, PerDirection, answer};
use crate::layer_alarm::LayerAlarm;
use alloc::sync::{Arc, Weak};
use core::marker::PhantomData;
use core::time::Duration;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Alignment, Read, Write};
use mfio::lock::Lock;
use mfio::packet::{AlignedBuf, OnEnd, Outcome, Recallable, Recalled, Relay, View};

pub(super) struct TimeoutShared {
    timeout: Duration,
    pub(super) limits: TimeoutLimits,
    alarm: LayerAlarm,
    tables: Directions<Tables>,
}

struct Tables;

impl PerDirection for Tables {
    type Of<D: DirectionExt> = Lock<Table<D, OwnRequest<D>>>;
}

/// The memory of a request, which tells the object whether the initiator still waits.
pub(super) type Memory<D> = Recallable<AlignedBuf, Mark<D>>;

/// A request of the layer, in memory of its own.
pub(super) type OwnRequest<D> = Relay<Memory<D>, OwnState<D>>;

/// The state of a request of the layer. An idle one has no `shared`, and so does not keep it alive.
pub(super) struct OwnState<D> {
    shared: Option<Arc<TimeoutShared>>,
    slot: usize,
    direction: PhantomData<fn(D)>,
}

/// Tells the object whether the initiator still waits for a request. It does not after a time-out,
/// nor where it gave the request up.
pub(super) struct Mark<D> {
    shared: Weak<TimeoutShared>,
    slot: usize,
    direction: PhantomData<fn(D)>,
}

impl<D: DirectionExt> Recalled for Mark<D> {
    /// Takes the lock of the table, under which no request is sent or ended.
    fn is_recalled(&self) -> bool {
        let shared = self.shared.upgrade();
        // A request that is under way keeps the shared state, so this is never the last reference.
        shared.is_none_or(|shared| !D::pick(&shared.tables).lock().is_wanted(self.slot))
    }
}

impl<D: DirectionExt> Own for OwnRequest<D> {
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }

    #[inline]
    fn slot(&self) -> usize {
        self.state().slot
    }
}

impl TimeoutShared {
    pub(super) fn new(timeout: Duration, clock: impl Clock, limits: TimeoutLimits) -> Self {
        Self {
            timeout,
            limits,
            alarm: LayerAlarm::new(Arc::new(clock)),
            tables: Directions {
                read: Lock::new(Table::default()),
                write: Lock::new(Table::default()),
            },
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns how many requests have timed out that the object still has.
    pub(super) fn overdue(&self) -> usize {
        let Directions { read, write } = &self.tables;
        read.lock().overdue() + write.lock().overdue()
    }

    /// Returns how many requests have timed out so far.
    pub(super) fn timed_out(&self) -> u64 {
        let Directions { read, write } = &self.tables;
        read.lock().timed_out() + write.lock().timed_out()
    }

    /// Returns how many requests found no room so far.
    pub(super) fn refused(&self) -> u64 {
        let Directions { read, write } = &self.tables;
        read.lock().refused() + write.lock().refused()
    }

    #[cold]
    fn allocate<D: DirectionExt>(
        self: &Arc<Self>,
        table: &mut Table<D, OwnRequest<D>>,
        len: usize,
        alignment: Alignment,
    ) -> Result<OwnRequest<D>, Cause> {
        let size = match len {
            0..=SMALL => SMALL,
            _ => self.limits.chunk.min(LARGE).max(alignment.block()).max(len),
        };
        let memory = AlignedBuf::try_with_alignment(size, alignment.memory().max(SMALL))?;
        let slot = table.begin_new();
        let state = OwnState {
            shared: None,
            slot,
            direction: PhantomData,
        };
        let mark = Mark {
            shared: Arc::downgrade(self),
            slot,
            direction: PhantomData,
        };
        Ok(Relay::new(Memory::new(memory, mark), state))
    }

    /// Ends all requests that wait, as the layer is dropped.
    pub(super) fn close(&self) {
        self.alarm.close();
        self.abandon::<Read>();
        self.abandon::<Write>();
    }

    /// Takes memory for a request, and copies the bytes of a write into it. From then on the view
    /// waits for the end of the request, or for its deadline.
    #[inline]
    pub(super) fn begin<D: DirectionExt>(
        self: &Arc<Self>,
        view: View<D>,
        alignment: Alignment,
    ) -> Result<OwnRequest<D>, (View<D>, Cause)> {
        let len = view.len();
        let mut table = D::pick(&self.tables).lock();
        let taken = match table.take(len, &self.limits) {
            Ok(Some(own)) => Ok(own),
            Ok(None) => self.allocate(&mut table, len, alignment),
            Err(cause) => Err(cause),
        };
        let mut own = match taken {
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
        let slot = own.slot();
        let untimed = table.wait(slot, view, self.limits.slack);
        drop(table);
        own.state_mut().shared = Some(self.clone());
        if let Some(number) = untimed {
            let unsent = Unsent::<D>(self, slot, PhantomData);
            self.read_clock::<D>(number);
            core::mem::forget(unsent);
        }
        Ok(own)
    }

    /// Sets the deadline of request `number`, and arms the clock to do so for the next ones.
    #[cold]
    fn read_clock<D: DirectionExt>(self: &Arc<Self>, number: u64) {
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
        // Other threads rely on the ring only after it is armed.
        self.alarm.arm_by(now.saturating_add(slack), self);
        table.lock().armed(ticks);
    }

    /// Fails the requests whose deadline has passed, and returns when the clock is to ring next.
    /// Request `newest` had begun before `now`.
    fn expire<D: DirectionExt>(&self, newest: u64, now: Duration) -> Option<Duration> {
        let table = D::pick(&self.tables);
        loop {
            // Takes the lock for this line only.
            let expired = table.lock().expire(now);
            match expired {
                Some(view) => view.fail(ErrorKind::TimedOut),
                None => break,
            }
        }
        let due = now.saturating_add(self.timeout);
        table.lock().tick(newest, due, now, self.limits.slack)
    }

    /// Ends a request that is long, or that failed in part.
    #[cold]
    fn end_any<D: DirectionExt>(&self, own: OwnRequest<D>, outcome: &Outcome) {
        // Takes the lock for this line only.
        let waiting = D::pick(&self.tables).lock().end(own.slot());
        if let Some(view) = waiting {
            answer(view, own.buffer(), 0, outcome);
        }
        self.keep(own);
    }

    fn keep<D: DirectionExt>(&self, own: OwnRequest<D>) {
        // Drops a request that is not kept without the lock.
        let _spare = D::pick(&self.tables).lock().keep(own);
    }

    fn abandon<D: DirectionExt>(&self) {
        loop {
            // Takes the lock for this line only.
            let left: Option<View<D>> = D::pick(&self.tables).lock().abandon();
            match left {
                Some(view) => drop(view),
                None => return,
            }
        }
    }
}

/// A request that waits and was not sent yet. Dropped while a panic of the clock unwinds, it ends
/// the request.
struct Unsent<'a, D: DirectionExt>(&'a TimeoutShared, usize, PhantomData<D>);

impl<D: DirectionExt> Drop for Unsent<'_, D> {
    fn drop(&mut self) {
        let mut table = D::pick(&self.0.tables).lock();
        let waiting = table.end(self.1);
        table.vacate(self.1);
        drop(table);
        drop(waiting);
    }
}

impl<D: DirectionExt> OnEnd<Memory<D>> for OwnState<D> {
    #[inline]
    fn on_end(mut own: OwnRequest<D>, outcome: Outcome) {
        let Some(shared) = own.state_mut().shared.take() else {
            return;
        };
        if !outcome.is_success() || own.len() > SMALL {
            return shared.end_any(own, &outcome);
        }
        let mut table = D::pick(&shared.tables).lock();
        // From here on only this call has the view: the alarm does not find it any longer.
        if let Some(mut view) = table.end(own.slot()) {
            let len = view.len();
            D::copy_in(&mut view, &own.buffer()[..len]);
            let spare = table.keep(own);
            drop(table);
            drop(spare);
            view.done();
        } else {
            drop(table);
            shared.keep(own);
        }
    }
}

impl Alarm for TimeoutShared {
    fn fire(self: Arc<Self>) {
        // Requests that begin later get their deadline from a later reading.
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
