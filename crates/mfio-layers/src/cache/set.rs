//! One set of a [`Cache`](super::Cache): a few blocks behind one lock.
//!
//! A block number belongs to one set, so that a look-up compares at most [`WAYS`] numbers, whatever numbers somebody asks
//! for. Locks are held for that, and for copying within one block; never while a view ends.

use crate::directions::is_unwanted;
use alloc::vec::Vec;
use mfio::io::Read;
use mfio::packet::{AlignedBuf, View};

/// How many blocks a set has at most: their numbers fill one line of a processor's cache.
pub(super) const WAYS: usize = 8;

/// No block has this number: blocks have two bytes at least.
const NONE: u64 = u64::MAX;

/// Part of a request, waiting for a block.
pub(super) struct Waiting {
    pub(super) view: View<Read>,
    /// Where in the block its bytes begin.
    pub(super) within: usize,
}

/// What is in the place for a block.
enum Content {
    /// Nothing; memory is kept for what comes next.
    Idle(Option<AlignedBuf>),
    /// The first `good` bytes of a block.
    Ready { bytes: AlignedBuf, good: u32 },
    /// A block on its way. Its memory is with the fetch, which alone may end this.
    Coming(Vec<Waiting>),
}

/// What to do about a part that cannot be copied at once.
pub(super) enum Miss {
    /// It could, by now: end it.
    Copied(View<Read>),
    /// It waits for a fetch that is on its way. These waited for it too, and nobody wants them any more: end them.
    Coalesced(Vec<Waiting>),
    /// It waits for the fetch that the caller begins with this memory, and ends with [`Set::settle`] or
    /// [`Set::withdraw`] of this way.
    Fetch(usize, Option<AlignedBuf>),
    /// The object below must answer.
    Bypass(View<Read>),
}

/// What happened to the blocks of a set.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) coalesced: u64,
    pub(super) bypassed: u64,
    pub(super) evictions: u64,
}

/// What a hit touches comes first, close together: a large cache has more sets than the processor's caches hold.
#[repr(C)]
pub(super) struct Set {
    /// How many places there are.
    len: u32,
    time: u32,
    /// When each place was used.
    used: [u32; WAYS],
    /// The numbers of blocks that are ready or coming; `NONE` where the place is idle, or its block was overwritten while
    /// it was coming.
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

    fn places(&self) -> core::ops::Range<usize> {
        0..self.len as usize
    }

    #[inline]
    fn find(&self, number: u64) -> Option<usize> {
        self.numbers.iter().position(|found| *found == number)
    }

    #[inline]
    fn touch(&mut self, way: usize) {
        if self.time == u32::MAX {
            // Everything was used at the same time, once in four thousand million times.
            (self.time, self.used) = (0, [0; WAYS]);
        }
        self.time += 1;
        self.used[way] = self.time;
    }

    /// Copies what there is of a block, from byte `within` of it on. `None` where there is nothing.
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

    /// Decides about a part that could not be copied a moment ago, and lies within one block.
    pub(super) fn miss(
        &mut self,
        number: u64,
        mut part: Waiting,
        spare: impl FnOnce() -> Vec<Waiting>,
    ) -> Miss {
        let Waiting { view, within } = &mut part;
        let wanted = view.len();
        match self.find(number) {
            Some(way) => match &mut self.ways[way] {
                Content::Coming(waiting) => {
                    let unwanted = make_room_to_wait(waiting);
                    waiting.push(part);
                    self.counts.coalesced += 1;
                    return Miss::Coalesced(unwanted);
                }
                Content::Ready { good, .. } if *within + wanted <= *good as usize => {
                    self.copy(number, *within, view.bytes_mut());
                    return Miss::Copied(part.view);
                }
                // What there is of a short block ends before, or the data has grown since.
                _ => {}
            },
            None => {
                if let Some((way, memory)) = self.make_room() {
                    let mut waiting = spare();
                    waiting.push(part);
                    self.numbers[way] = number;
                    self.ways[way] = Content::Coming(waiting);
                    self.counts.misses += 1;
                    return Miss::Fetch(way, memory);
                }
            }
        }
        self.counts.bypassed += 1;
        Miss::Bypass(part.view)
    }

    /// The place of the block that was not used for the longest time, or one without any. `None` where all are coming.
    fn make_room(&mut self) -> Option<(usize, Option<AlignedBuf>)> {
        let free = |way: &usize| !matches!(self.ways[*way], Content::Coming(_));
        let age = |way: &usize| match self.ways[*way] {
            Content::Idle(Some(_)) => (0, 0),
            Content::Idle(None) => (1, 0),
            _ => (2, self.used[*way]),
        };
        let way = self.places().filter(free).min_by_key(age)?;
        if let Content::Ready { .. } = self.ways[way] {
            self.counts.evictions += 1;
        }
        Some((way, self.empty(way)))
    }

    /// Takes the memory out of a place, and with it what is there.
    fn empty(&mut self, way: usize) -> Option<AlignedBuf> {
        self.numbers[way] = NONE;
        match core::mem::replace(&mut self.ways[way], Content::Idle(None)) {
            Content::Idle(memory) => memory,
            Content::Ready { bytes, .. } => Some(bytes),
            Content::Coming(_) => unreachable!("only its fetch ends the coming of a block"),
        }
    }

    /// Ends a fetch that read the first `good` bytes of its block: copies them to who waits, keeps the first `keep` of
    /// them unless the block was overwritten meanwhile, and says who waited, so that the caller ends those views.
    pub(super) fn settle(
        &mut self,
        way: usize,
        bytes: AlignedBuf,
        good: usize,
        keep: usize,
    ) -> Vec<Waiting> {
        let mut waiting = self.waiting(way);
        for Waiting { view, within } in &mut waiting {
            let from = bytes.get(*within..good).unwrap_or_default();
            let len = from.len().min(view.len());
            view.bytes_mut()[..len].copy_from_slice(&from[..len]);
        }
        let overwritten = self.numbers[way] == NONE;
        if overwritten || keep == 0 {
            self.release(way, Some(bytes));
        } else {
            self.ways[way] = Content::Ready {
                bytes,
                good: keep as u32,
            };
            self.touch(way);
        }
        waiting
    }

    /// Takes those who wait for a fetch, whose place the caller then gives back with [`release`](Self::release). Nobody
    /// joins it any more.
    pub(super) fn withdraw(&mut self, way: usize) -> Vec<Waiting> {
        self.numbers[way] = NONE;
        self.waiting(way)
    }

    /// Gives a place back, with its memory, of which nothing is kept.
    pub(super) fn release(&mut self, way: usize, memory: Option<AlignedBuf>) {
        self.numbers[way] = NONE;
        self.ways[way] = Content::Idle(memory);
    }

    fn waiting(&mut self, way: usize) -> Vec<Waiting> {
        match &mut self.ways[way] {
            Content::Coming(waiting) => core::mem::take(waiting),
            _ => unreachable!("a fetch ends once"),
        }
    }

    /// Forgets the blocks with these numbers. What is coming still goes to those who wait for it, but is not kept, and who
    /// comes now does not get it.
    pub(super) fn invalidate(&mut self, first: u64, last: u64) {
        for way in self.places() {
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

    /// How many blocks are here.
    pub(super) fn ready(&self) -> usize {
        let ready = |way: &&Content| matches!(way, Content::Ready { .. });
        self.ways.iter().filter(ready).count()
    }
}

/// Takes those out of a full list that nobody wants any more, so that reads which are given up again and again while their
/// block is coming do not pile up. Afterwards there is room for as many as are left, so that a look at all of them is rare.
fn make_room_to_wait(waiting: &mut Vec<Waiting>) -> Vec<Waiting> {
    if waiting.len() < waiting.capacity() {
        return Vec::new();
    }
    let unwanted = waiting.extract_if(.., |part| is_unwanted(&part.view));
    let unwanted = unwanted.collect();
    waiting.reserve(waiting.len().max(4));
    unwanted
}
