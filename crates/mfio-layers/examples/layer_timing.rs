//! Measures the cost that layers add to in-memory packets. Prints one line each, with medians of
//! several rounds.
//!
//! `cargo run --release -p mfio-layers --example layer_timing`

use mfio::backend::{IoBackend, IoBackendExt, RefLink};
use mfio::io::{Direction, IoObject, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{BufferFor, Packet, View};
use mfio::traits::IoRead;
use mfio_layers::clock::ManualClock;
use mfio_layers::{
    AttachBackend, Blocks, Cache, Concat, Limit, Limits, Mirror, Offset, Overlay, Remap, Retry,
    RetryPolicy, Stripe, Timeout, Trace, Window,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 31;
const CALLS: usize = 20_000;
/// Of each request.
const LEN: usize = 64;
/// Into which the longer request is split.
const PARTS: usize = 16;

/// Nanoseconds that one call takes.
fn time(f: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    (0..CALLS).for_each(|_| f());
    start.elapsed().as_nanos() as f64 / CALLS as f64
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Prints the time of `layer`, and how much longer than `without` it takes for each of `parts`.
/// Both run in turns, so that other load affects both.
fn report(name: &str, parts: usize, mut without: impl FnMut(), mut layer: impl FnMut()) {
    let pairs: Vec<_> = (0..ROUNDS)
        .map(|_| (time(&mut without), time(&mut layer)))
        .collect();
    let whole = median(pairs.iter().map(|(_, layer)| *layer).collect());
    let each = |(without, layer): &(f64, f64)| (layer - without) / parts as f64;
    let each = median(pairs.iter().map(each).collect());
    println!("{name:28} {whole:8.1} ns  {each:+8.1} ns");
}

/// Ends everything at once, so that nothing but the layer and the packet takes time.
struct Sink;

impl IoObject for Sink {}

impl<D: Direction> PacketIo<D> for Sink {
    #[inline(never)]
    fn send_io(&self, _: u64, view: View<D>) {
        view.done();
    }
}

/// Splits by hand: the cost of splitting without a layer.
struct Split;

impl IoObject for Split {}

impl PacketIo<Read> for Split {
    fn send_io(&self, pos: u64, mut view: View<Read>) {
        while view.len() > LEN {
            let (head, tail) = view.split_at(LEN);
            Sink.send_io(pos, head);
            view = tail;
        }
        Sink.send_io(pos, view);
    }
}

/// One packet, sent to `pos` and ended within the call.
fn sent<D: Direction>(io: &dyn PacketIo<D>, pos: u64, len: usize) -> impl FnMut()
where
    Vec<u8>: BufferFor<D>,
{
    let mut packet = Some(Packet::new(vec![0; len]));
    move || {
        let (in_flight, view) = packet.take().expect("it came back").start::<D>();
        black_box(io).send_io(black_box(pos), view);
        packet = in_flight.try_end().ok().map(|ended| ended.packet);
    }
}

/// One packet, read and awaited.
fn read(io: &(impl PacketIo<Read> + IoBackend), pos: u64, len: usize) -> impl FnMut() {
    let mut packet = Some(Packet::new(vec![0; len]));
    move || {
        let reused = packet.take().expect("it came back");
        packet = Some(
            io.block_on(io.read_packet_at(reused, black_box(pos)))
                .packet,
        );
    }
}

/// So many mappings that do not continue each other, of `len` bytes each.
fn mapped<Io>(io: Io, mappings: u64, len: u64) -> Remap<Io> {
    let mut remap = Remap::new(io);
    for n in 0..mappings {
        let target = (mappings - 1 - n) * len % 65_536;
        remap
            .map(n * len..(n + 1) * len, target)
            .expect("there are such addresses");
    }
    remap
}

const UNIT: u64 = LEN as u64;

fn stripe<Io: PacketIo<Read>>(members: [Io; 3]) -> Stripe<Io> {
    Stripe::new(members, UNIT).expect("members and a unit")
}

fn concat(len: u64) -> Concat<Sink> {
    Concat::new((0..16).map(|_| (Sink, len))).expect("a short sum")
}

fn main() {
    time_one_piece();
    time_parts();
    time_memory();
}

fn time_one_piece() {
    println!("one request in one piece: in all, and for the layer");
    let whole = |name, io: &dyn PacketIo<Read>, pos| {
        report(name, 1, sent::<Read>(&Sink, pos, LEN), sent(io, pos, LEN));
    };
    whole("Offset", &Offset::new(Sink, 64), 0);
    whole("Window", &Window::new(Sink, 64, 4096), 0);
    whole("Stripe", &stripe([Sink, Sink, Sink]), 640);
    whole("Concat of 16", &concat(4096), 4096);
    whole("Remap of 1", &mapped(Sink, 1, UNIT), 0);
    whole("Remap of 1000", &mapped(Sink, 1000, UNIT), 32_000);
    let retry: Retry<_> = Retry::new(Sink, RetryPolicy::new(3));
    whole("Retry", &retry, 0);
    let limit: Limit<_> = Limit::new(Sink, Limits::default());
    whole("Limit", &limit, 0);
    let blocks: Blocks<_> = Blocks::with_block(Sink, LEN).expect("a power of two");
    whole("Blocks, aligned", &blocks, 0);
    whole("Blocks, part of a block", &blocks, 5);
    let written = |name, pos| {
        let without = sent::<Write>(&Sink, pos, LEN);
        report(name, 1, without, sent::<Write>(&blocks, pos, LEN));
    };
    written("Blocks, an aligned write", 0);
    written("Blocks, parts of 2 blocks", 5);
    let mirror: Mirror<_> = Mirror::new([Sink, Sink]).expect("two replicas");
    whole("Mirror of 2", &mirror, 0);
    report(
        "Mirror of 2, a write",
        1,
        sent::<Write>(&Sink, 0, LEN),
        sent::<Write>(&mirror, 0, LEN),
    );
    let timeout = Timeout::new(Sink, Duration::from_secs(1), ManualClock::new());
    whole("Timeout", &timeout, 0);
    // The first granule is in the top, all others are in the base.
    let overlay = Overlay::<_, _>::with_present(Sink, Sink, 1 << 20, 4096, Some(0..4096));
    let overlay = overlay.expect("it is a whole granule");
    whole("Overlay, the base", &overlay, 8192);
    whole("Overlay, the top", &overlay, 64);
    let cache = Cache::new(Sink, 1 << 16, 4096).expect("16 blocks");
    whole("Cache, a hit", &cache, 0);
    let clockless = Trace::with_now(Sink, || Duration::ZERO);
    whole("Trace, without a clock", &clockless, 0);
    whole("Trace", &Trace::new(Sink), 0);
}

fn time_parts() {
    println!("one request in 16 parts: in all, and for a part");
    let long = PARTS * LEN;
    let split = |name, io: &dyn PacketIo<Read>, pos| {
        report(
            name,
            PARTS,
            sent::<Read>(&Sink, pos, long),
            sent(io, pos, long),
        );
    };
    split("split by hand", &Split, 0);
    split("Stripe", &stripe([Sink, Sink, Sink]), 0);
    split("Concat", &concat(UNIT), 0);
    split("Remap", &mapped(Sink, 1000, UNIT), 32_000);
}

fn time_memory() {
    println!("the same, read from memory");
    let long = PARTS * LEN;
    let memory = Memory::new(vec![7; 1 << 16]);
    let driven = RefLink::new(&memory);
    let window = Window::new(&memory, 64, 4096);
    let window = AttachBackend::new(window, driven);
    report(
        "Window, one piece",
        1,
        read(&memory, 0, LEN),
        read(&window, 0, LEN),
    );
    let remap = AttachBackend::new(mapped(&memory, 1000, UNIT), driven);
    report(
        "Remap, one piece",
        1,
        read(&memory, 0, LEN),
        read(&remap, 32_000, LEN),
    );
    report(
        "Remap, 16 parts",
        PARTS,
        read(&memory, 0, long),
        read(&remap, 32_000, long),
    );
    let stripe = AttachBackend::new(stripe([&memory, &memory, &memory]), driven);
    report(
        "Stripe, 16 parts",
        PARTS,
        read(&memory, 0, long),
        read(&stripe, 0, long),
    );
}
