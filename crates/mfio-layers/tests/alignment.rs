//! Objects that want whole blocks in aligned memory get them from layers that choose lengths, or
//! memory, by themselves.

#[path = "common/objects.rs"]
mod objects;

use mfio::error::ErrorKind;
use mfio::io::{Alignment, IoObject, Operation, PacketIo, Read, Write};
use mfio::packet::{AlignedBuf, Ended, FailedRange, Outcome, Packet, View};
use mfio::traits::IoRead;
use mfio_layers::clock::ManualClock;
use mfio_layers::{Cache, Fault, Limit, Limits, Mirror, Overlay, Rule, Timeout, TimeoutLimits};
use objects::{Bytes, ended, failures, read, send, write};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const BLOCK: usize = 64;
const MEMORY: usize = 4096;

/// As a disk past the page cache: it refuses what is not aligned.
#[derive(Clone)]
struct Blocks {
    bytes: Bytes,
    memory: usize,
}

impl Blocks {
    /// Bytes that count up, in whole blocks and a part of one. Memory is looked at, too.
    fn new(len: usize) -> Self {
        let bytes: Vec<_> = (0..len).map(|n| n as u8).collect();
        Self {
            bytes: Bytes::new(bytes),
            memory: MEMORY,
        }
    }

    /// Takes any memory, as that of the tests' requests is.
    fn in_any_memory(len: usize) -> Self {
        Self {
            memory: 1,
            ..Self::new(len)
        }
    }

    fn suits(&self, pos: u64, bytes: &[u8]) -> bool {
        pos.is_multiple_of(BLOCK as u64)
            && bytes.len().is_multiple_of(BLOCK)
            && bytes.as_ptr().addr().is_multiple_of(self.memory)
    }
}

impl IoObject for Blocks {
    fn alignment(&self, _: Operation) -> Alignment {
        Alignment::new(self.memory, BLOCK)
    }
}

impl PacketIo<Read> for Blocks {
    fn send_io(&self, pos: u64, mut view: View<Read>) {
        match self.suits(pos, view.bytes_mut()) {
            true => self.bytes.send_io(pos, view),
            false => view.fail(ErrorKind::InvalidInput),
        }
    }
}

impl PacketIo<Write> for Blocks {
    fn send_io(&self, pos: u64, view: View<Write>) {
        match self.suits(pos, view.bytes()) {
            true => self.bytes.send_io(pos, view),
            false => view.fail(ErrorKind::InvalidInput),
        }
    }
}

#[test]
fn a_cache_reads_blocks_whatever_is_read_of_it() {
    let cache = Cache::new(Blocks::new(300), 8 * BLOCK, BLOCK).unwrap();
    let middle = read(&cache, 33, 70);
    assert_eq!(failures(&middle), []);
    let there: Vec<_> = (33..103).collect();
    assert_eq!(middle.packet.buffer(), &there);
    // The data ends within a block. Behind that the object is asked each time.
    for _ in 0..2 {
        let end = read(&cache, 290, 20);
        assert_eq!(failures(&end), [(10, 10, ErrorKind::UnexpectedEof)]);
        assert_eq!(
            end.packet.buffer()[..10],
            (290..300).map(|n| n as u8).collect::<Vec<_>>()
        );
    }
    assert_eq!(
        failures(&read(&cache, 305, 2)),
        [(0, 2, ErrorKind::UnexpectedEof)]
    );
    assert_eq!(failures(&read(&cache, 300, 0)), []);
}

#[test]
fn hazard_a_read_that_is_refused_where_a_cache_has_no_room() {
    let fault = Fault::new(Blocks::new(4 * BLOCK), [Rule::hold().times(1)]);
    let handle = fault.handle();
    let cache = Cache::new(fault, BLOCK, BLOCK).unwrap();
    let first = send::<Read>(&cache, 1, [0; 2]);
    // The only place is taken by what is on its way.
    let around = read(&cache, 3 * BLOCK as u64 - 3, 9);
    assert_eq!(failures(&around), []);
    let there: Vec<_> = (189..198).collect();
    assert_eq!(around.packet.buffer(), &there);
    assert_eq!(cache.stats().bypassed, 2);
    handle.release_all();
    assert_eq!(ended(first).packet.buffer(), &[1, 2]);
}

#[test]
fn hazard_a_limit_that_splits_within_a_block() {
    for (bytes, parts) in [(150, vec![128; 2]), (64, vec![64; 4]), (10, vec![64; 4])] {
        let below = Blocks::in_any_memory(5 * BLOCK);
        let limits = Limits {
            bytes,
            ..Limits::default()
        };
        let io: Limit<_> = Limit::new(below.clone(), limits);
        let whole = read(&io, 0, 4 * BLOCK);
        assert_eq!(failures(&whole), [], "{bytes}");
        let lens: Vec<_> = below.bytes.log().iter().map(|(.., len)| *len).collect();
        assert_eq!(lens, parts, "{bytes}");
        let written = write(&io, BLOCK as u64, &[7; 3 * BLOCK]);
        assert_eq!(failures(&written), [], "{bytes}");
        assert_eq!(below.bytes.to_vec()[BLOCK..4 * BLOCK], [7; 3 * BLOCK]);
        assert_eq!(io.in_flight(), (0, 0));
    }
}

#[test]
fn a_block_that_is_more_than_a_limit_goes_by_itself() {
    let fault = Fault::new(Blocks::in_any_memory(5 * BLOCK), [Rule::hold()]);
    let handle = fault.handle();
    let limits = Limits {
        bytes: 10,
        ..Limits::default()
    };
    let io: Limit<_> = Limit::new(fault, limits);
    let reads = [0, 128].map(|pos| send::<Read>(&io, pos, [0; 2 * BLOCK]));
    for left in (0..4).rev() {
        assert_eq!((handle.held(), io.in_flight()), (1, (1, BLOCK)), "{left}");
        assert!(handle.release());
    }
    for read in reads {
        assert_eq!(failures(&ended(read)), []);
    }
}

#[test]
fn hazard_a_timeout_that_splits_within_a_block() {
    for chunk in [0, 10, 64, 100] {
        let limits = TimeoutLimits {
            chunk,
            ..TimeoutLimits::default()
        };
        let clock = ManualClock::new();
        let below = Blocks {
            memory: 1 << 16,
            ..Blocks::new(5 * BLOCK)
        };
        let io = Timeout::with_limits(below.clone(), Duration::from_secs(1), clock, limits);
        assert_eq!(failures(&read(&io, 0, 4 * BLOCK)), [], "{chunk}");
        assert_eq!(failures(&write(&io, 0, &[7; 4 * BLOCK])), [], "{chunk}");
        assert_eq!(below.bytes.to_vec()[..4 * BLOCK], [7; 4 * BLOCK]);
    }
}

#[test]
fn an_overlay_copies_in_memory_that_suits_both() {
    let base = Blocks::new(4 * BLOCK);
    let top = Blocks::new(4 * BLOCK);
    let io: Overlay<_, _> = Overlay::new(base, top.clone(), 4 * BLOCK as u64, BLOCK).unwrap();
    assert_eq!(failures(&write(&io, 70, &[0; 5])), []);
    let granule = &top.bytes.to_vec()[BLOCK..2 * BLOCK];
    let wanted: Vec<_> = (64..128)
        .map(|n| if (70..75).contains(&n) { 0 } else { n })
        .collect();
    assert_eq!(granule, wanted);
}

/// A read of memory that suits everybody.
fn aligned(io: &impl PacketIo<Read>, pos: u64, len: usize) -> Ended<AlignedBuf> {
    let memory = AlignedBuf::with_alignment(len, MEMORY);
    let (in_flight, view) = Packet::new(memory).start::<Read>();
    io.send_io(pos, view);
    in_flight.try_end().expect("it has ended")
}

fn causes(outcome: &Outcome) -> Vec<(usize, usize, ErrorKind)> {
    let cause = |f: FailedRange| (f.offset, f.len, f.cause.kind());
    outcome.failures().map(cause).collect()
}

#[test]
fn a_mirror_reads_missing_bytes_of_a_replica_in_whole_blocks() {
    // The first ends within a block, where the second goes on; and where that ends, the third does.
    let replicas = [100, 150, 300].map(Blocks::new);
    let mirror: Mirror<_> = Mirror::new(replicas).unwrap();
    for _ in 0..3 {
        let ended = aligned(&mirror, 0, 5 * BLOCK);
        assert_eq!(
            causes(&ended.outcome),
            [(300, 20, ErrorKind::UnexpectedEof)]
        );
        let there: Vec<_> = (0..300).map(|n| n as u8).collect();
        assert_eq!(ended.packet.buffer()[..300], there);
    }
    // What was not aligned is refused by all.
    let refused = aligned(&mirror, 33, BLOCK);
    assert_eq!(
        causes(&refused.outcome),
        [(0, BLOCK, ErrorKind::InvalidInput)]
    );
}

/// Whole blocks, some bytes of which are busy for ever.
struct Busy(Blocks);

impl IoObject for Busy {
    fn alignment(&self, _: Operation) -> Alignment {
        self.0.alignment(Operation::Read)
    }
}

impl PacketIo<Read> for Busy {
    fn send_io(&self, pos: u64, mut view: View<Read>) {
        if !self.0.suits(pos, view.bytes_mut()) {
            return view.fail(ErrorKind::InvalidInput);
        }
        let (before, rest) = view.split_at((70 - pos) as usize);
        let (busy, behind) = rest.split_at(10);
        before.done();
        busy.fail(ErrorKind::Busy);
        behind.done();
    }
}

#[test]
fn failures_beside_the_wanted_bytes_of_a_block_fail_none_of_them() {
    let io = Busy(Blocks::in_any_memory(300));
    for (pos, len) in [(80, 20), (66, 4)] {
        let mut came = 0;
        let read = io.read_with_at(pos, len, |bytes: &[u8]| came += bytes.len() as u64);
        let good = pin!(read).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(good, Poll::Ready(Ok(good)) if good == len));
        assert_eq!(came, len);
    }
}
