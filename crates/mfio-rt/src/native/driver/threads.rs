//! Blocking calls on a bounded pool of threads: works everywhere, and needs no turn.
//!
//! Threads start when there is work and none is idle, up to a limit, and end after having been idle for a while. The
//! queue is as long as what was sent (see `waiting`). A call that runs cannot be cancelled; one that waits in the queue is not started when nobody
//! waits for it any more.
//!
//! A read of a stream (a pipe, a socket, a terminal) may have to wait for ever. It takes a thread meanwhile, but waits in
//! `poll(2)`, beside a notifier: that rings when threads are wanting, and at the end, and a thread whose read nobody waits for
//! goes on to something else then, having taken nothing from the stream. Reads that somebody waits for keep their
//! threads: as many of them as there are threads hold up everything else.

mod notifier;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use mfio::error::{Cause, ErrorKind};

use self::pool::Pool;
use super::contract::{Capabilities, Driver, Submitted};
use super::deadline::Deadline;
use crate::native::config::Config;
use crate::native::op::Op;
use crate::native::table::Key;

/// Operations have no names here, and need no turn.
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
        // A queued read pays for two switches of threads here, so it gives way less often.
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
        if starts {
            state.threads += 1;
        } else if wanting {
            state
                .notifiers
                .iter()
                .for_each(|notifier| notifier.notify());
        }
        drop(state);
        match starts {
            true => self.start(),
            false => self.pool.work.notify_one(),
        }
        end_all(given_up);
        Ok(TAKEN)
    }

    /// Threads that wait for streams look up; one whose read nobody waits for lets go of it.
    fn sweep(&self) {
        let mut state = self.pool.lock();
        state
            .notifiers
            .iter()
            .for_each(|notifier| notifier.notify());
        let given_up = state.queue.sweep();
        drop(state);
        end_all(given_up);
    }

    fn explain(&self, cause: Cause) -> Option<&'static str> {
        let limit = Cause::with_errno(ErrorKind::LimitReached, libc::EAGAIN);
        (cause == limit).then_some(
            "no thread could be started to do this: see RLIMIT_NPROC (`ulimit -u`), the control group's pids.max, and \
             memory for its stack (RLIMIT_AS, `ulimit -v`)",
        )
    }

    /// Nothing to do: whoever gave up has marked the operation, and it will not be started.
    fn cancel(&self, _: Key) {}

    /// Ends what is optional, and waits for what is owed. What waits in the queue when the time is up is given up.
    fn shutdown(&self, patience: Duration) -> usize {
        let (optional, starts) = self.pool.lock().close();
        if starts {
            self.start();
        }
        self.pool.work.notify_all();
        end_all(optional);
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
        state
            .notifiers
            .iter()
            .for_each(|notifier| notifier.notify());
        let (running, given_up) = (state.running, state.take_queue());
        drop(state);
        end_all(given_up);
        running
    }
}

fn end_all(ops: Vec<Op>) {
    ops.into_iter().for_each(|op| op.fail(ErrorKind::Cancelled));
}

impl Threads {
    /// Starts a thread. If there is none at all then, what is queued fails: nobody would ever do it.
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
            // Whatever is short of, it is not this operation that would block.
            Some(libc::EAGAIN) => Cause::with_errno(ErrorKind::LimitReached, libc::EAGAIN),
            _ => Cause::from(error),
        };
        stranded.into_iter().for_each(|op| op.fail(cause));
    }
}
