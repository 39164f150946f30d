//! The costs of scattered small reads of a cached file: a `pread` each, a batch, a pipeline, and
//! ranges that are merged where they are near each other. The figures behind `Merge::LOCAL`.
//!
//! ```text
//! cargo run --release -p mfio-rt --example ranges_timing
//! ```

use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use mfio_rt::File;
use mfio_rt::mfio::packet::Batch;
use mfio_rt::mfio::pipeline::Window;
use mfio_rt::mfio::ranges::{Merge, Ranges};
use mfio_rt::prelude::*;

const READS: u64 = 10_000;
const LEN: usize = 8;

/// The shortest of a few times, for each read.
fn each(mut f: impl FnMut()) -> f64 {
    let times = (0..7).map(|_| {
        let start = Instant::now();
        f();
        start.elapsed()
    });
    let best = times.min().unwrap_or(Duration::ZERO);
    best.as_nanos() as f64 / READS as f64
}

fn ranges(file: &File, stride: u64, merge: Merge) -> f64 {
    let mut kept = Some(Ranges::new(merge));
    each(|| {
        let mut ranges = kept.take().unwrap_or_default();
        ranges.extend((0..READS).map(|i| i * stride..i * stride + LEN as u64));
        let ended = file.block_on(file.read_ranges(ranges));
        ended.iter().for_each(|bytes| {
            black_box(bytes.expect("a read"));
        });
        kept = Some(ended.into_ranges());
    })
}

fn batch(file: &File, stride: u64) -> f64 {
    let mut kept: Option<Batch<[u8; LEN]>> =
        Some((0..READS).map(|i| (i * stride, [0; LEN])).collect());
    each(|| {
        if let Some(batch) = kept.take() {
            kept = Some(file.block_on(file.read_batch(batch).limit(LEN * 64)).batch);
        }
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("mfio-ranges-timing-{}", std::process::id()));
    let rt = NativeRt::builder().build()?;
    println!(
        "ns for each of {READS} reads of {LEN} bytes, {:?}",
        rt.report().chosen()
    );
    println!(
        "{:>8} {:>8} {:>8} {:>8} | merged, by gap",
        "stride", "pread", "batch", "pipeline"
    );
    for stride in [16, 64, 256, 512, 1024, 2048, 4096, 8192, 16_384, 65_536] {
        std::fs::write(&path, vec![1; (READS * stride) as usize])?;
        let std = std::fs::File::open(&path)?;
        let file = File::from_std(&rt, std.try_clone()?);
        let pread = each(|| {
            let mut bytes = [0; LEN];
            for i in 0..READS {
                std.read_exact_at(&mut bytes, i * stride).expect("a read");
                black_box(&bytes);
            }
        });
        let pipeline = each(|| {
            let requests = (0..READS).map(|i| (i * stride, [0u8; LEN]));
            let run = file.blocking().read_pipeline(Window::new(64), requests);
            run.for_each(|ended| {
                black_box(&ended.buffer);
            });
        });
        print!(
            "{stride:>8} {pread:>8.0} {:>8.0} {pipeline:>8.0} |",
            batch(&file, stride)
        );
        for gap in [0, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10] {
            let merge = Merge {
                gap,
                ..Merge::LOCAL
            };
            print!(" {gap}: {:.0}", ranges(&file, stride, merge));
        }
        println!();
    }
    std::fs::remove_file(&path)?;
    Ok(())
}
