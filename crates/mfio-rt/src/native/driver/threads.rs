//! Blocking calls on a bounded pool of threads: works everywhere, and needs no turn.
//!
//! Threads start when there is work and none is idle, up to a limit, and end after having been idle for a while. The
//! queue is as long as what was sent (see `waiting`). A call that runs cannot be cancelled; one that waits in the queue is not started when nobody
//! waits for it any more.
//!
//! A read of a stream (a pipe, a socket, a terminal) may have to wait for ever. It takes a thread meanwhile, but waits in
//! `poll(2)`, beside a bell: that rings when threads are wanting, and at the end, and a thread whose read nobody waits for
//! goes on to something else then, having taken nothing from the stream. Reads that somebody waits for keep their
//! threads: as many of them as there are threads hold up everything else.

mod bell;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mfio::error::{Cause, ErrorKind};

use self::bell::Bell;
use super::deadline::Deadline;
use super::waiting::Waiting;
use super::{Capabilities, Driver, Submitted};
use crate::native::builder::Config;
use crate::native::op::Op;
use crate::native::sys;
use crate::native::table::Key;

/// Operations have no names here, and need no turn.
const TAKEN: Submitted = Submitted {
    key: Key::from_raw(0),
    signal: false,
};

/// Between two looks of a thread that waits for a stream while work is waiting for a thread.
const LOOK: Duration = Duration::from_millis(100);

/// How often in a row a stream may say that it is ready and then give nothing, before there is a pause each time: others
/// who read from it have been faster, or it is not to be trusted.
const DECOYS: u32 = 32;

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
}

#[derive(Debug)]
struct State {
    queue: Waiting,
    threads: usize,
    idle: usize,
    /// System calls under way.
    running: usize,
    /// Operations that are not optional (writes), from the submission to the end of their last call.
    owed: usize,
    /// The bells of threads that wait for streams.
    waiting: Vec<Arc<Bell>>,
    /// Nothing is taken in any more, and only what is owed begins.
    closed: bool,
    /// Nothing at all begins any more.
    over: bool,
}

impl Threads {
    pub(crate) fn open(config: &Config) -> Arc<dyn Driver> {
        let pool = Pool {
            state: Mutex::new(State::new()),
            work: Condvar::new(),
            quiet: Condvar::new(),
            max_threads: config.threads.max(1),
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
            state.waiting.iter().for_each(|bell| bell.ring());
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
        state.waiting.iter().for_each(|bell| bell.ring());
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
        state.waiting.iter().for_each(|bell| bell.ring());
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

impl State {
    fn new() -> Self {
        Self {
            queue: Waiting::new(),
            threads: 0,
            idle: 0,
            running: 0,
            owed: 0,
            waiting: Vec::new(),
            closed: false,
            over: false,
        }
    }

    /// No thread is within a system call, nor will be in one for what is owed.
    fn is_quiet(&self) -> bool {
        self.running == 0 && self.owed == 0 && self.waiting.is_empty()
    }

    /// Whether this may begin.
    fn admits(&self, op: &Op) -> bool {
        !(self.over || (self.closed && op.is_optional()))
    }

    /// Everything in the queue, owed no more.
    fn take_queue(&mut self) -> Vec<Op> {
        let all = self.queue.take_out(|_| true);
        self.owed -= all.iter().filter(|op| !op.is_optional()).count();
        all
    }

    /// Takes nothing in any more. What is optional comes back; and whether what is owed wants a thread of its own: all of
    /// them may be within calls that do not end, or have called this.
    fn close(&mut self) -> (Vec<Op>, bool) {
        self.closed = true;
        self.waiting.iter().for_each(|bell| bell.ring());
        let optional = self.queue.take_out(Op::is_optional);
        let starts = self.idle == 0 && !self.queue.is_empty();
        self.threads += usize::from(starts);
        (optional, starts)
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of a thread.
    fn serve(&self) {
        let _counted = Counted(self);
        let mut bell = None;
        while let Some(op) = self.next() {
            self.carry_out(op, &mut bell);
        }
    }

    /// Takes an operation to its end. That end runs code of others, which may end the runtime from here: nothing counts
    /// as running then.
    fn carry_out(&self, mut op: Op, bell: &mut Option<Arc<Bell>>) {
        let mut owed = !op.is_optional();
        let mut waits = matches!(op.stream(), Some((_, true)));
        let mut decoys = 0;
        loop {
            if (waits && !self.await_stream(&op, bell)) || op.is_abandoned() || !self.begin(&op) {
                self.finish(|state| state.owed -= usize::from(owed));
                return op.fail(ErrorKind::Cancelled);
            }
            let outcome = op.perform();
            let ends = owed && !op.goes_on(outcome);
            owed &= !ends;
            self.finish(|state| {
                state.running -= 1;
                state.owed -= usize::from(ends);
            });
            if outcome == Err(libc::EAGAIN) && op.stream().is_some() {
                waits = true;
                decoys += 1;
                if decoys > DECOYS {
                    std::thread::sleep(Duration::from_millis(1));
                }
                continue;
            }
            match op.complete(outcome) {
                Some(rest) => op = rest,
                // It would have gone on, but was tried too often.
                None if owed => return self.finish(|state| state.owed -= 1),
                None => return,
            }
        }
    }

    /// A system call begins, unless the driver has ended.
    fn begin(&self, op: &Op) -> bool {
        let mut state = self.lock();
        let begins = state.admits(op);
        state.running += usize::from(begins);
        begins
    }

    /// A system call has ended.
    fn finish(&self, ended: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        ended(&mut state);
        if state.closed && state.is_quiet() {
            self.quiet.notify_all();
        }
    }

    /// Waits until a stream has something, or room. `false`: nobody waits for that any more.
    fn await_stream(&self, op: &Op, bell: &mut Option<Arc<Bell>>) -> bool {
        let Some((fd, reads)) = op.stream() else {
            return true;
        };
        let events = if reads { libc::POLLIN } else { libc::POLLOUT };
        if bell.is_none() {
            // Without one, it looks up now and then.
            *bell = Bell::new().ok();
        }
        loop {
            let Some(timeout) = self.enter_wait(op, bell.as_ref()) else {
                return false;
            };
            // After it can be rung for: who gives up and then wants a thread is heard.
            let given_up = op.is_abandoned();
            let ready = match given_up {
                true => Ok(false),
                false => sys::poll(fd, events, bell.as_ref().map(|bell| bell.fd()), timeout),
            };
            self.leave_wait(bell.as_ref());
            match ready {
                _ if given_up => return false,
                Ok(false) => {}
                // What failed fails again in the transfer, and is told then.
                Ok(true) | Err(_) => return true,
            }
        }
    }

    /// For how long to wait for a stream; `None`: not at all, this is the end.
    fn enter_wait(&self, op: &Op, bell: Option<&Arc<Bell>>) -> Option<Option<Duration>> {
        let mut state = self.lock();
        if !state.admits(op) {
            return None;
        }
        state.waiting.extend(bell.cloned());
        let looks = bell.is_none() || !state.queue.is_empty();
        Some(looks.then_some(LOOK))
    }

    fn leave_wait(&self, bell: Option<&Arc<Bell>>) {
        let Some(bell) = bell else { return };
        self.finish(|state| state.waiting.retain(|other| !Arc::ptr_eq(other, bell)));
        bell.hush();
    }

    /// The next operation, or the end of this thread.
    fn next(&self) -> Option<Op> {
        let mut state = self.lock();
        let until = Instant::now() + IDLE;
        loop {
            if let Some(op) = state.queue.pop() {
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

/// A thread that is counted: one that panics leaves all the same.
struct Counted<'a>(&'a Pool);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().threads -= 1;
        }
    }
}
