//! Hits, misses in the steady state, requests of parts of blocks, and what need not be copied up
//! allocate nothing.

#[path = "common/counting.rs"]
mod counting;

use counting::{COUNT, Sink, VIEWS};
use mfio::io::{Direction, PacketIo, Read, Write};
use mfio::packet::{BufferFor, Packet};
use mfio_layers::{Blocks, Cache, Overlay, Trace};

/// Sends `len` bytes to each of `places` a hundred times, once it is warm: how many views came
/// through, and how many allocations there were.
fn sent<D: Direction>(io: &impl PacketIo<D>, places: &[u64], len: usize) -> (usize, usize)
where
    Vec<u8>: BufferFor<D>,
{
    let mut packet = Some(Packet::new(vec![0u8; len]));
    let mut round = || {
        for pos in places {
            let (in_flight, view) = packet.take().unwrap().start::<D>();
            io.send_io(*pos, view);
            packet = Some(in_flight.try_end().expect("it ended at once").packet);
        }
    };
    (0..3).for_each(|_| round());
    let before = COUNT.get();
    VIEWS.set(0);
    (0..100).for_each(|_| round());
    (VIEWS.get() / 100, COUNT.get() - before)
}

#[test]
fn the_allocator_counts() {
    let before = COUNT.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(COUNT.get() - before, 1);
}

#[test]
fn hits_and_misses_allocate_nothing() {
    let cache = Cache::new(Sink, 64, 16).unwrap();
    assert_eq!(sent::<Read>(&cache, &[0, 5, 16], 32), (0, 0), "hits");
    let misses = [0, 100, 200, 300];
    assert_eq!(sent::<Read>(&cache, &misses, 48), (15, 0), "misses");
    assert_eq!(sent::<Write>(&cache, &misses, 48), (4, 0), "writes");
}

#[test]
fn requests_of_parts_of_blocks_allocate_nothing() {
    let io: Blocks<_> = Blocks::with_block(Sink, 16).unwrap();
    assert_eq!(sent::<Read>(&io, &[0, 160], 32), (2, 0), "aligned");
    assert_eq!(sent::<Write>(&io, &[0, 160], 32), (2, 0), "aligned");
    assert_eq!(sent::<Read>(&io, &[1, 160], 31), (2, 0));
    // Two blocks that are read and written, and one between; a block and the one before.
    assert_eq!(sent::<Write>(&io, &[1, 160], 40), (5 + 3, 0));
}

#[test]
fn granules_on_one_side_are_forwarded_without_allocating() {
    let io = Overlay::<_, _>::new(Sink, Sink, 1000, 16).unwrap();
    assert_eq!(sent::<Read>(&io, &[0, 500], 100), (2, 0));
    let (views, _) = sent::<Write>(&io, &[160], 160);
    assert_eq!(views, 1);
    assert_eq!(sent::<Write>(&io, &[160, 170], 150), (2, 0));
    assert_eq!(sent::<Read>(&io, &[100], 100), (2, 0));
}

#[test]
fn tracing_allocates_nothing() {
    let io = Trace::new(Sink);
    assert_eq!(sent::<Read>(&io, &[0], 100), (1, 0));
    assert_eq!(sent::<Write>(&io, &[0], 100), (1, 0));
}
