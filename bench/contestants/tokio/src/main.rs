//! tokio, current_thread (`default`, `ct-*`) or multi_thread with one worker (`mt*`).
//!
//! `default`/`mt` use `tokio::fs::File` (seek + read, both through the blocking pool),
//! `ct-blk`/`mt-blk` use `spawn_blocking` around a positioned read, which is what people do who
//! know.

use harness_common::{AlignedBuf, Args, Meter, Outcome, RandReads, SeqCursor, open_file};
use std::future::Future;
use std::io::SeekFrom;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

fn main() {
    harness_common::run("tokio", |a| match a.workload.as_str() {
        // tokio::fs reads through a buffer of its own that O_DIRECT refuses (not aligned).
        "w2" if !a.variant.ends_with("blk") => None,
        "w1" | "w2" => Some(rand_read(a)),
        "w3r" => Some(seq(a, false)),
        "w3w" => Some(seq(a, true)),
        "w3c" => Some(copy(a)),
        _ => None,
    });
}

fn runtime(a: &Args) -> Runtime {
    let mut b = if a.variant.starts_with("mt") {
        let mut b = Builder::new_multi_thread();
        b.worker_threads(1);
        b
    } else {
        Builder::new_current_thread()
    };
    b.enable_all().build().unwrap()
}

/// One block transferred; the buffer travels with the request, as the pool thread needs it.
#[derive(Clone)]
struct Pos(Arc<std::fs::File>);

impl Pos {
    async fn read(&self, mut buf: AlignedBuf, off: u64) -> (usize, AlignedBuf) {
        let f = self.0.clone();
        tokio::task::spawn_blocking(move || (f.read_at(&mut buf, off).unwrap(), buf))
            .await
            .unwrap()
    }

    async fn write(&self, buf: AlignedBuf, off: u64) -> (usize, AlignedBuf) {
        let f = self.0.clone();
        tokio::task::spawn_blocking(move || (f.write_at(&buf, off).unwrap(), buf))
            .await
            .unwrap()
    }
}

/// Spawns `qd` tasks and sums what they return.
fn fan_out<F: Future<Output = u64> + Send + 'static>(a: &Args, f: impl Fn(usize) -> F) -> u64 {
    runtime(a).block_on(async {
        let hs: Vec<_> = (0..a.qd).map(|i| tokio::spawn(f(i))).collect();
        let mut sum = 0;
        for h in hs {
            sum += h.await.unwrap();
        }
        sum
    })
}

fn rand_read(a: &Args) -> Outcome {
    let file = Arc::new(open_file(a, &a.file, false));
    let m = Meter::start();
    let ops = if a.variant.ends_with("blk") {
        fan_out(a, |i| {
            let file = Pos(file.clone());
            let mut g = RandReads::new(a, i, m.start);
            let mut buf = AlignedBuf::new(a.bs);
            async move {
                while let Some(off) = g.next() {
                    let n;
                    (n, buf) = file.read(buf, off).await;
                    g.check(n);
                }
                g.ops()
            }
        })
    } else {
        fan_out(a, |i| {
            let mut file = tokio::fs::File::from_std(open_file(a, &a.file, false));
            let mut g = RandReads::new(a, i, m.start);
            let mut buf = AlignedBuf::new(a.bs);
            async move {
                while let Some(off) = g.next() {
                    file.seek(SeekFrom::Start(off)).await.unwrap();
                    g.check(file.read_exact(&mut buf).await.unwrap());
                }
                g.ops()
            }
        })
    };
    m.finish(ops, ops * a.bs as u64)
}

fn seq(a: &Args, write: bool) -> Outcome {
    let m = Meter::start();
    let cur = SeqCursor::timed(a, m.start);
    let blk = a.variant.ends_with("blk");
    let ops = fan_out(a, |_| {
        let file = open_file(a, &a.file, write);
        let cur = cur.clone();
        let mut buf = AlignedBuf::new(a.bs);
        let bs = a.bs;
        async move {
            let mut ops = 0;
            if blk {
                let file = Pos(Arc::new(file));
                while let Some(off) = cur.next() {
                    let n;
                    (n, buf) = if write {
                        file.write(buf, off).await
                    } else {
                        file.read(buf, off).await
                    };
                    cur.check(n);
                    ops += 1;
                }
                return ops;
            }
            let mut file = tokio::fs::File::from_std(file);
            file.set_max_buf_size(bs);
            while let Some(off) = cur.next() {
                file.seek(SeekFrom::Start(off)).await.unwrap();
                if write {
                    file.write_all(&buf).await.unwrap();
                } else {
                    file.read_exact(&mut buf).await.unwrap();
                }
                ops += 1;
            }
            file.flush().await.unwrap();
            ops
        }
    });
    m.finish(ops, cur.bytes())
}

/// `default`: `tokio::io::copy` between two files; `*-blk`: positioned blocks; `kernel`:
/// `tokio::fs::copy`, which is copy_file_range on the pool.
fn copy(a: &Args) -> Outcome {
    let src = open_file(a, &a.file, false);
    let dst = open_file(a, &a.out, true);
    let m = Meter::start();
    if a.variant == "kernel" {
        let n = runtime(a)
            .block_on(tokio::fs::copy(&a.file, &a.out))
            .unwrap();
        return m.finish(n / a.bs as u64, n);
    }
    if !a.variant.ends_with("blk") {
        let n = runtime(a).block_on(async {
            let mut src = tokio::fs::File::from_std(src);
            let mut dst = tokio::fs::File::from_std(dst);
            src.set_max_buf_size(a.bs);
            dst.set_max_buf_size(a.bs);
            let mut src = tokio::io::BufReader::with_capacity(a.bs, src);
            let n = tokio::io::copy_buf(&mut src, &mut dst).await.unwrap();
            dst.flush().await.unwrap();
            n
        });
        return m.finish(n / a.bs as u64, n);
    }
    let cur = SeqCursor::once(a);
    let (src, dst) = (Pos(Arc::new(src)), Pos(Arc::new(dst)));
    let ops = fan_out(a, |_| {
        let (src, dst, cur) = (src.clone(), dst.clone(), cur.clone());
        let mut buf = AlignedBuf::new(a.bs);
        async move {
            let (mut ops, mut n) = (0, 0);
            while let Some(off) = cur.next() {
                (n, buf) = src.read(buf, off).await;
                cur.check(n);
                (n, buf) = dst.write(buf, off).await;
                cur.check(n);
                ops += 1;
            }
            let _ = n;
            ops
        }
    });
    m.finish(ops, cur.bytes())
}
