//! The threads, their queue, and their main loop.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use mfio::error::ErrorKind;

use super::notifier::Notifier;
use crate::native::driver::waiting::Waiting;
use crate::native::lock::lock;
use crate::native::op::Op;
use crate::native::sys;

/// The interval at which a thread in `poll(2)` looks for other work, if there is some or it has no
/// notifier.
const LOOK: Duration = Duration::from_millis(100);

/// Wake-ups in a row for a stream that then gave nothing, before each retry pauses: other readers
/// may be faster.
const DECOYS: u32 = 32;

/// The idle time after which a thread ends.
const IDLE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) state: Mutex<State>,
    /// Notified for work, and at shutdown.
    pub(super) work: Condvar,
    /// Notified after shutdown when the last call has ended.
    pub(super) quiet: Condvar,
    pub(super) max_threads: usize,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) queue: Waiting,
    pub(super) threads: usize,
    pub(super) idle: usize,
    /// System calls in progress.
    pub(super) running: usize,
    /// Operations that are not optional (writes), from submission to the end of their last call.
    pub(super) owed: usize,
    /// The threads that wait for streams.
    pub(super) stream_waits: Vec<StreamWait>,
    /// New operations are rejected, and only those that are not optional begin.
    pub(super) closed: bool,
    /// No operation begins.
    pub(super) over: bool,
}

/// A thread in `poll(2)`.
#[derive(Debug)]
pub(super) struct StreamWait {
    notifier: Arc<Notifier>,
    stream: RawFd,
}

impl State {
    fn new() -> Self {
        Self {
            queue: Waiting::new(),
            threads: 0,
            idle: 0,
            running: 0,
            owed: 0,
            stream_waits: Vec::new(),
            closed: false,
            over: false,
        }
    }

    /// Whether no system call is in progress, nor will be.
    pub(super) fn is_quiet(&self) -> bool {
        self.running == 0 && self.owed == 0 && self.stream_waits.is_empty()
    }

    /// Whether an operation may begin.
    fn admits(&self, op: &Op) -> bool {
        !(self.over || (self.closed && op.is_optional()))
    }

    /// Has threads that wait for these streams look again at whether their operation is abandoned,
    /// and whether other work waits.
    pub(super) fn notify_stream_waits(&self, concerns: impl Fn(RawFd) -> bool) {
        self.stream_waits
            .iter()
            .filter(|wait| concerns(wait.stream))
            .for_each(|wait| wait.notifier.notify());
    }

    /// Takes every queued operation. They are no longer owed.
    pub(super) fn take_queue(&mut self) -> Vec<Op> {
        let all = self.queue.take_out(|_| true);
        self.owed -= all.iter().filter(|op| !op.is_optional()).count();
        all
    }

    /// Rejects operations from now on. Returns the optional ones, and whether the rest need another
    /// thread: the present ones may all be in calls that do not end, or one of them may be the
    /// caller.
    pub(super) fn close(&mut self) -> (Vec<Op>, bool) {
        self.closed = true;
        self.notify_stream_waits(|_| true);
        let optional = self.queue.take_out(Op::is_optional);
        let starts = self.idle == 0 && !self.queue.is_empty();
        self.threads += usize::from(starts);
        (optional, starts)
    }
}

impl Pool {
    pub(super) fn new(max_threads: usize) -> Self {
        Self {
            state: Mutex::new(State::new()),
            work: Condvar::new(),
            quiet: Condvar::new(),
            max_threads,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The main loop of a thread.
    pub(super) fn serve(&self) {
        let _counted = Counted(self);
        let mut notifier = None;
        while let Some(op) = self.next() {
            self.carry_out(op, &mut notifier);
        }
    }

    /// Takes an operation to its end. That runs code of the user's, which may end the runtime from
    /// here, so nothing is counted as running then.
    fn carry_out(&self, mut op: Op, notifier: &mut Option<Arc<Notifier>>) {
        let mut owed = !op.is_optional();
        let mut waits = matches!(op.stream(), Some((_, true)));
        let mut decoys = 0;
        loop {
            if (waits && !self.await_stream(&op, notifier)) || op.is_abandoned() || !self.begin(&op)
            {
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
                // It needed another attempt, but had too many.
                None if owed => return self.finish(|state| state.owed -= 1),
                None => return,
            }
        }
    }

    /// Counts a system call that begins, unless the driver has ended.
    fn begin(&self, op: &Op) -> bool {
        let mut state = self.lock();
        let begins = state.admits(op);
        state.running += usize::from(begins);
        begins
    }

    /// Counts a system call that has ended.
    fn finish(&self, ended: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        ended(&mut state);
        if state.closed && state.is_quiet() {
            self.quiet.notify_all();
        }
    }

    /// Waits until a stream is ready. Returns `false` if the operation was abandoned or may not
    /// begin.
    fn await_stream(&self, op: &Op, notifier: &mut Option<Arc<Notifier>>) -> bool {
        let Some((fd, reads)) = op.stream() else {
            return true;
        };
        let events = if reads { libc::POLLIN } else { libc::POLLOUT };
        if notifier.is_none() {
            // Without one, the wait has a time-out.
            *notifier = Notifier::new().ok();
        }
        loop {
            let Some(timeout) = self.enter_wait(op, fd, notifier.as_ref()) else {
                return false;
            };
            // Checked after the notifier is registered, so that a thread that abandons the
            // operation now, and then needs a thread, is noticed.
            let given_up = op.is_abandoned();
            let ready = match given_up {
                true => Ok(false),
                false => sys::poll(
                    fd,
                    events,
                    notifier.as_ref().map(|notifier| notifier.fd()),
                    timeout,
                ),
            };
            self.leave_wait(notifier.as_ref());
            match ready {
                _ if given_up => return false,
                Ok(false) => {}
                // The transfer reports the error.
                Ok(true) | Err(_) => return true,
            }
        }
    }

    /// Returns the time-out for a wait; `None` if the operation may not begin.
    fn enter_wait(
        &self,
        op: &Op,
        stream: BorrowedFd<'_>,
        notifier: Option<&Arc<Notifier>>,
    ) -> Option<Option<Duration>> {
        let mut state = self.lock();
        if !state.admits(op) {
            return None;
        }
        state
            .stream_waits
            .extend(notifier.map(|notifier| StreamWait {
                notifier: notifier.clone(),
                stream: stream.as_raw_fd(),
            }));
        let looks = notifier.is_none() || !state.queue.is_empty();
        Some(looks.then_some(LOOK))
    }

    fn leave_wait(&self, notifier: Option<&Arc<Notifier>>) {
        let Some(notifier) = notifier else { return };
        self.finish(|state| {
            state
                .stream_waits
                .retain(|wait| !Arc::ptr_eq(&wait.notifier, notifier))
        });
        notifier.reset();
    }

    /// Returns the next operation, or `None` when the thread is to end.
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

/// Keeps the count of threads correct when one panics.
struct Counted<'a>(&'a Pool);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().threads -= 1;
        }
    }
}
