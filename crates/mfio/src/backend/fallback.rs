//! A thread that drives a shared backend while nobody else does.
//!
//! It is a foreign event loop around one handle: it waits in `poll(2)`, without the drive lock, and
//! polls the backend when the handle is ready. It starts when an operation is sent that nobody
//! drives, or the last driver leaves some behind. It pauses when another party drives, or when
//! there was nothing to do for [`IDLE_TIMEOUT`]; it ends when it has paused for that time.
//! So an idle thread ends after a second, and one that gave way to a driver after half of one.
//!
//! Invariants
//!
//! * **F1** The thread keeps a duplicate of the handle's descriptor, made while the handle was
//!   open: the number it waits on is its own, whatever becomes of the backend.
//! * **F2** `wanted` is set before the thread is looked for, and the thread clears it before it
//!   looks whether there is anything to do; both under the lock. So a start that finds the thread
//!   on its way out is seen by it.
//! * **F3** The thread is found by senders (it is one of the waiters) before it looks at the drive
//!   lock, and looks whether it is needed after it has left them (A2).
//! * **F4** The pipe that interrupts the wait holds one byte at most, so that a write to it never
//!   blocks. `interrupted` is set while the byte is there. The thread takes the byte out first,
//!   clears the mark under the lock, and then looks for the reason of the interruption.
//! * **F5** Events wake the thread by that pipe and not by the handle's waker. Another driver may
//!   drain the handle before the thread has seen it ready; `poll(2)` sleeps on then, with a task
//!   waker that is used up, and the next signal would be lost.
#![allow(unsafe_code)]

use super::attendance::FallbackThread;
use super::drive::{ErasedBackend, Progress, Rounds, When};
use super::duplicate::duplicate;
use super::polling::PollingFlags;
use super::waiters::TaskWaiter;
use crate::contain::contained;
use crate::error::{Cause, ErrorKind};
use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use core::ffi::c_short;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Waker};
use core::time::Duration;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Time for which a thread without work goes on driving, and time for which a thread that pauses
/// waits for the next start: it is the sum of both that an idle thread lives.
const IDLE_TIMEOUT: Duration = Duration::from_millis(500);

/// Yields to the holder of the drive lock before the thread sleeps: the holder may be within a
/// waker for long.
const YIELDS: u32 = 16;

/// See the module.
pub(crate) struct Fallback {
    backend: Weak<dyn ErasedBackend>,
    /// The duplicate (F1), or the reason why there is none.
    handle: Result<OwnedFd, Cause>,
    /// The interests of the backend, which count while operations are in flight. A wake makes the
    /// handle readable, whatever they are.
    interests: Arc<PollingFlags>,
    /// The number of operations in flight that only a driver can complete.
    in_flight: Arc<AtomicUsize>,
    state: Mutex<ThreadState>,
    /// `wanted` or `stopped` was set.
    changed: Condvar,
}

#[derive(Default)]
struct ThreadState {
    /// Interrupts the wait of the thread, if there is a thread.
    interrupt: Option<PipeWriter>,
    /// The thread is interrupted already, and has not noticed yet (F4).
    interrupted: bool,
    wanted: bool,
    stopped: bool,
}

impl Fallback {
    pub(crate) fn new(
        backend: Weak<dyn ErasedBackend>,
        handle: RawFd,
        interests: Arc<PollingFlags>,
        in_flight: Arc<AtomicUsize>,
    ) -> Arc<Self> {
        Arc::new(Self {
            backend,
            handle: duplicate(handle).map_err(|error| limit(&error)),
            interests,
            in_flight,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ThreadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupt(state: &mut ThreadState) {
        if state.interrupted {
            return;
        }
        if let Some(mut interrupt) = state.interrupt.as_ref() {
            // A thread that is gone needs no interruption.
            state.interrupted = interrupt.write(&[0]).is_ok();
        }
    }

    fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) != 0
    }

    /// Waits until the handle is ready or the thread is interrupted. Returns `false` when the time
    /// is up.
    fn wait(&self, handle: i32, mut interrupts: &PipeReader) -> bool {
        let (events, timeout) = match self.is_busy() {
            true => (libc::POLLIN | self.interests.to_posix(), None),
            false => (libc::POLLIN, Some(IDLE_TIMEOUT)),
        };
        let (ended, interrupted) = poll(handle, events, interrupts, timeout);
        if interrupted {
            let _ = interrupts.read(&mut [0; 8]);
            self.lock().interrupted = false;
        }
        ended
    }

    /// The body of the thread.
    fn run(self: &Arc<Self>, handle: i32, interrupts: PipeReader) {
        let waker = Waker::from(self.clone());
        while self.wait_until_wanted() {
            let Some(backend) = self.backend.upgrade() else {
                break;
            };
            self.drive(&*backend, handle, &interrupts, &waker);
        }
    }

    /// Waits until the thread is wanted. Returns `false` when it was not for a while, or the
    /// container is gone: the thread then ends.
    fn wait_until_wanted(&self) -> bool {
        let state = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(state, IDLE_TIMEOUT, |state| !state.wanted && !state.stopped);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let wanted = state.wanted && !state.stopped;
        state.wanted = false;
        if !wanted {
            state.interrupt = None;
        }
        wanted
    }

    /// Drives until another party does, or there has been nothing to do for a while.
    fn drive(
        &self,
        backend: &dyn ErasedBackend,
        handle: i32,
        interrupts: &PipeReader,
        waker: &Waker,
    ) {
        let waiters = &**backend.waiters();
        let mut waiter = TaskWaiter::new(waiters);
        let mut progress = Progress::Idle;
        let mut locked = 0u32;
        loop {
            waiter.wait(&Context::from_waker(waker));
            waiters.attendance.set_on_fallback(true);
            let dead = matches!(progress, Progress::Dead(_));
            if self.lock().stopped || dead || waiters.attendance.others_drive() {
                break;
            }
            let waits = !waiters.drive_lock().recheck() && progress != Progress::BudgetSpent;
            if waits && !self.wait(handle, interrupts) && !self.is_busy() {
                break;
            }
            // If this unwinds: a waker's panic leaves something to do, a backend's shows at the
            // next drive.
            progress = Progress::BudgetSpent;
            contained(|| progress = backend.drive(When::Always, &mut Rounds::new()));
            // The holder drains the handle, which is ready until then.
            locked = match waiters.drive_lock().still_locked() {
                true => locked + 1,
                false => 0,
            };
            match locked {
                0 => {}
                1..=YIELDS => thread::yield_now(),
                _ => thread::sleep(Duration::from_millis(1)),
            }
        }
        waiters.attendance.set_on_fallback(false);
        // Afterwards it looks whether the backend is driven (F3).
        drop(waiter);
    }
}

impl FallbackThread for Fallback {
    fn start(self: Arc<Self>) -> Result<(), Cause> {
        let handle = self.handle.as_ref().map_err(|cause| *cause)?.as_raw_fd();
        let mut state = self.lock();
        if state.stopped {
            return Ok(());
        }
        state.wanted = true;
        if state.interrupt.is_some() {
            drop(state);
            self.changed.notify_one();
            return Ok(());
        }
        let (interrupts, interrupt) = io::pipe().map_err(|error| limit(&error))?;
        let this = self.clone();
        thread::Builder::new()
            .name("mfio-fallback".into())
            .spawn(move || this.run(handle, interrupts))
            .map_err(|error| limit(&error))?;
        state.interrupt = Some(interrupt);
        state.interrupted = false;
        Ok(())
    }

    fn dismiss(&self) {
        Self::interrupt(&mut self.lock());
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        Self::interrupt(&mut state);
        drop(state);
        self.changed.notify_one();
    }
}

/// Waits for the handle or an interruption. Returns whether either may have come, and whether an
/// interruption has.
fn poll(
    handle: i32,
    events: c_short,
    interrupts: &PipeReader,
    timeout: Option<Duration>,
) -> (bool, bool) {
    let entry = |fd, events| libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    let interrupts = interrupts.as_raw_fd();
    let mut entries = [entry(handle, events), entry(interrupts, libc::POLLIN)];
    let timeout = timeout.map_or(-1, |timeout| timeout.as_millis() as i32);
    // SAFETY: a valid array of two entries, exclusively borrowed for the call, which keeps no
    // reference.
    let n = unsafe { libc::poll(entries.as_mut_ptr(), 2, timeout) };
    if n < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            // Memory is short: come back, but not in a spin.
            thread::sleep(Duration::from_millis(1));
        }
        return (true, false);
    }
    (n > 0, entries[1].revents != 0)
}

/// Returns the cause for too many threads or descriptors. The system reports too many threads as
/// "would block", which would mislead here.
fn limit(error: &io::Error) -> Cause {
    Cause::with_errno(
        ErrorKind::LimitReached,
        error.raw_os_error().unwrap_or(libc::EIO),
    )
}

/// The waker of the thread as a waiter (F5).
impl Wake for Fallback {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Self::interrupt(&mut self.lock());
    }
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
