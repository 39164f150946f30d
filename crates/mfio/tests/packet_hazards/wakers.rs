//! Wakers: none for an inline end, the latest only, panicking ones, those that poll.
#![allow(unsafe_code)]

use super::{counted, counter, poll};
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::packet::{InFlight, Packet, View};
use mfio::traits::IoRead;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};

/// Ends every view within `send_io`.
struct Inline;

impl IoObject for Inline {}

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
