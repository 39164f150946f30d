//! Dropping and forgetting at every point, moving, and panics in the middle.
#![allow(unsafe_code)]

use super::{counted, counter, poll};
use mfio::error::ErrorKind;
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::packet::{Packet, View};
use mfio::traits::{IoRead, IoWrite};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::task::Waker;

/// As `mem::forget`, but reachable, so that checkers of leaks know it is meant.
fn forever<T: Send + 'static>(value: T) -> &'static T {
    static KEPT: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let value: &'static T = Box::leak(Box::new(value));
    KEPT.lock()
        .unwrap()
        .push(std::ptr::from_ref(value).expose_provenance());
    value
}

/// Keeps every view until it is told what to do with them.
#[derive(Default)]
struct Held {
    reads: Mutex<Vec<View<Read>>>,
    writes: Mutex<Vec<View<Write>>>,
}

impl IoObject for Held {}

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

/// Panics in `send_io`, after the view was dropped or while it is kept.
struct Explodes(Mutex<Option<View<Read>>>, bool);

impl IoObject for Explodes {}

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
