//! Reads whose length is an upper bound, or the end of the data: memory and requests grow by the
//! bytes that come.
// Thread locals of windows-gnu allocate, so that an allocator cannot count by thread.
#![cfg(not(windows))]
#![allow(unsafe_code)]

#[path = "common/faulty.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod faulty;

use faulty::{Ends, Faulty};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::Alignment;
use mfio::memory::{Memory, pipe};
use mfio::poller::block_on;
use mfio::traits::{BlockingIo, IoRead, StreamRead, StreamWrite};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Waker};

/// The longest allocation of each thread.
struct Longest;

thread_local!(static LONGEST: Cell<usize> = const { Cell::new(0) });

fn note(len: usize) {
    let _ = LONGEST.try_with(|longest| longest.set(longest.get().max(len)));
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Longest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        note(len);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(ptr, layout, len) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Longest = Longest;

/// The longest allocation during `f`.
fn longest<R>(f: impl FnOnce() -> R) -> (R, usize) {
    LONGEST.set(0);
    let result = f();
    (result, LONGEST.get())
}

fn counting(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

#[test]
fn a_generous_length_takes_memory_only_for_the_bytes_that_come() {
    for size in [0, 10, 300_000, 3 << 20] {
        let io = Memory::new(counting(size));
        for len in [1 << 30, isize::MAX as usize, usize::MAX] {
            let (read, memory) = longest(|| io.block_on(io.read_vec_at(0, len)).unwrap());
            assert!(read == counting(size), "{size} bytes of {len:#x}");
            assert!(
                memory <= (256 << 10) + 2 * size,
                "{memory} bytes for {size}"
            );
            assert!(read.capacity() <= (64 << 10) + 2 * size);
            let (read, memory) = longest(|| io.block_on(io.read_bytes_at(0, len)).unwrap());
            assert!(read == counting(size));
            assert!(memory <= (256 << 10) + 2 * size);
        }
    }
}

#[test]
fn a_length_that_is_not_generous_is_one_request() {
    let io = Faulty::counting(5 << 20);
    for len in [0, 1, 70_000, 1 << 20] {
        io.asked.lock().unwrap().clear();
        assert_eq!(block_on(io.read_vec_at(3, len)).unwrap().len(), len);
        assert!(io.asked.lock().unwrap().iter().eq([&(3..3 + len as u64)]));
    }
    io.asked.lock().unwrap().clear();
    assert_eq!(block_on(io.read_vec_at(0, 5 << 20)).unwrap().len(), 5 << 20);
    assert_eq!(io.asked.lock().unwrap().len(), 6, "each doubles what came");
}

#[test]
fn a_long_read_fails_for_the_byte_that_failed_and_ends_where_the_data_does() {
    let bytes = counting(2 << 20);
    let io = Faulty::new(bytes.clone()).bad(Ends::AtTheByte, [1_500_000]);
    let error = block_on(io.read_vec_at(0, usize::MAX)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(
        block_on(io.read_vec_at(1_500_001, usize::MAX)).unwrap(),
        bytes[1_500_001..]
    );
    for pos in [2 << 20, (2 << 20) + 1, u64::MAX - 5, u64::MAX] {
        assert_eq!(block_on(io.read_vec_at(pos, usize::MAX)).unwrap(), []);
    }
    // Exactly all of it, and one byte more.
    for len in [(2 << 20) - 1_500_001, (2 << 20) - 1_500_000] {
        let read = block_on(io.read_vec_at(1_500_001, len)).unwrap();
        assert_eq!(read, bytes[1_500_001..]);
    }
}

#[test]
fn reads_to_the_end_append_everything_behind_the_position() {
    for size in [0, 1, 31, 65_535, 65_536, 65_537, (1 << 20) + 3, 9 << 20] {
        let io = Memory::new(counting(size));
        for pos in [0, 1, size / 2, size, size + 1] {
            let behind = &io.to_vec()[pos.min(size)..];
            let mut bytes = b"head".to_vec();
            let read = io.block_on(io.read_to_end_at(&mut bytes, pos as u64));
            assert_eq!(read.unwrap(), behind.len());
            assert!(bytes[..4] == *b"head" && bytes[4..] == *behind);
            let mut bytes = b"head".to_vec();
            let read = io.blocking().read_to_end_at(&mut bytes, pos as u64);
            assert_eq!(read.unwrap(), behind.len());
            assert!(bytes[..4] == *b"head" && bytes[4..] == *behind);
        }
        let mut bytes = vec![1];
        assert_eq!(
            io.block_on(io.read_to_end_at(&mut bytes, u64::MAX))
                .unwrap(),
            0
        );
        assert_eq!(
            io.blocking().read_to_end_at(&mut bytes, u64::MAX).unwrap(),
            0
        );
        assert_eq!(bytes, [1]);
    }
}

#[test]
fn a_vector_with_room_for_exactly_the_rest_does_not_grow() {
    let io = Memory::new(counting(100_000));
    let mut bytes = Vec::with_capacity(100_000);
    io.block_on(io.read_to_end_at(&mut bytes, 0)).unwrap();
    assert_eq!((bytes.len(), bytes.capacity()), (100_000, 100_000));
    bytes.clear();
    io.blocking().read_to_end_at(&mut bytes, 0).unwrap();
    assert_eq!((bytes.len(), bytes.capacity()), (100_000, 100_000));
}

#[test]
fn a_little_data_takes_little_memory() {
    let io = Memory::new(counting(10));
    let mut bytes = Vec::new();
    let (_, memory) = longest(|| io.block_on(io.read_to_end_at(&mut bytes, 0)).unwrap());
    assert!(memory <= 64 << 10, "{memory} bytes");
    let mut bytes = Vec::with_capacity(1 << 20);
    let (_, memory) = longest(|| io.blocking().read_to_end_at(&mut bytes, 0).unwrap());
    assert!(memory <= 8 << 10, "{memory} bytes");
    assert_eq!(bytes, counting(10));
}

#[test]
fn bytes_before_a_failure_are_kept() {
    let io = Faulty::counting(300_000).bad(Ends::AtTheByte, [200_000]);
    let mut bytes = vec![9];
    let error = block_on(io.read_to_end_at(&mut bytes, 10)).unwrap_err();
    assert_eq!(
        (error.kind(), error.get_offset()),
        (ErrorKind::Busy, Some(200_000))
    );
    assert_eq!(bytes.len(), 1 + 200_000 - 10);
    assert_eq!((bytes[0], bytes[1], bytes[1000]), (9, 10, 1009usize as u8));
}

#[test]
fn whole_blocks_are_read_to_the_end() {
    let mut io = Faulty::counting(300_000);
    io.alignment = Alignment::new(512, 128 << 10);
    let mut bytes = Vec::new();
    // The object checks addresses and positions.
    assert_eq!(block_on(io.read_to_end_at(&mut bytes, 0)).unwrap(), 300_000);
    assert!(bytes == *io.bytes.lock().unwrap());
}

#[test]
fn a_stream_is_read_to_its_end() {
    for blocking in [false, true] {
        let (reads, writes) = pipe(1000);
        let all = counting(100_000);
        let sent = all.clone();
        let writer = std::thread::spawn(move || {
            for piece in sent.chunks(777) {
                writes.block_on(writes.write_all(piece)).unwrap();
            }
        });
        let mut bytes = vec![1, 2];
        let read = match blocking {
            true => reads.blocking().read_to_end(&mut bytes),
            false => reads.block_on(reads.read_to_end(&mut bytes)),
        };
        assert_eq!(read.unwrap(), all.len());
        assert!(bytes[2..] == all);
        writer.join().unwrap();
    }
}

#[test]
fn a_stream_loses_nothing_when_a_read_to_its_end_is_dropped() {
    let (reads, writes) = pipe(1000);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut bytes = Vec::new();
    writes.block_on(writes.write_all(b"abc")).unwrap();
    {
        let mut future = pin!(reads.read_to_end(&mut bytes));
        // Takes what there is, and asks for more.
        reads.block_on(std::future::poll_fn(|_| {
            let _ = future.as_mut().poll(cx);
            std::task::Poll::Ready(())
        }));
        // Ends the request that is on its way, which nobody looks at any more.
        writes.block_on(writes.write_all(b"def")).unwrap();
    }
    writes.block_on(writes.write_all(b"ghi")).unwrap();
    drop(writes);
    reads.block_on(reads.read_to_end(&mut bytes)).unwrap();
    assert_eq!(bytes, b"abcdefghi");
}
