//! [`Attendance`]: the record of whether a backend is driven. It holds the drive lock, the number
//! of waiters, and the policy for operations that nobody drives.
//!
//! A task that awaits an operation cannot know whether any party will ever poll the backend that
//! completes it. So a container has a policy for that case: none (the next driver goes on), a
//! fallback thread ([`FallbackThread`]), or an error.
//!
//! Invariants
//!
//! * **A1** A backend is driven by its waiters (W2), by a thread that is parked with the drive
//!   lock, and by a thread that drives as soon as the future that it polls returns
//!   ([`is_driving`]). A sender that finds none of them calls [`Attendance::attend`].
//! * **A2** A party that stops driving calls [`Attendance::driver_left`] once a sender can no
//!   longer find it by A1. `driver_left` then looks at the drive lock by a read-modify-write, as a
//!   signal is one; a signal looks for drivers afterwards. So of a sender and a driver that leaves,
//!   one sees the other.
//! * **A3** An operation counts as in flight before the backend is signalled for it, and until it
//!   has ended. Every party that has polled the backend calls `driver_left` when it stops driving,
//!   after its unlock. The poll that took the signal has seen the count, and so has a party that
//!   looks at the drive lock after that poll. So the last of them to leave sees it.
#![cfg_attr(
    any(not(feature = "std"), not(unix), mfio_loom),
    allow(
        dead_code,
        reason = "without threads and poll(2) fewer policies can be chosen, or none"
    )
)]

use super::drive_lock::DriveLock;
use super::reentry::{is_driving, is_within};
use crate::error::{Cause, ErrorKind};
use crate::lock::Lock;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use alloc::sync::Arc;
use core::fmt;

/// A thread that drives a backend while nobody else does.
pub(crate) trait FallbackThread: Send + Sync {
    /// Has the thread drive until another party does.
    ///
    /// # Errors
    ///
    /// The reason why the system gives no thread, or no descriptor.
    fn start(self: Arc<Self>) -> Result<(), Cause>;
    /// Tells the thread that another party drives.
    fn dismiss(&self);
    /// Ends the thread, without waiting for it: the container goes away.
    fn stop(&self);
}

/// The treatment of operations that nobody drives. Chosen before the container can be used, so it
/// is read without synchronization.
#[derive(Debug)]
pub(crate) enum Policy {
    None,
    Fallback(FallbackPolicy),
    Refuse,
}

/// A thread drives while nobody else does.
pub(crate) struct FallbackPolicy {
    /// The number of operations in flight that only a driver can complete.
    in_flight: Arc<AtomicUsize>,
    /// `None` once the container is gone.
    thread: Lock<Option<Arc<dyn FallbackThread>>>,
}

impl FallbackPolicy {
    pub(crate) fn new(in_flight: Arc<AtomicUsize>) -> Self {
        Self {
            in_flight,
            thread: Lock::new(None),
        }
    }

    fn thread(&self) -> Option<Arc<dyn FallbackThread>> {
        self.thread.lock().clone()
    }

    #[cold]
    fn start(&self) -> Result<(), Cause> {
        self.thread().map_or(Ok(()), |thread| thread.start())
    }

    #[cold]
    fn dismiss(&self) {
        if let Some(thread) = self.thread() {
            thread.dismiss();
        }
    }
}

/// Without the thread, which is under a lock.
impl fmt::Debug for FallbackPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackPolicy")
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

/// See the module.
pub(crate) struct Attendance {
    pub(crate) drive_lock: DriveLock,
    /// The number of waiters: queued threads and tasks.
    waiting: AtomicUsize,
    policy: Policy,
    /// The number of `drive` futures, polled or not; where the policy is to refuse, plus the
    /// drivers that are [`Present`].
    expected: AtomicUsize,
    /// Whether the fallback thread drives.
    on_fallback: AtomicBool,
}

impl Attendance {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            drive_lock: DriveLock::new(),
            waiting: AtomicUsize::new(0),
            policy,
            expected: AtomicUsize::new(0),
            on_fallback: AtomicBool::new(false),
        }
    }

    /// Returns a number that tells this backend from others while both live.
    pub(crate) fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Sets the thread of the policy, which must have one. The container is not used yet.
    pub(crate) fn set_fallback(&self, thread: Arc<dyn FallbackThread>) {
        if let Policy::Fallback(fallback) = &self.policy {
            *fallback.thread.lock() = Some(thread);
        }
    }

    /// Records that the fallback thread begins to drive, or ends.
    pub(crate) fn set_on_fallback(&self, drives: bool) {
        self.on_fallback.store(drives, Ordering::Release);
    }

    /// Returns whether there is a policy.
    #[inline]
    pub(crate) fn is_configured(&self) -> bool {
        !matches!(self.policy, Policy::None)
    }

    /// Ends the fallback thread: the container goes away.
    pub(crate) fn close(&self) {
        if let Policy::Fallback(fallback) = &self.policy {
            let thread = fallback.thread.lock().take();
            if let Some(thread) = thread {
                thread.stop();
            }
        }
    }

    /// Returns the number of waiters (W2).
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Counts a thread that queues for the drive lock.
    pub(crate) fn add_thread(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends what [`add_thread`](Self::add_thread) began. The thread itself goes on driving.
    pub(crate) fn remove_thread(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a task that begins to wait; the fallback thread may leave.
    pub(crate) fn add_task(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if let Policy::Fallback(fallback) = &self.policy
            && self.on_fallback.load(Ordering::Acquire)
        {
            fallback.dismiss();
        }
    }

    /// Ends what [`add_task`](Self::add_task) began (A2).
    pub(crate) fn remove_task(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.driver_left();
    }

    /// Sees to it that a party drives the backend (A1).
    ///
    /// # Errors
    ///
    /// The reason why none will.
    #[inline]
    pub(crate) fn attend(&self) -> Result<(), Cause> {
        if !self.is_configured() || self.waiting() != 0 || is_driving(self.id()) {
            return Ok(());
        }
        self.attend_slow()
    }

    #[cold]
    fn attend_slow(&self) -> Result<(), Cause> {
        if self.drive_lock.check().is_err() {
            return Err(ErrorKind::BackendGone.into());
        }
        if self.drive_lock.has_lasting_holder() {
            return Ok(());
        }
        match &self.policy {
            Policy::Fallback(fallback) => fallback.start(),
            Policy::Refuse if self.expected.load(Ordering::Acquire) == 0 => {
                Err(ErrorKind::NotDriven.into())
            }
            Policy::Refuse | Policy::None => Ok(()),
        }
    }

    /// Starts the fallback thread if a driver that has left leaves something to do (A2).
    #[inline]
    pub(crate) fn driver_left(&self) {
        if let Policy::Fallback(fallback) = &self.policy
            && self.waiting() == 0
        {
            let signalled = self.drive_lock.recheck();
            if signalled || fallback.in_flight.load(Ordering::Acquire) != 0 {
                self.driver_left_busy(fallback);
            }
        }
    }

    #[cold]
    fn driver_left_busy(&self, fallback: &FallbackPolicy) {
        if self.drive_lock.check().is_ok() && !self.drive_lock.has_lasting_holder() {
            // Where the system gives no thread, the next driver goes on.
            let _ = fallback.start();
        }
    }

    /// Yields the processor to the fallback thread if that may hold the drive lock. Returns whether
    /// it may: the caller tries again.
    pub(crate) fn yield_to_fallback(&self) -> bool {
        let may_hold = self.on_fallback.load(Ordering::Acquire)
            && !self.drive_lock.has_lasting_holder()
            && !is_within(self.id());
        #[cfg(feature = "std")]
        if may_hold {
            std::thread::yield_now();
        }
        may_hold
    }

    /// Returns whether another party drives than the fallback thread, which calls this and is a
    /// waiter itself.
    pub(crate) fn others_drive(&self) -> bool {
        self.waiting() > 1 || self.drive_lock.has_lasting_holder()
    }

    /// Counts a `drive` future that was made, whether or not it has been polled.
    pub(crate) fn expect_driver(&self) {
        self.expected.fetch_add(1, Ordering::AcqRel);
    }

    /// Ends what [`expect_driver`](Self::expect_driver) began.
    pub(crate) fn unexpect_driver(&self) {
        self.expected.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A driver that senders on other threads do not find at every moment (A1): a thread in `block_on`,
/// which is seen while it is parked, or a task in its first poll.
///
/// It counts where an operation would be refused otherwise. The fallback thread is started all the
/// same, because the driver may block within its future.
pub(crate) struct Present<'a>(Option<&'a Attendance>);

impl<'a> Present<'a> {
    #[inline]
    pub(crate) fn new(attendance: &'a Attendance) -> Self {
        let counts = matches!(attendance.policy, Policy::Refuse);
        if counts {
            attendance.expect_driver();
        }
        Self(counts.then_some(attendance))
    }
}

impl Drop for Present<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(attendance) = self.0 {
            attendance.unexpect_driver();
        }
    }
}

impl fmt::Debug for Attendance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attendance")
            .field("drive_lock", &self.drive_lock)
            .field("waiting", &self.waiting)
            .field("policy", &self.policy)
            .field("on_fallback", &self.on_fallback)
            .finish_non_exhaustive()
    }
}
