//! One set of a [`Cache`](super::Cache): up to [`WAYS`] blocks behind one lock.
//!
//! A block number belongs to one set, so that a look-up compares at most [`WAYS`] numbers, whatever
//! addresses are read. The lock is held for that, and for a copy within one block; never while a
//! view ends.

use crate::directions::is_unwanted;
use alloc::vec::Vec;
use mfio::io::Read;
use mfio::packet::{AlignedBuf, View};

/// Upper bound on the blocks of a set: their numbers fill one cache line of 64 bytes.
pub(super) const WAYS: usize = 8;

/// As a block number: none. Blocks have two bytes at least, so no block has this number.
const NONE: u64 = u64::MAX;

/// A read, or a part of one, that waits for a block.
pub(super) struct Waiter {
    pub(super) view: View<Read>,
    /// The offset of its bytes in the block.
    pub(super) within: usize,
}

/// The content of a way.
enum Content {
    /// No block. The memory of the last one is kept for the next.
    Idle(Option<AlignedBuf>),
    /// The first `good` bytes of a block.
    Ready { bytes: AlignedBuf, good: u32 },
    /// A block that is being fetched. The fetch has its memory, and only the fetch ends this state.
    Fetching(Vec<Waiter>),
}

/// The way in which a read that missed is served.
pub(super) enum Miss {
    /// Another thread has brought the block meanwhile, and the bytes are copied: end the view.
    Copied(View<Read>),
    /// It waits for a fetch that is under way. These waiters of the same fetch are abandoned: end
    /// them.
    Coalesced(Vec<Waiter>),
    /// It waits for a fetch into this way, which the caller sends, with this memory if there is
    /// any, and ends by [`Set::settle`] or [`Set::withdraw`].
    Fetch(usize, Option<AlignedBuf>),
    /// The object answers it.
    Bypass(View<Read>),
}

/// Counts of a set; see [`CacheStats`](super::CacheStats).
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) coalesced: u64,
    pub(super) bypassed: u64,
    pub(super) evictions: u64,
}

/// The fields that a hit touches come first, close together: the sets of a large cache do not fit
/// into the caches of the processor.
#[repr(C)]
pub(super) struct Set {
    /// How many ways are in use.
    len: u32,
    time: u32,
    /// The time of the last use of each way.
    used: [u32; WAYS],
    /// The blocks that are ready or being fetched; `NONE` where a way is idle, or its block was
    /// invalidated during the fetch.
    numbers: [u64; WAYS],
    pub(super) counts: Counts,
    ways: [Content; WAYS],
}

impl Set {
    pub(super) fn new(len: usize) -> Self {
        Self {
            len: len.min(WAYS) as u32,
            time: 0,
            used: [0; WAYS],
            numbers: [NONE; WAYS],
            counts: Counts::default(),
            ways: [const { Content::Idle(None) }; WAYS],
        }
    }

    fn ways(&self) -> core::ops::Range<usize> {
        0..self.len as usize
    }

    #[inline]
    fn find(&self, number: u64) -> Option<usize> {
        self.numbers.iter().position(|found| *found == number)
    }

    #[inline]
    fn touch(&mut self, way: usize) {
        if self.time == u32::MAX {
            // Once in 2^32 uses all ways seem equally old.
            (self.time, self.used) = (0, [0; WAYS]);
        }
        self.time += 1;
        self.used[way] = self.time;
    }

    /// Copies the bytes of a block from `within` on, and returns how many. `None` where there are
    /// none.
    #[inline]
    pub(super) fn copy(&mut self, number: u64, within: usize, into: &mut [u8]) -> Option<usize> {
        let way = self.find(number)?;
        let Content::Ready { bytes, good } = &self.ways[way] else {
            return None;
        };
        let from = bytes
            .get(within..*good as usize)
            .filter(|from| !from.is_empty())?;
        let len = from.len().min(into.len());
        into[..len].copy_from_slice(&from[..len]);
        self.counts.hits += 1;
        self.touch(way);
        Some(len)
    }

    /// Decides how a read within one block is served that could not be copied a moment ago.
    pub(super) fn miss(
        &mut self,
        number: u64,
        mut waiter: Waiter,
        spare: impl FnOnce() -> Vec<Waiter>,
    ) -> Miss {
        let Waiter { view, within } = &mut waiter;
        let wanted = view.len();
        match self.find(number) {
            Some(way) => match &mut self.ways[way] {
                Content::Fetching(waiters) => {
                    let unwanted = make_room_to_wait(waiters);
                    waiters.push(waiter);
                    self.counts.coalesced += 1;
                    return Miss::Coalesced(unwanted);
                }
                Content::Ready { good, .. } if *within + wanted <= *good as usize => {
                    self.copy(number, *within, view.bytes_mut());
                    return Miss::Copied(waiter.view);
                }
                // It lies behind the bytes of a short block, where the data may have grown.
                _ => {}
            },
            None => {
                if let Some((way, memory)) = self.make_room() {
                    let mut waiters = spare();
                    waiters.push(waiter);
                    self.numbers[way] = number;
                    self.ways[way] = Content::Fetching(waiters);
                    self.counts.misses += 1;
                    return Miss::Fetch(way, memory);
                }
            }
        }
        self.counts.bypassed += 1;
        Miss::Bypass(waiter.view)
    }

    /// Frees the way that was not used for the longest time, or an idle one. `None` where all
    /// blocks are being fetched.
    fn make_room(&mut self) -> Option<(usize, Option<AlignedBuf>)> {
        let free = |way: &usize| !matches!(self.ways[*way], Content::Fetching(_));
        let age = |way: &usize| match self.ways[*way] {
            Content::Idle(Some(_)) => (0, 0),
            Content::Idle(None) => (1, 0),
            _ => (2, self.used[*way]),
        };
        let way = self.ways().filter(free).min_by_key(age)?;
        if let Content::Ready { .. } = self.ways[way] {
            self.counts.evictions += 1;
        }
        Some((way, self.empty(way)))
    }

    /// Takes the memory out of a way, and the block with it.
    fn empty(&mut self, way: usize) -> Option<AlignedBuf> {
        self.numbers[way] = NONE;
        match core::mem::replace(&mut self.ways[way], Content::Idle(None)) {
            Content::Idle(memory) => memory,
            Content::Ready { bytes, .. } => Some(bytes),
            Content::Fetching(_) => unreachable!("only the fetch of a block ends it"),
        }
    }

    /// Ends a fetch that read the first `good` bytes of its block. Copies them to the waiters,
    /// keeps the first `keep` of them unless the block was invalidated meanwhile, and returns the
    /// waiters, whose views the caller ends.
    pub(super) fn settle(
        &mut self,
        way: usize,
        bytes: AlignedBuf,
        good: usize,
        keep: usize,
    ) -> Vec<Waiter> {
        let mut waiters = self.take_waiters(way);
        for Waiter { view, within } in &mut waiters {
            let from = bytes.get(*within..good).unwrap_or_default();
            let len = from.len().min(view.len());
            view.bytes_mut()[..len].copy_from_slice(&from[..len]);
        }
        let invalidated = self.numbers[way] == NONE;
        if invalidated || keep == 0 {
            self.release(way, Some(bytes));
        } else {
            self.ways[way] = Content::Ready {
                bytes,
                good: keep as u32,
            };
            self.touch(way);
        }
        waiters
    }

    /// Returns the waiters of a fetch, which no read joins any more. The caller gives the way back
    /// with [`release`](Self::release).
    pub(super) fn withdraw(&mut self, way: usize) -> Vec<Waiter> {
        self.numbers[way] = NONE;
        self.take_waiters(way)
    }

    /// Gives a way back with its memory, whose bytes are not kept.
    pub(super) fn release(&mut self, way: usize, memory: Option<AlignedBuf>) {
        self.numbers[way] = NONE;
        self.ways[way] = Content::Idle(memory);
    }

    fn take_waiters(&mut self, way: usize) -> Vec<Waiter> {
        match &mut self.ways[way] {
            Content::Fetching(waiters) => core::mem::take(waiters),
            _ => unreachable!("a fetch ends once"),
        }
    }

    /// Invalidates the blocks with these numbers. A fetch that is under way still serves its
    /// waiters, but is not kept, and no later read joins it.
    pub(super) fn invalidate(&mut self, first: u64, last: u64) {
        for way in self.ways() {
            let number = self.numbers[way];
            if number == NONE || number < first || number > last {
                continue;
            }
            self.numbers[way] = NONE;
            if let Content::Ready { .. } = self.ways[way] {
                let memory = self.empty(way);
                self.ways[way] = Content::Idle(memory);
            }
        }
    }

    /// Invalidates the fetches that are under way, which may be shorter than the data is now.
    pub(super) fn invalidate_fetches(&mut self) {
        for way in self.ways() {
            if let Content::Fetching(_) = self.ways[way] {
                self.numbers[way] = NONE;
            }
        }
    }

    /// Returns how many blocks are ready.
    pub(super) fn ready(&self) -> usize {
        let ready = |way: &&Content| matches!(way, Content::Ready { .. });
        self.ways.iter().filter(ready).count()
    }
}

/// Removes abandoned reads from a list that is full, so that reads which are given up again and
/// again during one fetch do not pile up. The list then has room for as many again, so that the
/// search is rare. Returns the reads that it removed.
fn make_room_to_wait(waiters: &mut Vec<Waiter>) -> Vec<Waiter> {
    if waiters.len() < waiters.capacity() {
        return Vec::new();
    }
    let unwanted = waiters.extract_if(.., |waiter| is_unwanted(&waiter.view));
    let unwanted = unwanted.collect();
    waiters.reserve(waiters.len().max(4));
    unwanted
}
