//! Blocking calls on a bounded pool of threads: works everywhere, and needs no polling.
//!
//! A thread starts when there is work and none is idle, up to a limit, and ends after being idle
//! for a while. The queue is unbounded (see `waiting`). A running call cannot be cancelled; a
//! queued operation that was abandoned is not started.
//!
//! A read of a stream (a pipe, a socket, a terminal) may wait for ever. It occupies a thread, but
//! waits in `poll(2)`, together with a notifier. That is notified when operations wait for a
//! thread, when the same stream is asked again, and at shutdown. A thread whose read was abandoned
//! then takes other work, and has taken nothing from the stream. Reads that are awaited keep their
//! threads: if all threads wait for streams, other operations wait too.

mod notifier;
mod pool;

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mfio::error::{Cause, ErrorKind};

use self::pool::Pool;
use super::contract::{Capabilities, Driver, Submitted};
use super::deadline::Deadline;
use crate::native::config::Config;
use crate::native::op::{Op, fail_all};
use crate::native::table::Key;

/// Operations have no keys here, and need no flush.
const TAKEN: Submitted = Submitted {
    key: Key::from_raw(0),
    signal: false,
};

#[derive(Debug)]
pub(crate) struct Threads {
    capabilities: Capabilities,
    pool: Arc<Pool>,
}

impl Threads {
    pub(crate) fn open(config: &Config) -> Arc<dyn Driver> {
        let pool = Pool::new(config.threads.max(1));
        let details = format!("up to {} threads", pool.max_threads);
        // A queued read costs two context switches here, so fewer are queued.
        let capabilities = Capabilities {
            name: "threads",
            inline_stride: 1024,
            details,
        };
        Arc::new(Self {
            capabilities,
            pool: Arc::new(pool),
        })
    }
}

impl Driver for Threads {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn submit(&self, op: Op) -> Result<Submitted, (Op, Cause)> {
        let stream = op.stream().map(|(fd, _)| fd.as_raw_fd());
        let mut state = self.pool.lock();
        if state.closed {
            return Err((op, ErrorKind::BackendGone.into()));
        }
        state.owed += usize::from(!op.is_optional());
        let given_up = match state.queue.push(op) {
            true => state.queue.sweep(),
            false => Vec::new(),
        };
        let wanting = state.idle < state.queue.len();
        let starts = wanting && state.threads < self.pool.max_threads;
        state.threads += usize::from(starts);
        let needs_thread = wanting && !starts;
        // A read of this stream that was abandoned must end though it finds no bytes any more.
        state.notify_stream_waits(|waited_for| needs_thread || stream == Some(waited_for));
        drop(state);
        match starts {
            true => self.start(),
            false => self.pool.work.notify_one(),
        }
        fail_all(given_up, ErrorKind::Cancelled);
        Ok(TAKEN)
    }

    /// Makes the threads that wait for streams drop abandoned reads.
    fn sweep(&self) {
        let mut state = self.pool.lock();
        state.notify_stream_waits(|_| true);
        let given_up = state.queue.sweep();
        drop(state);
        fail_all(given_up, ErrorKind::Cancelled);
    }

    fn explain(&self, cause: Cause) -> Option<&'static str> {
        let limit = Cause::with_errno(ErrorKind::LimitReached, libc::EAGAIN);
        (cause == limit).then_some(
            "no thread could be started to do this: see RLIMIT_NPROC (`ulimit -u`), the control \
             group's pids.max, and memory for its stack (RLIMIT_AS, `ulimit -v`)",
        )
    }

    /// Does nothing: an abandoned operation is marked as such, and not started.
    fn cancel(&self, _: Key) {}

    /// Ends optional operations, and waits for the others. The ones that are still queued when the
    /// time is up fail.
    fn shutdown(&self, patience: Duration) -> usize {
        let (optional, starts) = self.pool.lock().close();
        if starts {
            self.start();
        }
        self.pool.work.notify_all();
        fail_all(optional, ErrorKind::Cancelled);
        let until = Deadline::after(patience);
        let mut state = self.pool.lock();
        while !state.is_quiet() {
            let left = until.left();
            if left.is_zero() {
                break;
            }
            let waited = self.pool.quiet.wait_timeout(state, left);
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
        }
        state.over = true;
        state.notify_stream_waits(|_| true);
        let (running, given_up) = (state.running, state.take_queue());
        drop(state);
        fail_all(given_up, ErrorKind::Cancelled);
        running
    }
}

impl Threads {
    /// Starts a thread. If that fails and there is no other, the queued operations fail too,
    /// because no thread would carry them out.
    #[cold]
    fn start(&self) {
        let pool = self.pool.clone();
        let thread = std::thread::Builder::new().name("mfio-rt".into());
        let Err(error) = thread.spawn(move || pool.serve()) else {
            return;
        };
        let stranded = {
            let mut state = self.pool.lock();
            state.threads -= 1;
            match state.threads {
                0 => state.take_queue(),
                _ => Vec::new(),
            }
        };
        let cause = match error.raw_os_error() {
            // Not `WouldBlock`: a limit was reached.
            Some(libc::EAGAIN) => Cause::with_errno(ErrorKind::LimitReached, libc::EAGAIN),
            _ => Cause::from(error),
        };
        fail_all(stranded, cause);
    }
}
