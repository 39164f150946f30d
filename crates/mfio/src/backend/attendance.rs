//! Operations that nobody drives: a fallback thread, or a refusal.
//!
//! A task that awaits an operation cannot know whether anybody will ever poll the backend that completes it. So a hub has a
//! policy for that case: none (the next driver goes on), a thread ([`Fallback`]), or an error.
//!
//! Invariants
//!
//! * **A1** A backend is driven by its watchers (S2), by a thread that waits with the turn, and by a thread that runs the turn as
//!   soon as the future that it polls returns ([`is_inside`]). A sender that finds none of them calls [`Hub::attend`].
//! * **A2** Whatever stops driving calls [`Hub::left`] once it can no longer be found by A1. `left` then looks at the turn by
//!   a read-modify-write, as a signal is one; a signal looks for drivers afterwards. So of a sender and a driver that leaves,
//!   one sees the other.
#![cfg_attr(
    any(not(feature = "std"), not(unix), mfio_loom),
    allow(
        dead_code,
        unused_variables,
        reason = "without threads and poll(2) fewer policies can be chosen, or none"
    )
)]

#[cfg(all(feature = "std", unix, not(mfio_loom)))]
use super::fallback::Fallback;
use super::reentry::is_inside;
use super::seats::Hub;
use super::sharing::Sharing;
use crate::error::{Cause, ErrorKind};
use crate::lock::Lock;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use alloc::sync::Arc;
use core::fmt;

/// What a hub does about operations that nobody drives.
#[derive(Clone)]
enum Policy {
    #[cfg(all(feature = "std", unix, not(mfio_loom)))]
    Thread(Arc<Fallback>),
    Refuse,
    /// Counts the threads that would have been started.
    #[cfg(all(test, mfio_loom))]
    Count(Arc<AtomicUsize>),
}

/// The part of a hub that knows its policy.
pub(crate) struct Attendance {
    /// Whether there is a policy. Set before the container can be used.
    configured: AtomicBool,
    policy: Lock<Option<Policy>>,
    /// Whether the policy is to refuse.
    refuses: AtomicBool,
    /// How many `drive` futures exist, polled or not; where the policy is to refuse, also how many drivers are [`Present`].
    expected: AtomicUsize,
    /// Whether the fallback thread drives.
    by_thread: AtomicBool,
}

impl Attendance {
    pub(crate) fn new() -> Self {
        Self {
            configured: AtomicBool::new(false),
            policy: Lock::new(None),
            refuses: AtomicBool::new(false),
            expected: AtomicUsize::new(0),
            by_thread: AtomicBool::new(false),
        }
    }

    fn set(&self, policy: Policy) {
        *self.policy.lock() = Some(policy);
        self.configured.store(true, Ordering::Release);
    }

    /// Has operations refused that nobody drives.
    pub(crate) fn refuse(&self) {
        self.refuses.store(true, Ordering::Relaxed);
        self.set(Policy::Refuse);
    }

    /// Has a thread drive where nobody else does.
    #[cfg(all(feature = "std", unix, not(mfio_loom)))]
    pub(crate) fn fall_back_to(&self, thread: Arc<Fallback>) {
        self.set(Policy::Thread(thread));
    }

    /// The fallback thread begins to drive, or ends.
    #[cfg(all(feature = "std", unix, not(mfio_loom)))]
    pub(crate) fn set_by_thread(&self, drives: bool) {
        self.by_thread.store(drives, Ordering::Release);
    }

    /// Whether there is a policy.
    #[inline]
    pub(crate) fn is_configured(&self) -> bool {
        self.configured.load(Ordering::Acquire)
    }

    fn policy(&self) -> Option<Policy> {
        self.policy.lock().clone()
    }

    /// The container goes away: the fallback thread ends.
    pub(crate) fn close(&self) {
        if self.is_configured() {
            let policy = self.policy.lock().take();
            #[cfg(all(feature = "std", unix, not(mfio_loom)))]
            if let Some(Policy::Thread(fallback)) = policy {
                fallback.stop();
            }
        }
    }
}

impl Hub {
    /// Sees to it that somebody drives the backend (A1).
    ///
    /// # Errors
    ///
    /// Why nobody will.
    #[inline]
    pub(crate) fn attend(&self) -> Result<(), Cause> {
        if !self.attendance.is_configured() || self.has_watchers() || is_inside(self.id()) {
            return Ok(());
        }
        self.attend_alone()
    }

    #[cold]
    fn attend_alone(&self) -> Result<(), Cause> {
        if self.turn.is_waited_for() {
            return Ok(());
        }
        match self.attendance.policy() {
            #[cfg(all(feature = "std", unix, not(mfio_loom)))]
            Some(Policy::Thread(fallback)) => fallback.start(),
            #[cfg(all(test, mfio_loom))]
            Some(Policy::Count(started)) => {
                started.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Some(Policy::Refuse) if self.attendance.expected.load(Ordering::Acquire) == 0 => {
                Err(ErrorKind::NotDriven.into())
            }
            Some(Policy::Refuse) | None => Ok(()),
        }
    }

    /// A driver has left (A2).
    #[inline]
    pub(crate) fn left(&self) {
        if self.attendance.is_configured() && !self.has_watchers() {
            self.left_alone();
        }
    }

    #[cold]
    fn left_alone(&self) {
        let owed = self.turn.look();
        if self.turn.check().is_err() || self.turn.is_waited_for() {
            return;
        }
        match self.attendance.policy() {
            // Where no thread is to be had, the next driver goes on.
            #[cfg(all(feature = "std", unix, not(mfio_loom)))]
            Some(Policy::Thread(fallback)) if owed || fallback.is_busy() => {
                let _ = fallback.start();
            }
            #[cfg(all(test, mfio_loom))]
            Some(Policy::Count(started)) if owed => {
                started.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// A driver joins: the fallback thread may leave.
    #[inline]
    pub(crate) fn joined(&self) {
        if self.attendance.by_thread.load(Ordering::Acquire) {
            self.dismiss();
        }
    }

    #[cold]
    fn dismiss(&self) {
        #[cfg(all(feature = "std", unix, not(mfio_loom)))]
        if let Some(Policy::Thread(fallback)) = self.attendance.policy() {
            fallback.dismiss();
        }
    }

    /// Whether the turn may be held for a moment by the fallback thread: gives it time to let go.
    pub(crate) fn is_held_by_fallback(&self) -> bool {
        let held = self.attendance.by_thread.load(Ordering::Acquire)
            && !self.turn.is_waited_for()
            && !is_inside(self.id());
        #[cfg(feature = "std")]
        if held {
            std::thread::yield_now();
        }
        held
    }

    /// Whether somebody else drives than the fallback thread, which asks.
    #[cfg(all(feature = "std", unix, not(mfio_loom)))]
    pub(crate) fn others_drive(&self) -> bool {
        self.watchers() > 1 || self.turn.is_waited_for()
    }
}

/// The intent to drive a backend: a `drive` future that was made, whether or not it has been polled.
pub(crate) struct Expected(Option<Arc<Hub>>);

impl Expected {
    pub(crate) fn new(sharing: Option<&Sharing>) -> Self {
        let hub = sharing.map(|sharing| sharing.hub().clone());
        if let Some(hub) = &hub {
            hub.attendance.expected.fetch_add(1, Ordering::AcqRel);
        }
        Self(hub)
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        if let Some(hub) = &self.0 {
            hub.attendance.expected.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// A driver that senders on other threads do not find at every moment (A1): a thread in `block_on`, which is seen while it
/// waits, or a task in its first poll.
///
/// It counts where an operation would be refused otherwise. A thread is started all the same, because the driver may block
/// within its future.
pub(crate) struct Present<'a>(Option<&'a Hub>);

impl<'a> Present<'a> {
    #[inline]
    pub(crate) fn new(hub: &'a Hub) -> Self {
        let counts = hub.attendance.refuses.load(Ordering::Relaxed);
        if counts {
            hub.attendance.expected.fetch_add(1, Ordering::AcqRel);
        }
        Self(counts.then_some(hub))
    }
}

impl Drop for Present<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(hub) = self.0 {
            hub.attendance.expected.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl fmt::Debug for Attendance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attendance")
            .field("configured", &self.configured)
            .field("by_thread", &self.by_thread)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, mfio_loom))]
mod loom_models {
    use super::*;

    /// A sender and the last driver, which leaves: the operation is not left alone (A2).
    #[test]
    fn an_operation_sent_while_the_last_driver_leaves_is_attended() {
        loom::model(|| {
            let hub = Arc::new(Hub::new());
            let started = Arc::new(AtomicUsize::new(0));
            hub.attendance.set(Policy::Count(started.clone()));
            let at = hub.seat_task();
            let driver = hub.clone();
            let leaves = loom::thread::spawn(move || driver.unseat_task(at));
            hub.signal();
            leaves.join().unwrap();
            assert!(started.load(Ordering::Relaxed) > 0);
        });
    }
}
