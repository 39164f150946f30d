//! The ring: two queues in memory that is shared with the kernel.
//!
//! Invariants:
//!
//! 1. At most one view of the submission queue exists at a time, and at most one of the completion
//!    queue: each is made only under its lock (`entries`, `completions`) and dropped before the
//!    lock.
//! 2. The memory that an entry points to lives until the entry's terminal completion. The caller of
//!    `push` promises that.
//! 3. The kernel reads entries only within an `enter` that submits. Only [`Entries::submit`] does
//!    that, under the lock of the entries. Waiting submits nothing, so any thread may wait at any
//!    time.
//! 4. So under that lock it is known which entries the kernel has taken. After [`Entries::close`]
//!    no `enter` submits, and the entries that it counts as not taken are never read.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, Timespec};
use io_uring::{EnterFlags, IoUring, Parameters, cqueue, squeue};

use crate::native::lock::lock;

/// A ring that any thread may use.
pub(super) struct Ring {
    ring: IoUring,
    entries: Mutex<Submission>,
    completions: Mutex<()>,
}

/// The state of the submission queue.
#[derive(Debug, Default)]
struct Submission {
    /// Entries pushed since the start.
    pushed: u64,
    /// Start and number of the kernel's refusals in a row, if it refused the last submission.
    refused: Option<(Instant, u32)>,
    /// Nothing is submitted any more (4).
    closed: bool,
}

/// The argument of an `enter` that waits (`struct io_uring_getevents_arg`).
#[repr(C)]
struct WaitArg {
    sigmask: u64,
    sigmask_size: u32,
    min_wait_us: u32,
    timeout: u64,
}

/// A completion: user data, result, and whether more follow from the same entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    pub(super) user_data: u64,
    pub(super) result: i32,
    pub(super) more: bool,
}

/// The longest wait that is asked of the kernel, which rejects times beyond its clock's range.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// The most completions that are taken at a time.
pub(super) const BATCH: usize = 64;

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.fd())
            .finish_non_exhaustive()
    }
}

impl Ring {
    /// Sets up a ring of `depth` entries, with a completion queue of at least `completions`.
    pub(super) fn new(depth: u32, completions: u32) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        // Not inherited by a fork; no indirection of the queue; an entry that fails does not stop
        // the next ones.
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
            entries: Mutex::default(),
            completions: Mutex::new(()),
        })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    pub(super) fn params(&self) -> &Parameters {
        self.ring.params()
    }

    /// Returns the opcodes that the kernel supports.
    pub(super) fn probe(&self) -> io::Result<io_uring::Probe> {
        let mut probe = io_uring::Probe::new();
        self.ring.submitter().register_probe(&mut probe)?;
        Ok(probe)
    }

    /// Reserves slots for registered files.
    pub(super) fn reserve_files(&self, number: u32) -> io::Result<()> {
        self.ring.submitter().register_files_sparse(number)
    }

    /// Registers a file in a slot; -1 empties the slot.
    pub(super) fn set_file(&self, index: u32, fd: RawFd) -> io::Result<()> {
        self.ring
            .submitter()
            .register_files_update(index, &[fd])
            .map(drop)
    }

    /// Locks the submission queue.
    pub(super) fn entries(&self) -> Entries<'_> {
        let submission = lock(&self.entries);
        // SAFETY: (1).
        let queue = unsafe { self.ring.submission_shared() };
        Entries {
            queue,
            submission,
            ring: &self.ring,
        }
    }

    /// Waits for one completion, and submits nothing.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout = timeout.map(|timeout| timeout.min(LONG));
        let time = timeout.map(|timeout| {
            Timespec::new()
                .sec(timeout.as_secs())
                .nsec(timeout.subsec_nanos())
        });
        let arg = WaitArg {
            sigmask: 0,
            sigmask_size: 0,
            min_wait_us: 0,
            timeout: time.as_ref().map_or(0, |time| &raw const *time as u64),
        };
        let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        // SAFETY: nothing is submitted (3); `arg` is what the flag says, and it and `time` live
        // through the call.
        unsafe { self.ring.submitter().enter(0, 1, flags.bits(), Some(&arg)) }
    }

    /// Requests the early end of an operation that the kernel has taken, without an entry. Needs
    /// Linux 6.0.
    pub(super) fn cancel_now(&self, user_data: u64) -> io::Result<()> {
        let which = CancelBuilder::user_data(user_data);
        self.ring
            .submitter()
            .register_sync_cancel(Some(Timespec::new()), which)
    }

    /// Takes completions off the queue, as many as fit into `room`.
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

/// The locked submission queue. Dropping it publishes the entries that were pushed.
pub(super) struct Entries<'a> {
    // Before the lock: dropped first (1).
    queue: squeue::SubmissionQueue<'a>,
    submission: MutexGuard<'a, Submission>,
    ring: &'a IoUring,
}

impl Entries<'_> {
    /// Returns the number of entries that fit.
    pub(super) fn room(&mut self) -> usize {
        self.queue.sync();
        self.queue.capacity() - self.queue.len()
    }

    /// Returns the number of entries that the kernel has not taken, as of the last
    /// [`room`](Self::room).
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Pushes an entry. Returns `false` when there is no room.
    ///
    /// # Safety
    ///
    /// The memory that the entry points to stays valid until the terminal completion of the entry
    /// (2).
    #[inline]
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: our caller's promise.
        let pushed = unsafe { self.queue.push(entry) }.is_ok();
        self.submission.pushed += u64::from(pushed);
        pushed
    }

    /// Returns the number of entries pushed so far.
    #[inline]
    pub(super) fn pushed(&self) -> u64 {
        self.submission.pushed
    }

    /// Submits the entries that were pushed, and returns how many the kernel has taken.
    pub(super) fn submit(&mut self) -> io::Result<usize> {
        if self.submission.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.queue.sync();
        match self.ring.submitter().submit() {
            Ok(taken) => {
                self.submission.refused = None;
                Ok(taken)
            }
            Err(error) => {
                let (_, times) = self
                    .submission
                    .refused
                    .get_or_insert_with(|| (Instant::now(), 0));
                *times = times.saturating_add(1);
                Err(error)
            }
        }
    }

    /// Returns since how long, and how often in a row, the kernel has refused submissions.
    pub(super) fn refused(&self) -> (Duration, u32) {
        let refused = self.submission.refused;
        refused.map_or((Duration::ZERO, 0), |(since, times)| {
            (since.elapsed(), times)
        })
    }

    /// Stops submitting (4). Returns the number of entries that the kernel has taken since the
    /// start. Those pushed after them are never read.
    pub(super) fn close(&mut self) -> u64 {
        self.submission.closed = true;
        self.queue.sync();
        self.submission.pushed - self.queue.len() as u64
    }

    /// Whether submitting was stopped.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.submission.closed
    }
}
