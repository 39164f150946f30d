//! Compares the cost of a hit of a `Cache` with a plain copy of the same bytes, at random places of
//! 64 MiB, which is more than caches of processors hold. Prints medians of several rounds.
//!
//! `cargo run --release -p mfio-layers --example cache_timing`

use mfio::error::ErrorKind;
use mfio::io::{IoObject, PacketIo, Read};
use mfio::packet::{Packet, View};
use mfio_layers::Cache;
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 15;
const RESIDENT: usize = 64 << 20;

/// Bytes that are read at once, so that nothing but the cache takes time.
struct Inline(Vec<u8>);

impl IoObject for Inline {}

impl PacketIo<Read> for Inline {
    fn send_io(&self, pos: u64, mut view: View<Read>) {
        let end = pos as usize + view.len();
        match self.0.get(pos as usize..end) {
            Some(bytes) => {
                view.bytes_mut().copy_from_slice(bytes);
                view.done();
            }
            None => view.fail(ErrorKind::UnexpectedEof),
        }
    }
}

/// Places to read `len` bytes from, in an order without order.
struct Places {
    state: u64,
    len: usize,
}

impl Places {
    fn next(&mut self) -> usize {
        self.state = self
            .state
            .wrapping_mul(0x5851_F42D_4C95_7F2D)
            .wrapping_add(1);
        (self.state >> 33) as usize % (RESIDENT / self.len) * self.len
    }
}

fn places(len: usize) -> Places {
    Places { state: 7, len }
}

/// Nanoseconds that one call takes.
fn time(calls: usize, f: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| f());
    start.elapsed().as_nanos() as f64 / calls as f64
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// One line: reads of `len` bytes out of blocks of `block` bytes.
fn report(len: usize, block: usize) {
    let bytes: Vec<_> = (0..RESIDENT).map(|n| (n / 7) as u8).collect();
    let cache = Cache::new(Inline(bytes.clone()), RESIDENT, block).expect("a power of two");
    let mut packet = Some(Packet::new(vec![0; len]));
    let mut read = |at: usize| {
        let (in_flight, view) = packet.take().expect("it came back").start::<Read>();
        cache.send_io(black_box(at as u64), view);
        packet = in_flight.try_end().ok().map(|ended| ended.packet);
    };
    (0..RESIDENT).step_by(len.max(block)).for_each(&mut read);
    let misses = cache.stats().misses;

    let mut target = vec![0; len];
    let mut copy = |at: usize| {
        target.copy_from_slice(&black_box(&bytes)[at..at + len]);
        black_box(&mut target);
    };
    let calls = (32 << 20) / len.max(256);
    let (mut here, mut there) = (places(len), places(len));
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let copied = time(calls, &mut || copy(here.next()));
            let hit = time(calls, &mut || read(there.next()));
            (copied, hit)
        })
        .collect();
    assert_eq!(cache.stats().misses, misses, "what is measured are hits");
    let copied = median(rounds.iter().map(|round| round.0).collect());
    let hit = median(rounds.iter().map(|round| round.1).collect());
    println!(
        "{len:>6} bytes of blocks of {block:>6}: copy {copied:9.1} ns, hit {hit:9.1} ns, \
         {:5.2} times",
        hit / copied
    );
}

fn main() {
    for (len, block) in [
        (64, 4096),
        (64, 65_536),
        (4096, 4096),
        (65_536, 4096),
        (4096, 65_536),
        (65_536, 65_536),
    ] {
        report(len, block);
    }
}
