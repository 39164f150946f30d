//! Rounds of operations after which descriptors and bytes are where they were.
#![allow(unsafe_code)]

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::LIVE;
use crate::common::{DRIVERS, PATIENCE, descriptors, eventually, pipe, runtime};
use mfio::backend::IoBackendExt;
use mfio::traits::IoRead;
use mfio_rt::native::{DriverKind, File, NativeRt};

/// Of the pool of the threads driver.
const THREADS: usize = 4;

/// The runtimes of all drivers that can be had.
pub(super) fn runtimes() -> impl Iterator<Item = NativeRt> {
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
pub(super) fn rounds(rt: &NativeRt, file: &File, count: u64, mut round: impl FnMut()) {
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
    let (reader, mut writer) = pipe();
    let file = File::from_owned_fd(rt, reader);
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
