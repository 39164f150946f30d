//! Many threads on one memory, a third of their futures dropped at random points: every byte right,
//! nothing left behind.
#![allow(unsafe_code)]

use mfio::backend::IoBackendExt;
use mfio::memory::Memory;
use mfio::packet::{Packet, PoolLimits};
use mfio::traits::{IoRead, IoWrite};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::Poll;

static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const THREADS: usize = 4;
/// Every thread has a region of its own, so that it knows what it must read.
const REGION: usize = 8192;

/// A small generator of numbers; the sequence depends on the seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n
    }
}

/// Polls `polls` times, then drops.
async fn abandon(future: impl Future, polls: usize) {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 || future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn one_thread(io: &Memory, thread: usize, rounds: usize) {
    let base = (thread * REGION) as u64;
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (thread as u64 + 1));
    let mut model = vec![0u8; REGION];
    let mut packet = Some(Packet::new([0u8; 32]));
    for round in 0..rounds {
        let pos = random.below(REGION - 4200);
        let len = 1 + random.below(if round % 8 == 0 { 4200 } else { 64 });
        match random.below(6) {
            0 => abandon(io.read_vec_at(base + pos as u64, len), random.below(3)).await,
            1 => {
                let mut bytes = vec![0; len];
                abandon(
                    io.read_exact_at(&mut bytes, base + pos as u64),
                    random.below(3),
                )
                .await;
            }
            2 => {
                let bytes = vec![random.below(256) as u8; len];
                io.write_all_at(&bytes, base + pos as u64).await.unwrap();
                model[pos..pos + len].copy_from_slice(&bytes);
            }
            3 => {
                let ended = io
                    .read_packet_at(packet.take().unwrap(), base + pos as u64)
                    .await;
                assert!(ended.outcome.is_success());
                assert_eq!(ended.packet.buffer(), &model[pos..pos + 32]);
                packet = Some(ended.packet);
            }
            4 => {
                let value = io
                    .read_value_at::<[u8; 16]>(base + pos as u64)
                    .await
                    .unwrap();
                assert_eq!(value, model[pos..pos + 16]);
            }
            _ => {
                let (a, b) = futures_util::join!(
                    io.read_exact_buf_at(vec![0; len], base + pos as u64),
                    io.read_value_at::<u8>(base + pos as u64)
                );
                a.0.unwrap();
                assert_eq!(a.1, &model[pos..pos + len]);
                assert_eq!(b.unwrap(), model[pos]);
            }
        }
    }
}

fn run(io: &Memory, rounds: usize) {
    std::thread::scope(|s| {
        for thread in 0..THREADS {
            s.spawn(move || io.block_on(one_thread(io, thread, rounds)));
        }
    });
    // What was dropped may still be queued.
    io.block_on(async {
        io.write_all_at(&vec![0; THREADS * REGION], 0)
            .await
            .unwrap();
    });
}

#[test]
fn dropped_futures_leave_nothing_behind_and_disturb_nobody() {
    let limits = PoolLimits {
        small: 8,
        page: 8,
        large: 1,
        empty: 1,
    };
    let io = Memory::with_pool(vec![0; THREADS * REGION], limits);
    // Warm: the pool is filled and threads have their parkers.
    run(&io, 500);
    let before = LIVE.load(Ordering::Relaxed);
    run(&io, 10_000);
    let grown = LIVE.load(Ordering::Relaxed) - before;
    // The pool may hold a few packets more than after the warm-up, and never more than its limits.
    let kept = 8 * (4096 + 512) + 8 * 512 + (1 << 16) + 1024;
    assert!(grown <= kept, "{grown} bytes more are live");
    drop(io);
}
