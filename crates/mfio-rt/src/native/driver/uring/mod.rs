//! The io_uring driver.
//!
//! What is submitted goes into the in-flight table and waits there for the next flush, in order. A flush makes entries
//! of as many operations as the kernel may have at a time and hands them over in one call. So operations that were sent
//! together go together, and waiting for room is part of waiting for the result.
//!
//! The ring is a plain one: any thread may submit to it and take completions off it.
//!
//! Invariants:
//!
//! 1. An operation is in the table from submission to its terminal completion. Its buffer, its descriptor and the
//!    memory of its request live as long as it does, wherever it moves (see `op`).
//! 2. The queue's `on_ring` counts the operations that the kernel has or will find on the queue; it never exceeds the depth, so that
//!    the completion queue, which is larger, does not overflow.
//! 3. The wake-up descriptor is open as long as the driver lives; the kernel polls it.
#![allow(unsafe_code)]

mod probe;
mod queue;
mod ring;
mod shutdown;
mod slots;
mod sqe;
mod trouble;

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mfio::backend::fd::FdWakerOwner;
use mfio::error::{Cause, ErrorKind};

use self::queue::{DISTURBED_CANCEL, DISTURBED_FAULT, Queue, TAKEN_BACK};
use self::ring::{BATCH, Entries, Ring};
use self::slots::FileSlots;
use super::{Capabilities, Common, Driver, Handle, Submitted};
use crate::native::builder::Config;
use crate::native::cached::{self, Mode};
use crate::native::ladder::Refusal;
use crate::native::object::Object;
use crate::native::op::{Op, Transfer};
use crate::native::sys::{self, SyscallResult};
use crate::native::table::Key;

/// See the module.
#[derive(Debug)]
pub(crate) struct Uring {
    capabilities: Capabilities,
    ring: Arc<Ring>,
    slots: Arc<FileSlots>,
    queue: Mutex<Queue>,
    mode: Arc<Mode>,
    handle: Handle,
    wake_fd: RawFd,
    /// (3) Never used: it closes the descriptor when the driver goes.
    _wake: FdWakerOwner<OwnedFd>,
}

impl Uring {
    pub(crate) fn open(config: &Config, common: &Common) -> Result<Arc<dyn Driver>, Refusal> {
        let probed = probe::probe(config.queue_depth)?;
        let eventfd = sys::eventfd().map_err(|errno| {
            Refusal::new(
                "eventfd",
                Cause::from_errno(errno),
                "there is no descriptor for wake-ups",
            )
        })?;
        let wake_fd = eventfd.as_raw_fd();
        let wake = FdWakerOwner::from(eventfd);
        let handle = Handle {
            fd: probed.ring.fd(),
            waker: wake.clone().into_waker(),
            flags: wake.flags(),
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
            queue: Mutex::new(Queue::new(config.max_requests, probed.depth as usize)),
            mode: common.mode.clone(),
            handle,
            wake_fd,
            _wake: wake,
        };
        // From now on, until the driver goes, wake-ups make the ring ready.
        driver.flush();
        Ok(Arc::new(driver))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A read that is alone in its batch is tried where it is. `true`: it was done.
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
        let tried = |op: &Op| matches!(op, Op::Read(read) if cached::is_tried_at_flush(&read.object, &read.view));
        match self.queue().take_alone(tried)? {
            Op::Read(read) => Some(read),
            _ => None,
        }
    }

    /// What was taken in once is not refused for want of room. Where the ring has ended meanwhile (the end of another
    /// operation dropped the last handle, say), what is owed is done here.
    fn put_back(&self, op: Op) {
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

    /// Gives an operation back with the reason, or has it wait for room.
    #[cold]
    fn not_taken(&self, op: Op, refusal: Option<Cause>) -> Result<Submitted, (Op, Cause)> {
        if let Some(cause) = refusal {
            return Err((op, cause));
        }
        // There may be room by now, or no driver.
        let mut queue = self.queue();
        let (submitted, given_up) = match queue.submit(op) {
            Ok(submitted) => return Ok(submitted),
            Err((op, Some(cause))) => return Err((op, cause)),
            Err((op, None)) => queue.wait_for_room(op),
        };
        drop(queue);
        end_all(given_up, ErrorKind::Cancelled);
        Ok(submitted)
    }

    /// Hands over what is on the submission queue. `true`: there is more to hand over.
    fn submit_filled(&self, mut entries: Entries<'_>, filled: &Filled) -> bool {
        if filled.on_queue == 0 {
            return filled.more;
        }
        match entries.submit() {
            Ok(taken) => filled.more || taken < filled.on_queue,
            Err(error) => self.not_submitted(entries, &error),
        }
    }

    /// Moves what waits onto the submission queue, as far as there is room.
    fn fill(&self, entries: &mut Entries<'_>) -> Filled {
        let mut room = entries.room();
        let (mut reads, mut often, mut given_up) = (0, None, Vec::new());
        let mut queue = self.queue();
        queue.sweep();
        queue.sift(&mut given_up);
        if !queue.wake_armed && !queue.closed && room > 0 {
            // SAFETY: the entry points to nothing; the descriptor lives as long as the driver (3).
            queue.wake_armed = unsafe { entries.push(&sqe::wake_poll(self.wake_fd)) };
            room -= 1;
        }
        while room > 0
            && let Some(key) = queue.cancels.pop()
        {
            // SAFETY: the entry points to nothing.
            unsafe { entries.push(&sqe::cancel(key.get())) };
            room -= 1;
        }
        while room > 0
            && let Some((key, op)) = queue.next(&mut given_up, entries.pushed())
        {
            if let Some(object) = op.object() {
                if object.wants_fixing() {
                    often = Some(object.clone());
                }
                reads += usize::from(matches!(op, Op::Read(_)));
            }
            let sqe = sqe::of(op, key.get());
            // SAFETY: the operation stays in the table until the completion (1).
            unsafe { entries.push(&sqe) };
            room -= 1;
        }
        queue.admit();
        let more = !queue.cancels.is_empty()
            || !(queue.wake_armed || queue.closed)
            || (room == 0 && !queue.is_full() && !queue.pending.is_empty());
        Filled {
            reads,
            often,
            given_up,
            more,
            on_queue: entries.len(),
        }
    }

    /// Takes a batch of completions in. What they end is put into `done`; the number of completions is returned.
    ///
    /// `flush` is set when there is something to hand on then: what had waited for room, or the poll for wake-ups.
    fn collect(&self, done: &mut Vec<(Op, i32)>, flush: &mut bool) -> usize {
        let mut room = [const { MaybeUninit::uninit() }; BATCH];
        let mut completions = self.ring.completions(&mut room).peekable();
        if completions.peek().is_none() {
            return 0;
        }
        let mut queue = self.queue();
        let mut count = 0;
        for completion in completions {
            count += 1;
            match completion.user_data {
                sqe::CANCEL => {}
                sqe::WAKE => queue.wake_armed &= completion.more,
                _ => queue.take(completion, done),
            }
        }
        queue.admit();
        // While the driver ends, too: what is owed moves up.
        *flush |= !queue.pending.is_empty() || !(queue.wake_armed || queue.closed);
        count
    }

    /// Ends an operation, or submits what is left of it; `true`: the latter.
    fn settle(&self, op: Op, result: i32) -> bool {
        let rest = match result {
            // Nobody asked for this end: it is because the thread that submitted is gone. (What was cancelled on purpose
            // was given the result TAKEN_BACK.)
            disturbed @ (DISTURBED_CANCEL | DISTURBED_FAULT) => op.interrupted(-disturbed),
            TAKEN_BACK => {
                op.fail(ErrorKind::Cancelled);
                None
            }
            result => {
                let result = syscall_result(&op, result);
                op.complete(result)
            }
        };
        let Some(rest) = rest else { return false };
        self.put_back(rest);
        true
    }
}

/// What a flush has to hand over.
struct Filled {
    /// Entries on the queue, those of earlier flushes included.
    on_queue: usize,
    /// How many reads came onto it now.
    reads: usize,
    /// A file that is used often.
    often: Option<Arc<Object>>,
    /// What nobody waits for any more.
    given_up: Vec<Op>,
    /// Something is left that only the queue had no room for.
    more: bool,
}

/// The kernel's answer in the vocabulary of drivers.
#[inline]
fn syscall_result(op: &Op, result: i32) -> SyscallResult {
    match (op, u64::try_from(result)) {
        (_, Err(_)) => Err(-result),
        (Op::Metadata(request), Ok(n)) => request.op().kernel_result(n),
        (_, Ok(n)) => Ok(n),
    }
}

impl Driver for Uring {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    #[inline]
    fn submit(&self, op: Op) -> Result<Submitted, (Op, Cause)> {
        let submitted = self.queue().submit(op);
        submitted.or_else(|(op, refusal)| self.not_taken(op, refusal))
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
        end_all(filled.given_up, ErrorKind::Cancelled);
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

    fn is_busy(&self) -> bool {
        self.queue().table.len() > 0
    }

    fn shutdown(&self, patience: Duration) -> usize {
        self.stop(patience)
    }
}

/// Ends operations that the kernel does not know of.
fn end_all(ops: Vec<Op>, cause: impl Into<Cause>) {
    let cause = cause.into();
    ops.into_iter().for_each(|op| op.fail(cause));
}
