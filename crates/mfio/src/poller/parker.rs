//! The state word of a blocked thread: the reasons to look again, and how the thread is reached.
//!
//! Two parties reach it: wakers of the future that it blocks on ([`WOKEN`]), and parties that ask
//! it to drive a backend ([`DRIVE`]). It waits in one of two ways: parked ([`PARKED`]), or on a
//! backend's handle ([`AT_HANDLE`]), where only the waker of that handle reaches it.
//!
//! Invariants
//!
//! 1. A party that gives a reason sets it before it looks how the thread waits; the thread says how
//!    it waits before it looks for reasons. Both are one read-modify-write of the same word, so one
//!    of them always sees the other.
//! 2. Of several reasons only the first one reaches the thread: N wakes make one unpark or one wake
//!    of the handle, and none while the thread is awake.
//! 3. The handle's waker is stored before `AT_HANDLE` is set. It is woken without the lock.
//! 4. An unpark may come late, when the thread waits for something else already: every wait looks
//!    at the word and waits again.

use super::park_handle::ParkHandle;
use crate::lock::Lock;
use crate::sync::atomic::{AtomicU32, Ordering};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::task::Waker;

/// The thread's own future was woken.
const WOKEN: u32 = 1 << 0;
/// The thread is asked to drive: to look at the drive lock.
const DRIVE: u32 = 1 << 1;
/// The thread is parked, or just about to be or awake again.
const PARKED: u32 = 1 << 2;
/// The thread waits on a backend's handle: the handle's waker reaches it.
const AT_HANDLE: u32 = 1 << 3;
/// The waker of a handle is stored.
const HAS_WAKER: u32 = 1 << 4;

const REASONS: u32 = WOKEN | DRIVE;

/// The reasons for which a thread looks again; both may be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "taking a reason obliges to act on it"]
pub(crate) struct Reason {
    /// Its future was woken.
    pub(crate) woken: bool,
    /// It was asked to drive.
    pub(crate) drive: bool,
}

impl Reason {
    const fn of(state: u32) -> Self {
        Self {
            woken: state & WOKEN != 0,
            drive: state & DRIVE != 0,
        }
    }
}

/// See the module. As a [`Wake`], it is the waker of the thread's future.
pub(crate) struct Parker {
    state: AtomicU32,
    handle_waker: Lock<Option<Arc<Waker>>>,
    handle: Handle,
}

/// The primitive that parks.
pub(super) enum Handle {
    #[cfg(feature = "std")]
    Thread(thread::Thread),
    User(Arc<dyn ParkHandle + Send + Sync>),
}

#[cfg(all(feature = "std", mfio_loom))]
pub(super) use loom::thread;
#[cfg(all(feature = "std", not(mfio_loom)))]
pub(super) use std::thread;

impl Parker {
    pub(super) fn new(handle: Handle) -> Self {
        Self {
            state: AtomicU32::new(0),
            handle_waker: Lock::new(None),
            handle,
        }
    }

    /// Parks the calling thread, whose parker this is, until there is a reason, and takes all there
    /// are.
    pub(crate) fn park(&self) -> Reason {
        loop {
            let before = self.state.fetch_or(PARKED, Ordering::AcqRel);
            if before & REASONS == 0 {
                self.handle.park();
            }
            let before = self.state.fetch_and(!(PARKED | REASONS), Ordering::AcqRel);
            if before & REASONS != 0 {
                return Reason::of(before);
            }
        }
    }

    /// Takes the wake of the future, if there is one.
    pub(crate) fn take_woken(&self) -> bool {
        self.take(WOKEN)
    }

    /// Takes the request to drive, if there is one.
    pub(crate) fn take_drive(&self) -> bool {
        self.take(DRIVE)
    }

    /// Asks the thread to look at the drive lock.
    pub(crate) fn request_drive(&self) {
        self.set_reason(DRIVE);
    }

    /// Has `waker` reach the thread, which waits on that waker's handle next, and then calls
    /// [`end_handle_wait`](Self::end_handle_wait).
    ///
    /// Returns `false` when there is a reason to look again already: nothing has begun, and the
    /// caller must not wait.
    #[must_use = "waiting in spite of a reason loses a wake"]
    pub(crate) fn begin_handle_wait(&self, waker: &Waker) -> bool {
        self.set_handle_waker(waker);
        let before = self.state.fetch_or(AT_HANDLE | HAS_WAKER, Ordering::AcqRel);
        if before & REASONS != 0 {
            self.end_handle_wait();
            return false;
        }
        true
    }

    /// Ends the wait on the handle. Reasons stay to be taken.
    pub(crate) fn end_handle_wait(&self) {
        self.state.fetch_and(!AT_HANDLE, Ordering::AcqRel);
    }

    /// Resets the state for the next call. Wakers of this call that are left may set a reason
    /// again: the next call then polls once in vain.
    #[inline]
    pub(super) fn reset(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state & HAS_WAKER != 0 {
            let waker = self.handle_waker.lock().take();
            drop(waker);
        }
        if state != 0 {
            self.state.store(0, Ordering::Release);
        }
    }

    fn take(&self, reason: u32) -> bool {
        // A load suffices to see that there is none yet: a thread looks again before it parks or
        // waits on a handle.
        self.state.load(Ordering::Relaxed) & reason != 0
            && self.state.fetch_and(!reason, Ordering::AcqRel) & reason != 0
    }

    fn set_reason(&self, reason: u32) {
        let before = self.state.fetch_or(reason, Ordering::AcqRel);
        if before & REASONS != 0 {
            return;
        }
        if before & PARKED != 0 {
            self.handle.unpark();
        } else if before & AT_HANDLE != 0 {
            let waker = self.handle_waker.lock().clone();
            if let Some(waker) = waker {
                waker.wake_by_ref();
            }
        }
    }

    /// No user code runs under the lock: comparing wakers compares pointers.
    fn set_handle_waker(&self, waker: &Waker) {
        let is_set = |old: &Arc<Waker>| old.will_wake(waker);
        if !self.handle_waker.lock().as_ref().is_some_and(is_set) {
            let waker = Arc::new(waker.clone());
            let old = self.handle_waker.lock().replace(waker);
            drop(old);
        }
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.set_reason(WOKEN);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set_reason(WOKEN);
    }
}

impl Handle {
    fn park(&self) {
        match self {
            #[cfg(feature = "std")]
            Self::Thread(_) => thread::park(),
            Self::User(handle) => handle.park(),
        }
    }

    fn unpark(&self) {
        match self {
            #[cfg(feature = "std")]
            Self::Thread(thread) => thread.unpark(),
            Self::User(handle) => handle.unpark(),
        }
    }
}

impl fmt::Debug for Parker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.load(Ordering::Relaxed);
        f.debug_struct("Parker")
            .field("reason", &Reason::of(state))
            .field("parked", &(state & PARKED != 0))
            .field("at_handle", &(state & AT_HANDLE != 0))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, mfio_loom))]
mod loom_models {
    use super::*;
    use loom::sync::atomic::AtomicUsize;
    use loom::sync::{Condvar, Mutex};
    use loom::thread;

    /// The token of a thread, which counts how often it was made available.
    #[derive(Default)]
    struct Token {
        token: Mutex<bool>,
        ready: Condvar,
        unparks: AtomicUsize,
    }

    impl ParkHandle for Token {
        fn park(&self) {
            let mut token = self.token.lock().unwrap();
            while !*token {
                token = self.ready.wait(token).unwrap();
            }
            *token = false;
        }

        fn unpark(&self) {
            self.unparks.fetch_add(1, Ordering::Relaxed);
            *self.token.lock().unwrap() = true;
            self.ready.notify_one();
        }
    }

    /// Stands for the waker of a handle.
    impl Wake for Token {
        fn wake(self: Arc<Self>) {
            self.unpark();
        }
    }

    /// A lost wake is a deadlock, which loom reports.
    fn model(f: impl Fn(Arc<Token>, Arc<Parker>) + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(move || {
            let token = Arc::new(Token::default());
            let parker = Arc::new(Parker::new(Handle::User(token.clone())));
            f(token, parker);
        });
    }

    #[test]
    fn no_wake_is_lost_between_poll_and_park() {
        model(|_, parker| {
            // Relaxed: only the wake orders it.
            let ready = Arc::new(AtomicUsize::new(0));
            let wakers: Vec<_> = (0..2)
                .map(|_| {
                    let (parker, ready) = (parker.clone(), ready.clone());
                    thread::spawn(move || {
                        ready.fetch_add(1, Ordering::Relaxed);
                        parker.wake();
                    })
                })
                .collect();
            while ready.load(Ordering::Relaxed) < 2 {
                assert!(parker.park().woken);
            }
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
        });
    }

    #[test]
    fn many_wakes_make_one_unpark() {
        model(|token, parker| {
            let wakers: Vec<_> = (0..2)
                .map(|_| {
                    let parker = parker.clone();
                    thread::spawn(move || parker.wake_by_ref())
                })
                .collect();
            let _ = parker.state.fetch_or(PARKED, Ordering::AcqRel);
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
            assert!(token.unparks.load(Ordering::Relaxed) <= 1);
        });
    }

    #[test]
    fn a_drive_request_and_a_wake_are_both_seen() {
        model(|_, parker| {
            let others = [Parker::request_drive, |parker: &Parker| {
                parker.set_reason(WOKEN)
            }]
            .map(|tell| {
                let parker = parker.clone();
                thread::spawn(move || tell(&parker))
            });
            let (mut woken, mut drive) = (parker.take_woken(), false);
            while !(woken && drive) {
                let reason = parker.park();
                woken |= reason.woken;
                drive |= reason.drive;
            }
            others.into_iter().for_each(|other| other.join().unwrap());
        });
    }

    #[test]
    fn no_wake_is_lost_while_the_thread_watches_a_handle() {
        model(|descriptor, parker| {
            let waker = {
                let parker = parker.clone();
                thread::spawn(move || parker.wake())
            };
            let handle_waker = Waker::from(descriptor.clone());
            while !parker.take_woken() {
                if parker.begin_handle_wait(&handle_waker) {
                    descriptor.park();
                    parker.end_handle_wait();
                }
            }
            waker.join().unwrap();
        });
    }
}
