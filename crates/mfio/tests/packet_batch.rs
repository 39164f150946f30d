//! Batches and segments: many buffers as one packet, and ranges that are told of as they end.

use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{Batch, Packet, View};
use mfio::traits::{IoRead, IoWrite};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Keeps what it is sent.
#[derive(Default)]
struct Held {
    reads: Mutex<Vec<(u64, View<Read>)>>,
    writes: Mutex<Vec<(u64, View<Write>)>>,
}

impl IoObject for Held {}

impl PacketIo<Read> for Held {
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.reads.lock().unwrap().push((pos, view));
    }
}

impl PacketIo<Write> for Held {
    fn send_io(&self, pos: u64, view: View<Write>) {
        self.writes.lock().unwrap().push((pos, view));
    }
}

impl Held {
    fn reads(&self) -> Vec<(u64, View<Read>)> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counter() -> (Arc<Counter>, Waker) {
    let counter = Arc::new(Counter::default());
    (counter.clone(), counter.into())
}

#[test]
fn a_batch_is_sent_at_once_and_wakes_once() {
    let io = Held::default();
    let batch: Batch<_> = (0..5u64)
        .map(|n| (n * 100, vec![0u8; n as usize]))
        .collect();
    assert_eq!(batch.total_bytes(), 10);
    let mut future = pin!(io.read_batch(batch));
    let (wakes, waker) = counter();
    let mut cx = Context::from_waker(&waker);
    assert!(future.as_mut().poll(&mut cx).is_pending());
    let sent = io.reads();
    assert_eq!(sent.len(), 5);
    for (pos, mut view) in sent {
        assert_eq!(pos, view.len() as u64 * 100);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
        view.bytes_mut().fill(pos as u8);
        if pos == 300 {
            view.done_prefix(1, ErrorKind::UnexpectedEof);
        } else {
            view.done();
        }
    }
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "one wake-up for all");
    let Poll::Ready(ended) = future.poll(&mut cx) else {
        panic!("all have ended");
    };
    let results: Vec<_> = ended.results().map(|r| r.map_err(|c| c.kind())).collect();
    let eof = Err(ErrorKind::UnexpectedEof);
    assert_eq!(results, [Ok(()), Ok(()), Ok(()), eof, Ok(())]);
    assert_eq!(ended.outcome_of(3).good_prefix(), 1);
    assert_eq!(ended.batch.bytes(4), [400u64 as u8; 4]);
}

#[test]
fn buffers_within_a_batch_are_read_and_written_where_they_are() {
    let io = Memory::new(vec![0; 64]);
    let mut batch = Batch::with_capacity(8);
    for n in 0..8u64 {
        batch.push(n * 8, [n as u8; 4]);
    }
    let mut ended = io.block_on(io.write_batch(batch));
    assert!(ended.outcome.is_success());
    for n in 0..8 {
        ended.batch.bytes_mut(n).fill(0);
        ended.batch.set_position(n, n as u64 * 8 + 2);
    }
    let mut ended = io.block_on(io.read_batch(ended.batch));
    assert!(ended.outcome.is_success());
    for n in 0..8 {
        let expected = [n as u8, n as u8, 0, 0];
        assert_eq!(
            (ended.batch.position(n), ended.batch.bytes(n)),
            (n as u64 * 8 + 2, &expected[..])
        );
    }
    let taken: Vec<_> = ended.batch.drain().map(|(_, buffer)| buffer[0]).collect();
    assert_eq!(taken, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(ended.batch.is_empty() && ended.batch.total_bytes() == 0);
}

#[test]
fn an_empty_batch_is_ready() {
    let io = Held::default();
    let mut future = pin!(io.read_batch(Batch::<[u8; 4]>::new()));
    let polled = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(ended) = polled else {
        panic!("nothing to wait for");
    };
    assert!(ended.outcome.is_success() && ended.results().count() == 0);
}

#[test]
fn a_limit_bounds_what_is_on_its_way() {
    let io = Held::default();
    let batch: Batch<_> = [4usize, 4, 9, 1, 0, 2, 3]
        .into_iter()
        .map(|len| (0, vec![0u8; len]))
        .collect();
    let mut future = Box::pin(io.read_batch(batch).limit(8));
    let (wakes, waker) = counter();
    let mut cx = Context::from_waker(&waker);
    let mut lens = Vec::new();
    let mut in_flight = Vec::new();
    let ended = loop {
        let before = wakes.0.load(Ordering::SeqCst);
        if let Poll::Ready(ended) = future.as_mut().poll(&mut cx) {
            break ended;
        }
        in_flight.extend(io.reads());
        let bytes: usize = in_flight.iter().map(|(_, view)| view.len()).sum();
        assert!(
            bytes <= 8 || in_flight.len() == 1,
            "{bytes} bytes on their way"
        );
        let (_, view) = in_flight.remove(0);
        lens.push(view.len());
        // In two parts, to show that bytes count and not views.
        let half = view.len() / 2;
        let (head, tail) = view.split_at(half);
        head.done();
        tail.done();
        let all_sent = lens.len() + in_flight.len() == 7;
        let woken = wakes.0.load(Ordering::SeqCst) > before;
        assert!(woken || all_sent, "told that there is room");
    };
    assert!(ended.outcome.is_success());
    assert_eq!(lens, [4, 4, 9, 1, 0, 2, 3]);
}

#[test]
fn a_batch_that_is_given_up_half_way_frees_its_buffers_after_the_last_view() {
    let io = Held::default();
    let shared = Arc::new(());
    let batch: Batch<_> = (0..4)
        .map(|n| (n, Counted(Box::new([0; 4]), shared.clone()).into_buffer()))
        .collect();
    let mut future = Box::pin(io.read_batch(batch).limit(8));
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(future);
    let mut sent = io.reads();
    assert_eq!(sent.len(), 2, "the others were never sent");
    sent.iter_mut().for_each(|(_, view)| {
        assert!(view.is_abandoned());
        view.bytes_mut().fill(7);
    });
    drop(sent);
    assert_eq!(Arc::strong_count(&shared), 1);
}

/// Two views as the buffers of a batch.
type Two = [mfio::packet::InFlight<[u8; 2], Read>; 2];

fn batch_of_views() -> (Two, Batch<View<Read>>) {
    let (a, first) = Packet::new([0u8; 2]).start::<Read>();
    let (b, second) = Packet::new([0u8; 2]).start::<Read>();
    ([a, b], [(0, first), (2, second)].into_iter().collect())
}

#[test]
fn what_is_left_of_a_batch_that_is_drained_is_dropped() {
    let ([a, b], mut batch) = batch_of_views();
    let (_, first) = batch.drain().next().expect("there are two");
    assert!(b.is_ended(), "a buffer that nobody has any more ends");
    assert!(!a.is_ended());
    first.done();
    assert!(batch.is_empty() && batch.total_bytes() == 0);
    let ([a, b], mut batch) = batch_of_views();
    assert_eq!(batch.drain().len(), 2);
    assert!(a.is_ended() && b.is_ended());
}

#[test]
fn a_buffer_without_bytes_succeeds_between_those_that_fail() {
    let io = Held::default();
    let batch: Batch<_> = [2, 0, 2]
        .map(|n| (0u64, vec![0u8; n]))
        .into_iter()
        .collect();
    let mut future = pin!(io.read_batch(batch));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    io.reads()
        .into_iter()
        .for_each(|(_, view)| view.fail(ErrorKind::Busy));
    let Poll::Ready(ended) = future.poll(&mut cx) else {
        panic!("all have ended");
    };
    let failed: Vec<_> = ended.results().map(|result| result.is_err()).collect();
    assert_eq!(failed, [true, false, true]);
    let outcomes = (0..3).map(|index| !ended.outcome_of(index).is_success());
    assert!(outcomes.eq(failed), "both say the same");
}

/// Memory that is counted while it lives: a view of a packet that is kept for that.
struct Counted(Box<[u8; 4]>, Arc<()>);

impl Counted {
    /// Through a relay, whose state is dropped when its buffer is.
    fn into_buffer(self) -> View<Read> {
        struct Keep(#[expect(dead_code, reason = "dropped with the relay")] Arc<()>);
        impl mfio::packet::OnEnd<Box<[u8]>> for Keep {
            fn on_end(_: mfio::packet::Relay<Box<[u8]>, Self>, _: mfio::packet::Outcome) {}
        }
        let bytes: Box<[u8]> = self.0;
        mfio::packet::Relay::new(bytes, Keep(self.1)).start::<Read>()
    }
}

#[test]
fn every_byte_is_in_one_segment() {
    let io = Held::default();
    let mut told = Vec::new();
    let mut future = Box::pin(
        io.read_packet_each_at(Packet::new([0u8; 10]), 0, |segment| {
            told.push((segment.offset(), segment.bytes().map(<[u8]>::to_vec)));
        }),
    );
    let (wakes, waker) = counter();
    let mut cx = Context::from_waker(&waker);
    assert!(future.as_mut().poll(&mut cx).is_pending());
    let (_, view) = io.reads().remove(0);
    let (mut a, rest) = view.split_at(2);
    let (b, mut c) = rest.split_at(3);
    let (c1, c2) = {
        c.bytes_mut().fill(3);
        c.split_at(1)
    };
    a.bytes_mut().fill(1);
    a.done();
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "told as they come");
    assert!(future.as_mut().poll(&mut cx).is_pending());
    b.fail(ErrorKind::Busy);
    c1.done();
    c2.done_prefix(2, ErrorKind::UnexpectedEof);
    let Poll::Ready(ended) = future.as_mut().poll(&mut cx) else {
        panic!("all have ended");
    };
    drop(future);
    let expected = [
        (0, Ok(vec![1, 1])),
        (2, Err(ErrorKind::Busy.into())),
        (5, Ok(vec![3, 3, 3])),
        (8, Err(ErrorKind::UnexpectedEof.into())),
    ];
    assert_eq!(told, expected, "neighbours that ended alike come as one");
    assert_eq!(ended.outcome.good_prefix(), 2);
}

#[test]
fn segments_of_an_earlier_operation_are_not_told_again() {
    let (in_flight, view) = Packet::new([0u8; 4]).start_segments::<Read>();
    view.done();
    let ended = in_flight.try_end().expect("ended");
    let mut cx = Context::from_waker(Waker::noop());
    // Neither by an operation that tells of segments ...
    let (mut in_flight, view) = ended.packet.start_segments::<Read>();
    assert!(in_flight.poll_segment(&mut cx).is_pending());
    view.done();
    let ended = in_flight.try_end().expect("ended");
    // ... nor by one that does not.
    let (mut in_flight, view) = ended.packet.start::<Read>();
    assert!(in_flight.poll_segment(&mut cx).is_pending());
    view.done();
    assert!(matches!(in_flight.poll_segment(&mut cx), Poll::Ready(None)));
    drop(in_flight);
}

#[test]
fn a_callback_that_panics_leaves_the_operation_to_its_view() {
    let io = Held::default();
    let mut future =
        Box::pin(io.write_packet_each_at(Packet::new([0u8; 4]), 0, |_| panic!("a user's bug")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    let (_, view) = io.writes.lock().unwrap().remove(0);
    let (a, b) = view.split_at(2);
    a.done();
    let poll = || Pin::new(&mut future).poll(&mut cx);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)).is_err());
    drop(future);
    assert!(b.is_abandoned());
    b.done();
}
