//! W12: 10,000 scattered reads of 8 bytes of a cached file, through a `Remap` of many mappings,
//! over and over.

use harness_common::{Args, Meter, Outcome, open_file};
use mfio::backend::IoBackendExt;
use mfio::packet::Batch;
use mfio::ranges::{Merge, Ranges};
use mfio::traits::IoRead;
use mfio_layers::Remap;
use mfio_rt::native::{File, NativeRt};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::time::Instant;

const READS: usize = 10_000;
const LEN: usize = 8;
/// Of the mappings: extents of a fragmented file.
const EXTENT: u64 = 1 << 20;

pub(crate) fn run(a: &Args) -> Option<Outcome> {
    let positions = positions(a);
    match a.variant.as_str() {
        "scattered-pread" => Some(preads(a, &positions)),
        "batch" => Some(batch(a, &positions)),
        "ranges" => Some(ranges(a, &positions)),
        _ => None,
    }
}

/// `near`: some hundred bytes from one to the next, in no order, as the records of an index are.
/// `far`: anywhere.
fn positions(a: &Args) -> Vec<u64> {
    let space = match a.op.as_str() {
        "near" => READS as u64 * 512,
        _ => a.bytes - LEN as u64,
    };
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 20) % space
    };
    (0..READS).map(|_| next()).collect()
}

/// Extents of the file in reversed order, and where a position is in the file.
fn target(a: &Args, pos: u64) -> u64 {
    let extents = a.bytes / EXTENT;
    let extent = pos / EXTENT;
    if extent < extents {
        (extents - 1 - extent) * EXTENT + pos % EXTENT
    } else {
        pos
    }
}

fn remapped(a: &Args, file: File) -> Remap<File> {
    let mut remap = Remap::new(file);
    let mut at = 0;
    while at < a.bytes {
        let end = a.bytes.min(at + EXTENT);
        remap
            .map(at..end, target(a, at))
            .expect("there are such addresses");
        at = end;
    }
    remap
}

/// Runs `round`, which reads everything once, until time is up.
fn rounds(a: &Args, mut round: impl FnMut()) -> Outcome {
    round();
    let m = Meter::start();
    let mut ops = 0;
    let until = Instant::now() + a.duration();
    while Instant::now() < until {
        round();
        ops += READS as u64;
    }
    m.finish(ops, ops * LEN as u64)
}

fn preads(a: &Args, positions: &[u64]) -> Outcome {
    let file = open_file(a, &a.file, false);
    // An extent's edge may be within a record: those are two places.
    let places: Vec<_> = positions
        .iter()
        .map(|&pos| {
            (
                target(a, pos),
                split(pos),
                target(a, pos + split(pos) as u64),
            )
        })
        .collect();
    let mut bytes = [0; LEN];
    rounds(a, || {
        for &(first, len, second) in &places {
            file.read_exact_at(&mut bytes[..len], first).expect("read");
            if len < LEN {
                file.read_exact_at(&mut bytes[len..], second).expect("read");
            }
            black_box(&mut bytes);
        }
    })
}

/// How many bytes of a record are in the extent that it begins in.
fn split(pos: u64) -> usize {
    LEN.min((EXTENT - pos % EXTENT) as usize)
}

fn batch(a: &Args, positions: &[u64]) -> Outcome {
    let rt = NativeRt::new().expect("a runtime");
    let file = rt.block_on(rt.open_read(&a.file)).expect("open");
    let io = remapped(a, file);
    let mut batch = Some(
        positions
            .iter()
            .map(|&pos| (pos, [0u8; LEN]))
            .collect::<Batch<_>>(),
    );
    rounds(a, || {
        let ended = rt.block_on(io.read_batch(batch.take().expect("it came back")));
        assert!(ended.outcome.is_success(), "{:?}", ended.outcome);
        batch = Some(ended.batch);
    })
}

fn ranges(a: &Args, positions: &[u64]) -> Outcome {
    let rt = NativeRt::new().expect("a runtime");
    let file = rt.block_on(rt.open_read(&a.file)).expect("open");
    check(a, &rt.block_on(rt.open_read(&a.file)).expect("open"), &rt);
    let io = remapped(a, file);
    let mut ranges = Some(Ranges::new(Merge::default()));
    rounds(a, || {
        let mut list = ranges.take().expect("it came back");
        list.extend(positions.iter().map(|&pos| pos..pos + LEN as u64));
        let ended = rt.block_on(io.read_ranges(list));
        for result in ended.iter() {
            black_box(result.expect("read"));
        }
        ranges = Some(ended.into_ranges());
    })
}

/// The same bytes as one `pread` each finds.
fn check(a: &Args, file: &File, rt: &NativeRt) {
    let std = open_file(a, &a.file, false);
    let io = remapped(a, file.clone());
    let positions = positions(a);
    let list: Ranges = positions.iter().map(|&pos| pos..pos + LEN as u64).collect();
    let ended = rt.block_on(io.read_ranges(list));
    for (&pos, result) in positions.iter().zip(ended.iter()) {
        let mut bytes = [0; LEN];
        let len = split(pos);
        std.read_exact_at(&mut bytes[..len], target(a, pos))
            .expect("read");
        std.read_exact_at(&mut bytes[len..], target(a, pos + len as u64))
            .expect("read");
        assert_eq!(result.expect("read"), bytes, "at {pos}");
    }
}
