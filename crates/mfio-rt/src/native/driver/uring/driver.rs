//! The driver's state, and its implementation of the contract.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mfio::backend::fd::FdWakerOwner;
use mfio::error::{Cause, ErrorKind};

use super::queue::Queue;
use super::ring::{BATCH, Ring};
use super::slots::FileSlots;
use super::{exits, probe};
use crate::native::cache_policy::Mode;
use crate::native::cached;
use crate::native::config::Config;
use crate::native::driver::contract::{Capabilities, Common, Driver, Handle, Submitted};
use crate::native::lock::lock;
use crate::native::op::{Op, Transfer, fail_all};
use crate::native::report::Rejected;
use crate::native::sys;
use crate::native::table::Key;

/// The driver. Its invariants are in the module above.
#[derive(Debug)]
pub(super) struct Uring {
    capabilities: Capabilities,
    pub(super) ring: Arc<Ring>,
    pub(super) slots: Arc<FileSlots>,
    pub(super) queue: Mutex<Queue>,
    pub(super) mode: Arc<Mode>,
    handle: Handle,
    pub(super) wake_fd: RawFd,
    /// (3) Closes the descriptor when the driver is dropped; not used otherwise.
    _wake: FdWakerOwner<OwnedFd>,
}

impl Uring {
    pub(super) fn open(config: &Config, common: &Common) -> Result<Arc<dyn Driver>, Rejected> {
        let probed = probe::probe(config.queue_depth)?;
        let eventfd = sys::eventfd().map_err(|errno| {
            Rejected::new(
                "eventfd",
                Cause::from_errno(errno),
                "there is no descriptor for wake-ups",
            )
        })?;
        let wake_fd = eventfd.as_raw_fd();
        let wake = FdWakerOwner::from(eventfd);
        let queue = Queue::new(config.max_in_flight, probed.depth as usize);
        let handle = Handle {
            fd: probed.ring.fd(),
            waker: wake.clone().into(),
            in_flight: queue.table.shared_len().clone(),
        };
        let details = match probed.depth == config.queue_depth {
            true => format!("depth {}", probed.depth),
            false => format!(
                "depth {}, reduced from {} for want of memory (ulimit -l)",
                probed.depth, config.queue_depth
            ),
        };
        let ring = Arc::new(probed.ring);
        let driver = Self {
            capabilities: Capabilities {
                name: "io_uring",
                inline_stride: 64,
                details,
            },
            slots: FileSlots::new(&ring, &common.mark),
            ring,
            queue: Mutex::new(queue),
            mode: common.mode.clone(),
            handle,
            wake_fd,
            _wake: wake,
        };
        // Arms the poll of the wake-up descriptor.
        driver.flush();
        Ok(Arc::new(driver))
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Tries a read that is alone in its batch on this thread. Returns `true` if that ended it.
    fn try_single(&self) -> bool {
        let Some(transfer) = self.take_single() else {
            return false;
        };
        let Transfer {
            object, view, pos, ..
        } = transfer;
        let Some((view, pos)) = cached::read_now(&object, view, pos) else {
            return true;
        };
        self.put_back(Op::Read(Transfer::new(object, view, pos)));
        false
    }

    fn take_single(&self) -> Option<Transfer<mfio::io::Read>> {
        let tried = |op: &Op| match op {
            Op::Read(read) => cached::is_tried_at_flush(&read.object, &read.view),
            _ => false,
        };
        match self.queue().take_alone(tried)? {
            Op::Read(read) => Some(read),
            _ => None,
        }
    }

    /// Puts the rest of an accepted operation back, even if there is no room. If the ring was shut
    /// down in the meantime (the end of another operation may drop the last handle), an operation
    /// that is not optional is carried out on this thread.
    pub(super) fn put_back(&self, op: Op) {
        let (refused, over) = {
            let mut queue = self.queue();
            (queue.put_back(op), queue.is_over())
        };
        match refused {
            Ok(()) => {}
            Err((op, cause)) if over => op.fail(cause),
            Err((op, cause)) => op.end_without_driver(cause),
        }
    }

    /// Returns an operation with the reason why it is rejected, or queues it until there is room.
    #[cold]
    fn not_taken(&self, op: Op, reason: Option<Cause>) -> Result<Submitted, (Op, Cause)> {
        if let Some(cause) = reason {
            return Err((op, cause));
        }
        // By now there may be room, or no driver.
        let mut queue = self.queue();
        let (submitted, given_up) = match queue.submit(op) {
            Ok(submitted) => return Ok(submitted),
            Err((op, Some(cause))) => return Err((op, cause)),
            Err((op, None)) => queue.wait_for_room(op),
        };
        drop(queue);
        fail_all(given_up, ErrorKind::Cancelled);
        Ok(submitted)
    }
}

impl Driver for Uring {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    #[inline]
    fn submit(&self, op: Op) -> Result<Submitted, (Op, Cause)> {
        let submitted = self.queue().submit(op);
        submitted.or_else(|(op, reason)| self.not_taken(op, reason))
    }

    fn flush(&self) -> bool {
        if self.try_single() {
            self.mode.batch(1);
            return false;
        }
        let mut entries = self.ring.entries();
        if entries.is_closed() {
            drop(entries);
            return self.cancel_without_entries();
        }
        let filled = self.fill(&mut entries);
        let more = self.submit_filled(entries, &filled);
        self.mode.batch(filled.reads);
        if let Some(object) = &filled.often {
            self.slots.register(object);
        }
        fail_all(filled.given_up, ErrorKind::Cancelled);
        more
    }

    fn reap(&self, done: &mut Vec<(Op, i32)>) -> bool {
        let mut flush = false;
        loop {
            let count = self.collect(done, &mut flush);
            for (op, result) in done.drain(..) {
                flush |= self.settle(op, result);
            }
            if count < BATCH {
                return flush;
            }
        }
    }

    fn wait(&self, timeout: Option<Duration>) {
        // It submits entries that are left on the queue.
        exits::watch();
        if let Err(error) = self.ring.wait(timeout) {
            self.wait_failed(&error, timeout);
        }
    }

    fn sweep(&self) {
        self.queue().sweep_next();
    }

    fn explain(&self, cause: Cause) -> Option<&'static str> {
        self.explain_failure(cause)
    }

    fn cancel(&self, key: Key) {
        let taken = self.queue().cancel(key);
        if let Some(op) = taken {
            op.fail(ErrorKind::Cancelled);
        }
    }

    fn handle(&self) -> Option<&Handle> {
        Some(&self.handle)
    }

    fn shutdown(&self, patience: Duration) -> usize {
        self.stop(patience)
    }
}
