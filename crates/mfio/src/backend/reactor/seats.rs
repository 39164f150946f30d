//! Which reactors watch the handle, and for which tasks. Under the hub's lock.

use super::Watch;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;

/// The number of the task that made the watch.
pub(super) const FIRST: usize = 0;

#[derive(Debug, Default)]
pub(crate) struct ReactorSeats {
    seats: Vec<ReactorSeat>,
    /// How many watches were ever inserted: who saw another number has not seen all (R5).
    inserted: usize,
}

#[derive(Debug)]
pub(super) struct ReactorSeat {
    watch: Arc<Watch>,
    /// Tasks that wait there. The watch ends with the last one.
    members: usize,
    /// The number of the latest task.
    next: usize,
    /// Woken only to report that the reactor failed or the backend died.
    tasks: Vec<(usize, Waker)>,
}

impl ReactorSeats {
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Everybody's waker, to report the end of the backend.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        self.seats
            .iter_mut()
            .flat_map(|seat| seat.tasks.drain(..))
            .map(|(_, waker)| waker)
            .collect()
    }

    pub(super) fn take_wakers_of(&mut self, watch: &Watch) -> Vec<Waker> {
        let seat = self
            .seats
            .iter_mut()
            .find(|seat| core::ptr::eq(&*seat.watch, watch));
        seat.map(|seat| seat.tasks.drain(..).map(|(_, waker)| waker).collect())
            .unwrap_or_default()
    }

    /// One more task of a watch, if that has not ended meanwhile.
    pub(super) fn join(&mut self, watch: &Arc<Watch>) -> Option<usize> {
        let seat = self
            .seats
            .iter_mut()
            .find(|seat| Arc::ptr_eq(&seat.watch, watch))?;
        seat.members += 1;
        seat.next += 1;
        Some(seat.next)
    }

    pub(in crate::backend) fn watches(&self) -> Vec<Arc<Watch>> {
        self.seats.iter().map(|seat| seat.watch.clone()).collect()
    }

    /// The watches, and what [`insert`](Self::insert) wants to know about this look at them.
    pub(super) fn look(&self) -> (Vec<Arc<Watch>>, usize) {
        (self.watches(), self.inserted)
    }

    /// Adds a watch with its first task, unless others were added since the look: one of them may suit that task (R5).
    #[must_use]
    pub(super) fn insert(&mut self, watch: &Arc<Watch>, seen: usize) -> bool {
        if self.inserted != seen {
            return false;
        }
        self.inserted = self.inserted.wrapping_add(1);
        self.seats.push(ReactorSeat {
            watch: watch.clone(),
            members: 1,
            next: FIRST,
            tasks: Vec::new(),
        });
        true
    }

    /// One task less; the seat, when it was the last one (to be dropped outside the lock, as it deregisters).
    pub(super) fn leave(
        &mut self,
        watch: &Arc<Watch>,
        member: usize,
    ) -> (Option<ReactorSeat>, Option<Waker>) {
        let Some(at) = self
            .seats
            .iter()
            .position(|seat| Arc::ptr_eq(&seat.watch, watch))
        else {
            return (None, None);
        };
        let seat = &mut self.seats[at];
        let waker = seat
            .tasks
            .iter()
            .position(|(id, _)| *id == member)
            .map(|i| seat.tasks.swap_remove(i).1);
        seat.members -= 1;
        let last = seat.members == 0;
        (last.then(|| self.seats.swap_remove(at)), waker)
    }

    /// Keeps the waker of a task for reports; returns the one before.
    pub(super) fn arm(&mut self, watch: &Arc<Watch>, member: usize, waker: Waker) -> Option<Waker> {
        let Some(seat) = self
            .seats
            .iter_mut()
            .find(|seat| Arc::ptr_eq(&seat.watch, watch))
        else {
            return Some(waker);
        };
        match seat.tasks.iter_mut().find(|(id, _)| *id == member) {
            Some((_, old)) => Some(core::mem::replace(old, waker)),
            None => {
                seat.tasks.push((member, waker));
                None
            }
        }
    }
}
