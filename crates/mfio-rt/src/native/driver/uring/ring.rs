//! The ring itself: two queues shared with the kernel.
//!
//! Invariants:
//!
//! 1. At most one view of the submission queue exists at a time, and at most one of the completion queue: each is made
//!    only under its lock (`entries`, `completions`) and dropped before the lock.
//! 2. What an entry points to lives until the entry's terminal completion. Whoever pushes promises that.
//! 3. The kernel reads entries only within `enter`; entering beside a push is fine, for it stops at the published tail.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, Parameters, cqueue, squeue};

/// A ring that any thread may use.
pub(super) struct Ring {
    ring: IoUring,
    entries: Mutex<()>,
    completions: Mutex<()>,
}

/// A completion: user data, result, and whether more follow from the same entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    pub(super) user_data: u64,
    pub(super) result: i32,
    pub(super) more: bool,
}

/// The longest wait that the kernel is asked for: more than a clock can tell is refused.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// How many completions are taken at a time.
pub(super) const BATCH: usize = 64;

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.fd())
            .finish_non_exhaustive()
    }
}

impl Ring {
    /// Sets up a ring of `depth` entries whose completion queue takes at least `completions`.
    pub(super) fn new(depth: u32, completions: u32) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        // Not to be had by children; a queue without indirection; entries that fail do not stop those behind them.
        builder
            .dontfork()
            .setup_clamp()
            .setup_cqsize(completions)
            .setup_submit_all()
            .setup_no_sqarray();
        let ring = match builder.build(depth) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let mut plain = IoUring::builder();
                plain.dontfork().setup_clamp().setup_cqsize(completions);
                plain.build(depth)
            }
            result => result,
        }?;
        Ok(Self {
            ring,
            entries: Mutex::new(()),
            completions: Mutex::new(()),
        })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    pub(super) fn params(&self) -> &Parameters {
        self.ring.params()
    }

    /// Which operations the kernel knows.
    pub(super) fn probe(&self) -> io::Result<io_uring::Probe> {
        let mut probe = io_uring::Probe::new();
        self.ring.submitter().register_probe(&mut probe)?;
        Ok(probe)
    }

    /// Makes room for a number of registered files.
    pub(super) fn reserve_files(&self, number: u32) -> io::Result<()> {
        self.ring.submitter().register_files_sparse(number)
    }

    /// Registers a file, or takes one off (-1).
    pub(super) fn set_file(&self, index: u32, fd: RawFd) -> io::Result<()> {
        self.ring
            .submitter()
            .register_files_update(index, &[fd])
            .map(drop)
    }

    /// Access to the submission queue.
    pub(super) fn entries(&self) -> Entries<'_> {
        let lock = lock(&self.entries);
        // SAFETY: (1).
        let queue = unsafe { self.ring.submission_shared() };
        Entries { queue, _lock: lock }
    }

    /// Hands everything that was pushed to the kernel.
    pub(super) fn submit(&self) -> io::Result<usize> {
        self.ring.submitter().submit()
    }

    /// The same, and waits for one completion.
    pub(super) fn submit_and_wait(&self, timeout: Option<Duration>) -> io::Result<usize> {
        match timeout {
            None => self.ring.submitter().submit_and_wait(1),
            Some(timeout) => {
                let timeout = timeout.min(LONG);
                let time = Timespec::new()
                    .sec(timeout.as_secs())
                    .nsec(timeout.subsec_nanos());
                self.ring
                    .submitter()
                    .submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        }
    }

    /// Takes completions off the queue, as many as fit.
    pub(super) fn completions<'a>(
        &self,
        room: &'a mut [MaybeUninit<cqueue::Entry>; BATCH],
    ) -> impl Iterator<Item = Completion> + use<'a> {
        let taken: &'a [cqueue::Entry] = {
            let _lock = lock(&self.completions);
            // SAFETY: (1). Dropped at the end of the statement, before the lock.
            unsafe { self.ring.completion_shared() }.fill(room)
        };
        taken.iter().map(|entry| Completion {
            user_data: entry.user_data(),
            result: entry.result(),
            more: cqueue::more(entry.flags()),
        })
    }
}

fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The submission queue, held. What was pushed is published when this is dropped.
pub(super) struct Entries<'a> {
    // Before the lock: dropped first (1).
    queue: squeue::SubmissionQueue<'a>,
    _lock: MutexGuard<'a, ()>,
}

impl Entries<'_> {
    /// How many entries fit in.
    pub(super) fn room(&mut self) -> usize {
        self.queue.sync();
        self.queue.capacity() - self.queue.len()
    }

    /// How many entries the kernel has not taken yet, as of the last [`room`](Self::room).
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Pushes an entry; `false` when there is no room.
    ///
    /// # Safety
    ///
    /// Everything that the entry points to stays valid until the terminal completion of the entry (2).
    #[inline]
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: our caller's promise.
        unsafe { self.queue.push(entry) }.is_ok()
    }
}
