//! Misses of a [`Cache`](super::Cache): fetches of blocks, and reads that bypass it.

use super::set::{Miss, Waiter};
use super::shared::{CacheShared, Fetch};
use crate::directions::answer;
use crate::route::addressable;
use crate::sent;
use alloc::sync::Arc;
use alloc::vec::Vec;
use mfio::error::ErrorKind;
use mfio::io::{Address, Alignment, Operation, PacketIo, Read};
use mfio::packet::{AlignedBuf, OnEnd, Outcome, Relay, View};

/// Alignment of memory in bytes that suits unbuffered I/O nearly always. More would waste memory
/// where blocks are small.
const ALIGNMENT: usize = 512;

/// A fetch that is not sent yet. Dropped while a panic of the object below unwinds, it frees the
/// way of the block, and ends the waiters.
struct UnsentFetch<'a> {
    shared: &'a CacheShared,
    set: usize,
    way: usize,
}

impl Drop for UnsentFetch<'_> {
    fn drop(&mut self) {
        drop(self.shared.give_up(self.set, self.way));
    }
}

impl CacheShared {
    /// Gives up a fetch that was not sent. Returns its waiters.
    #[cold]
    fn give_up(&self, set: usize, way: usize) -> Vec<Waiter> {
        let mut set = self.sets[set].lock();
        let waiters = set.withdraw(way);
        set.release(way, None);
        waiters
    }

    /// Reads bytes that are not cached and lie within one block.
    #[cold]
    pub(super) fn miss<P, Io>(self: &Arc<Self>, inner: &Io, at: u64, view: View<Read>)
    where
        P: Address,
        Io: PacketIo<Read, P>,
    {
        let number = at >> self.shift;
        let set = self.set_of(number);
        let within = at as usize & (self.block() - 1);
        let waiter = Waiter { view, within };
        let miss = self.sets[set].lock().miss(number, waiter, || self.spare());
        match miss {
            Miss::Copied(view) => view.done(),
            Miss::Coalesced(unwanted) => {
                let cancel = |waiter: Waiter| waiter.view.fail(ErrorKind::Cancelled);
                unwanted.into_iter().for_each(cancel);
            }
            Miss::Fetch(way, memory) => self.fetch::<P, Io>(inner, number, set, way, memory),
            Miss::Bypass(view) => bypass::<P, Io>(inner, at, view),
        }
    }

    fn fetch<P, Io>(
        self: &Arc<Self>,
        inner: &Io,
        number: u64,
        set: usize,
        way: usize,
        memory: Option<AlignedBuf>,
    ) where
        P: Address,
        Io: PacketIo<Read, P>,
    {
        let start = number << self.shift;
        let allocate = || {
            let wanted = inner.alignment(Operation::Read).memory();
            AlignedBuf::try_with_alignment(self.block(), self.block().min(ALIGNMENT).max(wanted))
        };
        // Where the last address of `P` is within the block, its other bytes belong to readers with
        // a wider type, which may be waiting for the same block.
        let whole = addressable::<P>(start, self.block()) == self.block();
        let unsent = UnsentFetch {
            shared: self,
            set,
            way,
        };
        let memory = whole.then(|| memory.map_or_else(allocate, Ok));
        let pos = P::from_u64(start);
        core::mem::forget(unsent);
        let (Some(Ok(memory)), Some(pos)) = (memory, pos) else {
            let waiters = self.give_up(set, way);
            return self.end(waiters, |Waiter { view, within }| {
                bypass::<P, Io>(inner, start + within as u64, view);
            });
        };
        let relay = sent::relay(self, memory, Fetch { set, way });
        inner.send_io(pos, relay.start_prefix(self.block()));
    }
}

/// Reads part of a block from the object below, without keeping it.
fn bypass<P: Address, Io: PacketIo<Read, P>>(inner: &Io, at: u64, view: View<Read>) {
    let alignment = inner.alignment(Operation::Read);
    if alignment.block() > 1 || alignment.memory() > 1 {
        return bounce::<P, Io>(inner, at, view, alignment);
    }
    forward::<P, Io>(inner, at, view);
}

/// Forwards a read as it is: of a stream too, whose bytes come once.
#[cold]
pub(super) fn forward<P: Address, Io: PacketIo<Read, P>>(inner: &Io, at: u64, view: View<Read>) {
    match P::from_u64(at) {
        Some(pos) => inner.send_io(pos, view),
        None => view.fail(ErrorKind::UnexpectedEof),
    }
}

/// Reads through a bounce buffer, as the object below takes aligned requests only.
#[cold]
fn bounce<P, Io>(inner: &Io, at: u64, view: View<Read>, alignment: Alignment)
where
    P: Address,
    Io: PacketIo<Read, P>,
{
    let within = alignment.excess(at);
    let start = at - within as u64;
    let len = alignment.round_up(within + view.len());
    let memory = AlignedBuf::try_with_alignment(len, alignment.memory());
    match (memory, P::from_u64(start)) {
        (Ok(memory), Some(pos)) => {
            let relay = Relay::new(memory, BouncedRead { view, within });
            let len = addressable::<P>(start, len);
            inner.send_io(pos, relay.start_prefix(len));
        }
        (Ok(_), None) => view.fail(ErrorKind::UnexpectedEof),
        (Err(cause), _) => view.fail(cause),
    }
}

/// A read that is under way into a bounce buffer.
struct BouncedRead {
    view: View<Read>,
    /// The offset of its bytes in the buffer.
    within: usize,
}

impl OnEnd<AlignedBuf> for BouncedRead {
    fn on_end(relay: Relay<AlignedBuf, Self>, outcome: Outcome) {
        let (bytes, Self { view, within }) = relay.into_parts();
        answer(view, &bytes, within, &outcome);
    }
}
