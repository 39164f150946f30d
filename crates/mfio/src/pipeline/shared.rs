//! The list of completed requests, which a pipeline shares with its requests in flight.
//!
//! No user code runs under the lock: wakers are cloned before and dropped after, results are
//! dropped outside.

use crate::io::Direction;
use crate::lock::Lock;
use crate::packet::{Buffer, OnEnd, Outcome, Recallable, Recalled, Relay, RelayPool};
use crate::sync::atomic::{AtomicBool, Ordering};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::marker::PhantomData;
use core::task::Waker;

/// Maximum number of blocks kept for requests: a window may be unbounded, and the room for them is
/// allocated at once.
const KEPT: usize = 4096;

/// State shared between a pipeline and its requests; see the module.
pub(super) struct Completions<D: Direction, P, B: Buffer + 'static, T> {
    list: Lock<ResultList<P, B, T>>,
    /// The pipeline was dropped. Set under the lock of the list, read without it.
    closed: AtomicBool,
    pool: Blocks<D, P, B, T>,
}

/// A buffer in flight, with its pipeline, which it can ask whether it is closed.
type Kept<D, P, B, T> = Recallable<B, Arc<Completions<D, P, B, T>>>;
type Blocks<D, P, B, T> = RelayPool<Kept<D, P, B, T>, Ticket<D, P, T>>;

struct ResultList<P, B, T> {
    ended: VecDeque<Done<P, B, T>>,
    /// The waker of the task that waits for the next result.
    waker: Option<Waker>,
}

/// A result that was not returned yet.
pub(super) struct Done<P, B, T> {
    pub(super) pos: P,
    pub(super) tag: T,
    /// Number of requests sent before.
    pub(super) number: u64,
    pub(super) buffer: B,
    pub(super) outcome: Outcome,
}

/// The data of a request in flight.
pub(super) struct Ticket<D, P, T> {
    pos: P,
    tag: T,
    number: u64,
    direction: PhantomData<D>,
}

pub(super) type RequestRelay<D, P, B, T> = Relay<Kept<D, P, B, T>, Ticket<D, P, T>>;

impl<D, P, B, T> Completions<D, P, B, T>
where
    D: Direction,
    P: Send + Sync + 'static,
    B: Buffer + 'static,
    T: Send + 'static,
{
    /// Creates a list that keeps the blocks of `operations` requests, up to [`KEPT`].
    pub(super) fn new(operations: usize) -> Self {
        Self {
            list: Lock::new(ResultList {
                ended: VecDeque::new(),
                waker: None,
            }),
            closed: AtomicBool::new(false),
            pool: RelayPool::new(operations.min(KEPT)),
        }
    }

    pub(super) fn relay(
        self: &Arc<Self>,
        buffer: B,
        pos: P,
        tag: T,
        number: u64,
    ) -> RequestRelay<D, P, B, T> {
        let ticket = Ticket {
            pos,
            tag,
            number,
            direction: PhantomData,
        };
        self.pool
            .relay(Recallable::new(buffer, self.clone()), ticket)
    }

    /// Takes apart a request that was not sent.
    pub(super) fn reclaim(&self, relay: RequestRelay<D, P, B, T>) -> (B, P, T) {
        let (kept, ticket) = self.pool.reclaim(relay);
        (kept.into_parts().0, ticket.pos, ticket.tag)
    }

    /// Swaps the list with `empty`. Returns whether it had results; if not, registers `waker` for
    /// the next one.
    pub(super) fn take(&self, empty: &mut VecDeque<Done<P, B, T>>, waker: Option<&Waker>) -> bool {
        if self.exchange(empty) {
            return true;
        }
        let Some(waker) = waker else {
            return false;
        };
        let new = waker.clone();
        let mut list = self.list.lock();
        let found = !list.ended.is_empty();
        let unused = match found {
            true => new,
            false => match list.waker.replace(new) {
                Some(old) => old,
                None => return false,
            },
        };
        drop(list);
        drop(unused);
        found && self.exchange(empty)
    }

    fn exchange(&self, empty: &mut VecDeque<Done<P, B, T>>) -> bool {
        let mut list = self.list.lock();
        core::mem::swap(&mut list.ended, empty);
        !empty.is_empty()
    }

    /// Closes the list, and recalls the requests in flight.
    pub(super) fn close(&self) {
        let mut list = self.list.lock();
        self.closed.store(true, Ordering::Relaxed);
        let left = core::mem::take(&mut list.ended);
        let waker = list.waker.take();
        drop(list);
        drop((left, waker));
    }

    /// Adds the result of a completed request.
    fn ended(&self, done: Done<P, B, T>) {
        let mut list = self.list.lock();
        if self.closed.load(Ordering::Relaxed) {
            drop(list);
            drop(done);
            return;
        }
        list.ended.push_back(done);
        let waker = list.waker.take();
        drop(list);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<D, P, B, T> Recalled for Arc<Completions<D, P, B, T>>
where
    D: Direction,
    P: Send + Sync + 'static,
    B: Buffer + 'static,
    T: Send + 'static,
{
    fn is_recalled(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

impl<D, P, B, T> OnEnd<Kept<D, P, B, T>> for Ticket<D, P, T>
where
    D: Direction,
    P: Send + Sync + 'static,
    B: Buffer + 'static,
    T: Send + 'static,
{
    fn on_end(relay: Relay<Kept<D, P, B, T>, Self>, outcome: Outcome) {
        let shared = relay.recall().clone();
        let (kept, ticket) = shared.pool.reclaim(relay);
        let (buffer, _) = kept.into_parts();
        let Self {
            pos, tag, number, ..
        } = ticket;
        shared.ended(Done {
            pos,
            tag,
            number,
            buffer,
            outcome,
        });
    }
}
