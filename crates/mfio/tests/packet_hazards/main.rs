//! Packets under hostile use: dropping and forgetting at every point, ending on other threads,
//! panicking wakers.
#![allow(unsafe_code)]

mod drops;
mod ends;
mod wakers;

use mfio::packet::{Buffer, Packet, ReadBuffer, WriteBuffer};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Eight bytes on the heap, of which every freeing is counted.
struct Counted {
    bytes: Box<[u8]>,
    freed: Arc<AtomicUsize>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::SeqCst);
    }
}

struct CountedParts {
    bytes: *mut [u8],
    freed: Arc<AtomicUsize>,
}

// SAFETY: raw parts of a box, which stays where it is.
unsafe impl Buffer for Counted {
    type Parts = CountedParts;

    fn into_parts(mut self) -> CountedParts {
        let bytes = Box::into_raw(std::mem::take(&mut self.bytes));
        let freed = self.freed.clone();
        // What is dropped here is the empty shell.
        freed.fetch_sub(1, Ordering::SeqCst);
        CountedParts { bytes, freed }
    }

    unsafe fn from_parts(parts: CountedParts) -> Self {
        Counted {
            // SAFETY: it came from `into_raw`, and the caller has the only claim.
            bytes: unsafe { Box::from_raw(parts.bytes) },
            freed: parts.freed,
        }
    }

    unsafe fn region(parts: *mut CountedParts) -> (*mut u8, usize) {
        // SAFETY: the caller's pointer is valid.
        let bytes = unsafe { (*parts).bytes };
        (bytes.cast(), bytes.len())
    }
}
// SAFETY: plain bytes.
unsafe impl ReadBuffer for Counted {}
// SAFETY: plain bytes.
unsafe impl WriteBuffer for Counted {}

fn counted() -> (Packet<Counted>, impl Fn() -> usize) {
    let freed = Arc::new(AtomicUsize::new(0));
    let buffer = Counted {
        bytes: vec![0; 8].into(),
        freed: freed.clone(),
    };
    (Packet::new(buffer), move || freed.load(Ordering::SeqCst))
}

#[derive(Default)]
struct Counter {
    wakes: AtomicUsize,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}

fn counter() -> (Arc<Counter>, Waker) {
    let counter = Arc::new(Counter::default());
    (counter.clone(), counter.into())
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}
