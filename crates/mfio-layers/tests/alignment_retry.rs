//! Layers that ask again, over objects that take whole blocks only, ask again for whole blocks.
#![allow(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges that have one"
)]

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{Alignment, Direction, IoObject, Operation, PacketIo};
use mfio::packet::View;
use mfio_layers::{Mirror, Retry, RetryPolicy};
use objects::{Bytes, failures, read, write};
use std::ops::Range;
use std::sync::{Arc, Mutex};

const BLOCK: usize = 64;

/// Refuses what is not in whole blocks. The first requests fail in some of their bytes.
#[derive(Clone)]
struct Flaky {
    bytes: Bytes,
    busy: Arc<Mutex<Vec<Range<usize>>>>,
}

impl Flaky {
    fn new(len: usize, busy: impl IntoIterator<Item = Range<usize>>) -> Self {
        let bytes: Vec<_> = (0..len).map(|n| n as u8).collect();
        Self {
            bytes: Bytes::new(bytes),
            busy: Arc::new(Mutex::new(busy.into_iter().collect())),
        }
    }

    fn send<D: Direction>(&self, pos: u64, view: View<D>)
    where
        Bytes: PacketIo<D>,
    {
        if !pos.is_multiple_of(BLOCK as u64) || !view.len().is_multiple_of(BLOCK) {
            return view.fail(ErrorKind::InvalidInput);
        }
        let busy = self.busy.lock().unwrap().pop().unwrap_or_default();
        let (head, rest) = view.split_at(busy.start);
        let (failed, tail) = rest.split_at(busy.len());
        self.bytes.send_io(pos, head);
        failed.fail(ErrorKind::Busy);
        self.bytes.send_io(pos + busy.end as u64, tail);
    }
}

impl IoObject for Flaky {
    fn alignment(&self, _: Operation) -> Alignment {
        Alignment::new(1, BLOCK)
    }
}

impl<D: Direction> PacketIo<D> for Flaky
where
    Bytes: PacketIo<D>,
{
    fn send_io(&self, pos: u64, view: View<D>) {
        self.send(pos, view);
    }
}

#[test]
fn a_retry_reads_whole_blocks_again() {
    for busy in [70..80, 0..1, 60..70, 63..130, 64..128, 255..256] {
        let io: Retry<_> = Retry::new(Flaky::new(256, [busy.clone()]), RetryPolicy::new(2));
        let seen = read(&io, 0, 256);
        assert_eq!(failures(&seen), [], "{busy:?}");
        assert_eq!(seen.packet.buffer(), &(0..=255).collect::<Vec<u8>>());
        let below = Flaky::new(256, [busy.clone()]);
        let io: Retry<_> = Retry::new(below.clone(), RetryPolicy::new(2));
        assert_eq!(failures(&write(&io, 0, &[7; 256])), [], "{busy:?}");
        assert_eq!(below.bytes.to_vec(), [7; 256]);
    }
}

#[test]
fn ranges_that_are_not_retried_fail_no_good_bytes() {
    // The data ends within the last block; and the last attempt fails.
    let io: Retry<_> = Retry::new(Flaky::new(100, [3..5]), RetryPolicy::new(2));
    let seen = read(&io, 0, 128);
    assert_eq!(failures(&seen), [(100, 28, ErrorKind::UnexpectedEof)]);
    assert_eq!(seen.packet.buffer()[..100], (0..100).collect::<Vec<u8>>());
    let twice = || Flaky::new(128, [3..5, 70..80]);
    let io: Retry<_> = Retry::new(twice(), RetryPolicy::new(3));
    assert_eq!(failures(&read(&io, 0, 128)), []);
    let io: Retry<_> = Retry::new(twice(), RetryPolicy::new(2));
    assert_eq!(failures(&read(&io, 0, 128)), [(67, 2, ErrorKind::Busy)]);
    let io: Retry<_> = Retry::new(Flaky::new(128, [3..5]), RetryPolicy::new(1));
    assert_eq!(failures(&read(&io, 0, 128)), [(3, 2, ErrorKind::Busy)]);
}

#[test]
fn a_mirror_reads_whole_blocks_from_the_next_replica() {
    for busy in [70..80, 0..1, 63..130, 255..256] {
        let replicas = [0, 1].map(|_| Flaky::new(256, [busy.clone()]));
        // Only the first one that is asked fails.
        let first = replicas[0].clone();
        replicas[1].busy.lock().unwrap().clear();
        let io: Mirror<_> = Mirror::new(replicas).unwrap();
        for _ in 0..2 {
            let seen = read(&io, 0, 256);
            assert_eq!(failures(&seen), [], "{busy:?}");
            assert_eq!(seen.packet.buffer(), &(0..=255).collect::<Vec<u8>>());
        }
        assert!(first.busy.lock().unwrap().is_empty());
    }
}

#[test]
fn a_mirror_of_replicas_that_end_within_a_block_returns_all_their_bytes() {
    let io: Mirror<_> = Mirror::new([(); 2].map(|()| Flaky::new(100, []))).unwrap();
    for _ in 0..2 {
        let seen = read(&io, 0, 128);
        let failed = failures(&seen);
        assert_eq!(failed, [(100, 28, ErrorKind::UnexpectedEof)]);
        assert_eq!(seen.packet.buffer()[..100], (0..100).collect::<Vec<u8>>());
    }
}
