//! [`Core`]: the block of a container or a shared backend, with the backend and the drive lock that
//! guards it.
//!
//! Invariants
//!
//! * **C1** The cell of the backend is touched only by the holder of the drive lock (L1), by `&mut`
//!   access to the block, or by the container's drop where
//!   [`DriveLock::close`](super::drive_lock::DriveLock::close) said that there is no holder (L4).
//! * **C2** The backend is polled only while it is neither finished nor panicked:
//!   [`DriveLock::try_lock`](super::drive_lock::DriveLock::try_lock) refuses otherwise, and a
//!   holder that saw either unlocks at once.

#![allow(unsafe_code)]

use super::attendance::Policy;
use super::drive::{DriveGuard, ErasedBackend, MAX_EXTRA_DRIVES, Progress, Rounds, When};
use super::drive_lock::{LockError, SignalAction, Unlocked};
use super::polling::PollingFlags;
use super::reactor::Reactors;
use super::reentry::DriveScope;
use super::waiters::Waiters;
use super::wake_flags::consume_wake;
use crate::sync::atomic::Ordering;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::AtomicU8;
use core::task::{Context, Poll, Waker};

pub(crate) struct Core<B: ?Sized> {
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) reactors: Arc<Reactors>,
    /// Signals `waiters`. Every poll of the backend uses this one.
    waker: Waker,
    /// Poll the backend after each poll of a user's future, signalled or not.
    pub(crate) eager: bool,
    pub(crate) wake_flags: Option<Arc<AtomicU8>>,
    /// The interests of the handle, where the backend changes them as it goes.
    pub(crate) interests: Option<Arc<PollingFlags>>,
    backend: UnsafeCell<Option<Pin<Box<B>>>>,
}

// SAFETY: by C1 references to the backend are exclusive, and the transitions of the drive lock
// order them (L1), so sharing the block hands the backend from thread to thread, which `B: Send`
// allows. Everything else in it is `Sync`.
unsafe impl<B: ?Sized + Send> Sync for Core<B> {}

impl<B: ?Sized> Core<B> {
    pub(crate) fn new(backend: Pin<Box<B>>, policy: Policy) -> Self {
        let waiters = Arc::new(Waiters::new(policy));
        Self {
            waker: Waker::from(waiters.clone()),
            waiters,
            reactors: Arc::new(Reactors::new()),
            eager: true,
            wake_flags: None,
            interests: None,
            backend: UnsafeCell::new(Some(backend)),
        }
    }

    /// Returns the backend, for as long as the drive lock is held.
    ///
    /// # Safety
    ///
    /// The caller holds the drive lock for as long as the reference lives and makes no second
    /// reference (C1).
    #[allow(clippy::mut_from_ref, reason = "the drive lock makes it exclusive")]
    pub(crate) unsafe fn backend(&self) -> Option<Pin<&mut B>> {
        // SAFETY: C1, as the caller promises.
        unsafe { &mut *self.backend.get() }
            .as_mut()
            .map(Pin::as_mut)
    }

    /// Takes the backend out, to drop it.
    ///
    /// # Safety
    ///
    /// The caller holds the drive lock, or `DriveLock::close` returned `true` to it.
    unsafe fn take_backend(&self) -> Option<Pin<Box<B>>> {
        // SAFETY: C1, as the caller promises.
        unsafe { &mut *self.backend.get() }.take()
    }

    /// Closes the block: the container goes away.
    pub(crate) fn close(&self) {
        let backend = match self.waiters.drive_lock().close() {
            // SAFETY: `close` returned `true`: there is no holder, and none can come (L4).
            true => unsafe { self.take_backend() },
            false => None,
        };
        self.waiters.attendance.close();
        // Tasks and threads that wait by way of a `Sharing` that outlived the container must see
        // it, also where the backend panics when it is dropped.
        self.wake_all_waiters();
        drop(backend);
    }

    /// Wakes everything that waits: the backend is dead.
    fn wake_all_waiters(&self) {
        self.waiters.wake_all();
        self.reactors.wake_tasks();
    }

    /// Wakes the parties that are next after the drive lock was unlocked.
    ///
    /// # Safety
    ///
    /// `unlocked` is the result of the caller's own unlock: by `Closed` it still holds the lock.
    unsafe fn after_unlock(&self, unlocked: Unlocked) {
        match unlocked {
            Unlocked::Free {
                contended,
                signalled,
            } => {
                if contended {
                    self.waiters.wake_thread();
                }
                if signalled {
                    self.waiters.wake_waiters();
                }
                self.reactors.rearm(&self.waiters, self.interests.is_some());
            }
            // SAFETY: the caller still holds the drive lock, for good (L4), as it promises.
            Unlocked::Closed => drop(unsafe { self.take_backend() }),
            Unlocked::Rerun => unreachable!("only asked for with rerun"),
        }
    }

    /// Unlocks for a `BackendHandle`. It polled the backend with a waker of its own, so the backend
    /// must be polled again.
    ///
    /// # Safety
    ///
    /// The caller holds the drive lock (L1), and gives it up with this call.
    pub(crate) unsafe fn unlock_exclusive(&self) {
        // A wake that was only recorded becomes a signal: its flag would keep later wakes from the
        // descriptor.
        let _ = self.take_wake();
        let _ = self.waiters.drive_lock().signal();
        // SAFETY: as the caller promises.
        unsafe { self.unlock_held() }
    }

    /// Consumes a wake of the descriptor. The caller holds the drive lock: another holder may rely
    /// on the flag that it has not looked at yet.
    fn take_wake(&self) -> bool {
        let flags = self.wake_flags.as_ref();
        flags.is_some_and(|flags| consume_wake(&**flags))
    }

    /// Unlocks the drive lock.
    ///
    /// # Safety
    ///
    /// The caller holds the drive lock (L1), and gives it up with this call.
    unsafe fn unlock_held(&self) {
        let unlocked = self.waiters.drive_lock().unlock(false);
        // SAFETY: the lock was the caller's, and this its unlock.
        unsafe { self.after_unlock(unlocked) }
        if self.waiters.drive_lock().check().is_err() {
            self.wake_all_waiters();
        }
        self.reactors.drive_undelivered(&self.waiters);
    }
}

/// Polls a backend and records if it completed or panicked. The caller holds the drive lock of
/// `waiters`.
pub(crate) fn poll_recorded<B>(
    waiters: &Waiters,
    backend: Pin<&mut B>,
    cx: &mut Context<'_>,
) -> Poll<()>
where
    B: Future<Output = ()> + ?Sized,
{
    struct Unwinding<'a>(&'a Waiters);
    impl Drop for Unwinding<'_> {
        fn drop(&mut self) {
            self.0.drive_lock().set_panicked();
        }
    }
    let guard = Unwinding(waiters);
    let polled = backend.poll(cx);
    core::mem::forget(guard);
    if polled.is_ready() {
        waiters.drive_lock().set_finished();
    }
    polled
}

impl<B: Future<Output = ()> + Send + ?Sized> ErasedBackend for Core<B> {
    fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    fn eager(&self) -> bool {
        self.eager
    }

    fn drive(&self, when: When, rounds: &mut Rounds) -> Progress {
        let mut progress = self.drive_once(when, rounds);
        for _ in 0..MAX_EXTRA_DRIVES {
            // A registration that could not be armed wakes no party for the signal that it left.
            if matches!(progress, Progress::Dead(_)) || !self.waiters.has_undelivered_signal() {
                break;
            }
            progress = self.drive_once(When::IfSignalled, &mut Rounds::new());
        }
        progress
    }

    unsafe fn poll_once(&self, woken: bool) {
        if self.take_wake() && !woken {
            self.waiters.wakes_consumed.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller holds the drive lock (C1), and the reference ends with this call.
        let Some(backend) = (unsafe { self.backend() }) else {
            return;
        };
        let _polling = DriveScope::poll(self.waiters.id());
        let mut cx = Context::from_waker(&self.waker);
        let _ = poll_recorded(&self.waiters, backend, &mut cx);
        // A wake during the round may have been drained by the backend together with others.
        if self.take_wake() {
            self.waiters.wakes_consumed.fetch_add(1, Ordering::Relaxed);
            let _ = self.waiters.drive_lock().signal();
        }
    }

    unsafe fn unlock(&self) {
        // SAFETY: as the caller promises.
        unsafe { self.unlock_held() }
    }

    fn interests(&self) -> Option<&Arc<PollingFlags>> {
        self.interests.as_ref()
    }

    fn wake_all(&self) {
        self.wake_all_waiters();
    }
}

impl<B: Future<Output = ()> + Send + ?Sized> Core<B> {
    /// Locks, polls the backend while there are signals and rounds, and unlocks.
    fn drive_once(&self, when: When, rounds: &mut Rounds) -> Progress {
        let lock = self.waiters.drive_lock();
        match self.lock(when) {
            Ok(true) => {}
            refused => {
                rounds.spend();
                return match refused {
                    Ok(_) => Progress::NotPolled,
                    Err(LockError::Locked) => Progress::Idle,
                    Err(dead) => Progress::Dead(dead),
                };
            }
        }
        // SAFETY: `lock` returned `true`, so this call is the holder (L1), until `unlock` below has
        // succeeded and the guard is disarmed.
        let mut guard = unsafe { DriveGuard::of_locked(self) };
        let mut woken = when == When::Woken;
        loop {
            guard.poll_once(core::mem::take(&mut woken));
            rounds.spend();
            let unlocked = lock.unlock(!rounds.are_spent() && lock.check().is_ok());
            if unlocked == Unlocked::Rerun {
                continue;
            }
            guard.disarm();
            // SAFETY: the lock was this call's, and `unlocked` its unlock.
            unsafe { self.after_unlock(unlocked) }
            if let Err(dead) = lock.check() {
                self.wake_all_waiters();
                return Progress::Dead(dead);
            }
            return match unlocked {
                Unlocked::Free {
                    signalled: true, ..
                } => Progress::BudgetSpent,
                _ => Progress::Idle,
            };
        }
    }

    /// Locks the drive lock. Returns `Ok(false)` when there is no reason to, or the holder will see
    /// the signal.
    fn lock(&self, when: When) -> Result<bool, LockError> {
        let lock = self.waiters.drive_lock();
        if when == When::IfSignalled {
            return lock.try_lock_if_signalled();
        }
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(true),
                Err(LockError::Locked) => match lock.signal() {
                    // The event may be an old one, which its holder has passed on by unlocking
                    // meanwhile.
                    SignalAction::Nothing if lock.still_locked() => return Ok(false),
                    SignalAction::Nothing => {}
                    SignalAction::UnparkHolder => {
                        self.waiters.unpark_holder();
                        return Ok(false);
                    }
                    // It was unlocked in between.
                    SignalAction::WakeWaiters => {}
                },
                Err(dead) => return Err(dead),
            }
        }
    }
}

impl<B: ?Sized> fmt::Debug for Core<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("waiters", &self.waiters)
            .finish_non_exhaustive()
    }
}
