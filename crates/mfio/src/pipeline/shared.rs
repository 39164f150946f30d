//! What operations in flight share with their pipeline: the list of those that have ended.
//!
//! No code of the user runs under the lock: wakers are cloned before and dropped after, results are dropped outside.

use crate::io::Direction;
use crate::lock::Lock;
use crate::packet::{Buffer, OnEnd, Outcome, Recallable, Recalled, Relay, RelayPool};
use crate::sync::atomic::{AtomicBool, Ordering};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::marker::PhantomData;
use core::task::Waker;

/// How many blocks of operations are kept at most: a window may be meant as no bound, and the room for them is made at once.
const KEPT: usize = 4096;

/// See the module.
pub(super) struct Shared<D: Direction, P, B: Buffer + 'static, T> {
    list: Lock<List<P, B, T>>,
    /// Nobody will fetch anything any more. Changed under the lock of the list; drivers look without it.
    closed: AtomicBool,
    pool: Blocks<D, P, B, T>,
}

/// A buffer on its way, which finds its pipeline, and says whether that is still there.
type Kept<D, P, B, T> = Recallable<B, Arc<Shared<D, P, B, T>>>;
type Blocks<D, P, B, T> = RelayPool<Kept<D, P, B, T>, Ticket<D, P, T>>;

struct List<P, B, T> {
    ended: VecDeque<Done<P, B, T>>,
    /// Who waits for the next one.
    waker: Option<Waker>,
}

/// A result that was not given out.
pub(super) struct Done<P, B, T> {
    pub(super) pos: P,
    pub(super) tag: T,
    /// How many requests came before.
    pub(super) number: u64,
    pub(super) buffer: B,
    pub(super) outcome: Outcome,
}

/// What an operation carries.
pub(super) struct Ticket<D, P, T> {
    pos: P,
    tag: T,
    number: u64,
    direction: PhantomData<D>,
}

pub(super) type Operation<D, P, B, T> = Relay<Kept<D, P, B, T>, Ticket<D, P, T>>;

impl<D, P, B, T> Shared<D, P, B, T>
where
    D: Direction,
    P: Send + Sync + 'static,
    B: Buffer + 'static,
    T: Send + 'static,
{
    /// Keeps the blocks of so many operations, up to [`KEPT`].
    pub(super) fn new(operations: usize) -> Self {
        Self {
            list: Lock::new(List {
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
    ) -> Operation<D, P, B, T> {
        let ticket = Ticket {
            pos,
            tag,
            number,
            direction: PhantomData,
        };
        self.pool
            .relay(Recallable::new(buffer, self.clone()), ticket)
    }

    /// Takes an operation apart that was not sent.
    pub(super) fn reclaim(&self, relay: Operation<D, P, B, T>) -> (B, P, T) {
        let (kept, ticket) = self.pool.reclaim(relay);
        (kept.into_parts().0, ticket.pos, ticket.tag)
    }

    /// Exchanges the list for `empty`. Says whether there was something; where there was not, `waker` will be woken when
    /// something comes.
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

    /// Nothing will be fetched any more. What is on its way is recalled.
    pub(super) fn close(&self) {
        let mut list = self.list.lock();
        self.closed.store(true, Ordering::Relaxed);
        let left = core::mem::take(&mut list.ended);
        let waker = list.waker.take();
        drop(list);
        drop((left, waker));
    }

    /// An operation has ended.
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

impl<D, P, B, T> Recalled for Arc<Shared<D, P, B, T>>
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
