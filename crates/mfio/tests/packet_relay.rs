//! Relays under hostile use: views taken over, kept, dropped, sent again, ended by panicking
//! layers.

use mfio::error::{Cause, ErrorKind};
use mfio::io::{Read, Write};
use mfio::packet::{
    AlignedBuf, Ended, OnEnd, Outcome, Packet, Recallable, Recalled, Relay, RelayPool, View,
};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

/// Hands the relay over to whoever made it.
struct Tell<B: mfio::packet::Buffer + 'static>(Told<B>);

/// The relays that have ended.
type Told<B> = Arc<Mutex<Vec<(Relay<B, Tell<B>>, Outcome)>>>;

impl<B: mfio::packet::Buffer + 'static> OnEnd<B> for Tell<B> {
    fn on_end(relay: Relay<B, Self>, outcome: Outcome) {
        let told = relay.state().0.clone();
        told.lock().unwrap().push((relay, outcome));
    }
}

fn relay<B: mfio::packet::Buffer + 'static>(buffer: B) -> (Relay<B, Tell<B>>, Told<B>) {
    let told = Arc::default();
    (Relay::new(buffer, Tell(Arc::clone(&told))), told)
}

fn ended<B: mfio::packet::Buffer, D: mfio::io::Direction>(
    in_flight: mfio::packet::InFlight<B, D>,
) -> Ended<B> {
    in_flight.try_end().expect("every view has ended")
}

#[test]
fn a_view_that_is_taken_over_is_filled_in_place_and_ends_when_the_layer_says_so() {
    let (in_flight, outer) = Packet::new(vec![0u8; 8]).start::<Read>();
    let address = outer.as_mut_ptr();
    let (relay, told) = relay(outer);
    let mut inner = relay.start::<Read>();
    assert_eq!(inner.as_mut_ptr(), address, "no copy");
    inner.bytes_mut().copy_from_slice(b"in place");
    inner.done();
    assert!(!in_flight.is_ended(), "the layer has it");
    let (relay, outcome) = told.lock().unwrap().pop().unwrap();
    assert!(outcome.is_success());
    let (outer, _) = relay.into_parts();
    outer.resolve(&outcome);
    let ended = ended(in_flight);
    assert!(ended.outcome.is_success());
    assert_eq!(ended.packet.buffer(), b"in place");
}

#[test]
fn only_what_failed_is_sent_again() {
    let (in_flight, outer) = Packet::new([0u8; 6]).start::<Read>();
    let (relay, told) = relay(outer);
    let (mut a, b) = relay.start::<Read>().split_at(2);
    let (b, mut c) = b.split_at(2);
    a.bytes_mut().fill(1);
    a.done();
    b.fail(ErrorKind::Busy);
    c.bytes_mut().fill(3);
    c.done();
    let (relay, outcome) = told.lock().unwrap().pop().unwrap();
    let (outer, tell) = relay.into_parts();
    let mut again = None;
    for (part, result) in outer.parts(&outcome) {
        match result {
            Ok(()) => part.done(),
            Err(cause) => {
                assert_eq!(cause.kind(), ErrorKind::Busy);
                assert_eq!((part.offset(), part.len()), (2, 2));
                again = Some(Relay::new(part, Tell(tell.0.clone())).start::<Read>());
            }
        }
    }
    let mut again = again.expect("a part failed");
    again.bytes_mut().fill(2);
    again.done();
    let (relay, outcome) = told.lock().unwrap().pop().unwrap();
    relay.into_parts().0.resolve(&outcome);
    let ended = ended(in_flight);
    assert!(ended.outcome.is_success());
    assert_eq!(ended.packet.buffer(), [1, 1, 2, 2, 3, 3]);
}

#[test]
fn a_relay_that_is_dropped_fails_the_view_that_it_has() {
    // At each stage: before it is sent, while it is on its way, after it has ended.
    for stage in 0..3 {
        let (in_flight, outer) = Packet::new([0u8; 4]).start::<Read>();
        let (relay, told) = relay(outer);
        if stage == 0 {
            drop(relay);
        } else {
            let (head, tail) = relay.start::<Read>().split_at(2);
            head.done();
            assert!(told.lock().unwrap().is_empty(), "the tail lives");
            drop(tail);
            let (relay, outcome) = told.lock().unwrap().pop().expect("told");
            assert_eq!(outcome.good_prefix(), 2);
            match stage {
                1 => drop(relay),
                _ => relay.into_parts().0.resolve(&outcome),
            }
        }
        let good = if stage == 2 { 2 } else { 0 };
        let outcome = ended(in_flight).outcome;
        assert_eq!(outcome.good_prefix(), good, "stage {stage}");
        assert_eq!(outcome.first_error(), Some(Cause::new(ErrorKind::Dropped)));
    }
}

/// Panics when it is told.
struct Panics;

impl OnEnd<View<Read>> for Panics {
    fn on_end(_: Relay<View<Read>, Self>, _: Outcome) {
        panic!("a layer has a bug");
    }
}

#[test]
fn a_layer_that_panics_fails_its_view_and_harms_no_driver() {
    let (in_flight, outer) = Packet::new([0u8; 4]).start::<Read>();
    let view = Relay::new(outer, Panics).start::<Read>();
    // This is the driver: it is not unwound.
    view.done();
    assert_eq!(
        ended(in_flight).outcome.first_error(),
        Some(Cause::new(ErrorKind::Dropped))
    );
}

#[test]
fn what_is_sent_for_an_abandoned_view_is_abandoned_through_any_number_of_layers() {
    let (in_flight, outer) = Packet::new([0u8; 4]).start::<Read>();
    let (middle, told_outer) = relay(outer);
    let (inner, told_middle) = relay(middle.start::<Read>());
    let view = inner.start::<Read>();
    assert!(!view.is_abandoned());
    drop(in_flight);
    assert!(view.is_abandoned());
    view.done();
    let (relay, outcome) = told_middle.lock().unwrap().pop().unwrap();
    relay.into_parts().0.resolve(&outcome);
    let (relay, outcome) = told_outer.lock().unwrap().pop().unwrap();
    assert!(outcome.is_success());
    drop(relay);
}

#[test]
fn copies_write_the_same_bytes_and_each_has_its_outcome() {
    let (in_flight, outer) = Packet::new(*b"abcd").start::<Write>();
    let (relay, told) = relay(outer);
    let mut copies = relay.start_copies(NonZeroUsize::new(3).unwrap());
    assert_eq!(copies.len(), 3);
    let (first, second) = (copies.next().unwrap(), copies.next().unwrap());
    assert_eq!(first.bytes(), b"abcd");
    assert_eq!(first.as_ptr(), second.as_ptr());
    let (head, tail) = second.split_at(1);
    tail.fail(ErrorKind::StorageFull);
    head.done();
    first.done();
    assert!(told.lock().unwrap().is_empty(), "one is left");
    drop(copies);
    let (relay, outcome) = told
        .lock()
        .unwrap()
        .pop()
        .expect("the last one was dropped");
    assert_eq!(outcome.len(), 12);
    let of = |n: usize| outcome.part(n * 4..(n + 1) * 4);
    assert!(of(0).is_success());
    assert_eq!(of(1).good_prefix(), 1);
    assert_eq!(of(1).first_error(), Some(ErrorKind::StorageFull.into()));
    assert_eq!(of(2).first_error(), Some(ErrorKind::Dropped.into()));
    relay.into_parts().0.done();
    assert!(ended(in_flight).outcome.is_success());
}

#[test]
fn a_pool_keeps_blocks_and_nothing_of_what_they_carried() {
    let pool = RelayPool::<AlignedBuf, Tell<AlignedBuf>>::new(2);
    let told = Arc::default();
    let addresses: Vec<_> = (0..3)
        .map(|round| {
            let state = Tell(Arc::clone(&told));
            let mut relay = pool.relay(AlignedBuf::new(16), state);
            assert_eq!(relay.len(), 16);
            relay.buffer_mut().fill(round);
            let view = relay.start_prefix::<Write>(10);
            assert_eq!((view.len(), view.bytes()[0]), (10, round));
            view.done();
            let (relay, outcome) = told.lock().unwrap().pop().unwrap();
            assert_eq!(outcome.len(), 10);
            let address = std::ptr::from_ref(relay.state()) as usize;
            let (buffer, _) = pool.reclaim(relay);
            assert_eq!(buffer[15], round);
            assert_eq!(Arc::strong_count(&told), 1, "the state came back");
            address
        })
        .collect();
    assert_eq!(addresses, [addresses[0]; 3], "one block for all");
}

#[test]
fn blocks_of_a_pool_that_has_gone_are_freed() {
    let told = Arc::default();
    let pool = RelayPool::new(1);
    let relays: Vec<_> = (0..3)
        .map(|_| pool.relay(vec![0u8; 4], Tell(Arc::clone(&told))))
        .collect();
    let mut relays = relays.into_iter();
    pool.reclaim(relays.next().unwrap());
    pool.reclaim(relays.next().unwrap());
    drop(pool);
    let view = relays.next().unwrap().start::<Read>();
    view.done();
    assert_eq!(told.lock().unwrap().len(), 1);
    told.lock().unwrap().clear();
    assert_eq!(Arc::strong_count(&told), 1);
}

#[test]
fn empty_views_are_taken_over_like_others() {
    let (in_flight, outer) = Packet::new([0u8; 0]).start::<Read>();
    let (relay, told) = relay(outer);
    relay.start::<Read>().fail(ErrorKind::NotFound);
    let (relay, outcome) = told.lock().unwrap().pop().unwrap();
    assert_eq!(outcome.first_error(), Some(ErrorKind::NotFound.into()));
    relay.into_parts().0.resolve(&outcome);
    assert_eq!(
        ended(in_flight).outcome.first_error(),
        Some(ErrorKind::NotFound.into())
    );
}

#[test]
fn copies_that_cannot_be_counted_end_the_relay() {
    let (in_flight, view) = Packet::new([0u8; 0]).start::<Write>();
    let (relay, _) = relay(view);
    let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(relay.start_copies(std::num::NonZeroUsize::MAX));
    }));
    assert!(sent.is_err());
    assert!(in_flight.is_ended(), "the view that it has fails");
}

/// Recalled where there is a `true`; panics where there is nothing.
#[derive(Clone, Default)]
struct Mark(Arc<Mutex<Option<bool>>>);

impl Recalled for Mark {
    fn is_recalled(&self) -> bool {
        self.0.lock().unwrap().expect("a mark is asked without one")
    }
}

#[test]
fn a_relay_is_abandoned_when_its_layer_recalls_it_or_its_view_is() {
    let mark = Mark(Arc::new(Mutex::new(Some(false))));
    let (in_flight, outer) = Packet::new([0u8; 8]).start::<Read>();
    let (lower, told) = relay(Recallable::new(outer, mark.clone()));
    let (upper, kept) = relay(lower.start::<Read>());
    let view = upper.start::<Read>();
    assert!(!view.is_abandoned());
    *mark.0.lock().unwrap() = Some(true);
    assert!(
        view.is_abandoned(),
        "through a layer that knows nothing of it"
    );
    *mark.0.lock().unwrap() = Some(false);
    drop(in_flight);
    assert!(view.is_abandoned(), "whoever gives up");
    view.done();
    assert!(told.lock().unwrap().is_empty(), "the layer between has it");
    // Each list keeps relays that keep the list.
    drop(std::mem::take(&mut *kept.lock().unwrap()));
    let ended = std::mem::take(&mut *told.lock().unwrap());
    assert_eq!(ended.len(), 1);
}

#[test]
fn hazard_a_recall_that_panics_takes_whoever_asks_along() {
    let mark = Mark(Arc::new(Mutex::new(Some(false))));
    let (relay, told) = relay(Recallable::new([1u8; 4], mark.clone()));
    let view = relay.start::<Write>();
    mark.0.lock().unwrap().take();
    assert!(!view.is_abandoned());
    view.done();
    let (relay, outcome) = told.lock().unwrap().pop().unwrap();
    assert!(outcome.is_success());
    assert_eq!(relay.into_parts().0.into_parts().0, [1; 4]);
}
