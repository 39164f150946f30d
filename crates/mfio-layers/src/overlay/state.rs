//! The state of an [`Overlay`](super::Overlay): the granules that are in the top, those that are
//! zero, those that are being written to the top, and the writes that wait.
//!
//! A granule that is not in the top has one write under way at most, and later ones wait. So a
//! granule that is copied from the base cannot overwrite a concurrent write. Where a granule is set
//! to zero meanwhile, it stays zero when that write ends: it counts as the earlier one.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
use mfio::error::{Cause, Error, ErrorKind};
use mfio::io::{Direction, Write};
use mfio::packet::{AlignedBuf, View};
use rangemap::RangeSet;

/// Upper bound on the granules that are copied from the base at a time.
const COPIES: usize = 32;

/// The size of granules, and the end of the last one.
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

    /// Returns the number of granules; the last one may be short.
    pub(super) fn granules(self) -> u64 {
        self.len.div_ceil(1 << self.shift)
    }

    /// Returns the address of a granule, or the end of the last one.
    #[inline]
    pub(super) fn start(self, granule: u64) -> u64 {
        if granule < self.granules() {
            granule << self.shift
        } else {
            self.len
        }
    }

    /// Returns the range of bytes of some granules.
    pub(super) fn bytes(self, granules: &Range<u64>) -> Range<u64> {
        self.start(granules.start)..self.start(granules.end)
    }

    /// Returns the granules of ranges of bytes.
    pub(super) fn ranges(
        self,
        ranges: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<RangeSet<u64>, Error> {
        let mut granules = RangeSet::new();
        for bytes in ranges {
            let aligned =
                |at: u64| at == self.len || at < self.len && at == self.start(self.granule_of(at));
            if bytes.start > bytes.end || !aligned(bytes.start) || !aligned(bytes.end) {
                return Err(Error::new(ErrorKind::InvalidInput, "overlaying")
                    .help("what is present begins and ends where granules do, within the object"));
            }
            if bytes.start < bytes.end {
                let end = self.granule_of(bytes.end - 1) + 1;
                granules.insert(self.granule_of(bytes.start)..end);
            }
        }
        Ok(granules)
    }

    /// Returns the size of a granule in bytes, which is no more than can be allocated.
    pub(super) fn size(self, granule: u64) -> usize {
        (self.start(granule + 1) - self.start(granule)) as usize
    }
}

/// A write, or a part of one.
pub(super) struct PendingWrite {
    pub(super) at: u64,
    pub(super) view: View<Write>,
}

/// The place of the bytes of a granule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Top,
    Base,
    /// No object: they are zero.
    Zero,
}

/// Granules that are being written to the top, and the writes that wait for them.
struct Busy {
    granules: Range<u64>,
    /// Granules that were set to zero meanwhile.
    zeroed: Vec<Range<u64>>,
    waiters: Vec<PendingWrite>,
}

/// The next step for the first bytes of a write.
pub(super) enum Step {
    /// Send them to the top, which has their granules.
    Through(PendingWrite),
    /// Send them to the top as these whole granules, which are now busy.
    Whole(Range<u64>, View<Write>),
    /// Copy this granule from the base, or from nothing if it is zero. It is now busy. There is a
    /// buffer if one is idle.
    CopyUp(u64, Side, PendingWrite, Option<AlignedBuf>),
    /// None: they wait.
    Queued,
}

pub(super) struct OverlayState {
    /// Granules that are in the top.
    pub(super) present: RangeSet<u64>,
    /// Granules that are zero, none of which is present.
    pub(super) zeros: RangeSet<u64>,
    /// The data of the base does not end before this address: the byte before it was read.
    base_reaches: u64,
    /// In the order of granules. None of them is present.
    busy: Vec<Busy>,
    /// Writes that waited for a granule that is not busy any longer.
    ready: VecDeque<PendingWrite>,
    /// Writes that wait for a buffer.
    starved: VecDeque<PendingWrite>,
    /// Whether a loop sends the writes that need not wait any longer.
    draining: bool,
    /// Idle buffers, and the number of those in use.
    idle: Vec<AlignedBuf>,
    borrowed: usize,
}

impl OverlayState {
    pub(super) fn new(present: RangeSet<u64>) -> Self {
        Self {
            present,
            zeros: RangeSet::new(),
            base_reaches: 0,
            busy: Vec::new(),
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            draining: false,
            idle: Vec::new(),
            borrowed: 0,
        }
    }

    /// Returns where a granule is, and the first granule behind it where that may differ.
    #[inline]
    pub(super) fn run(&self, granule: u64) -> (Side, u64) {
        if let Some(present) = self.present.get(&granule) {
            return (Side::Top, present.end);
        }
        let end = next(&self.present, granule);
        if self.zeros.is_empty() {
            return (Side::Base, end);
        }
        match self.zeros.get(&granule) {
            Some(zeros) => (Side::Zero, zeros.end),
            None => (Side::Base, end.min(next(&self.zeros, granule))),
        }
    }

    /// Sets granules to zero.
    pub(super) fn set_zero(&mut self, granules: Range<u64>) {
        self.present.remove(granules.clone());
        self.zeros.insert(granules.clone());
        let first = self.busy_at(granules.start);
        for busy in &mut self.busy[first..] {
            let start = busy.granules.start.max(granules.start);
            let end = busy.granules.end.min(granules.end);
            if start >= end {
                break;
            }
            busy.zeroed.push(start..end);
        }
    }

    /// Whether the data of the base is known to reach up to `end`.
    #[inline]
    pub(super) fn base_reaches(&self, end: u64) -> bool {
        end <= self.base_reaches
    }

    /// Notes that the base has bytes up to `end`. Returns the address before which its data does
    /// not end.
    pub(super) fn note_base(&mut self, end: u64) -> u64 {
        self.base_reaches = self.base_reaches.max(end);
        self.base_reaches
    }

    /// Returns the index of the first busy entry that does not end before a granule.
    fn busy_at(&self, granule: u64) -> usize {
        self.busy
            .partition_point(|busy| busy.granules.end <= granule)
    }

    /// Decides the step for the first bytes of a write within the extent, and returns the rest of
    /// it.
    pub(super) fn plan(
        &mut self,
        extent: Extent,
        write: PendingWrite,
    ) -> (Step, Option<PendingWrite>) {
        let granule = extent.granule_of(write.at);
        let (side, end) = self.run(granule);
        if side == Side::Top {
            let (write, rest) = split(write, extent.start(end));
            return (Step::Through(write), rest);
        }
        let index = self.busy_at(granule);
        let free = match self.busy.get_mut(index) {
            Some(busy) if busy.granules.start <= granule => {
                let (write, rest) = split(write, extent.start(busy.granules.end));
                busy.waiters.push(write);
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
        if self.idle.is_empty() && self.borrowed == COPIES {
            self.starved.push_back(write);
            return (Step::Queued, rest);
        }
        let buffer = self.idle.pop();
        self.borrowed += 1;
        self.mark_busy(index, granule..granule + 1);
        (Step::CopyUp(granule, side, write, buffer), rest)
    }

    fn mark_busy(&mut self, index: usize, granules: Range<u64>) {
        let busy = Busy {
            granules,
            zeroed: Vec::new(),
            waiters: Vec::new(),
        };
        self.busy.insert(index, busy);
    }

    /// Ends a `Whole` or `CopyUp` step. Of its granules, `stored` are in the top now.
    pub(super) fn settle(&mut self, first: u64, stored: impl Iterator<Item = Range<u64>>) {
        for granules in stored.filter(|granules| !granules.is_empty()) {
            self.zeros.remove(granules.clone());
            self.present.insert(granules);
        }
        let index = self.busy_at(first);
        if self
            .busy
            .get(index)
            .is_some_and(|busy| busy.granules.start == first)
        {
            let Busy {
                zeroed, waiters, ..
            } = self.busy.remove(index);
            self.ready.extend(waiters);
            zeroed.into_iter().for_each(|zeroed| self.set_zero(zeroed));
        }
    }

    /// Takes back the buffer of a `CopyUp` step.
    pub(super) fn return_buffer(&mut self, buffer: Option<AlignedBuf>) {
        self.borrowed -= 1;
        self.idle.extend(buffer);
    }

    /// Claims the loop that sends the writes that need not wait any longer, until
    /// [`next`](Self::next) has none. Returns `false` where it runs already.
    pub(super) fn begin_draining(&mut self) -> bool {
        !core::mem::replace(&mut self.draining, true)
    }

    /// Takes out the next write that need not wait any longer. Without any, ends the loop.
    pub(super) fn next(&mut self) -> Option<PendingWrite> {
        let has_buffer = !self.idle.is_empty() || self.borrowed < COPIES;
        let write = self.ready.pop_front().or_else(|| {
            let starved = &mut self.starved;
            has_buffer.then(|| starved.pop_front()).flatten()
        });
        self.draining = write.is_some();
        write
    }
}

/// Returns the start of the first range behind a granule, which is in none.
fn next(ranges: &RangeSet<u64>, granule: u64) -> u64 {
    ranges
        .overlapping(granule..u64::MAX)
        .next()
        .map_or(u64::MAX, |range| range.start)
}

/// Returns the first granule whose end the write does not have, from its start on.
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

/// Returns the results of whole granules, in order. `failures` are the failed bytes, as offsets
/// from the first granule: one failed byte fails its granule.
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

/// Returns how many bytes of a view lie within the extent.
pub(super) fn room<D: Direction>(extent: Extent, at: u64, view: &View<D>) -> usize {
    let left = extent.len.saturating_sub(at);
    usize::try_from(left).map_or(view.len(), |left| left.min(view.len()))
}
