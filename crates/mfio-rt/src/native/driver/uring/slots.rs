//! Files that are registered with the ring, which saves the kernel two atomic operations on each
//! use.
//!
//! A file that is used often is registered by the flush that notices it. It is unregistered before
//! its descriptor is closed or given away: a registered file would stay open.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex};

use super::ring::Ring;
use crate::native::fork::ForkMark;
use crate::native::lock::lock;
use crate::native::object::{Fixed, Object, Slots};

/// The most files that are registered at a time.
const SLOTS: u32 = 256;

#[derive(Debug)]
pub(super) struct FileSlots {
    ring: Arc<Ring>,
    free: Mutex<Vec<u32>>,
    /// Slots that could not be emptied, and still hold their files open. Emptying is retried.
    stuck: Mutex<Vec<u32>>,
    mark: Arc<ForkMark>,
}

impl FileSlots {
    /// Returns no free slots if the kernel does not support registered files.
    pub(super) fn new(ring: &Arc<Ring>, mark: &Arc<ForkMark>) -> Arc<Self> {
        let free = match ring.reserve_files(SLOTS) {
            Ok(()) => (0..SLOTS).rev().collect(),
            Err(_) => Vec::new(),
        };
        Arc::new(Self {
            ring: ring.clone(),
            free: Mutex::new(free),
            stuck: Mutex::new(Vec::new()),
            mark: mark.clone(),
        })
    }

    /// Registers a file if there is a slot.
    #[cold]
    pub(super) fn register(self: &Arc<Self>, object: &Object) {
        self.release_stuck();
        let Some(index) = lock(&self.free).pop() else {
            return;
        };
        match self.set(index, object.fd().as_raw_fd()) {
            true => object.fix(Fixed::new(index, self.clone())),
            false => lock(&self.free).push(index),
        }
    }

    /// Empties slots, as far as the kernel has memory for that.
    fn release_stuck(&self) {
        let stuck = std::mem::take(&mut *lock(&self.stuck));
        let (emptied, still): (Vec<_>, Vec<_>) =
            stuck.into_iter().partition(|index| self.set(*index, -1));
        lock(&self.free).extend(emptied);
        lock(&self.stuck).extend(still);
    }

    /// Puts a descriptor into a slot; -1 empties it.
    fn set(&self, index: u32, fd: RawFd) -> bool {
        self.ring.set_file(index, fd).is_ok()
    }
}

impl Slots for FileSlots {
    fn release(&self, index: u32) {
        // A child shares the ring, and its slots, with its parent.
        if !self.mark.is_child() {
            lock(&self.stuck).push(index);
            self.release_stuck();
        }
    }
}
