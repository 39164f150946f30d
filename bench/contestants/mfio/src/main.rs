//! mfio 0.1 of crates.io with mfio-rt's native runtime, driven by its own `block_on`. Variants name
//! the backend: `default` (io_uring), `mio` (epoll), `thread`.
//!
//! `&mut [u8]` reads go through a heap buffer that it allocates per operation and copies out of; as
//! that is not aligned, O_DIRECT (w2) is not for it. Having no spawn, it gets its concurrency from
//! a `FuturesUnordered` inside the one future that it drives.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use harness_common::{AlignedBuf, Args, Meter, Outcome, RandReads, SeqCursor, micro};
use mfio01::backend::IoBackendExt;
use mfio01::traits::{IoRead, IoWrite};
use mfio01_rt::{DirHandle, Fs, NativeRt, NativeRtBuilder, OpenOptions};
use std::future::Future;
use std::path::Path;

fn main() {
    harness_common::run("mfio", |a| match a.workload.as_str() {
        "w1" => Some(rand_read(a)),
        "w3r" => Some(seq(a, false)),
        "w3w" => Some(seq(a, true)),
        "w3c" => Some(copy(a)),
        "w6" => micro::run(a, &mut Ex(runtime(a))),
        _ => None,
    });
}

fn runtime(a: &Args) -> NativeRt {
    let b = NativeRtBuilder::default();
    match a.variant.as_str() {
        "mio" => b.mio(true),
        "thread" => b.thread(true),
        _ => b.io_uring(true),
    }
    .build()
    .unwrap()
}

type File = <<NativeRt as Fs>::DirHandle<'static> as DirHandle>::FileHandle;

async fn open(rt: &NativeRt, path: &Path, write: bool) -> File {
    let o = OpenOptions::new().read(true).write(write).create(write);
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    rt.open(&path, o).await.unwrap()
}

async fn fan_out<F: Future<Output = u64>>(n: usize, f: impl Fn(usize) -> F) -> u64 {
    if n == 1 {
        return f(0).await;
    }
    let futs: FuturesUnordered<_> = (0..n).map(f).collect();
    futs.fold(0, |a, b| async move { a + b }).await
}

fn rand_read(a: &Args) -> Outcome {
    runtime(a).run(|rt| async move {
        let file = &open(rt, &a.file, false).await;
        let m = &Meter::start();
        let ops = fan_out(a.qd, |i| async move {
            let mut g = RandReads::new(a, i, m.start);
            let mut buf = AlignedBuf::new(a.bs);
            while let Some(off) = g.next() {
                IoRead::read_all(file, off, &mut buf[..]).await.unwrap();
            }
            g.ops()
        })
        .await;
        m.finish(ops, ops * a.bs as u64)
    })
}

fn seq(a: &Args, write: bool) -> Outcome {
    runtime(a).run(|rt| async move {
        let file = &open(rt, &a.file, write).await;
        let m = Meter::start();
        let cur = &SeqCursor::timed(a, m.start);
        let ops = fan_out(a.qd, |_| async move {
            let mut buf = AlignedBuf::new(a.bs);
            let mut ops = 0;
            while let Some(off) = cur.next() {
                if write {
                    IoWrite::write_all(file, off, &buf[..]).await.unwrap();
                } else {
                    IoRead::read_all(file, off, &mut buf[..]).await.unwrap();
                }
                ops += 1;
            }
            ops
        })
        .await;
        m.finish(ops, cur.bytes())
    })
}

fn copy(a: &Args) -> Outcome {
    runtime(a).run(|rt| async move {
        let src = &open(rt, &a.file, false).await;
        let dst = &open(rt, &a.out, true).await;
        let m = Meter::start();
        let cur = &SeqCursor::once(a);
        let ops = fan_out(a.qd, |_| async move {
            let mut buf = AlignedBuf::new(a.bs);
            let mut ops = 0;
            while let Some(off) = cur.next() {
                IoRead::read_all(src, off, &mut buf[..]).await.unwrap();
                IoWrite::write_all(dst, off, &buf[..]).await.unwrap();
                ops += 1;
            }
            ops
        })
        .await;
        m.finish(ops, cur.bytes())
    })
}

struct Ex(NativeRt);

impl micro::BlockOn for Ex {
    fn block_on<F: Future>(&mut self, f: F) -> F::Output {
        self.0.block_on(f)
    }
}
