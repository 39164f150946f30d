//! A bounded free list of idle packets of one kind; taking and putting one costs one
//! read-modify-write each.
//!
//! Invariant 1: a slot is null or heads the block of an idle `Packet<B>` that belongs to the slot.
//! It is taken by swapping in null, put by exchanging null for it: the thread that gets the pointer
//! out has the packet alone. Packets are `Send`, so a free list may be sent and shared.
//!
//! A hint, `top`, is the slot to begin with, so that without contention the slots work as a stack
//! and are found at once. It may be wrong at any time; that costs time, or a packet that is freed
//! or allocated anew.
//! * A take searches all slots before it gives up. Then it sets the hint to EMPTY, and no take
//!   searches until a put.
//! * A put gives up sooner: gaps are near the top, where takes and puts have raced. Then it sets
//!   the hint to FULL, and no put searches until a take.
#![allow(unsafe_code)]

use crate::packet::block::Packet;
use crate::packet::buffer::{Buffer, Exact};
use crate::packet::header::Header;
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

/// The hint after a search that found no packet: there is none until one is put.
const EMPTY: usize = usize::MAX;
/// The hint after a search that found no room: there is none until a packet is taken.
const FULL: usize = usize::MAX - 1;
/// Number of slots below the top in which a put looks for a gap.
const NEAR: usize = 8;

/// A bounded number of idle packets. See the module.
///
/// `B` has no bound here, so that a relay's state may have the free list that its block goes to.
pub(in crate::packet) struct FreeList<B> {
    slots: Box<[AtomicPtr<Header>]>,
    /// The slot after the one that was put last.
    top: AtomicUsize,
    /// Invariant in `B`: packets are taken as the type that they were put as.
    kind: PhantomData<Exact<B>>,
}

impl<B> FreeList<B> {
    pub(in crate::packet) fn new(capacity: usize) -> Self {
        Self {
            slots: (0..capacity)
                .map(|_| AtomicPtr::new(ptr::null_mut()))
                .collect(),
            top: AtomicUsize::new(EMPTY),
            kind: PhantomData,
        }
    }
}

impl<B: Buffer> FreeList<B> {
    pub(in crate::packet) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Takes a packet, if there is one.
    #[inline]
    pub(in crate::packet) fn take(&self) -> Option<Packet<B>> {
        match self.top.load(Ordering::Relaxed) {
            EMPTY => None,
            top => self.search(top).or_else(|| self.search_again()),
        }
    }

    /// Sets the hint to EMPTY, then searches again: packets that were put before are seen now
    /// (Acquire, with the Release of the put), and a later put changes the hint.
    #[cold]
    fn search_again(&self) -> Option<Packet<B>> {
        match self.top.swap(EMPTY, Ordering::Acquire) {
            EMPTY => None,
            top => self.search(top),
        }
    }

    /// Searches down from the top, then up.
    #[inline]
    fn search(&self, top: usize) -> Option<Packet<B>> {
        let top = top.min(self.slots.len());
        let (below, above) = self.slots.split_at(top);
        let downwards = (0..top).zip(below).rev();
        for (index, slot) in downwards.chain((top..).zip(above)) {
            if let Some(packet) = Self::take_from(slot) {
                self.top.store(index, Ordering::Relaxed);
                return Some(packet);
            }
        }
        None
    }

    /// Keeps a packet, or frees it if there is no room. Searches up from the top, then a little
    /// below it.
    #[inline]
    pub(in crate::packet) fn put(&self, packet: Packet<B>) {
        let top = match self.top.load(Ordering::Relaxed) {
            EMPTY => 0,
            FULL => return,
            top => top.min(self.slots.len()),
        };
        let (below, above) = self.slots.split_at(top);
        let raw = packet.into_raw();
        let gaps = (0..top).zip(below).rev().take(NEAR);
        for (index, slot) in (top..).zip(above).chain(gaps) {
            if Self::put_into(slot, raw) {
                // Not lower than it was: packets above the gap are still there.
                self.top.store(top.max(index + 1), Ordering::Release);
                return;
            }
        }
        self.top.store(FULL, Ordering::Release);
        // SAFETY: no slot took the pointer, so it is still this call's idle packet.
        drop(unsafe { Packet::<B>::from_raw(raw) });
    }

    #[inline]
    fn take_from(slot: &AtomicPtr<Header>) -> Option<Packet<B>> {
        if slot.load(Ordering::Relaxed).is_null() {
            return None;
        }
        let header = NonNull::new(slot.swap(ptr::null_mut(), Ordering::Acquire))?;
        // SAFETY: the swap made the packet in the slot this call's alone (invariant 1); Acquire
        // pairs with the Release of the put.
        Some(unsafe { Packet::from_raw(header) })
    }

    #[inline]
    fn put_into(slot: &AtomicPtr<Header>, packet: NonNull<Header>) -> bool {
        slot.load(Ordering::Relaxed).is_null()
            && slot
                .compare_exchange(
                    ptr::null_mut(),
                    packet.as_ptr(),
                    Ordering::Release,
                    Ordering::Relaxed,
                )
                .is_ok()
    }
}

impl<B> Drop for FreeList<B> {
    fn drop(&mut self) {
        for slot in &self.slots {
            if let Some(header) = NonNull::new(slot.swap(ptr::null_mut(), Ordering::Acquire)) {
                // SAFETY: the swap made the packet this call's alone (invariant 1), which frees it
                // as the packet would.
                unsafe { ((*header.as_ptr()).vtable.free)(header) };
            }
        }
    }
}

impl<B> fmt::Debug for FreeList<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreeList")
            .field("capacity", &self.slots.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn keeps_as_many_as_it_has_room_for() {
        let list = FreeList::<[u8; 1]>::new(3);
        assert!(list.take().is_none());
        for i in 0..5 {
            list.put(Packet::new([i]));
        }
        let taken: Vec<u8> = core::iter::from_fn(|| list.take())
            .map(|p| p.buffer()[0])
            .collect();
        assert_eq!(taken, [2, 1, 0], "the last put is the first taken");
        assert!(list.take().is_none());
        list.put(Packet::new([9]));
        assert_eq!(list.take().map(|p| p.buffer()[0]), Some(9));
    }

    #[test]
    fn a_full_free_list_is_not_searched_until_a_packet_is_taken() {
        let list = FreeList::<[u8; 1]>::new(20);
        for i in 0..22 {
            list.put(Packet::new([i]));
        }
        assert_eq!(list.top.load(Ordering::Relaxed), FULL);
        // A gap that the hint does not show.
        drop(FreeList::<[u8; 1]>::take_from(&list.slots[18]));
        list.put(Packet::new([100]));
        assert!(list.slots[18].load(Ordering::Relaxed).is_null());
        assert_eq!(list.take().map(|p| p.buffer()[0]), Some(19));
        for i in 101..103 {
            list.put(Packet::new([i]));
        }
        let taken: Vec<u8> = core::iter::from_fn(|| list.take())
            .map(|p| p.buffer()[0])
            .collect();
        let expected: Vec<u8> = [101, 102].into_iter().chain((0..18).rev()).collect();
        assert_eq!(taken, expected, "the gap was found as well");
    }

    #[test]
    fn a_hint_that_is_wrong_loses_no_packet() {
        for hint in [0, 1, 2, 3, FULL] {
            let list = FreeList::<[u8; 1]>::new(3);
            list.put(Packet::new([7]));
            list.top.store(hint, Ordering::Relaxed);
            assert_eq!(list.take().map(|p| p.buffer()[0]), Some(7));
            list.top.store(hint, Ordering::Relaxed);
            assert!(list.take().is_none());
            list.put(Packet::new([8]));
            assert!(list.take().is_some(), "there was room");
        }
        let nothing = FreeList::<[u8; 1]>::new(0);
        for _ in 0..3 {
            nothing.put(Packet::new([7]));
            assert!(nothing.take().is_none());
        }
    }

    #[test]
    fn hazard_two_threads_never_get_the_same_packet() {
        let list = FreeList::<Vec<u8>>::new(4);
        (0..4).for_each(|i| list.put(Packet::new(alloc::vec![i; 8])));
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|s| {
            for thread in 0..4u8 {
                let (list, start) = (&list, &start);
                s.spawn(move || {
                    start.wait();
                    for round in 0..5_000u32 {
                        let Some(mut packet) = list.take() else {
                            continue;
                        };
                        let mark = thread.wrapping_mul(64).wrapping_add(round as u8);
                        packet.buffer_mut().fill(mark);
                        // Where there are fewer processors than threads, the others come in here.
                        std::thread::yield_now();
                        assert!(packet.buffer().iter().all(|&b| b == mark));
                        list.put(packet);
                    }
                });
            }
        });
        assert_eq!(core::iter::from_fn(|| list.take()).count(), 4);
    }
}

#[cfg(all(test, mfio_loom))]
mod loom_models {
    use super::*;
    use alloc::sync::Arc;
    use loom::cell::UnsafeCell;

    /// Stands for the memory of the only packet: the thread that has the packet may touch it, which
    /// loom checks.
    #[derive(Clone)]
    struct Memory(Arc<UnsafeCell<u32>>);
    // SAFETY: loom runs one thread at a time and checks the cell.
    unsafe impl Send for Memory {}

    impl Memory {
        fn touch(&self) {
            // SAFETY: not proved here but checked by loom.
            self.0.with_mut(|value| unsafe { *value += 1 });
        }
    }

    #[test]
    fn a_packet_is_one_taker_s_until_it_is_put() {
        loom::model(|| {
            let list = Arc::new(FreeList::<[u8; 1]>::new(2));
            #[allow(clippy::arc_with_non_send_sync, reason = "loom checks what is shared")]
            let memory = Memory(Arc::new(UnsafeCell::new(0)));
            list.put(Packet::new([0]));
            let use_it = |list: &FreeList<[u8; 1]>, memory: &Memory| {
                if let Some(packet) = list.take() {
                    memory.touch();
                    list.put(packet);
                }
            };
            let thread = {
                let (list, memory) = (list.clone(), memory.clone());
                loom::thread::spawn(move || {
                    let memory = memory;
                    use_it(&list, &memory);
                })
            };
            use_it(&list, &memory);
            thread.join().unwrap();
            // The hint, a plain store of which loom may show an older one, decides whether it is
            // found.
            let left = core::iter::from_fn(|| list.take()).count();
            assert!(left <= 1, "there was one packet");
        });
    }
}
