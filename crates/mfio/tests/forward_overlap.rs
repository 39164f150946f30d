//! Copies within one object, whose ranges may overlap, against `copy_within`.

#[path = "common/faulty.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod faulty;

use faulty::{Ends, Faulty};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::{Alignment, IoObject, Operation, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::traits::{Chunks, IoRead, Partial, forward};
use proptest::prelude::*;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const LEN: usize = 200;

/// Copies within an object of bytes that count up, whose requests end in an order that `seed`
/// gives.
fn copy(
    io: &Faulty,
    range: (u64, u64, u64),
    chunks: Chunks,
    mut seed: u64,
) -> Result<u64, Partial> {
    let (pos, to_pos, len) = range;
    let mut op = pin!(forward(io, pos, io, to_pos, len).chunks(chunks));
    loop {
        let polled = op.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(result) = polled {
            return result;
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        io.serve((seed >> 33) as usize);
    }
}

/// A source, a target and a length that lie within the object, in units of so many bytes.
fn ranges(unit: u64) -> impl Strategy<Value = (u64, u64, u64)> {
    let units = LEN as u64 / unit;
    (0..units, 0..units, 0..=units).prop_map(move |(pos, to_pos, len)| {
        let len = len.min(units - pos.max(to_pos));
        (pos * unit, to_pos * unit, len * unit)
    })
}

fn chunks() -> impl Strategy<Value = Chunks> {
    (0..70usize, 0..10usize).prop_map(|(size, window)| Chunks { size, window })
}

fn moved(range: (u64, u64, u64)) -> Vec<u8> {
    let (pos, to_pos, len) = range;
    let mut bytes: Vec<_> = (0..LEN).map(|n| n as u8).collect();
    bytes.copy_within(pos as usize..(pos + len) as usize, to_pos as usize);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1000)
    })]

    #[test]
    fn overlapping_ranges_are_copied_as_memmove_does(
        range in ranges(1),
        chunks in chunks(),
        held in any::<bool>(),
        aligned in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut io = Faulty::counting(LEN);
        if held {
            io = io.holding();
        }
        let mut range = range;
        if aligned {
            // Both positions let the same memory suit, and the last block is whole.
            io.alignment = Alignment::new(64, 8);
            range = (range.0 & !7, range.1 & !7, range.2 & !7);
        }
        prop_assert_eq!(copy(&io, range, chunks, seed).unwrap(), range.2);
        prop_assert_eq!(&*io.bytes.lock().unwrap(), &moved(range));
    }

    #[test]
    fn blocking_copies_within_memory_are_as_memmove(range in ranges(1), chunks in chunks()) {
        let bytes: Vec<_> = (0..LEN).map(|n| n as u8).collect();
        let io = Arc::new(Memory::new(bytes));
        let (pos, to_pos, len) = range;
        // Different pointers to the same object.
        let other: Arc<dyn PacketIo<Write> + Send + Sync> = io.clone();
        let copied = io.block_on(forward(&*io, pos, &other, to_pos, len).chunks(chunks));
        prop_assert_eq!(copied.unwrap(), len);
        prop_assert_eq!(io.to_vec(), moved(range));
    }

    #[test]
    fn a_copy_that_fails_says_so_and_counts_no_byte_that_is_not_there(
        range in ranges(1),
        chunks in chunks(),
        bad in 0..LEN as u64,
        seed in any::<u64>(),
    ) {
        let (pos, to_pos, len) = range;
        let io = Faulty::counting(LEN).bad(Ends::AtTheByte, [bad]).holding();
        let result = copy(&io, range, chunks, seed);
        let touched = [pos, to_pos].iter().any(|start| (*start..start + len).contains(&bad));
        prop_assert_eq!(result.is_err(), touched);
        if let Err(Partial { good, error }) = result {
            prop_assert_eq!(error.get_offset(), Some(bad));
            let (good, to) = (good as usize, to_pos as usize);
            prop_assert_eq!(&io.bytes.lock().unwrap()[to..to + good], &moved(range)[to..to + good]);
        }
    }
}

#[test]
fn a_source_that_ends_too_early_is_noticed_before_anything_is_overwritten() {
    let io = Faulty::counting(LEN);
    let small = Chunks {
        size: 16,
        window: 3,
    };
    let Partial { good, error } = copy(&io, (0, 8, 300), small, 0).unwrap_err();
    assert_eq!((good, error.kind()), (0, ErrorKind::UnexpectedEof));
    assert_eq!(*io.bytes.lock().unwrap(), moved((0, 0, 0)));
}

#[test]
fn a_copy_that_would_follow_its_own_end_is_refused() {
    let io = Memory::new(vec![7; 100]);
    for (to_pos, len) in [(100, u64::MAX), (1, u64::MAX), (1, 50)] {
        let copied = io.block_on(forward(&io, 0, &io, to_pos, len).to_end());
        let Partial { good, error } = copied.unwrap_err();
        assert_eq!((good, error.kind()), (0, ErrorKind::InvalidInput));
        assert!(error.get_help().unwrap().contains("give the length"));
    }
    let back = io.block_on(forward(&io, 40, &io, 10, u64::MAX).to_end());
    assert_eq!(back.unwrap(), 60);
    let beside = io.block_on(forward(&io, 0, &io, 50, 50).to_end());
    assert_eq!(beside.unwrap(), 50);
}

/// Bytes that are appended, wherever a request says.
struct Appends(Faulty);

impl IoObject for Appends {
    fn alignment(&self, operation: Operation) -> Alignment {
        match operation {
            Operation::Write => Alignment::NONE.in_order(),
            _ => Alignment::NONE,
        }
    }
}

impl PacketIo<Write> for Appends {
    fn send_io(&self, _: u64, view: mfio::packet::View<Write>) {
        self.0.bytes.lock().unwrap().extend_from_slice(view.bytes());
        view.done();
    }
}

impl PacketIo<Read> for Appends {
    fn send_io(&self, pos: u64, view: mfio::packet::View<Read>) {
        self.0.send_io(pos, view);
    }
}

#[test]
fn a_file_appended_to_itself_is_copied_in_order_and_ends() {
    let io = Appends(Faulty::counting(100));
    let memory = Memory::new([]);
    assert_eq!(memory.block_on(forward(&io, 50, &io, 60, 50)).unwrap(), 50);
    let expected: Vec<_> = (0..100).chain(50..100).collect();
    assert_eq!(*io.0.bytes.lock().unwrap(), expected);
    let endless = memory.block_on(forward(&io, 0, &io, 0, u64::MAX).to_end());
    assert_eq!(endless.unwrap_err().error.kind(), ErrorKind::InvalidInput);
    assert_eq!(memory.block_on(io.read_vec_at(0, 1000)).unwrap(), expected);
}

#[test]
fn objects_that_are_not_the_same_are_copied_in_order() {
    let (from, to) = (Faulty::counting(LEN), Faulty::new([]));
    let memory = Memory::new([]);
    *to.bytes.lock().unwrap() = vec![0; 60];
    let small = Chunks {
        size: 16,
        window: 3,
    };
    let copied = memory.block_on(forward(&from, 0, &to, 8, 100).chunks(small));
    assert_eq!(copied.unwrap_err().good, 52, "up to the end of the target");
}
