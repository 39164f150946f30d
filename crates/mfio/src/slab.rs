//! [`Slab`]: values under stable numbers, whose memory shrinks with them.
//!
//! Invariants
//!
//! 1. `slots` ends with a used slot, or is empty: free slots at the end are removed. So memory
//!    follows the highest number in use, and nearly all of it is released with the last value.
//! 2. The free slots are a doubly linked list through `free`, so any of them can be unlinked.
//! 3. Each call takes amortised constant time. A slot removed at the end was added by an
//!    [`insert`](Slab::insert), and memory is moved only after a number of removals in proportion
//!    to it.

use alloc::vec::Vec;
use core::mem::replace;

/// The index that stands for no slot.
const NONE: usize = usize::MAX;
/// Capacity that is kept, in values, so that a few that come and go allocate nothing.
const KEPT: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Entry<T>>,
    /// The first free slot, or [`NONE`].
    free: usize,
    len: usize,
}

#[derive(Debug)]
enum Entry<T> {
    Used(T),
    Free { before: usize, after: usize },
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: NONE,
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    /// Returns whether there is no value.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns a number above those of all values.
    pub(crate) fn bound(&self) -> usize {
        self.slots.len()
    }

    /// Adds a value and returns its number.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        self.len += 1;
        let at = self.free;
        if at == NONE {
            self.slots.push(Entry::Used(value));
            return self.slots.len() - 1;
        }
        self.unlink(at);
        self.slots[at] = Entry::Used(value);
        at
    }

    /// Returns the value with this number, if there is one.
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        match self.slots.get(at) {
            Some(Entry::Used(value)) => Some(value),
            _ => None,
        }
    }

    /// Returns the value with this number, if there is one, to be changed.
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        match self.slots.get_mut(at) {
            Some(Entry::Used(value)) => Some(value),
            _ => None,
        }
    }

    /// Removes the value with this number and returns it.
    pub(crate) fn remove(&mut self, at: usize) -> Option<T> {
        self.get_mut(at)?;
        let free = Entry::Free {
            before: NONE,
            after: self.free,
        };
        let Entry::Used(value) = replace(&mut self.slots[at], free) else {
            unreachable!("`get_mut` found a used slot");
        };
        if let Some(Entry::Free { before, .. }) = self.slots.get_mut(self.free) {
            *before = at;
        }
        self.free = at;
        self.len -= 1;
        self.shrink();
        Some(value)
    }

    /// Unlinks a free slot from the list of free slots (2).
    fn unlink(&mut self, at: usize) {
        let Entry::Free { before, after } = self.slots[at] else {
            unreachable!("only free slots are in the list");
        };
        match self.slots.get_mut(before) {
            Some(Entry::Free { after: next, .. }) => *next = after,
            _ => self.free = after,
        }
        if let Some(Entry::Free { before: next, .. }) = self.slots.get_mut(after) {
            *next = before;
        }
    }

    /// Restores (1), and releases memory that is no longer in proportion.
    fn shrink(&mut self) {
        while let Some(Entry::Free { .. }) = self.slots.last() {
            self.unlink(self.slots.len() - 1);
            self.slots.pop();
        }
        let wanted = self.slots.len().max(KEPT / 2) * 2;
        if self.slots.capacity() > wanted * 2 {
            self.slots.shrink_to(wanted);
        }
    }
}

#[cfg(all(test, not(mfio_loom)))]
impl<T> Slab<T> {
    /// Returns how many values there is memory for.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.capacity()
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;

    /// Numbers that look random, always the same ones.
    fn mix(n: usize) -> usize {
        n.wrapping_mul(0x9e37_79b9) >> 7
    }

    #[test]
    fn a_slab_keeps_every_value_under_its_number() {
        let mut slab = Slab::default();
        let mut model: Vec<(usize, usize)> = Vec::new();
        for n in 0..20_000 {
            let grows = n % 4000 < 2500;
            if model.is_empty() || mix(n) % 8 < if grows { 6 } else { 1 } {
                let at = slab.insert(n);
                assert!(model.iter().all(|(other, _)| *other != at));
                model.push((at, n));
            } else {
                let (at, value) = model.swap_remove(mix(n) % model.len());
                assert_eq!(slab.remove(at), Some(value));
                assert_eq!(slab.remove(at), None);
            }
            assert_eq!(slab.len, model.len());
            let highest = model.iter().map(|(at, _)| at + 1).max();
            assert_eq!(slab.bound(), highest.unwrap_or(0));
            if let Some((at, value)) = model.last() {
                assert_eq!(slab.get_mut(*at).copied(), Some(*value));
            }
        }
    }

    #[test]
    fn a_slab_gives_its_memory_back_in_whatever_order_values_go() {
        const N: usize = 10_000;
        let orders: [fn(usize) -> usize; 3] = [|n| n, |n| N - 1 - n, |n| n * 7919 % N];
        for order in orders {
            let mut slab = Slab::default();
            (0..N).for_each(|n| assert_eq!(slab.insert(n), n));
            (0..N).for_each(|n| assert!(slab.remove(order(n)).is_some()));
            assert!(slab.is_empty() && slab.bound() == 0);
            assert!(slab.capacity() <= 2 * KEPT, "{}", slab.capacity());
        }
    }

    #[test]
    fn a_few_values_that_come_and_go_allocate_once() {
        let mut slab = Slab::default();
        slab.insert(0);
        slab.remove(0);
        let before = slab.capacity();
        for n in 0..100 {
            let at = slab.insert(n);
            slab.remove(at);
        }
        assert!(before > 0 && slab.capacity() == before);
    }
}
