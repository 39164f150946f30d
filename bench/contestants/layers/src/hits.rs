//! W11: hits of a cache beside plain copies of as many bytes, at random places.
//!
//! The next place depends on the bytes read, as it does for a task that waits for a hit and goes
//! on with it. Copies that do not wait for each other (`copies`) are told, too: of small ones
//! the processor has several on their way at once, which hits that are awaited one by one cannot
//! have.

use harness_common::{AlignedBuf, Args, Outcome, micro};
use mfio::backend::IoBackendExt;
use mfio::io::PacketIo;
use mfio::io::Read;
use mfio::memory::Frozen;
use mfio::packet::{AlignedBuf as Buf, Packet};
use mfio_layers::Cache;
use std::hint::black_box;
use std::sync::Arc;

/// Many times what the caches of a CPU hold.
const LEN: usize = 64 << 20;
/// Of the cache.
const BLOCK: usize = 64 << 10;

pub(crate) fn run(a: &Args) -> Option<Outcome> {
    let n = if a.n == 0 {
        200_000.min((8 << 30) / a.bs as u64)
    } else {
        a.n
    };
    match a.variant.as_str() {
        "copy" => Some(copies(a, n, true)),
        "copies" => Some(copies(a, n, false)),
        "cache" => Some(hits(a, n)),
        _ => None,
    }
}

/// Places at multiples of the length, so that none is at the edge of two blocks.
struct Places {
    state: u64,
    bs: u64,
}

impl Places {
    fn new(bs: usize) -> Self {
        Self {
            state: 1,
            bs: bs as u64,
        }
    }

    /// `seen` is part of what was read before.
    fn next(&mut self, seen: u8) -> u64 {
        let state = self.state ^ u64::from(seen);
        self.state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % (LEN as u64 / self.bs) * self.bs
    }
}

fn byte_at(at: u64) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

fn content() -> Vec<u8> {
    (0..LEN as u64).map(byte_at).collect()
}

/// Combines the first and the last byte, on which the next place depends.
fn ends(bytes: &[u8]) -> u8 {
    bytes[0] ^ bytes[bytes.len() - 1]
}

fn copies(a: &Args, n: u64, waiting: bool) -> Outcome {
    let from = content();
    let mut to = AlignedBuf::new(a.bs);
    let mut places = Places::new(a.bs);
    micro::timed(n, |n| {
        let mut seen = 0;
        for _ in 0..n {
            let at = places.next(seen) as usize;
            to.copy_from_slice(&from[at..at + a.bs]);
            black_box(&mut to[..]);
            if waiting {
                seen = ends(&to);
            }
        }
    })
}

fn hits(a: &Args, n: u64) -> Outcome {
    let cache = Cache::new(Frozen::new(Arc::<[u8]>::from(content())), LEN, BLOCK).expect("a block");
    let mut packet = Some(Packet::new(Buf::new(a.bs)));
    let mut read = |at: u64| {
        let (in_flight, view) = packet.take().expect("it came back").start::<Read>();
        cache.send_io(at, view);
        let ended = cache.block_on(in_flight);
        assert!(ended.outcome.is_success());
        black_box(ended.packet.buffer());
        let seen = ends(ended.packet.buffer());
        packet = Some(ended.packet);
        seen
    };
    for at in (0..LEN as u64).step_by(a.bs) {
        let last = at + a.bs as u64 - 1;
        assert_eq!(read(at), byte_at(at) ^ byte_at(last));
    }
    let before = cache.stats().misses;
    let mut places = Places::new(a.bs);
    let outcome = micro::timed(n, |n| {
        let mut seen = 0;
        for _ in 0..n {
            seen = read(places.next(seen));
        }
    });
    assert_eq!(cache.stats().misses, before, "everything is in the cache");
    outcome
}
