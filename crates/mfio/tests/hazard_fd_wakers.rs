//! Faults of the past in wakers that write to descriptors.
#![cfg(unix)]
#![allow(unsafe_code)]

use mfio::backend::fd::{FdWaker, FdWakerOwner};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Descriptor numbers belong to the process: tests that open and close them take turns.
fn descriptors() -> MutexGuard<'static, ()> {
    static DESCRIPTORS: Mutex<()> = Mutex::new(());
    DESCRIPTORS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pair() -> (UnixStream, UnixStream) {
    let (tx, rx) = UnixStream::pair().unwrap();
    tx.set_nonblocking(true).unwrap();
    rx.set_nonblocking(true).unwrap();
    (tx, rx)
}

/// All bytes that have arrived so far.
fn arrived(rx: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match rx.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
    }
    bytes
}

/// A duplicate of `fd` that takes the number `number`, which must be free.
fn reuse(number: RawFd, fd: &impl AsRawFd) -> OwnedFd {
    // SAFETY: the call takes numbers only; the descriptor that it returns is new and nobody else's.
    let new = unsafe {
        let new = libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number);
        assert!(new >= 0);
        OwnedFd::from_raw_fd(new)
    };
    assert_eq!(new.as_raw_fd(), number, "the number was free");
    new
}

#[test]
fn flag_stores_that_erase_closed_then_a_write_into_a_reused_descriptor() {
    let _turn = descriptors();
    let (tx, _rx) = pair();
    let (other, mut reader) = pair();
    let number = tx.as_raw_fd();
    let owner = FdWakerOwner::from(tx);
    let waker = FdWaker::clone(&owner);
    let flags = owner.flags();
    drop(owner);
    let _reused = reuse(number, &other);
    for stored in 0..=u8::MAX {
        flags.store(stored, Ordering::Relaxed);
        waker.wake_by_ref();
        flags.store(0, Ordering::Relaxed);
        waker.clone().into_waker().wake();
    }
    assert_eq!(arrived(&mut reader), [0u8; 0]);
}

/// A descriptor that counts how often it is dropped, and runs something whenever a waker asks for
/// its number.
struct Watched<A: Fn()> {
    stream: UnixStream,
    drops: Arc<AtomicUsize>,
    asked: A,
}

impl<A: Fn()> AsRawFd for Watched<A> {
    fn as_raw_fd(&self) -> RawFd {
        (self.asked)();
        self.stream.as_raw_fd()
    }
}

impl<A: Fn()> Drop for Watched<A> {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn safe_double_close_through_the_wakers_public_parts() {
    let _turn = descriptors();
    let (stream, _rx) = pair();
    let drops = Arc::new(AtomicUsize::new(0));
    let owner = FdWakerOwner::from(Watched {
        stream,
        drops: drops.clone(),
        asked: || {},
    });
    let waker = FdWaker::clone(&owner);
    let flags = waker.flags();
    for _ in 0..3 {
        flags.store(0, Ordering::Relaxed);
        waker.close();
        flags.store(0, Ordering::Relaxed);
        waker.wake_by_ref();
        owner.clone().close();
    }
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    drop(owner);
    waker.close();
    drop(waker);
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn the_owner_closes_and_clones_do_not() {
    let _turn = descriptors();
    let (tx, mut rx) = pair();
    let owner = FdWakerOwner::from(tx);
    let waker = FdWaker::clone(&owner);
    drop(FdWaker::clone(&owner).into_waker());
    drop(waker.clone());
    waker.wake_by_ref();
    assert_eq!(arrived(&mut rx), 1u64.to_ne_bytes());
    drop(owner);
    assert_eq!(
        rx.read(&mut [0; 1]).unwrap(),
        0,
        "the other end is closed, though a clone lives"
    );
    drop(waker);
}

#[test]
fn a_close_racing_a_wake() {
    let _turn = descriptors();
    let (stream, mut rx) = pair();
    let number = stream.as_raw_fd();
    let drops = Arc::new(AtomicUsize::new(0));
    let (begun, closed) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let owner = FdWakerOwner::from(Watched {
        stream,
        drops: drops.clone(),
        asked: {
            let (begun, closed) = (begun.clone(), closed.clone());
            move || {
                begun.wait();
                closed.wait();
            }
        },
    });
    let waker = FdWaker::clone(&owner).into_waker();
    let waking = thread::spawn(move || waker.wake());
    begun.wait();
    drop(owner);
    // The wake has asked for the number and has not written yet. Were it closed now, the number
    // would be free.
    let (other, mut elsewhere) = pair();
    assert_ne!(other.as_raw_fd(), number);
    assert_eq!(drops.load(Ordering::Relaxed), 0, "closed under a wake");
    closed.wait();
    waking.join().unwrap();
    assert_eq!(
        drops.load(Ordering::Relaxed),
        1,
        "the wake closes when it is done"
    );
    assert_eq!(arrived(&mut rx), 1u64.to_ne_bytes());
    assert_eq!(arrived(&mut elsewhere), [0u8; 0]);
}

#[test]
fn eagain_panicking_inside_a_waker() {
    let _turn = descriptors();
    let (mut tx, rx) = pair();
    while tx.write(&[0; 4096]).is_ok() {}
    let owner = FdWakerOwner::from(tx);
    let waker = FdWaker::clone(&owner).into_waker();
    let wake = |waker: &std::task::Waker| {
        owner.flags().store(0, Ordering::Relaxed);
        waker.wake_by_ref();
    };
    wake(&waker);
    // A reader that is gone is nobody to wake, either.
    drop(rx);
    wake(&waker);
    waker.wake();
    // Nor does a descriptor that is none harm the waking thread; the wait on it complains.
    let bad = FdWakerOwner::from(-1);
    bad.wake_by_ref();
}

#[test]
fn a_panic_crossing_extern_c() {
    let _turn = descriptors();
    let (stream, _rx) = pair();
    let drops = Arc::new(AtomicUsize::new(0));
    let owner = FdWakerOwner::from(Watched {
        stream,
        drops: drops.clone(),
        asked: || panic!("from the descriptor's own type"),
    });
    let waker = FdWaker::clone(&owner).into_waker();
    let kept = waker.clone();
    // An abort would end the whole test.
    assert!(catch_unwind(AssertUnwindSafe(|| waker.wake_by_ref())).is_err());
    owner.flags().store(0, Ordering::Relaxed);
    assert!(catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err());
    drop(owner);
    assert_eq!(
        drops.load(Ordering::Relaxed),
        1,
        "a wake that panicked uses nothing any more"
    );
    drop(kept);
}

#[test]
fn many_wakes_make_one_write_of_8_bytes() {
    let _turn = descriptors();
    let (tx, mut rx) = pair();
    let owner = FdWakerOwner::from(tx);
    let wake_all = || {
        thread::scope(|scope| {
            for _ in 0..4 {
                let waker = FdWaker::clone(&owner).into_waker();
                scope.spawn(move || (0..100).for_each(|_| waker.wake_by_ref()));
            }
        });
    };
    let flags = owner.flags();
    for _ in 0..3 {
        wake_all();
        assert_eq!(arrived(&mut rx), 1u64.to_ne_bytes());
        assert_eq!(
            flags.fetch_and(!0b001, Ordering::AcqRel),
            0b001,
            "WOKEN, and nothing else"
        );
    }
    flags.fetch_or(0b010, Ordering::AcqRel);
    wake_all();
    assert_eq!(
        arrived(&mut rx),
        [0u8; 0],
        "only recorded, while somebody polls"
    );
    assert_eq!(flags.load(Ordering::Relaxed), 0b011);
}

#[test]
fn a_waker_fits_a_word() {
    assert_eq!(size_of::<FdWaker<UnixStream>>(), size_of::<usize>());
    assert_eq!(
        size_of::<Option<FdWakerOwner<UnixStream>>>(),
        size_of::<usize>()
    );
}
