//! A bounded number of idle packets of one kind, taken and put with one read-modify-write each.
//!
//! Invariant 1: a slot is null or heads the block of an idle `Packet<B>` that belongs to the slot. It is taken by swapping
//! in null, put by exchanging null for it: whoever gets the pointer out has the packet alone. Packets are `Send`, so a shelf
//! may be sent and shared.
//!
//! The hint says where to begin, so that without contention the slots work as a stack and are found at once. It may be
//! wrong at any time; that costs time, or a packet that is freed or made anew.
//! * A take searches the whole shelf before it gives up. Then the hint says so (EMPTY), and no take searches until a put.
//! * A put gives up sooner: gaps lie near the top, where takes and puts have raced. Then the hint says so (FULL), and no
//!   put searches until a take.
#![allow(unsafe_code)]

use crate::packet::block::Packet;
use crate::packet::buffer::{Buffer, Exact};
use crate::packet::header::Header;
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use alloc::boxed::Box;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

/// The hint after a search that found nothing: none is there, until one is put.
const EMPTY: usize = usize::MAX;
/// The hint after a search that found no room: none is there, until one is taken.
const FULL: usize = usize::MAX - 1;
/// How far below the top a put looks for a gap.
const NEAR: usize = 8;

/// See the module.
///
/// The type says nothing of `B`, so that what is kept may in turn know of the shelf; what makes one does.
pub(in crate::packet) struct Shelf<B> {
    slots: Box<[AtomicPtr<Header>]>,
    /// The slot after the one that was put last.
    top: AtomicUsize,
    /// Invariant: what may be put is exactly what may be taken.
    kind: PhantomData<Exact<B>>,
}

impl<B> Shelf<B> {
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

impl<B: Buffer> Shelf<B> {
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

    /// Says that the shelf is empty, then looks whether that is so: what was put before is seen now (Acquire, with the
    /// Release of who put it), what is put later says so itself.
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

    /// Keeps a packet, or frees it where there is no room. Searches up from the top, then a little below it.
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
                // Not lower than it was: what lies above the gap is there still.
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
        // SAFETY: the swap made the packet in the slot this call's alone (invariant 1); Acquire pairs with the Release of
        // who put it.
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

impl<B> Drop for Shelf<B> {
    fn drop(&mut self) {
        for slot in &self.slots {
            if let Some(header) = NonNull::new(slot.swap(ptr::null_mut(), Ordering::Acquire)) {
                // SAFETY: the swap made the packet this call's alone (invariant 1), which frees it as the packet would.
                unsafe { ((*header.as_ptr()).vtable.free)(header) };
            }
        }
    }
}

impl<B> fmt::Debug for Shelf<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
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
        let shelf = Shelf::<[u8; 1]>::new(3);
        assert!(shelf.take().is_none());
        for i in 0..5 {
            shelf.put(Packet::new([i]));
        }
        let taken: Vec<u8> = core::iter::from_fn(|| shelf.take())
            .map(|p| p.buffer()[0])
            .collect();
        assert_eq!(taken, [2, 1, 0], "the last put is the first taken");
        assert!(shelf.take().is_none());
        shelf.put(Packet::new([9]));
        assert_eq!(shelf.take().map(|p| p.buffer()[0]), Some(9));
    }

    #[test]
    fn a_full_shelf_is_not_searched_until_a_packet_is_taken() {
        let shelf = Shelf::<[u8; 1]>::new(20);
        for i in 0..22 {
            shelf.put(Packet::new([i]));
        }
        assert_eq!(shelf.top.load(Ordering::Relaxed), FULL);
        // A gap that nobody told of.
        drop(Shelf::<[u8; 1]>::take_from(&shelf.slots[18]));
        shelf.put(Packet::new([100]));
        assert!(shelf.slots[18].load(Ordering::Relaxed).is_null());
        assert_eq!(shelf.take().map(|p| p.buffer()[0]), Some(19));
        for i in 101..103 {
            shelf.put(Packet::new([i]));
        }
        let taken: Vec<u8> = core::iter::from_fn(|| shelf.take())
            .map(|p| p.buffer()[0])
            .collect();
        let expected: Vec<u8> = [101, 102].into_iter().chain((0..18).rev()).collect();
        assert_eq!(taken, expected, "the gap was found as well");
    }

    #[test]
    fn a_hint_that_is_wrong_loses_no_packet() {
        for hint in [0, 1, 2, 3, FULL] {
            let shelf = Shelf::<[u8; 1]>::new(3);
            shelf.put(Packet::new([7]));
            shelf.top.store(hint, Ordering::Relaxed);
            assert_eq!(shelf.take().map(|p| p.buffer()[0]), Some(7));
            shelf.top.store(hint, Ordering::Relaxed);
            assert!(shelf.take().is_none());
            shelf.put(Packet::new([8]));
            assert!(shelf.take().is_some(), "there was room");
        }
        let nothing = Shelf::<[u8; 1]>::new(0);
        for _ in 0..3 {
            nothing.put(Packet::new([7]));
            assert!(nothing.take().is_none());
        }
    }

    #[test]
    fn hazard_two_threads_never_get_the_same_packet() {
        let shelf = Shelf::<Vec<u8>>::new(4);
        (0..4).for_each(|i| shelf.put(Packet::new(alloc::vec![i; 8])));
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|s| {
            for thread in 0..4u8 {
                let (shelf, start) = (&shelf, &start);
                s.spawn(move || {
                    start.wait();
                    for round in 0..5_000u32 {
                        let Some(mut packet) = shelf.take() else {
                            continue;
                        };
                        let mark = thread.wrapping_mul(64).wrapping_add(round as u8);
                        packet.buffer_mut().fill(mark);
                        // Where there are fewer processors than threads, the others come in here.
                        std::thread::yield_now();
                        assert!(packet.buffer().iter().all(|&b| b == mark));
                        shelf.put(packet);
                    }
                });
            }
        });
        assert_eq!(core::iter::from_fn(|| shelf.take()).count(), 4);
    }
}

#[cfg(all(test, mfio_loom))]
mod loom_models {
    use super::*;
    use alloc::sync::Arc;
    use loom::cell::UnsafeCell;

    /// What stands for the memory of the only packet: who has the packet may touch it, which loom checks.
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
            let shelf = Arc::new(Shelf::<[u8; 1]>::new(2));
            #[allow(clippy::arc_with_non_send_sync, reason = "loom checks what is shared")]
            let memory = Memory(Arc::new(UnsafeCell::new(0)));
            shelf.put(Packet::new([0]));
            let use_it = |shelf: &Shelf<[u8; 1]>, memory: &Memory| {
                if let Some(packet) = shelf.take() {
                    memory.touch();
                    shelf.put(packet);
                }
            };
            let thread = {
                let (shelf, memory) = (shelf.clone(), memory.clone());
                loom::thread::spawn(move || {
                    let memory = memory;
                    use_it(&shelf, &memory);
                })
            };
            use_it(&shelf, &memory);
            thread.join().unwrap();
            // Whether it is found is up to the hint, a plain store, of which loom may show an older one.
            let left = core::iter::from_fn(|| shelf.take()).count();
            assert!(left <= 1, "there was one packet");
        });
    }
}
