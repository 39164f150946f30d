//! Allocations of operations, and the memory that is left when they are given up half-way.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
mod levels;
mod steady_states;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use common::{DRIVERS, Dir, Executor, Numbers, assert_bytes, runtime};
use levels::{rounds, runtimes};
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::{Integration, IoBackendExt};
use mfio::packet::{AlignedBuf, Packet};
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};
use steady_states::steady_states;

/// Counts what the process allocates, except for the main thread's: that is the harness, which
/// waits for the test.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicIsize = AtomicIsize::new(0);

/// Counts an allocation, or the end of one.
fn count(allocations: usize, bytes: isize) {
    thread_local! {
        static IS_MAIN: Cell<Option<bool>> = const { Cell::new(None) };
    }
    let is_main = IS_MAIN.with(|is_main| {
        is_main.get().unwrap_or_else(|| {
            // SAFETY: two plain system calls.
            let now = unsafe { libc::gettid() == libc::getpid() };
            is_main.set(Some(now));
            now
        })
    });
    if !is_main {
        ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
        LIVE.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: as promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: as promised to us.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The tests of this binary look at the whole process, so each has one of its own, in which nothing
/// of another test and of what the harness does with it remains. `true` in that process; elsewhere
/// the test has been run when this returns.
fn alone(test: &str) -> bool {
    const ALONE: &str = "MFIO_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture"]).env(ALONE, "1");
    let output = child.output().unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test}: {}", output.status);
    false
}

#[test]
fn a_steady_state_allocates_nothing() {
    if !alone("a_steady_state_allocates_nothing") {
        return;
    }
    let dir = Dir::new();
    let path = dir.file("steady", 1 << 20);
    for kind in DRIVERS {
        if runtime(*kind).is_none() {
            continue;
        }
        // A thread that starts allocates, and when the second one does is a matter of luck.
        let one = NativeRt::builder().require(*kind).threads(1);
        let rt = one.build().unwrap();
        rt.block_on(steady_states(&rt, &path, *kind));
    }
}

/// Operations of all kinds, of which a third is dropped after a random number of polls.
#[test]
fn what_is_given_up_leaves_nothing_behind() {
    if !alone("what_is_given_up_leaves_nothing_behind") {
        return;
    }
    let dir = Dir::new();
    let path = dir.file("given-up", 1 << 18);
    for rt in runtimes() {
        let file = rt
            .block_on(rt.open(&path, &OpenOptions::new().read(true).write(true)))
            .unwrap();
        let direct = rt
            .block_on(rt.open(&path, &OpenOptions::new().read(true).direct(true)))
            .ok();
        rounds(&rt, &file, 4, || {
            let mut numbers = Numbers::new(7);
            for _ in 0..1500 {
                give_up_some(&rt, &file, direct.as_ref(), &path, &mut numbers);
            }
        });
    }
}

fn give_up_some(
    rt: &NativeRt,
    file: &File,
    direct: Option<&File>,
    path: &Path,
    numbers: &mut Numbers,
) {
    let pos = numbers.below(1 << 17) & !4095;
    let mut futures: Vec<Pin<Box<dyn Future<Output = ()>>>> = vec![
        Box::pin(async move { drop(file.read_exact_buf_at(vec![0; 512], pos).await) }),
        Box::pin(async move { drop(file.read_vec_at(pos, 700).await) }),
        Box::pin(async move { drop(file.write_all_buf_at(vec![1; 100], pos).await) }),
        Box::pin(async move { drop(rt.open_read(path).await) }),
        Box::pin(async move { drop(file.len().await) }),
    ];
    if let Some(direct) = direct {
        futures.push(Box::pin(async move {
            drop(direct.read_exact_buf_at(AlignedBuf::new(4096), pos).await)
        }));
    }
    let mut left: Vec<Option<_>> = futures.into_iter().map(Some).collect();
    rt.block_on(std::future::poll_fn(|cx: &mut Context<'_>| {
        for slot in &mut left {
            let given_up = numbers.below(3) == 0;
            if slot
                .as_mut()
                .is_some_and(|future| future.as_mut().poll(cx).is_ready())
                || given_up
            {
                *slot = None;
            }
        }
        match left.iter().all(Option::is_none) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }));
}

/// Eight tasks of tokio, four threads in `block_on` and two tasks of smol, all on one handle at
/// once. Each gives up a third of its reads, and what it reads is right. The executors come and go
/// with each round; the runtime stays.
#[test]
fn everybody_gives_up_reads_of_one_handle() {
    if !alone("everybody_gives_up_reads_of_one_handle") {
        return;
    }
    const ROUNDS: u64 = 5;
    let reads = std::env::var("MFIO_READS")
        .ok()
        .and_then(|n| n.parse().ok());
    let reads: u64 = reads.unwrap_or(14_000);
    let dir = Dir::new();
    let path = dir.file("shared", LEN as usize);
    for rt in runtimes() {
        let file = rt.block_on(rt.open_read(&path)).unwrap();
        let begin = Instant::now();
        let share = reads.div_ceil(14 * ROUNDS);
        rounds(&rt, &file, ROUNDS, || everybody(&rt, &file, share));
        let driver = rt.report().chosen();
        println!(
            "{driver}: {} reads in {:?}",
            share * 14 * ROUNDS,
            begin.elapsed()
        );
    }
}

/// One round: 14 readers, each with `reads` reads.
fn everybody(rt: &NativeRt, file: &File, reads: u64) {
    let reader = |n: u64| give_up_a_third(file.clone(), n, reads);
    std::thread::scope(|scope| {
        let mut threads: Vec<_> = (0..4)
            .map(|n| {
                let reader = reader(n);
                scope.spawn(move || rt.block_on(reader))
            })
            .collect();
        let readers: Vec<_> = (4..12).map(reader).collect();
        threads.push(scope.spawn(move || {
            let all = async move {
                let tasks: Vec<_> = readers.into_iter().map(tokio::spawn).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            };
            Executor::TokioDrive.run(rt, Box::pin(all));
        }));
        let readers: Vec<_> = (12..14).map(reader).collect();
        threads.push(scope.spawn(move || {
            let executor = smol::Executor::new();
            let driver = executor.spawn(AsyncIo::drive(rt.clone()));
            let tasks: Vec<_> = readers.into_iter().map(|r| executor.spawn(r)).collect();
            smol::block_on(executor.run(async move {
                for task in tasks {
                    task.await;
                }
                driver.cancel().await;
            }));
        }));
        // The scope waits for the ends of closures only, not for those of threads.
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

const LEN: u64 = 1 << 20;

async fn give_up_a_third(file: File, seed: u64, reads: u64) {
    let mut numbers = Numbers::new(seed + 1);
    for n in 0..reads {
        let pos = numbers.below(LEN - 64);
        let polls = match numbers.below(3) {
            0 => Some(numbers.below(4)),
            _ => None,
        };
        match n % 3 {
            0 => {
                let mut bytes = [0; 64];
                if let Some(read) = at_most(polls, file.read_exact_at(&mut bytes, pos)).await {
                    read.unwrap();
                    assert_bytes(&bytes, pos);
                }
            }
            1 => {
                if let Some(ended) =
                    at_most(polls, file.read_packet_at(Packet::new([0; 64]), pos)).await
                {
                    assert_eq!(ended.outcome.first_error(), None);
                    assert_bytes(ended.packet.buffer(), pos);
                }
            }
            _ => {
                if let Some((read, bytes)) =
                    at_most(polls, file.read_exact_buf_at(vec![0; 48], pos)).await
                {
                    read.unwrap();
                    assert_bytes(&bytes, pos);
                }
            }
        }
    }
}

/// The output of a future, unless that is still pending after so many polls: it is dropped then.
async fn at_most<F: Future>(polls: Option<u64>, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == Some(0) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if let Some(left) = &mut left {
            *left -= 1;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}
