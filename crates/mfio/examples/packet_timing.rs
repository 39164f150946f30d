//! How long in-memory packets and typed reads take: medians of several rounds, one line each.
//!
//! `cargo run --release -p mfio --example packet_timing`

use futures_util::stream::{FuturesUnordered, StreamExt};
use mfio::backend::IoBackendExt;
use mfio::memory::Memory;
use mfio::packet::Packet;
use mfio::traits::{BlockingIo, IoRead};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 9;

/// Prints the median time of one of `per_call` operations, of which `f` does `calls` times as many.
fn time(name: &str, calls: usize, per_call: usize, mut f: impl FnMut(usize)) {
    f(calls / 10 + 1);
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            f(calls);
            start.elapsed().as_nanos() as f64 / (calls * per_call) as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let (median, least, most) = (rounds[ROUNDS / 2], rounds[0], rounds[ROUNDS - 1]);
    println!("{name:28} {median:8.1} ns  ({least:.1} to {most:.1})");
}

/// Reads one byte with each of `packets`, all in flight at once, and gives them back.
async fn batch(io: &Memory, packets: &mut Vec<Packet<[u8; 1]>>) {
    let mut running: Vec<_> = packets
        .drain(..)
        .enumerate()
        .map(|(pos, packet)| Some(io.read_packet_at(packet, pos as u64)))
        .collect();
    std::future::poll_fn(|cx| {
        for slot in &mut running {
            if let Some(future) = slot
                && let std::task::Poll::Ready(ended) = std::pin::Pin::new(future).poll(cx)
            {
                packets.push(ended.packet);
                *slot = None;
            }
        }
        match packets.len() == running.len() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

fn main() {
    let io = Memory::new(vec![7; 4096]);

    let mut packet = Some(Packet::new([0u8; 1]));
    time("packet, one at a time", 200_000, 1, |calls| {
        io.block_on(async {
            for pos in 0..calls {
                let ended = io
                    .read_packet_at(packet.take().unwrap(), pos as u64 % 4096)
                    .await;
                packet = Some(ended.packet);
            }
        });
    });
    for size in [16, 256] {
        let mut packets: Vec<_> = (0..size).map(|_| Packet::new([0u8; 1])).collect();
        time(
            &format!("packets, batch {size}"),
            400_000 / size,
            size,
            |calls| {
                io.block_on(async {
                    for _ in 0..calls {
                        batch(&io, &mut packets).await;
                    }
                });
            },
        );
    }
    for size in [16, 256] {
        time(
            &format!("typed, joined {size}"),
            200_000 / size,
            size,
            |calls| {
                io.block_on(async {
                    let mut set = FuturesUnordered::new();
                    for _ in 0..calls {
                        (0..size).for_each(|pos| set.push(io.read_value_at::<u8>(pos as u64)));
                        while let Some(value) = set.next().await {
                            black_box(value.unwrap());
                        }
                    }
                });
            },
        );
    }
    time("typed read::<u64>", 200_000, 1, |calls| {
        io.block_on(async {
            for _ in 0..calls {
                black_box(io.read_value_at::<u64>(black_box(8)).await.unwrap());
            }
        });
    });
    time("typed, a block_on each", 200_000, 1, |calls| {
        for _ in 0..calls {
            black_box(io.block_on(io.read_value_at::<u64>(black_box(8))).unwrap());
        }
    });
    time("blocking read::<u64>", 1_000_000, 1, |calls| {
        for _ in 0..calls {
            black_box(io.blocking().read_value_at::<u64>(black_box(8)).unwrap());
        }
    });
}
