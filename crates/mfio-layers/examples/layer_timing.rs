//! What layers add to in-memory packets: medians of several rounds, one line each, beside the object without them.
//!
//! `cargo run --release -p mfio-layers --example layer_timing`

use mfio::backend::{IoBackend, IoBackendExt, RefLink};
use mfio::io::{Direction, PacketIo, Read};
use mfio::memory::Memory;
use mfio::packet::{Packet, View};
use mfio::traits::IoRead;
use mfio_layers::{Concat, Driven, Offset, Remap, Stripe, Window};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 9;
const CALLS: usize = 100_000;
/// Of each request.
const LEN: usize = 64;
/// Into which the longer request is split.
const PARTS: usize = 16;

/// The median time in nanoseconds of one call of `f`.
fn time(mut f: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| f());
            start.elapsed().as_nanos() as f64 / CALLS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Ends everything at once, so that nothing but the layer and the packet takes time.
struct Sink;

impl<D: Direction> PacketIo<D> for Sink {
    #[inline(never)]
    fn send_io(&self, _: u64, view: View<D>) {
        view.done();
    }
}

/// Splits by hand: what splitting costs whoever does it.
struct Split;

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
fn sent(io: &dyn PacketIo<Read>, pos: u64, len: usize) -> f64 {
    let mut packet = Some(Packet::new(vec![0; len]));
    time(|| {
        let (in_flight, view) = packet.take().expect("it came back").start::<Read>();
        black_box(io).send_io(black_box(pos), view);
        packet = in_flight.try_end().ok().map(|ended| ended.packet);
    })
}

/// One packet, read and awaited.
fn read(io: &(impl PacketIo<Read> + IoBackend), pos: u64, len: usize) -> f64 {
    let mut packet = Some(Packet::new(vec![0; len]));
    time(|| {
        let reused = packet.take().expect("it came back");
        packet = Some(io.block_on(io.read_packet(black_box(pos), reused)).packet);
    })
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

/// What a layer adds to a request that it need not split, and for each part to one that it splits.
fn report(name: &str, layer: f64, without: f64, parts: usize) {
    let each = (layer - without) / parts as f64;
    println!("{name:44} {layer:8.1} ns  {each:+8.1} ns");
}

fn main() {
    const UNIT: u64 = LEN as u64;
    let memory = Memory::new(vec![7; 1 << 16]);
    let below = || &memory;

    println!(
        "{:44} {:>11}  {:>11}",
        "one request of 64 bytes", "in all", "for the layer"
    );
    let without = sent(&Sink, 0, LEN);
    report("ended at once", without, without, 1);
    report("  Offset", sent(&Offset::new(Sink, 64), 0, LEN), without, 1);
    report(
        "  Window",
        sent(&Window::new(Sink, 64, 4096), 0, LEN),
        without,
        1,
    );
    let stripe = |unit| Stripe::new([Sink, Sink, Sink], unit).expect("members and a unit");
    report("  Stripe", sent(&stripe(UNIT), 640, LEN), without, 1);
    let concat = |len| Concat::new((0..16).map(|_| (Sink, len))).expect("a short sum");
    report("  Concat of 16", sent(&concat(4096), 4096, LEN), without, 1);
    report(
        "  Remap of 1",
        sent(&mapped(Sink, 1, UNIT), 0, LEN),
        without,
        1,
    );
    report(
        "  Remap of 1000",
        sent(&mapped(Sink, 1000, UNIT), 32_000, LEN),
        without,
        1,
    );

    let without = read(&memory, 0, LEN);
    report("memory", without, without, 1);
    report(
        "  Offset",
        read(&driven(Offset::new(below(), 64), &memory), 0, LEN),
        without,
        1,
    );
    report(
        "  Window",
        read(&driven(Window::new(below(), 64, 4096), &memory), 0, LEN),
        without,
        1,
    );
    report(
        "  Remap of 1",
        read(&driven(mapped(below(), 1, UNIT), &memory), 0, LEN),
        without,
        1,
    );
    let remap = mapped(below(), 1000, UNIT);
    report(
        "  Remap of 1000",
        read(&driven(remap, &memory), 32_000, LEN),
        without,
        1,
    );

    let long = PARTS * LEN;
    println!(
        "\n{:44} {:>11}  {:>11}",
        "one request of 16 parts", "in all", "for a part"
    );
    let without = sent(&Sink, 0, long);
    report("ended at once", without, without, PARTS);
    report("  split by hand", sent(&Split, 0, long), without, PARTS);
    report("  Stripe", sent(&stripe(UNIT), 0, long), without, PARTS);
    report("  Concat", sent(&concat(UNIT), 0, long), without, PARTS);
    report(
        "  Remap",
        sent(&mapped(Sink, 1000, UNIT), 32_000, long),
        without,
        PARTS,
    );

    let without = read(&memory, 0, long);
    report("memory", without, without, PARTS);
    let stripe = Stripe::new([below(), below(), below()], UNIT).expect("members and a unit");
    report(
        "  Stripe",
        read(&driven(stripe, &memory), 0, long),
        without,
        PARTS,
    );
    let remap = mapped(below(), 1000, UNIT);
    report(
        "  Remap",
        read(&driven(remap, &memory), 32_000, long),
        without,
        PARTS,
    );
}

fn driven<Io>(io: Io, memory: &Memory) -> Driven<Io, RefLink<'_, Memory>> {
    Driven::new(io, RefLink::new(memory))
}
