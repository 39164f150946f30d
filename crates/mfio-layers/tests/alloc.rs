//! Layers that split and forward allocate nothing, and do not split what they need not.

#[path = "common/counting.rs"]
mod counting;

use counting::{COUNT, Sink, VIEWS};
use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::{BufferFor, Packet};
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    AttachBackend, Concat, Fault, Limit, Limits, Mirror, Offset, Remap, Retry, RetryPolicy, Rule,
    Stripe, Timeout, Window,
};
use std::time::Duration;

/// Sends `len` bytes to `pos` a hundred times; says how many views came through each time, and how
/// many allocations there were in all.
fn send<D: mfio::io::Direction>(io: &impl PacketIo<D>, pos: u64, len: usize) -> (usize, usize)
where
    Vec<u8>: BufferFor<D>,
{
    let mut packet = Some(Packet::new(vec![0u8; len]));
    VIEWS.set(0);
    let before = COUNT.get();
    for _ in 0..100 {
        let (in_flight, view) = packet.take().unwrap().start::<D>();
        io.send_io(pos, view);
        packet = Some(in_flight.try_end().expect("it ended at once").packet);
    }
    let allocated = COUNT.get() - before;
    (VIEWS.get() / 100, allocated)
}

/// Both directions.
fn sent<Io: PacketIo<Read> + PacketIo<Write>>(io: &Io, pos: u64, len: usize) -> usize {
    let (views, allocated) = send::<Read>(io, pos, len);
    assert_eq!(allocated, 0);
    assert_eq!(send::<Write>(io, pos, len), (views, 0));
    views
}

#[test]
fn the_allocator_counts() {
    let before = COUNT.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(COUNT.get() - before, 1);
}

#[test]
fn unsplit_requests_are_forwarded_whole_and_parts_are_not_allocated() {
    assert_eq!(sent(&Offset::new(Sink, 7), 0, 100), 1);

    let window = Window::new(Sink, 7, 100);
    assert_eq!(sent(&window, 0, 100), 1);
    assert_eq!(sent(&window, 50, 100), 1, "the other part fails");

    let stripe = Stripe::new([Sink, Sink, Sink], 10).unwrap();
    assert_eq!(sent(&stripe, 20, 10), 1);
    assert_eq!(sent(&stripe, 25, 100), 11);
    assert_eq!(sent(&Stripe::new([Sink], 10).unwrap(), 25, 100), 1);

    let concat = Concat::new([(Sink, 50), (Sink, 50)]).unwrap();
    assert_eq!(sent(&concat, 50, 50), 1);
    assert_eq!(sent(&concat, 0, 100), 2);

    let driven = AttachBackend::new(Sink, mfio::memory::Memory::new([]));
    assert_eq!(sent(&driven, 0, 100), 1);
}

#[test]
fn a_remapping_splits_at_edges_only() {
    let mut io = Remap::<_, u64, u64>::new(Sink);
    io.map(0..50, 1000).unwrap();
    io.map(50..100, 1050).unwrap();
    io.map(100..150, 0).unwrap();
    io.map(160..200, 0).unwrap();
    assert_eq!(sent(&io, 0, 100), 1, "they continue each other");
    assert_eq!(sent(&io, 0, 150), 2);
    // One failed range is told without allocating.
    assert_eq!(sent(&io, 140, 60), 2);
}

#[test]
fn layers_on_layers_allocate_nothing() {
    let mut io = Remap::<_, u64, u64>::new(Window::new(
        Stripe::new([Offset::new(Sink, 5), Offset::new(Sink, 9)], 16).unwrap(),
        32,
        64,
    ));
    io.map(1000..1064, 0).unwrap();
    assert_eq!(sent(&io, 1000, 64), 4);
    assert_eq!(sent(&io, 1001, 15), 1);
}

#[test]
fn layers_that_keep_requests_allocate_nothing_once_they_are_warm() {
    fn warm<Io: PacketIo<Read> + PacketIo<Write>>(io: &Io) {
        send::<Read>(io, 0, 100);
        send::<Write>(io, 0, 100);
    }
    let clock = ManualClock::new();
    let retry: Retry<_> = Retry::new(Sink, RetryPolicy::new(3));
    let limit: Limit<_> = Limit::new(Sink, Limits::default());
    let mirror: Mirror<_> = Mirror::new([Sink, Sink]).unwrap();
    let timeout = Timeout::new(Sink, Duration::from_secs(1), clock);
    warm(&retry);
    warm(&limit);
    warm(&mirror);
    warm(&timeout);
    assert_eq!((sent(&retry, 0, 100), sent(&limit, 0, 100)), (1, 1));
    assert_eq!(sent(&timeout, 0, 100), 1);
    assert_eq!(send::<Read>(&mirror, 0, 100), (1, 0));
    assert_eq!(send::<Write>(&mirror, 0, 100), (2, 0), "to each replica");
}

#[test]
fn retried_and_queued_requests_allocate_nothing() {
    let busy = Rule::fail(ErrorKind::Busy).within(3..5).every(2);
    let retry: Retry<_> = Retry::new(Fault::new(Sink, [busy]), RetryPolicy::new(3));
    send::<Read>(&retry, 0, 100);
    assert_eq!(send::<Read>(&retry, 0, 100).1, 0);

    let broken = Fault::new(Sink, [Rule::fail(ErrorKind::Busy).within(3..5)]);
    let mirror: Mirror<_> = Mirror::new([broken, Fault::new(Sink, [])]).unwrap();
    send::<Read>(&mirror, 0, 100);
    assert_eq!(send::<Read>(&mirror, 0, 100).1, 0);

    let limits = Limits {
        bytes: 7,
        ..Limits::default()
    };
    let limit: Limit<_> = Limit::new(Sink, limits);
    send::<Write>(&limit, 0, 100);
    assert_eq!(send::<Write>(&limit, 0, 100), (15, 0));
}
