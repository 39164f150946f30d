//! What a [`Cache`] asks of the object below: blocks, and what is not kept.

use super::fetch::{Detour, Fetch};
use super::set::{Miss, Waiting};
use super::{Cache, Core};
use crate::route::addressable;
use alloc::vec::Vec;
use mfio::error::ErrorKind;
use mfio::io::{Address, Alignment, PacketIo, Read};
use mfio::packet::{AlignedBuf, Relay, View};

/// What unbuffered I/O asks of memory, nearly always. More would waste as much again, of small blocks.
const ALIGNMENT: usize = 512;

impl Core {
    /// Gives up a fetch that was not sent. Returns the views that wait for it.
    #[cold]
    fn give_up(&self, set: usize, way: usize) -> Vec<Waiting> {
        let mut set = self.sets[set].lock();
        let waiting = set.withdraw(way);
        set.release(way, None);
        waiting
    }
}

/// A fetch that is not sent yet: a panic of the object below leaves nobody waiting for it, and its place free.
struct Begun<'a> {
    core: &'a Core,
    set: usize,
    way: usize,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        drop(self.core.give_up(self.set, self.way));
    }
}

impl<Io> Cache<Io> {
    /// Sees to a part that lies within one block and is not there.
    #[cold]
    pub(super) fn miss<P>(&self, at: u64, view: View<Read>)
    where
        P: Address,
        Io: PacketIo<Read, P>,
    {
        let core = &*self.core;
        let number = at >> core.shift;
        let set = core.set_of(number);
        let within = at as usize & (core.block() - 1);
        let spare = || core.spares.lock().pop().unwrap_or_default();
        let part = Waiting { view, within };
        let miss = core.sets[set].lock().miss(number, part, spare);
        match miss {
            Miss::Copied(view) => view.done(),
            Miss::Coalesced(unwanted) => {
                let cancel = |part: Waiting| part.view.fail(ErrorKind::Cancelled);
                unwanted.into_iter().for_each(cancel);
            }
            Miss::Fetch(way, memory) => self.fetch::<P>(number, set, way, memory),
            Miss::Bypass(view) => self.bypass::<P>(at, view),
        }
    }

    fn fetch<P>(&self, number: u64, set: usize, way: usize, memory: Option<AlignedBuf>)
    where
        P: Address,
        Io: PacketIo<Read, P>,
    {
        let core = &self.core;
        let start = number << core.shift;
        let allocate = || {
            let wanted = self.inner.alignment().memory();
            AlignedBuf::try_with_alignment(core.block(), core.block().min(ALIGNMENT).max(wanted))
        };
        // Some addresses of a block that `P` ends within are those of other types only, which may ask for it meanwhile.
        let whole = addressable::<P>(start, core.block()) == core.block();
        let begun = Begun { core, set, way };
        let memory = whole.then(|| memory.map_or_else(allocate, Ok));
        let pos = P::from_u64(start);
        core::mem::forget(begun);
        let (Some(Ok(memory)), Some(pos)) = (memory, pos) else {
            let waiting = core.give_up(set, way);
            core.end(waiting, |Waiting { view, within }| {
                self.bypass::<P>(start + within as u64, view);
            });
            return;
        };
        let fetch = Fetch {
            core: core.clone(),
            set,
            way,
        };
        let relay = core.fetches.relay(memory, fetch);
        self.inner.send_io(pos, relay.send_prefix(core.block()));
    }

    /// Has the object below answer a part of a block.
    fn bypass<P: Address>(&self, at: u64, view: View<Read>)
    where
        Io: PacketIo<Read, P>,
    {
        let alignment = self.inner.alignment();
        if alignment.block() > 1 || alignment.memory() > 1 {
            return self.detour::<P>(at, view, alignment);
        }
        self.pass_on::<P>(at, view);
    }

    /// Has the object below answer as if there were no cache: a stream too, whose bytes come once.
    #[cold]
    pub(super) fn pass_on<P: Address>(&self, at: u64, view: View<Read>)
    where
        Io: PacketIo<Read, P>,
    {
        match P::from_u64(at) {
            Some(pos) => self.inner.send_io(pos, view),
            None => view.fail(ErrorKind::UnexpectedEof),
        }
    }

    /// The same through memory of its own, for an object that wants more alignment than whoever reads may have.
    #[cold]
    fn detour<P: Address>(&self, at: u64, view: View<Read>, alignment: Alignment)
    where
        Io: PacketIo<Read, P>,
    {
        let within = alignment.excess(at);
        let start = at - within as u64;
        let len = alignment.round_up(within + view.len());
        let memory = AlignedBuf::try_with_alignment(len, alignment.memory());
        match (memory, P::from_u64(start)) {
            (Ok(memory), Some(pos)) => {
                let relay = Relay::new(memory, Detour { view, within });
                let len = addressable::<P>(start, len);
                self.inner.send_io(pos, relay.send_prefix(len));
            }
            (Ok(_), None) => view.fail(ErrorKind::UnexpectedEof),
            (Err(cause), _) => view.fail(cause),
        }
    }
}
