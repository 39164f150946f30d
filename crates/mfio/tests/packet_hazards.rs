//! Packets under hostile use: dropping and forgetting at every point, ending on other threads,
//! panicking wakers.
#![allow(unsafe_code)]

use mfio::error::{Cause, ErrorKind};
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::{Buffer, InFlight, Packet, ReadBuffer, View, WriteBuffer};
use mfio::traits::{IoRead, IoWrite};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

/// As `mem::forget`, but reachable, so that checkers of leaks know it is meant.
fn forever<T: Send + 'static>(value: T) -> &'static T {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let value: &'static T = Box::leak(Box::new(value));
    KEPT.lock()
        .unwrap()
        .push(std::ptr::from_ref(value).expose_provenance());
    value
}

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

/// Keeps every view until it is told what to do with them.
#[derive(Default)]
struct Held {
    reads: Mutex<Vec<View<Read>>>,
    writes: Mutex<Vec<View<Write>>>,
}

impl PacketIo<Read> for Held {
    fn send_io(&self, _: u64, view: View<Read>) {
        self.reads.lock().unwrap().push(view);
    }
}

impl PacketIo<Write> for Held {
    fn send_io(&self, _: u64, view: View<Write>) {
        self.writes.lock().unwrap().push(view);
    }
}

impl Held {
    fn sent(&self) -> View<Read> {
        self.reads
            .lock()
            .unwrap()
            .pop()
            .expect("something was sent")
    }
}

#[test]
fn the_buffer_is_freed_once_wherever_the_future_is_dropped() {
    // How far the future gets before it is dropped, and what becomes of the view before or after.
    for polls in 0..3 {
        for view_first in [true, false] {
            for resolve in 0..3 {
                let (packet, freed) = counted();
                let (mut in_flight, view) = packet.start::<Read>();
                let wakers = [counter().1, counter().1];
                for waker in wakers.iter().take(polls) {
                    assert!(poll(&mut in_flight, waker).is_pending());
                }
                let end = |view: View<Read>| match resolve {
                    0 => view.done(),
                    1 => view.fail(ErrorKind::Busy),
                    _ => drop(view),
                };
                if view_first {
                    end(view);
                    assert_eq!(freed(), 0, "the initiator still has it");
                    drop(in_flight);
                } else {
                    drop(in_flight);
                    assert_eq!(freed(), 0, "the view still has it");
                    assert!(view.is_abandoned());
                    end(view);
                }
                assert_eq!(freed(), 1);
            }
        }
    }
}

#[test]
fn a_view_outlives_the_future_and_is_filled_on_another_thread() {
    let (packet, freed) = counted();
    let (in_flight, view) = packet.start::<Read>();
    let (mut head, mut tail) = view.split_at(3);
    drop(in_flight);
    std::thread::scope(|s| {
        s.spawn(move || {
            head.bytes_mut().fill(1);
            head.done();
        });
        s.spawn(move || {
            tail.bytes_mut().fill(2);
            drop(tail);
        });
    });
    assert_eq!(freed(), 1);
}

#[test]
fn a_forgotten_future_or_view_leaks_and_frees_nothing() {
    let (packet, freed) = counted();
    let (in_flight, mut view) = packet.start::<Read>();
    forever(in_flight);
    view.bytes_mut().fill(3);
    view.done();
    assert_eq!(freed(), 0);

    let (packet, freed) = counted();
    let (mut in_flight, view) = packet.start::<Read>();
    let (kept, forgotten) = view.split_at(4);
    forever(forgotten);
    kept.done();
    assert!(poll(&mut in_flight, &counter().1).is_pending());
    drop(in_flight);
    assert_eq!(
        freed(),
        0,
        "the forgotten view may still be used by a driver"
    );
}

#[test]
fn dropping_futures_of_every_form_at_every_point() {
    let io = forever(Held::default());
    let waker = counter().1;
    let mut bytes = [7u8; 8];
    drop(io.read_exact_at(&mut bytes, 0));
    drop(io.write_all_at(&bytes, 0));
    drop(io.read_exact_buf_at(vec![0; 8], 0));
    assert!(
        io.reads.lock().unwrap().is_empty(),
        "nothing is sent before the first poll"
    );

    let mut all = io.read_exact_at(&mut bytes, 0);
    assert!(poll(&mut all, &waker).is_pending());
    drop(all);
    bytes[0] = 8; // the memory is the caller's again
    let mut view = io.sent();
    view.bytes_mut().fill(0xee);
    view.done();
    assert_eq!(bytes, [8, 7, 7, 7, 7, 7, 7, 7]);

    let mut value = io.read_value_at::<u64>(0);
    assert!(poll(&mut value, &waker).is_pending());
    forever(value);
    let mut view = io.sent();
    view.bytes_mut().fill(0xee);
    view.done();

    let mut write = io.write_all_at(&bytes, 0);
    assert!(poll(&mut write, &waker).is_pending());
    drop(write);
    bytes.fill(0);
    let view = io.writes.lock().unwrap().pop().unwrap();
    assert_eq!(
        view.bytes(),
        [8, 7, 7, 7, 7, 7, 7, 7],
        "the write keeps what it was given"
    );
}

#[test]
fn a_view_dropped_unresolved_is_a_failure() {
    let (in_flight, view) = Packet::new([0u8; 8]).start::<Read>();
    let (good, lost) = view.split_at(5);
    drop(lost);
    good.done();
    let outcome = in_flight.try_end().unwrap().outcome;
    assert!(!outcome.is_success());
    assert_eq!(outcome.good_prefix(), 5);
    assert_eq!(outcome.first_error(), Some(Cause::new(ErrorKind::Dropped)));
}

#[test]
fn an_empty_view_that_fails_fails_no_bytes() {
    type End = fn(View<Read>);
    let ends: [End; 3] = [
        drop,
        |view| view.fail(ErrorKind::Busy),
        |view| view.done_prefix(0, ErrorKind::Busy),
    ];
    for at in [0, 3, 8] {
        for end in ends {
            for empty_first in [true, false] {
                let (in_flight, view) = Packet::new([0u8; 8]).start::<Read>();
                let (head, tail) = view.split_at(at);
                let (empty, tail) = tail.split_at(0);
                if empty_first {
                    end(empty);
                    head.done();
                    tail.done();
                } else {
                    head.done();
                    tail.done();
                    end(empty);
                }
                let outcome = in_flight.try_end().unwrap().outcome;
                assert!(outcome.is_success(), "{outcome:?}");
                assert_eq!(outcome.good_prefix(), 8);
                assert_eq!(outcome.first_error(), None);
            }
        }
    }
}

#[test]
fn an_empty_request_fails_once_where_a_view_of_it_fails() {
    for done_first in [true, false] {
        let (in_flight, view) = Packet::new([0u8; 8]).start_prefix::<Read>(0);
        let (done, lost) = view.split_at(0);
        let (busy, lost) = lost.split_at(0);
        if done_first {
            done.done();
            busy.fail(ErrorKind::Busy);
        } else {
            busy.fail(ErrorKind::Busy);
            done.done();
        }
        drop(lost);
        let outcome = in_flight.try_end().unwrap().outcome;
        assert!(!outcome.is_success());
        assert_eq!((outcome.len(), outcome.good_prefix()), (0, 0));
        assert_eq!(outcome.failures().count(), 1);
        assert_eq!(outcome.first_error(), Some(Cause::new(ErrorKind::Busy)));
    }
}

#[test]
#[should_panic(expected = "gave its packet back already")]
fn ending_an_operation_that_a_poll_has_ended_panics_and_says_why() {
    let (mut in_flight, view) = Packet::new([0u8; 8]).start::<Read>();
    view.done();
    assert!(poll(&mut in_flight, Waker::noop()).is_ready());
    assert!(in_flight.is_ended());
    let _ = in_flight.try_end();
}

/// Ends every view within `send_io`.
struct Inline;

impl PacketIo<Read> for Inline {
    fn send_io(&self, _: u64, view: View<Read>) {
        let (a, b) = view.split_at(1);
        b.done();
        a.done();
    }
}

#[test]
fn an_inline_end_neither_clones_nor_wakes() {
    fn touched(_: *const ()) -> RawWaker {
        panic!("the waker was cloned");
    }
    fn woken(_: *const ()) {
        panic!("the waker was woken");
    }
    static VTABLE: RawWakerVTable = RawWakerVTable::new(touched, woken, woken, |_| ());
    // SAFETY: it has no data.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) };
    let mut future = Inline.read_packet_at(Packet::new([0u8; 4]), 0);
    assert!(poll(&mut future, &waker).is_ready());
    assert!(poll(&mut Inline.read_value_at::<u64>(0), &waker).is_ready());
}

#[test]
fn only_the_latest_waker_is_woken_and_none_is_left_behind() {
    let (mut in_flight, view) = Packet::new([0u8; 4]).start::<Read>();
    let counters: Vec<_> = (0..4).map(|_| counter()).collect();
    for (_, waker) in &counters {
        assert!(poll(&mut in_flight, waker).is_pending());
        assert!(poll(&mut in_flight, waker).is_pending());
    }
    view.done();
    let wakes: Vec<_> = counters
        .iter()
        .map(|(counter, _)| counter.wakes.load(Ordering::SeqCst))
        .collect();
    assert_eq!(wakes, [0, 0, 0, 1]);
    for (counter, _) in &counters {
        assert_eq!(Arc::strong_count(counter), 2, "the test's own two");
    }
    assert!(in_flight.is_ended());
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker panics");
    }
}

#[test]
fn a_panicking_waker_harms_neither_driver_nor_packet() {
    let (packet, freed) = counted();
    let (mut in_flight, view) = packet.start::<Read>();
    let panics = Arc::new(Panics);
    let waker = Waker::from(panics.clone());
    assert!(poll(&mut in_flight, &waker).is_pending());
    view.done();
    let Ok(ended) = in_flight.try_end() else {
        panic!("the end was published before the waker ran");
    };
    assert!(ended.outcome.is_success());
    drop(waker);
    assert_eq!(Arc::strong_count(&panics), 1);
    let (mut in_flight, view) = ended.packet.start::<Write>();
    view.done();
    assert!(
        poll(&mut in_flight, &counter().1).is_ready(),
        "and can be used again"
    );
    drop(in_flight);
    assert_eq!(freed(), 1);
}

#[test]
fn a_panicking_waker_does_not_bring_down_a_backend_that_others_use() {
    use mfio::backend::IoBackendExt;
    let io = mfio::memory::Memory::new(vec![7; 8]);
    let mut doomed = io.read_packet_at(Packet::new([0u8; 4]), 0);
    let mut others: Vec<_> = (0..3)
        .map(|_| io.read_packet_at(Packet::new([0u8; 4]), 0))
        .collect();
    assert!(poll(&mut doomed, &Arc::new(Panics).into()).is_pending());
    for other in &mut others {
        assert!(poll(other, Waker::noop()).is_pending());
    }
    for other in others {
        let ended = io.block_on(other);
        assert!(ended.outcome.is_success());
    }
    assert_eq!(io.block_on(doomed).packet.into_buffer(), [7; 4]);
}

#[test]
fn a_buffer_that_panics_when_freed_does_not_bring_down_its_driver() {
    struct Owner;
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            b"owned"
        }
    }
    impl Drop for Owner {
        fn drop(&mut self) {
            panic!("a buffer panics");
        }
    }
    let (in_flight, view) = Packet::new(bytes::Bytes::from_owner(Owner)).start::<Write>();
    drop(in_flight);
    assert_eq!(view.bytes(), b"owned");
    view.done();
}

#[test]
fn a_waker_that_polls_the_same_future_when_woken_finds_it_ended() {
    #[derive(Default)]
    struct Repolls {
        in_flight: Mutex<Option<InFlight<[u8; 4], Read>>>,
        ready: AtomicUsize,
    }
    impl Wake for Repolls {
        fn wake(self: Arc<Self>) {
            let mut in_flight = self
                .in_flight
                .lock()
                .unwrap()
                .take()
                .expect("it waits here");
            let ready = poll(&mut in_flight, Waker::noop()).is_ready();
            self.ready.fetch_add(usize::from(ready), Ordering::SeqCst);
        }
    }
    let (mut in_flight, view) = Packet::new([0u8; 4]).start::<Read>();
    let repolls = Arc::new(Repolls::default());
    assert!(poll(&mut in_flight, &repolls.clone().into()).is_pending());
    *repolls.in_flight.lock().unwrap() = Some(in_flight);
    view.done();
    assert_eq!(repolls.ready.load(Ordering::SeqCst), 1);
}

/// Panics in `send_io`, after the view was dropped or while it is kept.
struct Explodes(Mutex<Option<View<Read>>>, bool);

impl PacketIo<Read> for Explodes {
    fn send_io(&self, _: u64, view: View<Read>) {
        if self.1 {
            *self.0.lock().unwrap() = Some(view);
        }
        panic!("a driver breaks its contract");
    }
}

#[test]
fn a_panic_in_send_io_frees_nothing_early_and_nothing_twice() {
    for keeps in [false, true] {
        let (packet, freed) = counted();
        let io = Explodes(Mutex::new(None), keeps);
        let mut future = io.read_packet_at(packet, 0);
        let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut future, Waker::noop())));
        assert!(polled.is_err());
        assert_eq!(freed(), usize::from(!keeps));
        if let Some(mut view) = io.0.lock().unwrap_or_else(|e| e.into_inner()).take() {
            view.bytes_mut().fill(9);
            view.done();
        }
        assert_eq!(freed(), 1);
        let again = catch_unwind(AssertUnwindSafe(|| poll(&mut future, Waker::noop())));
        assert!(again.is_err(), "and it says that it is over");
    }
}

#[test]
fn an_address_stays_valid_wherever_view_and_future_move() {
    let (in_flight, view) = Packet::new([0u8; 64]).start::<Read>();
    let address = view.as_mut_ptr();
    let mut moved = [Some(Box::new(view)), None];
    moved.swap(0, 1);
    let boxed = Box::new(in_flight);
    // SAFETY: valid until the view ends.
    unsafe { address.write_bytes(5, 64) };
    for view in moved.into_iter().flatten() {
        assert_eq!(view.as_mut_ptr(), address);
        view.done();
    }
    assert_eq!(boxed.try_end().unwrap().packet.into_buffer(), [5; 64]);
}

#[test]
fn splitting_beyond_the_end_panics_and_fails_the_range() {
    let (in_flight, view) = Packet::new([0u8; 4]).start::<Read>();
    assert!(catch_unwind(AssertUnwindSafe(|| view.split_at(5))).is_err());
    let outcome = in_flight.try_end().unwrap().outcome;
    assert_eq!(outcome.first_error(), Some(ErrorKind::Dropped.into()));
}

#[test]
fn an_empty_packet_ends_like_any_other() {
    let (in_flight, view) = Packet::new(Vec::new()).start::<Write>();
    assert!(view.is_empty() && view.bytes().is_empty() && !view.as_ptr().is_null());
    view.done_prefix(0, ErrorKind::UnexpectedEof);
    let ended = in_flight.try_end().unwrap();
    assert!(ended.outcome.is_success());
    let (in_flight, view) = ended.packet.start::<Read>();
    view.fail(ErrorKind::NotSupported);
    let ended = in_flight.try_end().unwrap();
    assert_eq!(
        ended.outcome.first_error(),
        Some(ErrorKind::NotSupported.into())
    );
    assert_eq!(ended.outcome.good_prefix(), 0);
}
