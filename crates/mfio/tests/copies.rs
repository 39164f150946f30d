//! How often bytes are copied on their way through this crate: counted by the object, which moves
//! bytes once, and by where its memory is and where the user's is.

#[path = "common/faulty.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod faulty;

use faulty::Faulty;
use mfio::io::Alignment;
use mfio::memory::Frozen;
use mfio::packet::{AlignedBuf, Batch, Packet};
use mfio::traits::{Chunks, IoRead, IoWrite, forward};
use std::ops::Range;
use std::sync::Arc;

/// Returns the addresses of bytes.
fn at(bytes: &[u8]) -> Range<usize> {
    bytes.as_ptr_range().start.addr()..bytes.as_ptr_range().end.addr()
}

/// The object was asked to move its bytes right to, or from, `memory`.
fn moved_only_at(io: &Faulty, memory: &[Range<usize>]) {
    let addresses = std::mem::take(&mut *io.addresses.lock().unwrap());
    assert!(!addresses.is_empty());
    for address in addresses {
        assert!(
            memory.iter().any(|range| range.contains(&address)),
            "moved to a place between"
        );
    }
}

fn now<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}

#[test]
fn read_paths_copy_data_once_at_most() {
    let io = Faulty::counting(200);
    // The object's move is the only one: it writes where the user will look.
    let (result, buffer) = now(io.read_exact_buf_at(vec![0; 50], 10));
    result.unwrap();
    moved_only_at(&io, &[at(&buffer)]);

    let ended = now(io.read_packet_at(Packet::new([0; 50]), 10));
    moved_only_at(&io, &[at(ended.packet.buffer())]);

    let batch: Batch<_> = (0..3).map(|i| (i * 20, [0u8; 20])).collect();
    let ended = now(io.read_batch(batch));
    moved_only_at(&io, &[0, 1, 2].map(|i| at(ended.batch.bytes(i))));

    let ended = now(io.read_ranges([0..10, 12..20, 150..160]));
    let first = at(ended.get(0).unwrap());
    moved_only_at(&io, &[first.clone(), at(ended.get(2).unwrap())]);
    assert_eq!(
        at(ended.get(1).unwrap()).start,
        first.start + 12,
        "a view into the merged memory"
    );

    let mut seen = Vec::new();
    let look = |bytes: &[u8]| seen.push(at(bytes));
    now(io.read_with_at(0, 200, look).chunks(Chunks {
        size: 64,
        window: 2,
    }))
    .unwrap();
    moved_only_at(&io, &seen);

    // Borrowed memory, and values, cost one copy more: from the packet.
    let mut borrowed = [0; 50];
    now(io.read_exact_at(&mut borrowed, 10)).unwrap();
    let packet = io.addresses.lock().unwrap().pop().unwrap();
    assert!(!at(&borrowed).contains(&packet));
    assert!(io.addresses.lock().unwrap().is_empty(), "asked once");
}

#[test]
fn an_object_that_exposes_its_memory_copies_nothing() {
    let memory: Arc<[u8]> = (0..200).collect();
    let mut io = Faulty::counting(200);
    io.exposed = Some(memory.clone());
    let whole = at(&memory);
    let inside = |bytes: &[u8]| {
        let range = at(bytes);
        assert!(whole.start <= range.start && range.end <= whole.end);
    };
    now(io.read_with_at(0, 200, inside)).unwrap();
    let ended = now(io.read_ranges([0..10, 12..20, 150..160]));
    ended.iter().for_each(|bytes| inside(bytes.unwrap()));
    assert_eq!(*io.copied.lock().unwrap(), 0);

    // Forwarded, the bytes are moved by the target alone, out of that memory.
    let target = Faulty::new(vec![0; 200]);
    now(forward(&io, 0, &target, 0, 200)).unwrap();
    moved_only_at(&target, &[whole]);
    assert_eq!(
        (*io.copied.lock().unwrap(), *target.copied.lock().unwrap()),
        (0, 200)
    );
    assert_eq!(*target.bytes.lock().unwrap(), *memory);
}

#[test]
fn forwarded_bytes_are_written_from_the_buffer_they_were_read_into() {
    let source = Faulty::counting(200);
    let mut target = Faulty::new(vec![0; 200]);
    // Also where the target asks for alignment, which the source need not know of.
    for alignment in [Alignment::NONE, Alignment::new(64, 32)] {
        target.alignment = alignment;
        let chunks = Chunks {
            size: 30,
            window: 3,
        };
        now(forward(&source, 3, &target, 64, 96).chunks(chunks)).unwrap();
        let read = std::mem::take(&mut *source.addresses.lock().unwrap());
        let written = std::mem::take(&mut *target.addresses.lock().unwrap());
        assert_eq!(read, written);
    }
    let bytes = target.bytes.lock().unwrap();
    assert!(
        bytes[64..160]
            .iter()
            .enumerate()
            .all(|(i, &b)| b == i as u8 + 3)
    );
}

#[test]
fn memory_that_does_not_suit_is_not_written_from() {
    let memory: Arc<[u8]> = (0..200).collect();
    let source = Frozen::new(memory);
    let mut target = Faulty::new(vec![0; 256]);
    target.alignment = Alignment::new(4096, 16);
    // The object would refuse what is not aligned: its assertion fails.
    assert_eq!(now(forward(&source, 1, &target, 16, 160)).unwrap(), 160);
    assert_eq!(target.bytes.lock().unwrap()[16..19], [1, 2, 3]);
}

#[test]
fn writes_are_made_where_they_are_written_from() {
    let io = Faulty::counting(200);
    let mut made = Vec::new();
    let make = |bytes: &mut [u8]| made.push(at(bytes));
    now(io.write_with_at(0, 200, make).chunks(Chunks {
        size: 64,
        window: 2,
    }))
    .unwrap();
    moved_only_at(&io, &made);
    let (result, buffer) = now(io.write_all_buf_at(AlignedBuf::new(100), 0));
    result.unwrap();
    moved_only_at(&io, &[at(&buffer)]);
}
