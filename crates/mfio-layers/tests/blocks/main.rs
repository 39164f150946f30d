//! `Blocks`: what is sent to the object below, in which order, and how requests end.

mod forms;
#[path = "../common/objects.rs"]
mod objects;
#[path = "../common/touchy.rs"]
mod touchy;

#[path = "../later/mod.rs"]
mod later;

use later::{Later, bytes_of, failures_of};
use mfio::error::ErrorKind;
use mfio::io::{Alignment, IoObject, Operation, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{AlignedBuf, Packet};
use mfio_layers::{Blocks, Fault, Rule};
use objects::{Bytes, ended, failures, read, send, write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use touchy::Act::{Fail, Hold, Panic, Pass};
use touchy::Touchy;

const SECTOR: usize = 16;

fn sectors<Io: IoObject>(io: Io) -> Blocks<Io> {
    Blocks::with_block(io, SECTOR).unwrap()
}

fn counting(len: usize) -> Vec<u8> {
    (0..len).map(|n| n as u8).collect()
}

/// An object without bytes, and with properties.
#[derive(Debug)]
struct Properties(Alignment, Option<u64>);

impl IoObject for Properties {
    fn alignment(&self, operation: Operation) -> Alignment {
        match operation {
            Operation::Write => self.0,
            _ => Alignment::NONE,
        }
    }

    fn appends_at(&self) -> Option<u64> {
        self.1
    }
}

#[test]
fn the_object_tells_the_block_or_refuses_a_smaller_one() {
    let disk = || Properties(Alignment::new(512, 4096), None);
    let io: Blocks<_> = Blocks::new(disk()).unwrap();
    assert_eq!(
        (io.block(), io.alignment(Operation::Write)),
        (4096, Alignment::NONE)
    );
    let io: Blocks<_> = Blocks::with_block(disk(), 8192).unwrap();
    assert_eq!(io.block(), 8192);
    let refused = |io: Properties, block| {
        let error = Blocks::<_>::with_block(io, block).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    for block in [0, 3, 5000, 1 << 21] {
        assert!(refused(disk(), block).contains("power of two"), "{block}");
    }
    assert!(refused(disk(), 2048).contains("larger blocks"));
    let pipe = Properties(Alignment::NONE.in_order(), None);
    assert!(refused(pipe, 16).contains("a stream"));
    assert!(refused(Properties(Alignment::NONE, Some(7)), 16).contains("a stream"));
}

#[test]
fn aligned_requests_are_forwarded_as_they_are() {
    let below = Bytes::new(counting(64));
    let io = sectors(below.clone());
    assert_eq!(read(&io, 16, 32).packet.buffer(), &counting(64)[16..48]);
    assert_eq!(failures(&write(&io, 32, &[7; 16])), []);
    assert_eq!(below.log(), [(true, 16, 32), (false, 32, 16)]);
    // Empty requests end, wherever they are.
    for pos in [0, 3, 100, u64::MAX] {
        assert_eq!(failures(&read(&io, pos, 0)), []);
        assert_eq!(failures(&write(&io, pos, &[])), []);
    }
}

#[test]
fn other_requests_are_whole_blocks_below() {
    let below = Bytes::new(counting(96));
    let io = sectors(below.clone());
    assert_eq!(read(&io, 5, 3).packet.buffer(), &[5, 6, 7]);
    assert_eq!(read(&io, 15, 18).packet.buffer(), &counting(96)[15..33]);
    assert_eq!(below.log(), [(true, 0, 16), (true, 0, 48)]);
    // The first block, those between, the last one.
    assert_eq!(failures(&write(&io, 10, &[200; 60])), []);
    assert_eq!(
        below.log(),
        [
            (true, 0, 16),
            (false, 0, 16),
            (false, 16, 48),
            (true, 64, 16),
            (false, 64, 16)
        ]
    );
    let mut expected = counting(96);
    expected[10..70].fill(200);
    assert_eq!(below.to_vec(), expected);
}

#[test]
fn long_requests_in_other_memory_go_through_buffers_in_pieces() {
    const LEN: usize = 300_000;
    struct Disk(Bytes);
    impl IoObject for Disk {
        fn alignment(&self, _: Operation) -> Alignment {
            Alignment::new(4096, SECTOR)
        }
    }
    impl PacketIo<Read> for Disk {
        fn send_io(&self, pos: u64, view: mfio::packet::View<Read>) {
            assert!(view.as_mut_ptr().addr().is_multiple_of(4096));
            self.0.send_io(pos, view);
        }
    }
    impl PacketIo<Write> for Disk {
        fn send_io(&self, pos: u64, view: mfio::packet::View<Write>) {
            assert!(view.as_ptr().addr().is_multiple_of(4096));
            self.0.send_io(pos, view);
        }
    }
    let below = Bytes::new(counting(LEN));
    let io: Blocks<_> = Blocks::new(Disk(below.clone())).unwrap();
    // One byte behind a page.
    let odd = |len: usize, fill: &[u8]| {
        let mut memory = AlignedBuf::new(len + 1);
        memory[1..].copy_from_slice(fill);
        Packet::new(memory)
    };
    let bytes: Vec<_> = (0..200_000).map(|n| (n / 7) as u8).collect();
    let (in_flight, view) = odd(bytes.len(), &bytes).start::<Write>();
    let (unused, view) = view.split_at(1);
    unused.done();
    io.send_io(5, view);
    assert!(in_flight.try_end().unwrap().outcome.is_success());
    let longest = below.log().iter().map(|(.., len)| *len).max();
    assert_eq!(longest, Some(64 << 10), "pieces");
    let mut expected = counting(LEN);
    expected[5..200_005].copy_from_slice(&bytes);
    assert!(below.to_vec() == expected);

    let (in_flight, view) = odd(200_000, &[0; 200_000]).start::<Read>();
    let (unused, view) = view.split_at(1);
    unused.done();
    io.send_io(7, view);
    let ended = in_flight.try_end().unwrap();
    assert!(ended.outcome.is_success());
    assert!(ended.packet.buffer()[1..] == expected[7..200_007]);
    let longest = below.log().iter().map(|(.., len)| *len).max();
    assert_eq!(longest, Some(64 << 10), "pieces");
    // In memory that is aligned from the second block on, bytes between go there uncopied.
    let memory = AlignedBuf::new(200_000);
    let (in_flight, view) = Packet::new(memory).start::<Read>();
    let (unused, view) = view.split_at(4096 - 9);
    unused.done();
    io.send_io(7, view);
    let ended = in_flight.try_end().unwrap();
    assert!(ended.outcome.is_success());
    assert!(ended.packet.buffer()[4087..] == expected[7..7 + 200_000 - 4087]);
    assert!(below.log().contains(&(true, 16, 195_904)));
}

#[test]
fn writes_to_one_block_follow_each_other_and_others_do_not_wait() {
    let below = Later::new(vec![0; 64]);
    let io = sectors(below.clone());
    let first = later::write(&io, 1, &[1; 2]);
    let second = later::write(&io, 2, &[2; 2]);
    let whole = later::write(&io, 0, &[3; 16]);
    let third = later::write(&io, 15, &[4; 2]);
    let beside = later::write(&io, 40, &[5; 2]);
    assert_eq!(
        (below.waiting(), io.waiting()),
        (2, 3),
        "two blocks are being read"
    );
    below.finish();
    for write in [first, second, whole, third, beside] {
        assert_eq!(failures_of(write), []);
    }
    let mut expected = [0; 64];
    expected[..15].fill(3);
    expected[15..17].fill(4);
    expected[40..42].fill(5);
    assert_eq!(below.to_vec(), expected);
    assert_eq!(io.waiting(), 0);
}

#[test]
fn more_requests_than_buffers_wait_and_end() {
    let below = Later::new(counting(4096));
    let io = sectors(below.clone());
    let reads: Vec<_> = (0..100).map(|n| later::read(&io, n * 16 + 1, 3)).collect();
    let writes: Vec<_> = (100..200)
        .map(|n| later::write(&io, n * 16 + 1, &[7; 3]))
        .collect();
    assert_eq!(below.waiting(), 32);
    // Reads that were dropped are not carried out.
    let dropped = later::read(&io, 5, 3);
    drop(dropped);
    below.finish();
    assert_eq!(below.counts(), (200, 100));
    for (n, read) in reads.into_iter().enumerate() {
        assert_eq!(bytes_of(read), counting(4096)[n * 16 + 1..n * 16 + 4]);
    }
    for write in writes {
        assert_eq!(failures_of(write), []);
    }
}

#[test]
fn bytes_are_reported_as_written_if_they_are() {
    // The last block is short, and the object does not grow.
    let below = Bytes::new(counting(40));
    let io = sectors(below.clone());
    let end = write(&io, 30, &[200; 20]);
    assert_eq!(failures(&end), [(10, 10, ErrorKind::UnexpectedEof)]);
    assert_eq!(below.to_vec()[30..], [200; 10]);
    assert_eq!(failures(&write(&io, 34, &[201; 2])), []);
    assert_eq!(
        failures(&write(&io, 100, &[1])),
        [(0, 1, ErrorKind::UnexpectedEof)]
    );
    let end = read(&io, 37, 20);
    assert_eq!(failures(&end), [(3, 17, ErrorKind::UnexpectedEof)]);
    assert_eq!(end.packet.buffer()[..3], [200; 3]);

    // A block that cannot be read fails its bytes, and those only.
    let below = Later::new(vec![0; 64]);
    let io = sectors(below.clone());
    below.break_bytes([3]);
    let broken = later::write(&io, 10, &[1; 10]);
    let mends = later::write(&io, 0, &[2; 16]);
    below.finish();
    assert_eq!(failures_of(broken), [(0..6, ErrorKind::Other)]);
    assert_eq!(failures_of(mends), []);
    // A byte that is overwritten need not be read.
    let over = later::write(&io, 2, &[4; 4]);
    below.finish();
    assert_eq!(failures_of(over), []);
    assert_eq!(
        below.to_vec()[..22],
        [&[2; 2][..], &[4; 4], &[2; 10], &[1; 4], &[0; 2]].concat()
    );
}

#[test]
fn an_object_that_grows_does_so_by_whole_blocks() {
    struct Grows(Bytes);
    impl IoObject for Grows {}
    impl PacketIo<Read> for Grows {
        fn send_io(&self, pos: u64, view: mfio::packet::View<Read>) {
            self.0.send_io(pos, view);
        }
    }
    impl PacketIo<Write> for Grows {
        fn send_io(&self, pos: u64, view: mfio::packet::View<Write>) {
            let end = pos as usize + view.len();
            let mut bytes = self.0.bytes.lock().unwrap();
            let longer = bytes.len().max(end);
            bytes.resize(longer, 9);
            drop(bytes);
            self.0.send_io(pos, view);
        }
    }
    let below = Bytes::new([1; 20]);
    let io = sectors(Grows(below.clone()));
    assert_eq!(failures(&write(&io, 35, &[2; 2])), []);
    assert_eq!(
        below.to_vec()[32..],
        [&[0; 3][..], &[2; 2], &[0; 11]].concat()
    );
    assert_eq!(failures(&write(&io, 50, &[3])), []);
    assert_eq!(below.to_vec().len(), 64);
}

#[test]
fn requests_end_when_the_layer_is_dropped() {
    let fault = Fault::new(Memory::new(vec![0; 64]), [Rule::hold()]);
    let handle = fault.handle();
    let io = sectors(fault);
    let first = send::<Write>(&io, 1, [1; 2]);
    let waits = send::<Write>(&io, 2, [1; 2]);
    drop(io);
    assert_eq!(failures(&ended(waits)), [(0, 2, ErrorKind::Dropped)]);
    handle.release_all();
    assert_eq!(failures(&ended(first)), [(0, 2, ErrorKind::Dropped)]);
}

#[test]
fn a_write_whose_future_is_dropped_leaves_no_block_locked() {
    let below = Later::new(vec![0; 64]);
    let io = sectors(below.clone());
    drop(later::write(&io, 1, &[1; 2]));
    drop(later::write(&io, 2, &[2; 20]));
    let last = later::write(&io, 20, &[3; 3]);
    below.finish();
    assert_eq!(failures_of(last), []);
    let bytes = [&[0; 1][..], &[1; 1], &[2; 18], &[3; 3], &[0; 1]].concat();
    assert_eq!((&below.to_vec()[..24], io.waiting()), (&bytes[..], 0));
}

#[test]
fn a_panic_below_leaves_nobody_waiting() {
    let dropped = [(0, 4, ErrorKind::Dropped)];
    let may_panic = |what: &mut dyn FnMut()| drop(catch_unwind(AssertUnwindSafe(what)));
    // As a block is read, and as it is written; the others follow.
    for (script, failed) in [
        (vec![Hold, Pass, Panic], vec![1]),
        (vec![Hold, Panic], vec![0]),
        (vec![Hold, Pass, Pass, Panic, Fail], vec![1, 2]),
    ] {
        let below = Touchy::new();
        below.script(script);
        let io = sectors(below.clone());
        let writes: Vec<_> = (0..5).map(|n| send::<Write>(&io, n * 2, [1; 4])).collect();
        may_panic(&mut || below.release());
        for (n, write) in writes.into_iter().enumerate() {
            assert_eq!(
                !ended(write).outcome.is_success(),
                failed.contains(&n),
                "write {n}"
            );
        }
        assert_eq!(io.waiting(), 0);
    }
    // Within the call, of writes and reads; more often than there are buffers.
    let below = Touchy::new();
    let io = sectors(below.clone());
    for _ in 0..40 {
        let (in_flight, view) = Packet::new(vec![1; 4]).start::<Write>();
        below.script([Panic]);
        let mut view = Some(view);
        may_panic(&mut || io.send_io(1, view.take().unwrap()));
        assert_eq!(failures(&ended(in_flight)), dropped);
        let (in_flight, view) = Packet::new(vec![1; 4]).start::<Read>();
        below.script([Panic]);
        let mut view = Some(view);
        may_panic(&mut || io.send_io(1, view.take().unwrap()));
        assert_eq!(failures(&ended(in_flight)), dropped);
        below.script([Panic]);
        may_panic(&mut || {
            let _ = PacketIo::<Write>::transfer_blocking(&io, 0, &[1; 16]);
        });
    }
    assert_eq!(failures(&write(&io, 1, &[2; 4])), []);
    // The object writes before it panics in a blocking call.
    assert_eq!(read(&io, 0, 6).packet.buffer(), &[1, 2, 2, 2, 2, 1]);
}
