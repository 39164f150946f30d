//! What an [`Overlay`](super::Overlay) knows: which granules are in the top, which are on their way there, and who waits.
//!
//! A granule that is not in the top has one write on its way at most. What comes meanwhile waits, so that a granule that
//! is being brought from the base cannot overwrite what somebody else has written to it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
use mfio::error::Cause;
use mfio::io::{Direction, Write};
use mfio::packet::{AlignedBuf, View};
use rangemap::RangeSet;

/// How many granules are brought from the base at a time.
const COPIES: usize = 32;

/// How large granules are, and where the last one ends.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) shift: u32,
    pub(super) len: u64,
}

impl Extent {
    #[inline]
    pub(super) fn granule_of(self, at: u64) -> u64 {
        at >> self.shift
    }

    /// How many granules there are; the last one may be short.
    pub(super) fn granules(self) -> u64 {
        self.len.div_ceil(1 << self.shift)
    }

    /// Where a granule begins.
    #[inline]
    pub(super) fn start(self, granule: u64) -> u64 {
        if granule < self.granules() {
            granule << self.shift
        } else {
            self.len
        }
    }

    /// The bytes of some granules.
    pub(super) fn bytes(self, granules: &Range<u64>) -> Range<u64> {
        self.start(granules.start)..self.start(granules.end)
    }

    /// How many bytes a granule has, which is no more than can be allocated.
    pub(super) fn size(self, granule: u64) -> usize {
        (self.start(granule + 1) - self.start(granule)) as usize
    }
}

/// A write, or a part of one.
pub(super) struct PendingWrite {
    pub(super) at: u64,
    pub(super) view: View<Write>,
}

/// Granules that are on their way to the top, and what waits for them.
struct Busy {
    granules: Range<u64>,
    waiting: Vec<PendingWrite>,
}

/// What is to be done with the first bytes of a write.
pub(super) enum Step {
    /// They are in the top.
    Through(PendingWrite),
    /// They are all of these granules, which are busy from now on.
    Whole(Range<u64>, View<Write>),
    /// They are a part of this granule, which is busy from now on.
    Part(u64, PendingWrite, Option<AlignedBuf>),
    /// They wait.
    Queued,
}

pub(super) struct State {
    /// Granules that are in the top.
    pub(super) present: RangeSet<u64>,
    /// The base has given a byte just before this address, so its data does not end earlier.
    base_reaches: u64,
    /// By granule; none of them is present.
    busy: Vec<Busy>,
    /// What waited for a granule that is not busy any more.
    ready: VecDeque<PendingWrite>,
    /// What waits for a buffer.
    starved: VecDeque<PendingWrite>,
    /// Whether somebody sees to those who wait.
    draining: bool,
    idle: Vec<AlignedBuf>,
    lent: usize,
}

impl State {
    pub(super) fn new(present: RangeSet<u64>) -> Self {
        Self {
            present,
            base_reaches: 0,
            busy: Vec::new(),
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            draining: false,
            idle: Vec::new(),
            lent: 0,
        }
    }

    /// Whether a granule is in the top, and the first granule behind it of which that is not known to be the same.
    #[inline]
    pub(super) fn run(&self, granule: u64) -> (bool, u64) {
        if let Some(present) = self.present.get(&granule) {
            return (true, present.end);
        }
        (false, self.next_present(granule))
    }

    /// Whether the data of the base is known to reach as far as `end`.
    #[inline]
    pub(super) fn base_reaches(&self, end: u64) -> bool {
        end <= self.base_reaches
    }

    /// Notes that the base has given its bytes up to `end`, and returns the address before which its data cannot end.
    pub(super) fn base_gave(&mut self, end: u64) -> u64 {
        self.base_reaches = self.base_reaches.max(end);
        self.base_reaches
    }

    fn next_present(&self, granule: u64) -> u64 {
        self.present
            .overlapping(granule..u64::MAX)
            .next()
            .map_or(u64::MAX, |present| present.start)
    }

    /// The index of the first busy entry that does not end before a granule.
    fn busy_at(&self, granule: u64) -> usize {
        self.busy
            .partition_point(|busy| busy.granules.end <= granule)
    }

    /// Decides about the first bytes of a write that lies within the extent; the rest of it is given back.
    pub(super) fn plan(
        &mut self,
        extent: Extent,
        write: PendingWrite,
    ) -> (Step, Option<PendingWrite>) {
        let granule = extent.granule_of(write.at);
        let (present, end) = self.run(granule);
        if present {
            let (write, rest) = split(write, extent.start(end));
            return (Step::Through(write), rest);
        }
        let index = self.busy_at(granule);
        let free = match self.busy.get_mut(index) {
            Some(busy) if busy.granules.start <= granule => {
                let (write, rest) = split(write, extent.start(busy.granules.end));
                busy.waiting.push(write);
                return (Step::Queued, rest);
            }
            Some(busy) => end.min(busy.granules.start),
            None => end,
        };
        let whole = granule..whole_until(extent, &write).min(free);
        if write.at == extent.start(granule) && !whole.is_empty() {
            let (write, rest) = split(write, extent.start(whole.end));
            self.mark_busy(index, whole.clone());
            return (Step::Whole(whole, write.view), rest);
        }
        let (write, rest) = split(write, extent.start(granule + 1));
        if self.idle.is_empty() && self.lent == COPIES {
            self.starved.push_back(write);
            return (Step::Queued, rest);
        }
        let buffer = self.idle.pop();
        self.lent += 1;
        self.mark_busy(index, granule..granule + 1);
        (Step::Part(granule, write, buffer), rest)
    }

    fn mark_busy(&mut self, index: usize, granules: Range<u64>) {
        let waiting = Vec::new();
        self.busy.insert(index, Busy { granules, waiting });
    }

    /// Ends what began with `Whole` or `Part`: those of the granules that are in the top now are `stored`.
    pub(super) fn settle(&mut self, first: u64, stored: impl Iterator<Item = Range<u64>>) {
        stored
            .filter(|granules| !granules.is_empty())
            .for_each(|granules| self.present.insert(granules));
        let index = self.busy_at(first);
        if self
            .busy
            .get(index)
            .is_some_and(|busy| busy.granules.start == first)
        {
            self.ready.extend(self.busy.remove(index).waiting);
        }
    }

    /// Takes back the buffer of a `Part`.
    pub(super) fn give_back(&mut self, buffer: Option<AlignedBuf>) {
        self.lent -= 1;
        self.idle.extend(buffer);
    }

    /// Whether the caller is to see to those who wait, until [`next`](Self::next) has none: nobody else does.
    pub(super) fn begin_draining(&mut self) -> bool {
        !core::mem::replace(&mut self.draining, true)
    }

    /// The next one who need not wait any more.
    pub(super) fn next(&mut self) -> Option<PendingWrite> {
        let has_buffer = !self.idle.is_empty() || self.lent < COPIES;
        let write = self.ready.pop_front().or_else(|| {
            let starved = &mut self.starved;
            has_buffer.then(|| starved.pop_front()).flatten()
        });
        self.draining = write.is_some();
        write
    }
}

/// The first granule, from that where the write begins, of which the write does not have the end.
fn whole_until(extent: Extent, write: &PendingWrite) -> u64 {
    let end = write.at + write.view.len() as u64;
    if end == extent.len {
        extent.granules()
    } else {
        extent.granule_of(end)
    }
}

/// Splits a write at an address.
fn split(write: PendingWrite, at: u64) -> (PendingWrite, Option<PendingWrite>) {
    let len = at - write.at;
    if len >= write.view.len() as u64 {
        return (write, None);
    }
    // Less than the length of the view, so it fits.
    let (head, tail) = write.view.split_at(len as usize);
    let head = PendingWrite {
        at: write.at,
        view: head,
    };
    (head, Some(PendingWrite { at, view: tail }))
}

/// What became of whole granules, of which `failures` failed, in order of their offsets from the first granule: one failed
/// byte fails its granule.
pub(super) fn by_granule(
    granules: Range<u64>,
    shift: u32,
    failures: impl Iterator<Item = (Range<u64>, Cause)>,
) -> Vec<(Range<u64>, Result<(), Cause>)> {
    let mut runs = Vec::new();
    let mut at = granules.start;
    for (bytes, cause) in failures {
        let first = granules.start + (bytes.start >> shift);
        let end = granules.start + ((bytes.end - 1) >> shift) + 1;
        if first > at {
            runs.push((at..first, Ok(())));
        }
        let first = first.max(at);
        if first < end {
            runs.push((first..end, Err(cause)));
            at = end;
        }
    }
    if at < granules.end {
        runs.push((at..granules.end, Ok(())));
    }
    runs
}

/// Whether a view of either direction begins within the extent, and how much of it lies there.
pub(super) fn room<D: Direction>(extent: Extent, at: u64, view: &View<D>) -> usize {
    let left = extent.len.saturating_sub(at);
    usize::try_from(left).map_or(view.len(), |left| left.min(view.len()))
}
