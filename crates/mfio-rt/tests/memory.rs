//! Allocations of operations, and the memory that is left when they are given up half-way.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::File as StdFile;
use std::io::Write as _;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicIsize, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use common::{
    DRIVERS, Dir, Executor, Numbers, PATIENCE, assert_bytes, descriptors, eventually, runtime,
};
use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::{Integration, IoBackendExt};
use mfio::io::{PacketIo, Read};
use mfio::packet::{AlignedBuf, InFlight, Packet};
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{DriverKind, File, NativeRt};

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

async fn steady_states(rt: &NativeRt, path: &Path, driver: DriverKind) {
    let options = OpenOptions::new().read(true).write(true);
    let file = rt.open(path, &options).await.unwrap();

    let mut packet = Some(Packet::new([0; 64]));
    let read = async || {
        let ended = file
            .read_packet_at(packet.take().expect("it comes back"), 4096)
            .await;
        assert!(ended.outcome.is_success());
        packet = Some(ended.packet);
    };
    let reads = allocations(2000, read).await;
    assert_eq!(reads, 0, "{driver}: a reused packet, one at a time");

    let mut bytes = [0; 4096];
    let borrowed = allocations(2000, async || {
        file.read_exact_at(&mut bytes, 8192).await.unwrap()
    })
    .await;
    assert_eq!(borrowed, 0, "{driver}: borrowed memory, through the pool");

    let typed = allocations(2000, async || {
        assert_ne!(file.read_value_at::<u64>(8192).await.unwrap(), 0)
    })
    .await;
    assert_eq!(typed, 0, "{driver}: typed values, through the pool");

    let writes = allocations(2000, async || file.write_value_at(&7_u64, 0).await.unwrap()).await;
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

/// Of the pool of the threads driver.
const THREADS: usize = 4;

/// The runtimes of all drivers that can be had.
fn runtimes() -> impl Iterator<Item = NativeRt> {
    let build = |kind: &DriverKind| {
        runtime(*kind)?;
        // A fallback thread that is preempted with the turn lets any number of operations pile up
        // meanwhile, and the queues with them; what they have grown to is kept.
        let builder = NativeRt::builder().require(*kind).threads(THREADS);
        builder.self_driving(false).build().ok()
    };
    DRIVERS.iter().filter_map(build)
}

/// Open descriptors, and bytes allocated.
fn levels(rt: &NativeRt, file: &File) -> (usize, isize) {
    // What has ended is taken in only where somebody waits.
    rt.block_on(file.len()).unwrap();
    std::thread::sleep(Duration::from_millis(1));
    // A thread of the pool may have held the waker of that call to its end. Then it was not kept
    // (80 bytes); this one is.
    rt.block_on(std::future::ready(()));
    (descriptors().len(), LIVE.load(Ordering::SeqCst))
}

/// Open sockets. Among them are the bells of the pool's threads, one pair each once a thread has
/// waited for a stream.
fn sockets() -> usize {
    let all = descriptors();
    all.iter()
        .filter(|(_, name)| name.contains("socket:"))
        .count()
}

/// Runs rounds, after which the levels return to exactly where the first one left them.
///
/// They do, to the byte, because [`fill`] follows each round. What is kept for good has the size of
/// the highest number of operations that were ever in flight together: the tables and queues of the
/// drivers, whose capacity doubles (576 or 1152 bytes more where a round happens to be the first
/// with more than 8 or 16), and the packets of the pool. In no round are as many in flight as
/// `fill` has. The one queue that it does not reach is that of threads.
fn rounds(rt: &NativeRt, file: &File, count: u64, mut round: impl FnMut()) {
    let driver = rt.report().chosen();
    queue_threads(rt);
    round();
    let wanted = match driver {
        DriverKind::Threads => sockets() + 2 * THREADS,
        _ => 0,
    };
    fill(rt, wanted);
    let mut warm = levels(rt, file);
    let mut still = 0;
    eventually("the levels stay where they are", || {
        let now = levels(rt, file);
        still = if now == warm { still + 1 } else { 0 };
        warm = now;
        still == 15
    });
    for n in 1..count {
        round();
        fill(rt, wanted);
        let mut now = levels(rt, file);
        // What was given up last may take its time to end. Threads that have been idle for long
        // end, and are filled up.
        let (begun, mut filled) = (Instant::now(), Instant::now());
        while now != warm && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(9));
            if filled.elapsed() > Duration::from_secs(2) {
                fill(rt, wanted);
                filled = Instant::now();
            }
            now = levels(rt, file);
        }
        assert_eq!(now, warm, "{driver}: descriptors and bytes after round {n}");
    }
}

/// Has four threads wait for the runtime at once.
fn queue_threads(rt: &NativeRt) {
    let sleeps = |tid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap();
        stat.rsplit(") ").next().is_some_and(|s| s.starts_with('S'))
    };
    let (begun, released) = (AtomicUsize::new(0), AtomicBool::new(false));
    let tids = [(); 4].map(|()| AtomicI32::new(0));
    let wakers = Mutex::new(Vec::new());
    let wait = |tid: &AtomicI32| {
        // SAFETY: a plain system call.
        tid.store(unsafe { libc::gettid() }, Ordering::SeqCst);
        begun.fetch_add(1, Ordering::SeqCst);
        rt.block_on(std::future::poll_fn(|cx| {
            wakers.lock().unwrap().push(cx.waker().clone());
            match released.load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
    };
    std::thread::scope(|scope| {
        let threads = tids.each_ref().map(|tid| scope.spawn(|| wait(tid)));
        let mut seen = 0;
        eventually("the threads wait", || {
            let asleep = begun.load(Ordering::SeqCst) == tids.len()
                && tids.iter().all(|tid| sleeps(tid.load(Ordering::SeqCst)));
            seen = if asleep { seen + 1 } else { 0 };
            seen == 5
        });
        released.store(true, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *wakers.lock().unwrap());
        wakers.into_iter().for_each(Waker::wake);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// More operations in flight than any round has, and more packets of the pool than that keeps:
/// reads of a pipe that has nothing yet, until all threads of the pool wait for it: there are so
/// many `sockets` then.
fn fill(rt: &NativeRt, wanted: usize) {
    const MANY: usize = 400;
    let mut ends = [0; 2];
    // SAFETY: given room for two numbers.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    // SAFETY: just made, and nobody else's.
    let [reader, writer] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let (file, mut writer) = (File::from_owned_fd(rt, reader), StdFile::from(writer));
    let mut buffers = vec![[0; 64]; MANY];
    let reads = buffers.iter_mut().map(|bytes| file.read_exact_at(bytes, 0));
    let mut reads: Vec<_> = reads.map(|read| Some(Box::pin(read))).collect();
    let mut written = false;
    rt.block_on(std::future::poll_fn(|cx| {
        for slot in &mut reads {
            if let Some(Poll::Ready(read)) = slot.as_mut().map(|read| read.as_mut().poll(cx)) {
                read.unwrap();
                *slot = None;
            }
        }
        if !std::mem::replace(&mut written, true) {
            eventually("all threads of the pool wait", || sockets() >= wanted);
            writer.write_all(&[7; 64 * MANY]).unwrap();
        }
        match reads.iter().all(Option::is_none) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }));
    drop(reads);
    assert!(buffers.iter().all(|bytes| *bytes == [7; 64]));
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
