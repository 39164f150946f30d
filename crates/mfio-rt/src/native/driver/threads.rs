//! Blocking calls on a bounded pool of threads: works everywhere, and needs no turn.
//!
//! Threads start when there is work and none is idle, up to a limit, and end after having been idle for a while. The
//! queue is bounded. A call that runs cannot be cancelled; one that waits in the queue is not started when nobody
//! waits for it any more.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mfio::error::{Cause, ErrorKind};

use super::{Capabilities, Driver, Submitted};
use crate::native::builder::Config;
use crate::native::op::Op;
use crate::native::table::Key;

/// Operations have no names here, and need no turn.
const TAKEN: Submitted = Submitted {
    key: Key::from_raw(0),
    signal: false,
};

/// A thread that has been idle for this long ends.
const IDLE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Threads {
    capabilities: Capabilities,
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    state: Mutex<State>,
    /// Work for an idle thread, or the end.
    work: Condvar,
    /// A thread has finished an operation, after the shutdown.
    quiet: Condvar,
    max_threads: usize,
    max_queued: usize,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Op>,
    threads: usize,
    idle: usize,
    running: usize,
    closed: bool,
}

impl Threads {
    pub(crate) fn open(config: &Config) -> Arc<dyn Driver> {
        let pool = Pool {
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            quiet: Condvar::new(),
            max_threads: config.threads.max(1),
            max_queued: config.max_requests,
        };
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
        if state.queue.len() >= self.pool.max_queued {
            return Err((op, ErrorKind::LimitReached.into()));
        }
        state.queue.push_back(op);
        let starts = state.idle < state.queue.len() && state.threads < self.pool.max_threads;
        if starts {
            state.threads += 1;
        }
        drop(state);
        match starts {
            true => self.start(),
            false => {
                self.pool.work.notify_one();
                Ok(TAKEN)
            }
        }
    }

    /// Nothing to do: whoever gave up has marked the operation, and it will not be started.
    fn cancel(&self, _: Key) {}

    fn shutdown(&self, patience: Duration) -> usize {
        let queued = {
            let mut state = self.pool.lock();
            state.closed = true;
            std::mem::take(&mut state.queue)
        };
        self.pool.work.notify_all();
        queued
            .into_iter()
            .for_each(|op| op.fail(ErrorKind::Cancelled));
        let until = Instant::now() + patience;
        let mut state = self.pool.lock();
        while state.running > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.pool.quiet.wait_timeout(state, left);
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
        }
        state.running
    }
}

impl Threads {
    /// Starts a thread. If there is none at all then, what is queued fails: nobody would ever do it.
    #[cold]
    fn start(&self) -> Result<Submitted, (Op, Cause)> {
        let pool = self.pool.clone();
        let thread = std::thread::Builder::new().name("mfio-rt".into());
        let Err(error) = thread.spawn(move || pool.serve()) else {
            return Ok(TAKEN);
        };
        let (newest, others) = {
            let mut state = self.pool.lock();
            state.threads -= 1;
            if state.threads > 0 {
                return Ok(TAKEN);
            }
            (state.queue.pop_back(), std::mem::take(&mut state.queue))
        };
        let cause = Cause::from(error);
        others.into_iter().for_each(|op| op.fail(cause));
        newest.map_or(Ok(TAKEN), |op| Err((op, cause)))
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn serve(&self) {
        while let Some(op) = self.next() {
            let _running = Running(self);
            match op.is_abandoned() {
                true => op.fail(ErrorKind::Cancelled),
                false => op.run(),
            }
        }
    }

    /// The next operation, or the end of this thread.
    fn next(&self) -> Option<Op> {
        let mut state = self.lock();
        let until = Instant::now() + IDLE;
        loop {
            if let Some(op) = state.queue.pop_front() {
                state.running += 1;
                return Some(op);
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, left);
            state = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(guard, _)| guard);
            state.idle -= 1;
        }
    }
}

/// Counts an operation as running, until it has ended (a waker that panics included).
struct Running<'a>(&'a Pool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        if std::thread::panicking() {
            state.threads -= 1;
        }
        if state.closed && state.running == 0 {
            self.0.quiet.notify_all();
        }
    }
}
