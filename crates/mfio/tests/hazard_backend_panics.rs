//! Faults of the past when something panicked or ended.
#![cfg(any(unix, windows))]

mod common;

#[cfg(unix)]
use common::tokio_here;
use common::{Adder, Bell, Count, Object, must_end, must_panic, panic_of, poll};
#[cfg(unix)]
use mfio::backend::fd::{FdWaker, FdWakerOwner};
#[cfg(unix)]
use mfio::backend::integrations::async_io::AsyncIo;
#[cfg(unix)]
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::*;
use mfio::poller::ParkHandle;
use std::future::{pending, poll_fn, ready};
#[cfg(unix)]
use std::os::fd::{AsRawFd, RawFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

const FIRE: &str = "the disk is on fire";

/// Panics wherever it is asked for something.
struct OnFire;

#[cfg(unix)]
impl AsRawFd for OnFire {
    fn as_raw_fd(&self) -> RawFd {
        panic!("{FIRE}")
    }
}

impl Wake for OnFire {
    fn wake(self: Arc<Self>) {
        panic!("{FIRE}")
    }
}

impl ParkHandle for OnFire {
    fn park(&self) {
        panic!("{FIRE}")
    }

    fn unpark(&self) {}
}

impl Pollable for OnFire {
    fn poll(&self, _: &PollingFlags) {
        panic!("{FIRE}")
    }
}

struct WithHandleOnFire(Object);

impl IoBackend<OnFire> for WithHandleOnFire {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_, OnFire>> {
        static NONE: PollingFlags = PollingFlags::new();
        Some(PollingHandle {
            handle: OnFire,
            cur_flags: &NONE,
            max_flags: PollingFlags::new(),
            waker: Waker::noop().clone(),
        })
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.0.get_backend()
    }
}

/// The process would end where it crosses; here each is caught, and what it went through works on.
#[test]
fn a_panic_crossing_extern_c() {
    must_end(|| {
        // The user's descriptor, within our waker's functions.
        #[cfg(unix)]
        {
            let owner = FdWakerOwner::from(Arc::new(OnFire));
            let waker = FdWaker::clone(&owner).into_waker();
            must_panic(&[FIRE], || waker.wake_by_ref());
            owner.flags().store(0, SeqCst);
            must_panic(&[FIRE], || waker.wake());
        }
        // The user's waker, woken by the backend.
        let io = Object::bare_fn(|cx| cx.waker().wake_by_ref());
        let (both, _) = io.with_backend(pending::<()>());
        let waker = Waker::from(Arc::new(OnFire));
        let mut both = pin!(both);
        must_panic(&[FIRE], || {
            both.as_mut().poll(&mut Context::from_waker(&waker))
        });
        // The user's ways to wait.
        let io = Object::bare(pending());
        must_panic(&[FIRE], || {
            io.block_on_parked(pending::<()>(), Arc::new(OnFire))
        });
        let io = WithHandleOnFire(io);
        must_panic(&[FIRE], || io.block_on(pending::<()>()));
        assert_eq!(io.0.block_on(ready(1)), 1);
        // The backend, and the user's future, on every executor.
        for user in [false, true] {
            let backend = move || {
                poll_fn(move |_| {
                    assert!(user, "{FIRE}");
                    Poll::<()>::Pending
                })
            };
            let future = move || {
                poll_fn(move |_| {
                    assert!(!user, "{FIRE}");
                    Poll::<()>::Pending
                })
            };
            #[cfg(unix)]
            for mut io in Object::each(backend) {
                let bell = io.bell.is_some();
                must_panic(&[FIRE], || match bell {
                    true => tokio_here().block_on(Tokio::run_with_mut(&mut io, |_| future())),
                    false => pollster::block_on(Null::run_with_mut(&mut io, |_| future())),
                });
            }
            #[cfg(unix)]
            for mut io in Object::each(backend) {
                let run = AsyncIo::run_with_mut(&mut io, |_| future());
                must_panic(&[FIRE], || smol::block_on(run));
            }
            for io in Object::each(backend) {
                must_panic(&[FIRE], || io.block_on(future()));
            }
        }
    });
}

#[test]
fn a_panic_in_the_users_future_leaving_polling_set() {
    const POLLING: u8 = 0b010;
    must_end(|| {
        for bell in [Bell::eventfd(), Bell::socket_pair()] {
            #[cfg_attr(windows, expect(unused_mut, reason = "no reactor drives it"))]
            let mut io = Adder::with_bell(bell);
            let flags = io.object.bell().flags();
            let seen = AtomicUsize::new(0);
            // In its first round, or in a later one that a recorded wake brought about.
            for round in 1..=3 {
                let panics = || {
                    let mut polls = 0;
                    let (flags, seen) = (flags.clone(), &seen);
                    poll_fn(move |cx| -> Poll<()> {
                        polls += 1;
                        seen.fetch_or(usize::from(flags.load(SeqCst)), SeqCst);
                        assert!(polls < round, "{FIRE}");
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    })
                };
                must_panic(&[FIRE], || io.block_on(panics()));
                assert_eq!(flags.load(SeqCst) & POLLING, 0);
                let (both, _) = io.with_backend(panics());
                let waker = io.object.bell().waker();
                let mut both = Box::pin(both);
                must_panic(&[FIRE], || {
                    loop {
                        let _ = both.as_mut().poll(&mut Context::from_waker(&waker));
                    }
                });
                assert_eq!(
                    flags.load(SeqCst) & POLLING,
                    0,
                    "while the holder still has it"
                );
                drop(both);
                #[cfg(unix)]
                must_panic(&[FIRE], || {
                    tokio_here().block_on(Tokio::run_with_mut(&mut io, |_| panics()))
                });
                assert_eq!(flags.load(SeqCst) & POLLING, 0);
                // Nobody would hear a wake with POLLING left behind.
                let waker = io.object.bell().waker();
                io.object.bell().drain();
                assert_eq!(io.block_on(io.hundred()), 100);
                waker.wake();
                assert_eq!(io.object.bell().drain(), 1u64.to_ne_bytes());
                io.block_on(async {});
            }
            assert_ne!(seen.load(SeqCst) & usize::from(POLLING), 0, "it was set");
        }
    });
}

#[test]
fn a_finished_backend_that_stays_acquirable() {
    /// Ends in the given poll, and counts its polls.
    fn ends(at: usize) -> (Arc<AtomicUsize>, Object) {
        let polls = Arc::new(AtomicUsize::new(0));
        let count = polls.clone();
        let backend = poll_fn(move |_| match count.fetch_add(1, SeqCst) + 1 {
            n if n >= at => Poll::Ready(()),
            _ => Poll::Pending,
        });
        (polls, Object::bare(backend))
    }
    fn must_be_refused(object: &Object) {
        assert!(object.container.try_acquire(None).unwrap_err().is_dead());
        must_panic(&["completed", "cannot be used"], || object.get_backend());
    }
    for at in 1..4 {
        // By the panic of a holder.
        let (polls, io) = ends(at);
        let (both, _) = io.with_backend(pending::<()>());
        let mut both = Box::pin(both);
        (1..at).for_each(|_| assert!(poll(both.as_mut()).is_pending()));
        panic_of(|| poll(both.as_mut()));
        panic_of(|| poll(both.as_mut()));
        drop(both);
        must_be_refused(&io);
        assert_eq!(polls.load(SeqCst), at);
        // In a round that has an output; silently, until the next use.
        let (polls, io) = ends(1);
        assert_eq!(io.block_on(ready(7)), 7);
        must_be_refused(&io);
        must_panic(&["completed"], || io.block_on(ready(7)));
        assert_eq!(polls.load(SeqCst), 1, "not even to submit");
    }
    // By a task that was dropped before anybody saw its panic.
    let (polls, mut io) = ends(1);
    let (woken, waker) = Count::new();
    {
        let mut run = pin!(Null::run_with_mut(&mut io, |_| pending::<()>()));
        panic_of(|| run.as_mut().poll(&mut Context::from_waker(&waker)));
    }
    must_be_refused(&io);
    assert_eq!((polls.load(SeqCst), woken.get()), (1, 0));
}
