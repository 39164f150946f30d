//! What operations allocate, and what is left when they are given up half-way.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use common::*;
use mfio::backend::IoBackendExt;
use mfio::io::{PacketIo, Read};
use mfio::packet::{AlignedBuf, InFlight, Packet};
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{DriverKind, File, NativeRt};

/// Counts what the whole process allocates.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as promised to us.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The tests of this binary look at the whole process, so one runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Allocations of the second half of `2 * n` calls: the first half is the warm-up.
async fn allocations(n: usize, mut call: impl AsyncFnMut()) -> usize {
    for _ in 0..n {
        call().await;
    }
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    for _ in 0..n {
        call().await;
    }
    ALLOCATIONS.load(Ordering::SeqCst) - before
}

#[test]
fn a_steady_state_allocates_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
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

async fn steady_states(rt: &NativeRt, path: &Path, driver: DriverKind) {
    let options = OpenOptions::new().read(true).write(true);
    let file = rt.open(path, &options).await.unwrap();

    let mut packet = Some(Packet::new([0; 64]));
    let read = async || {
        let ended = file
            .read_packet(4096, packet.take().expect("it comes back"))
            .await;
        assert!(ended.outcome.is_success());
        packet = Some(ended.packet);
    };
    let reads = allocations(2000, read).await;
    assert_eq!(reads, 0, "{driver}: a reused packet, one at a time");

    let mut bytes = [0; 4096];
    let borrowed = allocations(2000, async || {
        file.read_all(8192, &mut bytes).await.unwrap()
    })
    .await;
    assert_eq!(borrowed, 0, "{driver}: borrowed memory, through the pool");

    let typed = allocations(2000, async || {
        assert_ne!(file.read::<u64>(8192).await.unwrap(), 0)
    })
    .await;
    assert_eq!(typed, 0, "{driver}: typed values, through the pool");

    let writes = allocations(2000, async || file.write(0, &7_u64).await.unwrap()).await;
    assert_eq!(writes, 0, "{driver}: writes, through the pool");

    let mut batch = Batch::new(40);
    let together = allocations(200, async || batch.read(&file).await).await;
    assert_eq!(together, 0, "{driver}: reused packets, many together");

    let direct = OpenOptions::new().read(true).direct(true);
    if let Ok(file) = rt.open(path, &direct).await {
        let past = allocations(50, async || batch.read(&file).await).await;
        assert_eq!(past, 0, "{driver}: past the page cache");
    }
}

/// Packets that are in flight together.
struct Batch {
    idle: Vec<Packet<AlignedBuf>>,
    in_flight: Vec<InFlight<AlignedBuf, Read>>,
}

impl Batch {
    fn new(n: usize) -> Self {
        let idle = (0..n).map(|_| Packet::new(AlignedBuf::new(4096))).collect();
        Self {
            idle,
            in_flight: Vec::with_capacity(n),
        }
    }

    async fn read(&mut self, file: &File) {
        for (n, packet) in self.idle.drain(..).enumerate() {
            let (in_flight, view) = packet.start::<Read>();
            file.send_io(n as u64 * 4096, view);
            self.in_flight.push(in_flight);
        }
        for mut in_flight in self.in_flight.drain(..) {
            let ended = std::future::poll_fn(|cx| Pin::new(&mut in_flight).poll(cx)).await;
            assert!(
                ended.outcome.is_success(),
                "{:?}",
                ended.outcome.first_error()
            );
            self.idle.push(ended.packet);
        }
    }
}

/// Operations of all kinds, of which a third is dropped after a random number of polls.
#[test]
fn what_is_given_up_leaves_nothing_behind() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = Dir::new();
    let path = dir.file("given-up", 1 << 18);
    for rt in runtimes() {
        let file = rt
            .block_on(rt.open(&path, &OpenOptions::new().read(true).write(true)))
            .unwrap();
        let direct = rt
            .block_on(rt.open(&path, &OpenOptions::new().read(true).direct(true)))
            .ok();
        let round = |seed| {
            let mut numbers = Numbers::new(seed);
            for _ in 0..1500 {
                give_up_some(&rt, &file, direct.as_ref(), &path, &mut numbers);
            }
            settle(&rt, &file);
            (descriptors().len(), LIVE.load(Ordering::SeqCst))
        };
        // What is allocated once, and then kept, is there after the first rounds.
        let levels: Vec<_> = (0..4).map(|_| round(7)).collect();
        let (warm, last) = (levels[1], levels[3]);
        assert_eq!(
            warm.0,
            last.0,
            "{}: descriptors: {levels:?}",
            rt.report().chosen()
        );
        let growth = last.1 - warm.1;
        assert!(
            growth.abs() <= 4096,
            "{}: {growth} bytes more: {levels:?}",
            rt.report().chosen()
        );
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
        Box::pin(async move { drop(file.read_buf(pos, vec![0; 512]).await) }),
        Box::pin(async move { drop(file.read_to_vec(pos, 700).await) }),
        Box::pin(async move { drop(file.write_buf(pos, vec![1; 100]).await) }),
        Box::pin(async move { drop(rt.open_read(path).await) }),
        Box::pin(async move { drop(file.len().await) }),
    ];
    if let Some(direct) = direct {
        futures.push(Box::pin(async move {
            drop(direct.read_buf(pos, AlignedBuf::new(4096)).await)
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

/// Waits until everything that was given up has ended.
fn settle(rt: &NativeRt, file: &File) {
    let mut last = (0, 0);
    eventually("the levels stay where they are", || {
        for _ in 0..20 {
            rt.block_on(file.len()).unwrap();
        }
        let now = (descriptors().len(), LIVE.load(Ordering::SeqCst));
        std::mem::replace(&mut last, now) == now
    });
}
