//! What operations in flight share with their pipeline: the list of those that have ended.
//!
//! No code of the user runs under the lock: wakers are cloned before and dropped after, results are dropped outside.

use crate::io::Direction;
use crate::lock::Lock;
use crate::packet::{Buffer, OnEnd, Outcome, Relay, RelayPool};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::marker::PhantomData;
use core::task::Waker;

/// How many blocks of operations are kept at most: a window may be meant as no bound, and the room for them is made at once.
const KEPT: usize = 4096;

/// See the module.
pub(super) struct Shared<D: Direction, P, B: Buffer + 'static, T> {
    list: Lock<List<P, B, T>>,
    pool: RelayPool<B, Ticket<D, P, B, T>>,
}

struct List<P, B, T> {
    ended: VecDeque<Done<P, B, T>>,
    /// Who waits for the next one.
    waker: Option<Waker>,
    /// Nobody will fetch anything any more.
    closed: bool,
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
pub(super) struct Ticket<D: Direction, P, B: Buffer + 'static, T> {
    shared: Arc<Shared<D, P, B, T>>,
    pos: P,
    tag: T,
    number: u64,
    direction: PhantomData<D>,
}

pub(super) type Operation<D, P, B, T> = Relay<B, Ticket<D, P, B, T>>;

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
                closed: false,
            }),
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
            shared: self.clone(),
            pos,
            tag,
            number,
            direction: PhantomData,
        };
        self.pool.relay(buffer, ticket)
    }

    /// Takes an operation apart that was not sent.
    pub(super) fn reclaim(&self, relay: Operation<D, P, B, T>) -> (B, P, T) {
        let (buffer, ticket) = self.pool.reclaim(relay);
        (buffer, ticket.pos, ticket.tag)
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

    /// Nothing will be fetched any more.
    pub(super) fn close(&self) {
        let mut list = self.list.lock();
        list.closed = true;
        let left = core::mem::take(&mut list.ended);
        let waker = list.waker.take();
        drop(list);
        drop((left, waker));
    }

    /// An operation has ended.
    fn ended(&self, done: Done<P, B, T>) {
        let mut list = self.list.lock();
        if list.closed {
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

impl<D, P, B, T> OnEnd<B> for Ticket<D, P, B, T>
where
    D: Direction,
    P: Send + Sync + 'static,
    B: Buffer + 'static,
    T: Send + 'static,
{
    fn on_end(relay: Relay<B, Self>, outcome: Outcome) {
        let shared = relay.state().shared.clone();
        let (buffer, ticket) = shared.pool.reclaim(relay);
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
