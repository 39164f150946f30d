//! Blocking std, and the bare system calls under it.
//!
//! * `pread`: one thread, one positioned read at a time, whatever the depth: what a caller of
//!   blocking I/O really does
//! * `threads`: as many threads as the depth says
//! * `nowait`: `preadv2(RWF_NOWAIT)` at depth 1, the fastest way to ask the page cache without
//!   being put to sleep; what asynchronous depth 1 is compared with
//! * `kernel` (w3c): `std::io::copy`, which is copy_file_range

mod nowait;

use harness_common::{AlignedBuf, Args, Meter, Outcome, RandReads, SeqCursor, open_file};
use std::os::unix::fs::FileExt;

fn main() {
    harness_common::run("std", |a| match a.workload.as_str() {
        "w1" if a.variant == "nowait" => Some(nowait::rand_read(a)),
        _ if a.variant == "nowait" => None,
        "w1" | "w2" => Some(rand_read(a)),
        "w3r" => Some(seq(a, false)),
        "w3w" => Some(seq(a, true)),
        "w3c" => Some(copy(a)),
        _ => None,
    });
}

/// Runs `f(task)` on `qd` threads (`threads`) or on this one, and sums what they return.
fn fan_out(a: &Args, f: impl Fn(usize) -> u64 + Sync) -> u64 {
    if a.qd == 1 || a.variant != "threads" {
        return f(0);
    }
    std::thread::scope(|s| {
        let spawned: Vec<_> = (0..a.qd)
            .map(|i| {
                let f = &f;
                s.spawn(move || f(i))
            })
            .collect();
        spawned.into_iter().map(|h| h.join().unwrap()).sum()
    })
}

fn rand_read(a: &Args) -> Outcome {
    let file = open_file(a, &a.file, false);
    let m = Meter::start();
    let ops = fan_out(a, |i| {
        let mut buf = AlignedBuf::new(a.bs);
        let mut g = RandReads::new(a, i, m.start);
        while let Some(off) = g.next() {
            g.check(file.read_at(&mut buf, off).unwrap());
        }
        g.ops()
    });
    m.finish(ops, ops * a.bs as u64)
}

fn seq(a: &Args, write: bool) -> Outcome {
    let file = open_file(a, &a.file, write);
    let m = Meter::start();
    let cur = SeqCursor::timed(a, m.start);
    let ops = fan_out(a, |_| {
        let mut buf = AlignedBuf::new(a.bs);
        let mut ops = 0;
        while let Some(off) = cur.next() {
            let n = if write {
                file.write_at(&buf, off)
            } else {
                file.read_at(&mut buf, off)
            };
            cur.check(n.unwrap());
            ops += 1;
        }
        ops
    });
    m.finish(ops, cur.bytes())
}

fn copy(a: &Args) -> Outcome {
    let src = open_file(a, &a.file, false);
    let dst = open_file(a, &a.out, true);
    let m = Meter::start();
    if a.variant == "kernel" {
        let n = std::io::copy(&mut &src, &mut &dst).unwrap();
        return m.finish(n / a.bs as u64, n);
    }
    let cur = SeqCursor::once(a);
    let ops = fan_out(a, |_| {
        let mut buf = AlignedBuf::new(a.bs);
        let mut ops = 0;
        while let Some(off) = cur.next() {
            cur.check(src.read_at(&mut buf, off).unwrap());
            cur.check(dst.write_at(&buf, off).unwrap());
            ops += 1;
        }
        ops
    });
    m.finish(ops, cur.bytes())
}
