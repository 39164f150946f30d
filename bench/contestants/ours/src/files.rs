//! W1 to W3 on one shared file object.

use crate::executors::fan_out;
use harness_common::{Args, Meter, Outcome, RandReads, SeqCursor};
use mfio::backend::IoBackendExt;
use mfio::packet::{AlignedBuf, Ended, Packet};
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};
use std::path::Path;

pub(crate) fn open(rt: &NativeRt, a: &Args, path: &Path, write: bool) -> File {
    let options = OpenOptions::new()
        .read(true)
        .write(write)
        .create(write)
        .direct(a.direct);
    rt.block_on(rt.open(path, &options)).expect("open")
}

fn idle(a: &Args) -> Packet<AlignedBuf> {
    Packet::new(AlignedBuf::new(a.bs))
}

/// The packet of an operation that must have moved every byte.
fn whole(ended: Ended<AlignedBuf>) -> Packet<AlignedBuf> {
    assert!(ended.outcome.is_success(), "{:?}", ended.outcome);
    ended.packet
}

pub(crate) fn rand_read(a: &Args) -> Outcome {
    let rt = NativeRt::new().expect("a runtime");
    let file = open(&rt, a, &a.file, false);
    let m = Meter::start();
    let ops = if a.variant == "borrowed" {
        fan_out(a, &rt, |i| {
            borrowed(file.clone(), RandReads::new(a, i, m.start), a.bs)
        })
    } else {
        fan_out(a, &rt, |i| {
            packets(file.clone(), RandReads::new(a, i, m.start), idle(a))
        })
    };
    m.finish(ops, ops * a.bs as u64)
}

async fn packets(file: File, mut g: RandReads, mut packet: Packet<AlignedBuf>) -> u64 {
    while let Some(off) = g.next() {
        packet = whole(file.read_packet_at(packet, off).await);
    }
    g.ops()
}

async fn borrowed(file: File, mut g: RandReads, bs: usize) -> u64 {
    let mut buf = AlignedBuf::new(bs);
    while let Some(off) = g.next() {
        file.read_exact_at(&mut buf[..], off).await.expect("read");
    }
    g.ops()
}

pub(crate) fn seq(a: &Args, write: bool) -> Outcome {
    let rt = NativeRt::new().expect("a runtime");
    let file = open(&rt, a, &a.file, write);
    let m = Meter::start();
    let cur = SeqCursor::timed(a, m.start);
    let ops = fan_out(a, &rt, |_| {
        let (file, cur, mut packet) = (file.clone(), cur.clone(), idle(a));
        async move {
            let mut ops = 0;
            while let Some(off) = cur.next() {
                packet = whole(if write {
                    file.write_packet_at(packet, off).await
                } else {
                    file.read_packet_at(packet, off).await
                });
                ops += 1;
            }
            ops
        }
    });
    m.finish(ops, cur.bytes())
}

/// `qd` tasks, each reading a block and then writing it.
pub(crate) fn copy(a: &Args) -> Outcome {
    let rt = NativeRt::new().expect("a runtime");
    let src = open(&rt, a, &a.file, false);
    let dst = open(&rt, a, &a.out, true);
    let m = Meter::start();
    let cur = SeqCursor::once(a);
    let ops = fan_out(a, &rt, |_| {
        let (src, dst) = (src.clone(), dst.clone());
        let (cur, mut packet) = (cur.clone(), idle(a));
        async move {
            let mut ops = 0;
            while let Some(off) = cur.next() {
                packet = whole(src.read_packet_at(packet, off).await);
                packet = whole(dst.write_packet_at(packet, off).await);
                ops += 1;
            }
            ops
        }
    });
    m.finish(ops, cur.bytes())
}
