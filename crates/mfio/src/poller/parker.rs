//! The state word of a thread that waits for something: why it is to look again, and how it is reached.
//!
//! Two parties reach it: wakers of the future that it blocks on ([`NOTIFIED`]), and whoever hands it the turn of a backend
//! ([`PROMOTED`]). It waits in one of two ways: parked ([`PARKED`]), or watching a backend's handle ([`WATCHING`]), where
//! only the handle's own waker, the *bell*, gets through.
//!
//! What must hold:
//!
//! 1. Who gives a reason sets it before it looks how the thread waits; the thread says how it waits before it looks for
//!    reasons. Both are one read-modify-write of the same word, so one of them always sees the other: nothing is lost.
//! 2. Of several reasons, only the first one reaches the thread: N wakes make one unpark or ring one bell, and none
//!    where the thread is awake.
//! 3. The bell is stored before `WATCHING` is set. It is rung without the lock.
//! 4. An unpark or a ring may come late, when the thread waits for something else already: every wait looks at the word
//!    and waits again.

use super::{Lease, ParkHandle};
use crate::lock::Lock;
use crate::sync::atomic::{AtomicU32, Ordering};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::task::Waker;

/// The thread's own future was woken.
const NOTIFIED: u32 = 1 << 0;
/// The thread is to look at the turn.
const PROMOTED: u32 = 1 << 1;
/// The thread is parked, or just about to be or awake again.
const PARKED: u32 = 1 << 2;
/// The thread watches a handle: the bell reaches it.
const WATCHING: u32 = 1 << 3;
/// A bell is stored.
const BELL: u32 = 1 << 4;

const REASONS: u32 = NOTIFIED | PROMOTED;

/// Why a thread is to look again; both may be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "taking a reason obliges to act on it"]
pub(crate) struct Reason {
    /// Its future was woken.
    pub(crate) notified: bool,
    /// It was promoted.
    pub(crate) promoted: bool,
}

impl Reason {
    const fn of(state: u32) -> Self {
        Self {
            notified: state & NOTIFIED != 0,
            promoted: state & PROMOTED != 0,
        }
    }
}

/// See the module. As a [`Wake`], it is the waker of the thread's future.
pub(crate) struct Parker {
    state: AtomicU32,
    bell: Lock<Option<Arc<Waker>>>,
    handle: Handle,
}

/// What parks.
pub(super) enum Handle {
    #[cfg(feature = "std")]
    Thread(thread::Thread),
    User(Arc<dyn ParkHandle + Send + Sync>),
}

#[cfg(all(feature = "std", mfio_loom))]
use loom::thread;
#[cfg(all(feature = "std", not(mfio_loom)))]
use std::thread;

impl Parker {
    pub(super) fn new(handle: Handle) -> Self {
        Self {
            state: AtomicU32::new(0),
            bell: Lock::new(None),
            handle,
        }
    }

    /// A parker of this call, on the user's handle.
    pub(crate) fn with_handle<P>(handle: Arc<P>) -> Lease
    where
        P: ParkHandle + Send + Sync + 'static,
    {
        Lease::new(Self::new(Handle::User(handle)))
    }

    /// A parker of this call, on the calling thread. It allocates only where calls are nested or left wakers behind.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn of_this_thread() -> Lease {
        Lease::of_this_thread(|| Self::new(Handle::Thread(thread::current())))
    }

    /// Waits, on the thread whose parker this is, until there is a reason, and takes all there are.
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

    /// Takes the notification of the future, if there is one.
    pub(crate) fn take_notified(&self) -> bool {
        self.take(NOTIFIED)
    }

    /// Takes the promotion, if there is one.
    pub(crate) fn take_promoted(&self) -> bool {
        self.take(PROMOTED)
    }

    /// The thread is to look at the turn.
    pub(crate) fn promote(&self) {
        self.reach(PROMOTED);
    }

    /// From now on, `bell` reaches the thread. The caller waits for the handle of that bell, and then calls
    /// [`end_watch`](Self::end_watch).
    ///
    /// False: there is a reason to look again already, nothing has begun, and the caller must not wait.
    #[must_use = "waiting in spite of a reason loses a wake"]
    pub(crate) fn begin_watch(&self, bell: &Waker) -> bool {
        self.set_bell(bell);
        let before = self.state.fetch_or(WATCHING | BELL, Ordering::AcqRel);
        if before & REASONS != 0 {
            self.end_watch();
            return false;
        }
        true
    }

    /// The thread no longer waits for the handle. Reasons stay to be taken.
    pub(crate) fn end_watch(&self) {
        self.state.fetch_and(!WATCHING, Ordering::AcqRel);
    }

    /// Back to the beginning, for the next call. Wakers of this call that are left may set a reason again: the next
    /// call then polls once in vain.
    #[inline]
    pub(super) fn reset(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state & BELL != 0 {
            let bell = self.bell.lock().take();
            drop(bell);
        }
        if state != 0 {
            self.state.store(0, Ordering::Release);
        }
    }

    fn take(&self, reason: u32) -> bool {
        // A look is enough to see that there is none yet: whoever parks or watches looks again.
        self.state.load(Ordering::Relaxed) & reason != 0
            && self.state.fetch_and(!reason, Ordering::AcqRel) & reason != 0
    }

    fn reach(&self, reason: u32) {
        let before = self.state.fetch_or(reason, Ordering::AcqRel);
        if before & REASONS != 0 {
            return;
        }
        if before & PARKED != 0 {
            self.handle.unpark();
        } else if before & WATCHING != 0 {
            let bell = self.bell.lock().clone();
            if let Some(bell) = bell {
                bell.wake_by_ref();
            }
        }
    }

    /// No user code runs under the lock: comparing wakers compares pointers.
    fn set_bell(&self, bell: &Waker) {
        let is_set = |old: &Arc<Waker>| old.will_wake(bell);
        if !self.bell.lock().as_ref().is_some_and(is_set) {
            let bell = Arc::new(bell.clone());
            let old = self.bell.lock().replace(bell);
            drop(old);
        }
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.reach(NOTIFIED);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.reach(NOTIFIED);
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
            .field("watching", &(state & WATCHING != 0))
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

    /// As a bell: ringing it makes the token available, too.
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
                assert!(parker.park().notified);
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
    fn a_promotion_and_a_notification_are_both_seen() {
        model(|_, parker| {
            let others = [Parker::promote, |parker: &Parker| parker.reach(NOTIFIED)].map(|tell| {
                let parker = parker.clone();
                thread::spawn(move || tell(&parker))
            });
            let (mut notified, mut promoted) = (parker.take_notified(), false);
            while !(notified && promoted) {
                let reason = parker.park();
                notified |= reason.notified;
                promoted |= reason.promoted;
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
            let bell = Waker::from(descriptor.clone());
            while !parker.take_notified() {
                if parker.begin_watch(&bell) {
                    descriptor.park();
                    parker.end_watch();
                }
            }
            waker.join().unwrap();
        });
    }
}
