//! The part of a [`Cache`](super::Cache) that requests keep while the object below has them. It
//! does not own that object.

use super::set::{Set, WAYS, Waiter};
use crate::sent::{self, SentPool};
use alloc::boxed::Box;
use alloc::vec::Vec;
use mfio::control::Span;
use mfio::error::{Error, ErrorKind, Result};
use mfio::io::{Read, Write};
use mfio::lock::Lock;
use mfio::packet::{AlignedBuf, RelayPool, View};

pub(super) struct CacheShared {
    pub(super) sets: Box<[Lock<Set>]>,
    /// The size of a block is two to this power.
    pub(super) shift: u32,
    pub(super) blocks: usize,
    pub(super) fetches: SentPool<AlignedBuf, Self, Fetch>,
    pub(super) writes: SentPool<View<Write>, Self, WriteThrough>,
    pub(super) controls: SentPool<View<Read>, Self, ControlThrough>,
    /// Empty lists of waiters, kept for their memory.
    spares: Lock<Vec<Vec<Waiter>>>,
}

/// A block that is being fetched.
pub(super) struct Fetch {
    pub(super) set: usize,
    pub(super) way: usize,
}

/// A write that is under way below.
pub(super) struct WriteThrough {
    pub(super) at: u64,
}

/// A control operation under way below that changes bytes.
#[derive(Clone, Copy)]
pub(super) struct ControlThrough {
    /// The range that it changes.
    pub(super) span: Span,
    pub(super) kind: Change,
}

/// The way in which a control operation changes bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Within its range.
    Bytes,
    /// It moves the end of the data, perhaps out of a block before the range.
    End,
    /// If it fails only: a flush, after which bytes may be lost.
    Loss,
}

impl CacheShared {
    /// Creates an empty cache of `capacity` bytes in blocks of `block` bytes, a power of two.
    pub(super) fn new(capacity: usize, block: usize) -> Result<Self> {
        let blocks = capacity / block;
        // A power of two, so that a set is found without a division.
        let sets = blocks.div_ceil(WAYS).next_power_of_two();
        let ways = |set| blocks / sets + usize::from(set < blocks % sets);
        let mut table = Vec::new();
        if table.try_reserve_exact(sets).is_err() {
            let error = Error::new(ErrorKind::OutOfMemory, "making a cache");
            return Err(error.help("the table of its blocks takes about 50 bytes for each"));
        }
        table.extend((0..sets).map(|set| Lock::new(Set::new(ways(set)))));
        Ok(Self {
            sets: table.into_boxed_slice(),
            shift: block.trailing_zeros(),
            blocks,
            fetches: RelayPool::new(sent::KEPT),
            writes: RelayPool::new(sent::KEPT),
            controls: RelayPool::new(sent::KEPT),
            spares: Lock::new(Vec::new()),
        })
    }

    /// Returns the size of a block in bytes.
    pub(super) fn block(&self) -> usize {
        1 << self.shift
    }

    /// Returns the set of a block. Neighbours are in different sets; so, mostly, are blocks whose
    /// distance is a power of two.
    #[inline]
    pub(super) fn set_of(&self, number: u64) -> usize {
        let mask = self.sets.len() as u64 - 1;
        let above = number >> mask.count_ones().min(63);
        let spread = above.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        (number.wrapping_add(spread) & mask) as usize
    }

    /// Copies the bytes from address `at` on that are cached, up to the end of the block. `None`
    /// where the first one is not.
    #[inline]
    pub(super) fn copy(&self, at: u64, into: &mut [u8]) -> Option<usize> {
        let number = at >> self.shift;
        let within = at as usize & (self.block() - 1);
        let len = into.len().min(self.block() - within);
        self.sets[self.set_of(number)]
            .lock()
            .copy(number, within, &mut into[..len])
    }

    /// Invalidates the blocks that `len` bytes from address `at` on touch.
    pub(super) fn invalidate(&self, at: u64, len: u64) {
        let Some(more) = len.checked_sub(1) else {
            return;
        };
        let (first, last) = (at >> self.shift, at.saturating_add(more) >> self.shift);
        if last - first >= self.sets.len() as u64 {
            self.sets
                .iter()
                .for_each(|set| set.lock().invalidate(first, last));
        } else {
            (first..=last).for_each(|number| {
                let set = &self.sets[self.set_of(number)];
                set.lock().invalidate(number, number);
            });
        }
    }

    /// Invalidates what a control operation changes.
    pub(super) fn invalidate_changed(&self, changed: ControlThrough) {
        self.invalidate(changed.span.start(), changed.span.len());
        if changed.kind == Change::End {
            self.sets
                .iter()
                .for_each(|set| set.lock().invalidate_fetches());
        }
    }

    /// Returns an empty list of waiters.
    pub(super) fn spare(&self) -> Vec<Waiter> {
        self.spares.lock().pop().unwrap_or_default()
    }

    /// Ends the waiters of a list, and keeps its memory.
    pub(super) fn end(&self, mut waiters: Vec<Waiter>, each: impl FnMut(Waiter)) {
        waiters.drain(..).for_each(each);
        let mut spares = self.spares.lock();
        if spares.len() < sent::KEPT {
            spares.push(waiters);
        }
    }
}
