//! Control operations of `Blocks`: a test for each line of the table in its documentation.

mod disk;
mod model;
#[path = "../common/objects.rs"]
mod objects;

use disk::{Disk, blocks, failed, send};
use mfio::backend::IoBackendExt;
use mfio::control::{
    Capabilities, ControlIo, ControlKind, ControlOp, Extent, ExtentKind, Span, Unmap,
};
use mfio::error::ErrorKind;
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::packet::{Packet, View};
use mfio::traits::{BlockingIo, IoControl, IoRead, IoWrite};
use mfio_layers::{Blocks, Fault, Rule};
use objects::Bytes;
use std::sync::Arc;

#[test]
fn syncs_lengths_and_ends_of_streams_are_forwarded() {
    let disk = Disk::new([7; 100]);
    let io = blocks(disk.clone());
    io.block_on(async {
        io.sync_data().await.unwrap();
        io.sync_all().await.unwrap();
        assert_eq!(io.len().await.unwrap(), 100);
        io.shutdown().await.unwrap();
    });
    use ControlOp::{Len, Shutdown, SyncAll, SyncData};
    assert_eq!(disk.log(), [SyncData, SyncAll, Len, Shutdown]);
    assert_eq!(io.capabilities(), disk.capabilities());
}

#[test]
fn a_flush_waits_for_no_write_in_flight() {
    let io = blocks(Shared::holding(64));
    let write = Packet::new([1; 3]).start::<Write>();
    io.send_io(5, write.1);
    assert_eq!(failed(send(&io, ControlOp::SyncAll)), None);
    io.inner().release_all();
    assert!(write.0.try_end().unwrap().outcome.is_success());
}

#[test]
fn discards_shrink_to_whole_blocks() {
    let disk = Disk::new([7; 100]);
    let io = blocks(disk.clone());
    io.block_on(async {
        io.discard(5..60).await.unwrap();
        io.discard(17..31).await.unwrap();
        io.discard(5..20).await.unwrap();
        io.discard(64..).await.unwrap();
    });
    let expected = [Span::from(16..48), Span::from(64..u64::MAX - 15)];
    assert_eq!(disk.log(), expected.map(ControlOp::Discard));
    assert_eq!(disk.memory.to_vec()[..16], [7; 16]);
    assert_eq!(disk.memory.to_vec()[48..64], [7; 16]);
}

#[test]
fn zeros_are_whole_blocks_below_and_edges_by_read_modify_write() {
    for (range, below) in [
        (5..60, Some(16..48)),
        (16..48, Some(16..48)),
        (0..20, Some(0..16)),
        (20..25, None),
        (10..22, None),
        (63..64, None),
    ] {
        for unmap in [Unmap::Allowed, Unmap::Forbidden] {
            let disk = Disk::new([7; 64]);
            let io = blocks(disk.clone());
            let span = Span::from(range.clone());
            io.block_on(io.write_zeroes(span, unmap)).unwrap();
            let mut expected = vec![7; 64];
            expected[range.start as usize..range.end as usize].fill(0);
            assert_eq!(disk.memory.to_vec(), expected, "{range:?}");
            let below = below
                .clone()
                .map(|span| ControlOp::WriteZeroes(span.into(), unmap));
            assert_eq!(disk.log(), Vec::from_iter(below), "{range:?}");
            // And blocking.
            let disk = Disk::new([7; 64]);
            let io = blocks(disk.clone());
            io.blocking::<u64>().write_zeroes(span, unmap).unwrap();
            assert_eq!(disk.memory.to_vec(), expected, "{range:?}");
        }
    }
}

#[test]
fn zeros_behind_the_end_fail_as_writes_do() {
    let disk = Disk::new([7; 40]);
    let io = blocks(disk.clone());
    let error = io
        .block_on(io.write_zeroes(20..60, Unmap::Allowed))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    io.block_on(io.write_zeroes(34..40, Unmap::Allowed))
        .unwrap();
    assert_eq!(disk.memory.to_vec()[34..], [0; 6]);
}

#[test]
fn zeros_and_lengths_are_in_the_order_of_writes() {
    let io = blocks(Shared::holding(64));
    let before = Packet::new([1; 3]).start::<Write>();
    io.send_io(5, before.1);
    let zeroes = send(&io, ControlOp::WriteZeroes((6..30).into(), Unmap::Allowed));
    let cut = send(&io, ControlOp::SetLen(25));
    let behind = Packet::new([2; 2]).start::<Write>();
    io.send_io(7, behind.1);
    assert_eq!(io.waiting(), 3);
    io.inner().release_all();
    assert!(before.0.try_end().unwrap().outcome.is_success());
    assert!(behind.0.try_end().unwrap().outcome.is_success());
    assert_eq!((failed(zeroes), failed(cut)), (None, None));
    let expected = [&[7; 5][..], &[1; 1], &[0; 1], &[2; 2], &[0; 16]].concat();
    assert_eq!(io.inner().to_vec(), expected);
    assert_eq!(io.waiting(), 0);
}

/// Bytes that are reached through a `Fault`, and control operations beside it.
struct Shared(Fault<Bytes>);

impl Shared {
    fn new(len: usize, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self(Fault::new(Bytes::new(vec![7; len]), rules))
    }

    fn holding(len: usize) -> Self {
        Self::new(len, [Rule::hold()])
    }

    fn release_all(&self) {
        while self.0.handle().release() {}
    }

    fn to_vec(&self) -> Vec<u8> {
        self.0.inner().to_vec()
    }
}

impl IoObject for Shared {
    fn below(&self) -> Option<&dyn IoObject> {
        Some(&self.0)
    }
}

impl PacketIo<Read> for Shared {
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.0.send_io(pos, view);
    }
}

impl PacketIo<Write> for Shared {
    fn send_io(&self, pos: u64, view: View<Write>) {
        self.0.send_io(pos, view);
    }
}

impl ControlIo for Shared {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let mut bytes = self.0.inner().bytes.lock().unwrap();
        match op {
            ControlOp::WriteZeroes(span, _) => {
                bytes[span.start() as usize..span.end() as usize].fill(0);
            }
            ControlOp::SetLen(len) => bytes.resize(len as usize, 0),
            _ => {}
        }
        drop(bytes);
        view.done();
    }

    fn capabilities(&self) -> Capabilities {
        ControlKind::ALL.iter().copied().collect()
    }
}

#[test]
fn more_zeros_than_buffers_wait_and_end() {
    let io = blocks(Shared::holding(1600));
    let zeroes: Vec<_> = (0..100)
        .map(|n| (n * 16 + 3..n * 16 + 9).into())
        .map(|span| send(&io, ControlOp::WriteZeroes(span, Unmap::Allowed)))
        .collect();
    assert_eq!(io.inner().0.handle().held(), 32);
    io.inner().release_all();
    assert!(zeroes.into_iter().all(|zeroes| failed(zeroes).is_none()));
    let expected = [&[7; 3][..], &[0; 6], &[7; 7]].concat().repeat(100);
    assert_eq!(io.inner().to_vec(), expected);
}

#[test]
fn a_failure_ends_the_zeros_and_frees_the_blocks() {
    for failing in 0..3 {
        let rules = [
            Rule::hold().times(failing),
            Rule::fail(ErrorKind::Busy).times(1),
        ];
        let io = blocks(Shared::new(64, rules));
        let zeroes = send(&io, ControlOp::WriteZeroes((5..40).into(), Unmap::Allowed));
        io.inner().release_all();
        assert_eq!(failed(zeroes), Some(ErrorKind::Busy), "request {failing}");
        let write = Packet::new([1; 40]).start::<Write>();
        io.send_io(3, write.1);
        io.inner().release_all();
        assert!(write.0.try_end().unwrap().outcome.is_success());
        assert_eq!(io.waiting(), 0);
    }
}

#[test]
fn lengths_are_taken_as_they_are() {
    let disk = Disk::new([7; 64]);
    let io = blocks(disk.clone());
    io.block_on(io.set_len(40)).unwrap();
    assert_eq!(disk.log(), [ControlOp::SetLen(40)]);
    let mut end = [0; 20];
    assert_eq!(
        io.block_on(io.read_at(&mut end, 30)).unwrap(),
        10,
        "a short last block"
    );
    io.blocking::<u64>().set_len(50).unwrap();
    assert_eq!(
        io.block_on(io.read_vec_at(38, 20)).unwrap(),
        [&[7; 2][..], &[0; 10]].concat()
    );
    io.block_on(io.write_all_at(&[1; 3], 45)).unwrap();
    assert_eq!(disk.memory.to_vec()[44..], [0, 1, 1, 1, 0, 0]);
}

#[test]
fn allocations_and_prefetches_widen_to_whole_blocks() {
    let disk = Disk::new([7; 64]);
    let io = blocks(disk.clone());
    io.block_on(async {
        io.allocate(5..20).await.unwrap();
        io.prefetch(17..18).await.unwrap();
        io.prefetch(40..).await.unwrap();
    });
    io.blocking::<u64>().allocate(33..34).unwrap();
    let expected = [
        ControlOp::Allocate((0..32).into()),
        ControlOp::Prefetch((16..32).into()),
        ControlOp::Prefetch((32..).into()),
        ControlOp::Allocate((32..48).into()),
    ];
    assert_eq!(disk.log(), expected);
}

#[test]
fn extents_are_those_of_the_range() {
    let disk = Disk::new([7; 100]);
    let io = blocks(disk.clone());
    let extent = |range: std::ops::Range<u64>, kind| Extent {
        span: range.into(),
        kind,
    };
    use ExtentKind::{Data, Hole};
    let found = io.block_on(io.extents(10..70)).unwrap();
    let expected = [
        extent(10..16, Data),
        extent(16..32, Hole),
        extent(32..64, Data),
        extent(64..70, Hole),
    ];
    assert_eq!(found, expected);
    assert_eq!(disk.log()[0], ControlOp::Extents((0..80).into()));
    assert_eq!(io.blocking::<u64>().extents(10..70).unwrap(), expected);
    // One at a time; larger blocks begin before the range.
    let io: Blocks<_> = Blocks::with_block(disk, 64).unwrap();
    assert_eq!(
        io.block_on(io.extent_at(40)).unwrap(),
        Some(extent(40..64, Data))
    );
    assert_eq!(
        io.block_on(io.extent_at(20)).unwrap(),
        Some(extent(20..32, Hole))
    );
    assert_eq!(io.block_on(io.extent_at(100)).unwrap(), None);
    assert_eq!(io.block_on(io.extents(..)).unwrap().len(), 5);
}

#[test]
fn an_operation_that_the_object_lacks_is_not_supported() {
    let disk = Disk {
        supported: Capabilities::NONE.with(ControlKind::Len),
        ..Disk::new([7; 64])
    };
    let io = blocks(disk.clone());
    for range in [0..16, 3..5] {
        let error = io.block_on(io.discard(range.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        let error = io
            .block_on(io.write_zeroes(range, Unmap::Allowed))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
    }
    assert_eq!(disk.memory.to_vec(), [7; 64]);
    // Nothing is to be done for an empty range.
    let io = blocks(Disk::new([7; 64]));
    assert_eq!(
        failed(send(
            &io,
            ControlOp::WriteZeroes(Span::default(), Unmap::Allowed)
        )),
        None
    );
}

#[test]
fn operations_that_wait_end_when_the_layer_is_dropped() {
    let io = blocks(Arc::new(Shared::holding(64)));
    let below = io.inner().clone();
    let first = send(&io, ControlOp::WriteZeroes((1..3).into(), Unmap::Allowed));
    let waits = send(&io, ControlOp::SetLen(0));
    drop(io);
    assert_eq!(failed(waits), Some(ErrorKind::Dropped));
    below.release_all();
    assert_eq!(failed(first), Some(ErrorKind::Dropped));
    assert_eq!(below.to_vec(), [7; 64]);
}
