//! Models of the state word: real packets under loom, two or three threads, at most [`PREEMPTIONS`]
//! preemptions each.
//!
//! The cells of [`Probe`] stand for the bytes of views. Loom checks every access of them: a missing
//! ordering is a race there, a lost wake-up is a deadlock, a double or missing free shows in the
//! count.
#![allow(unsafe_code)]

use super::*;
use crate::error::ErrorKind;
use crate::io::{Read, Write};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use loom::cell::UnsafeCell;
use loom::sync::Notify;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

const PREEMPTIONS: usize = 3;

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(model);
}

/// Stands for the memory of a packet: cells that loom watches, and the number of times it was
/// freed.
#[derive(Default)]
struct Memory {
    cells: [UnsafeCell<usize>; 3],
    freed: AtomicUsize,
}

impl Memory {
    /// As a driver moves bytes.
    fn write(&self, cell: usize) {
        // SAFETY: not proved here but checked by loom.
        self.cells[cell].with_mut(|value| unsafe { *value += 1 });
    }

    /// As the initiator looks at them.
    fn read(&self, cell: usize) -> usize {
        // SAFETY: as above.
        self.cells[cell].with(|value| unsafe { *value })
    }

    fn freed(&self) -> usize {
        self.freed.load(Ordering::Relaxed)
    }
}

/// A buffer of two bytes with a [`Memory`] to watch.
struct Probe(Arc<Memory>);

// SAFETY: loom runs one thread at a time and checks the cells.
unsafe impl Send for Probe {}

impl Drop for Probe {
    fn drop(&mut self) {
        // Freeing must come after everything else that was done.
        (0..3).for_each(|cell| self.0.write(cell));
        self.0.freed.fetch_add(1, Ordering::Relaxed);
    }
}

struct ProbeParts {
    bytes: [u8; 2],
    probe: Probe,
}

// SAFETY: the bytes are the parts' own; nothing claims them.
unsafe impl Buffer for Probe {
    type Parts = ProbeParts;

    fn into_parts(self) -> ProbeParts {
        ProbeParts {
            bytes: [0; 2],
            probe: self,
        }
    }

    unsafe fn from_parts(parts: ProbeParts) -> Self {
        parts.probe
    }

    unsafe fn region(parts: *mut ProbeParts) -> (*mut u8, usize) {
        // SAFETY: the pointer is valid.
        (unsafe { (&raw mut (*parts).bytes).cast() }, 2)
    }
}
// SAFETY: plain bytes.
unsafe impl ReadBuffer for Probe {}
// SAFETY: plain bytes.
unsafe impl WriteBuffer for Probe {}

/// `Memory` shared between the model's threads.
#[derive(Clone)]
struct Watched(Arc<Memory>);
// SAFETY: loom runs one thread at a time and checks the cells.
unsafe impl Send for Watched {}

fn probe() -> (Watched, Packet<Probe>) {
    #[allow(clippy::arc_with_non_send_sync, reason = "loom checks what is shared")]
    let memory = Arc::new(Memory::default());
    (Watched(memory.clone()), Packet::new(Probe(memory)))
}

/// A waker that a model can wait for.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell(Notify::new()));
    (bell.clone(), bell.into())
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Polls, and waits for the bell as often as it takes. A lost wake-up is a deadlock.
fn wait<F: Future + Unpin>(mut future: F) -> F::Output {
    let (bell, waker) = bell();
    loop {
        if let Poll::Ready(output) = poll(&mut future, &waker) {
            return output;
        }
        bell.0.wait();
    }
}

/// Ends a view on a thread of its own, after writing to its cell.
fn ends(
    memory: &Watched,
    cell: usize,
    view: View<Read>,
    end: impl FnOnce(View<Read>) + 'static,
) -> loom::thread::JoinHandle<()> {
    let memory = memory.clone();
    loom::thread::spawn(move || {
        let memory = memory;
        memory.0.write(cell);
        end(view);
    })
}

#[test]
fn an_end_is_seen_whenever_the_waker_comes() {
    check(|| {
        let (memory, packet) = probe();
        let (in_flight, view) = packet.start::<Read>();
        let thread = ends(&memory, 0, view, View::done);
        let ended = wait(in_flight);
        assert!(ended.outcome.is_success());
        assert_eq!(memory.0.read(0), 1, "the end came after the write");
        drop(ended);
        assert_eq!(memory.0.freed(), 1);
        thread.join().unwrap();
        assert_eq!(memory.0.freed(), 1);
    });
}

#[test]
fn split_views_end_on_two_threads() {
    check(|| {
        let (memory, packet) = probe();
        let (in_flight, view) = packet.start::<Read>();
        let (a, b) = view.split_at(1);
        let first = ends(&memory, 0, a, View::done);
        let second = ends(&memory, 1, b, |view| view.fail(ErrorKind::Busy));
        let ended = wait(in_flight);
        assert_eq!(ended.outcome.good_prefix(), 1);
        let failures: Vec<_> = ended.outcome.failures().collect();
        assert_eq!((failures[0].offset, failures[0].len), (1, 1));
        assert_eq!((memory.0.read(0), memory.0.read(1)), (1, 1));
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn abandoning_races_an_end() {
    check(|| {
        let (memory, packet) = probe();
        let (mut in_flight, view) = packet.start::<Read>();
        let thread = ends(&memory, 0, view, View::done);
        let (_bell, waker) = bell();
        let polled = poll(&mut in_flight, &waker);
        // What the initiator did before it went must come before the freeing.
        memory.0.write(2);
        drop((polled, in_flight));
        thread.join().unwrap();
        assert_eq!(memory.0.freed(), 1, "freed once, by either side");
    });
}

#[test]
fn abandoning_races_two_ends() {
    check(|| {
        let (memory, packet) = probe();
        let (in_flight, view) = packet.start::<Read>();
        let (a, b) = view.split_at(1);
        let first = ends(&memory, 0, a, View::done);
        let second = ends(&memory, 1, b, drop);
        memory.0.write(2);
        drop(in_flight);
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(memory.0.freed(), 1, "freed once, by the last");
    });
}

#[test]
fn the_latest_of_three_wakers_is_woken() {
    check(|| {
        let (memory, packet) = probe();
        let (mut in_flight, view) = packet.start::<Read>();
        let thread = ends(&memory, 0, view, View::done);
        let early = [bell(), bell()];
        if !early
            .iter()
            .any(|(_, w)| poll(&mut in_flight, w).is_ready())
        {
            let ended = wait(in_flight);
            assert_eq!(memory.0.read(0), 1);
            drop(ended);
        }
        thread.join().unwrap();
    });
}

#[test]
fn abandoning_with_a_later_waker() {
    check(|| {
        let (memory, packet) = probe();
        let (mut in_flight, view) = packet.start::<Read>();
        let thread = ends(&memory, 0, view, View::done);
        let wakers = [bell(), bell()];
        if !wakers
            .iter()
            .any(|(_, w)| poll(&mut in_flight, w).is_ready())
        {
            drop(in_flight);
        }
        thread.join().unwrap();
        assert_eq!(memory.0.freed(), 1);
        for (bell, waker) in wakers {
            drop(waker);
            assert_eq!(Arc::strong_count(&bell), 1, "no waker is left behind");
        }
    });
}

#[test]
fn a_packet_is_used_again_while_its_last_end_is_waking() {
    check(|| {
        let (memory, packet) = probe();
        let (in_flight, view) = packet.start::<Read>();
        let first = ends(&memory, 0, view, View::done);
        let ended = wait(in_flight);
        let (in_flight, view) = ended.packet.start::<Write>();
        let again = memory.clone();
        let second = loom::thread::spawn(move || {
            let again = again;
            again.0.write(0);
            view.done();
        });
        assert!(wait(in_flight).outcome.is_success());
        assert_eq!(memory.0.read(0), 3, "two writes and the freeing");
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(memory.0.freed(), 1);
    });
}

/// Records the end of a relay: its outcome, and a notification for the test.
struct Told {
    memory: Watched,
    outcome: Arc<std::sync::Mutex<Vec<Outcome>>>,
    bell: Arc<Bell>,
}

impl OnEnd<Probe> for Told {
    fn on_end(relay: Relay<Probe, Self>, outcome: Outcome) {
        let (_, told) = relay.into_parts();
        // After what every view did.
        (0..2).for_each(|cell| told.memory.0.write(cell));
        told.outcome.lock().unwrap().push(outcome);
        told.bell.0.notify();
    }
}

#[test]
fn a_relay_ends_once_after_both_its_parts() {
    check(|| {
        #[allow(clippy::arc_with_non_send_sync, reason = "loom checks what is shared")]
        let memory = Watched(Arc::new(Memory::default()));
        let outcome = Arc::default();
        let (bell, _) = bell();
        let told = Told {
            memory: memory.clone(),
            outcome: Arc::clone(&outcome),
            bell: bell.clone(),
        };
        let view = Relay::new(Probe(memory.0.clone()), told).start::<Read>();
        let (a, b) = view.split_at(1);
        let first = ends(&memory, 0, a, View::done);
        let second = ends(&memory, 1, b, |view| view.fail(ErrorKind::Busy));
        while outcome.lock().unwrap().is_empty() {
            bell.0.wait();
        }
        assert_eq!(memory.0.freed(), 1, "freed by the relay, before it told");
        let outcomes = outcome.lock().unwrap();
        let [outcome] = &outcomes[..] else {
            panic!("told {} times", outcomes.len());
        };
        assert_eq!(outcome.good_prefix(), 1);
        drop(outcomes);
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// Waits for the next segment. A lost wake-up is a deadlock.
///
/// All calls have one waker: loom does not know that the memory of a waker that was freed comes to
/// another one only after that, and would show the other one a state from before.
fn next_segment(
    in_flight: &mut InFlight<Probe, Read>,
    (bell, waker): &(Arc<Bell>, Waker),
) -> Option<Segment> {
    loop {
        let mut cx = Context::from_waker(waker);
        if let Poll::Ready(segment) = in_flight.poll_segment(&mut cx) {
            return segment.map(|segment| segment.segment());
        }
        bell.0.wait();
    }
}

#[test]
fn each_segment_is_reported_with_its_bytes() {
    check(|| {
        let (memory, packet) = probe();
        let (mut in_flight, view) = packet.start_segments::<Read>();
        let driver = memory.clone();
        let thread = loom::thread::spawn(move || {
            let driver = driver;
            let (a, b) = view.split_at(1);
            driver.0.write(0);
            a.done();
            driver.0.write(1);
            b.fail(ErrorKind::Busy);
        });
        let mut bytes = 0;
        let bell = bell();
        while let Some(segment) = next_segment(&mut in_flight, &bell) {
            // Its bytes are the initiator's now, whatever becomes of the others.
            memory.0.write(segment.offset);
            bytes += segment.len;
        }
        assert_eq!(bytes, 2, "every byte is told of");
        assert!(wait(in_flight).outcome.first_error().is_some());
        thread.join().unwrap();
        assert_eq!(memory.0.freed(), 1);
    });
}

#[test]
fn a_batch_ends_after_all_its_views() {
    check(|| {
        #[allow(clippy::arc_with_non_send_sync, reason = "loom checks what is shared")]
        let memory = Watched(Arc::new(Memory::default()));
        let mut batch = Batch::<Probe, u64>::new();
        (0..2).for_each(|pos| batch.push(pos, Probe(memory.0.clone())));
        let (mut in_flight, sends) = batch.start::<Read>(false);
        let threads: Vec<_> = sends
            .map(|(pos, view)| ends(&memory, pos as usize, view, View::done))
            .collect();
        let ended = wait(&mut in_flight.in_flight);
        let ended = in_flight.ended(ended);
        assert!(ended.outcome.is_success());
        assert_eq!((memory.0.read(0), memory.0.read(1)), (1, 1));
        drop(ended);
        assert_eq!(memory.0.freed(), 2);
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
}
