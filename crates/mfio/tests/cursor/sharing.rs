//! Several handles to one cursor, and the two sides of one.

use crate::adapters::{Adapter, give_up, poll};
use crate::object::{Answer, Scripted};
use mfio::cursor::{BlockingCursor, Cursor};
use mfio::memory::Memory;
use std::future::poll_fn;
use std::io::{Read, SeekFrom, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), count.into())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// The numbers from 0, of four bytes each.
fn numbers(n: u32) -> Vec<u8> {
    (0..n).flat_map(u32::to_le_bytes).collect()
}

fn parse(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty());
    words.iter().map(|word| u32::from_le_bytes(*word))
}

#[test]
fn clones_that_read_at_once_get_every_byte_once() {
    const N: u32 = 20_000;
    let cursor = BlockingCursor::new(Memory::new(numbers(N)));
    let mut all = thread::scope(|s| {
        let threads = [4, 8, 16, 400].map(|size| {
            let mut cursor = cursor.clone();
            s.spawn(move || {
                let (mut bytes, mut got) = (vec![0; size], Vec::new());
                loop {
                    match cursor.read(&mut bytes).unwrap() {
                        0 => return got,
                        n => got.extend(parse(&bytes[..n])),
                    }
                }
            })
        });
        threads
            .into_iter()
            .flat_map(|t| t.join().unwrap())
            .collect::<Vec<_>>()
    });
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..N));
}

#[test]
fn clones_that_write_at_once_overwrite_nothing() {
    const N: u32 = 1000;
    let cursor = BlockingCursor::new(Memory::new(vec![0; N as usize * 16]));
    thread::scope(|s| {
        for t in 0..4 {
            let mut cursor = cursor.clone();
            s.spawn(move || {
                for i in 0..N {
                    cursor.write_all(&(t * N + i).to_le_bytes()).unwrap();
                }
            });
        }
    });
    assert_eq!(cursor.position(), u64::from(N) * 16);
    let mut all: Vec<_> = parse(&cursor.get_ref().to_vec()).collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..4 * N));
}

#[test]
fn conversions_keep_the_position_and_accepted_writes() {
    let io = Scripted::new(*b"abcdef");
    let mut cursor = Cursor::new(&io);
    io.answer([Answer::Late]);
    assert!(give_up(poll_fn(|cx| cursor.poll_write(cx, b"xy"))).is_some());
    let (kept, mut blocking) = (cursor.clone(), BlockingCursor::from(cursor));
    assert_eq!((kept.position(), blocking.position()), (2, 2));
    let mut byte = [0];
    blocking.read_exact(&mut byte).unwrap();
    assert_eq!((&byte, kept.position()), (b"c", 3));
    assert_eq!(Cursor::from(blocking).position(), 3);
    assert!(kept.into_inner().is_some(), "the last handle");
    assert_eq!(io.bytes(), b"xycdef");
}

/// Tasks on several threads, some of whose reads are given up, while another thread answers, late.
#[test]
fn abandoned_reads_lose_no_bytes_among_clones() {
    const N: u32 = 4000;
    let io = Arc::new(Scripted::new(numbers(N)));
    let cursor = Cursor::new(io.clone());
    let over = Arc::new(AtomicBool::new(false));
    let answers = {
        let (io, over) = (io.clone(), over.clone());
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                io.answer([Answer::Late, Answer::Late, Answer::Now]);
                io.release();
                thread::yield_now();
            }
        })
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..4usize)
        .map(|t| {
            let mut cursor = cursor.clone();
            runtime.spawn(async move {
                let mut got = Vec::new();
                for round in t.. {
                    let mut bytes = vec![0; 4 * (1 + round % 5)];
                    let read = pin!(poll_fn(|cx| cursor.poll_read(cx, &mut bytes)));
                    let read = if round % 3 == 0 {
                        match poll(read) {
                            std::task::Poll::Ready(read) => read,
                            std::task::Poll::Pending => continue,
                        }
                    } else {
                        read.await
                    };
                    match read.unwrap() {
                        0 => break,
                        n => got.extend_from_slice(&bytes[..n]),
                    }
                    tokio::task::yield_now().await;
                }
                parse(&got).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(runtime.block_on(task).unwrap());
    }
    over.store(true, Ordering::Relaxed);
    answers.join().unwrap();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..N));
}

#[test]
fn a_waiter_is_woken_by_the_end_of_its_operation() {
    let io = Scripted::new(*b"abcdef");
    let cursor = Cursor::new(&io);
    let (mut reads, mut writes) = (cursor.clone(), cursor);
    io.answer([Answer::Late]);
    assert!(give_up(Adapter::Own.write(&mut writes, b"xy")).is_some());
    let ((reader, a), (flusher, b)) = (Count::new(), Count::new());
    let mut bytes = [0; 2];
    for _ in 0..3 {
        assert!(
            reads
                .poll_read(&mut Context::from_waker(&a), &mut bytes)
                .is_pending()
        );
        assert!(writes.poll_flush(&mut Context::from_waker(&b)).is_pending());
    }
    assert_eq!(
        (reader.get(), flusher.get()),
        (0, 0),
        "they wake each other for nothing"
    );
    io.release();
    assert_eq!((reader.get(), flusher.get()), (1, 1));
    assert!(writes.poll_flush(&mut Context::from_waker(&b)).is_ready());
    assert!(
        reads
            .poll_read(&mut Context::from_waker(&a), &mut bytes)
            .is_ready()
    );
    assert_eq!(&bytes, b"cd");
}

#[test]
fn the_two_sides_of_one_handle_are_both_woken() {
    let io = Scripted::new(*b"abcdef");
    let mut cursor = Cursor::new(&io);
    io.answer([Answer::Late]);
    assert!(give_up(Adapter::Own.write(&mut cursor, b"xy")).is_some());
    let ((reader, a), (flusher, b)) = (Count::new(), Count::new());
    assert!(cursor.poll_flush(&mut Context::from_waker(&b)).is_pending());
    assert!(
        cursor
            .poll_read(&mut Context::from_waker(&a), &mut [0; 2])
            .is_pending()
    );
    io.release();
    assert_eq!((reader.get(), flusher.get()), (1, 1));
}

#[test]
fn a_waiter_of_a_discarded_read_is_woken() {
    let io = Scripted::new(*b"abcdef");
    let mut reads = Cursor::new(&io);
    let mut seeks = reads.clone();
    io.answer([Answer::Late]);
    let (count, waker) = Count::new();
    assert!(
        reads
            .poll_read(&mut Context::from_waker(&waker), &mut [0; 2])
            .is_pending()
    );
    io.run(Adapter::Own.seek(&mut seeks, SeekFrom::Start(4)))
        .unwrap();
    assert_eq!(count.get(), 1);
    let mut bytes = [0; 2];
    assert_eq!(
        io.run(Adapter::Own.read(&mut reads, &mut bytes)).unwrap(),
        2
    );
    assert_eq!(&bytes, b"ef");
}

#[test]
fn a_clone_that_goes_takes_nothing_with_it() {
    let io = Scripted::new(*b"abcdef");
    let mut first = Cursor::new(&io);
    io.answer([Answer::Late]);
    let mut second = first.clone();
    assert!(give_up(Adapter::Tokio.read(&mut first, &mut [0; 4])).is_none());
    drop(first);
    let mut bytes = [0; 6];
    assert_eq!(
        io.run(Adapter::Futures.read(&mut second, &mut bytes))
            .unwrap(),
        4
    );
    assert_eq!(io.sent().len(), 1);
    assert!(second.into_inner().is_some());
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[test]
fn a_waker_that_panics_takes_no_other_of_the_cursor_with_it() {
    let io = Scripted::new(*b"abcdef");
    let first = Cursor::new(&io);
    let mut handles = [first.clone(), first.clone(), first];
    io.answer([Answer::Late]);
    let (count, counts) = Count::new();
    let wakers = [Waker::from(Arc::new(Panics)), counts.clone(), counts];
    for (cursor, waker) in handles.iter_mut().zip(&wakers) {
        assert!(
            cursor
                .poll_read(&mut Context::from_waker(waker), &mut [0; 2])
                .is_pending()
        );
    }
    io.release();
    assert_eq!(count.get(), 2);
}

#[test]
fn a_cursor_that_goes_lets_its_operation_go() {
    let io = Arc::new(Scripted::new(*b"abcdef"));
    let mut cursor = Cursor::new(io.clone());
    io.answer([Answer::Late]);
    let (count, waker) = Count::new();
    assert!(
        cursor
            .poll_read(&mut Context::from_waker(&waker), &mut [0; 2])
            .is_pending()
    );
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 2);
    drop(cursor);
    assert_eq!(
        Arc::strong_count(&count),
        1,
        "the place went with the handle"
    );
    assert_eq!(Arc::strong_count(&io), 1);
    assert_eq!(
        io.abandoned(),
        1,
        "it would keep the cursor, and be kept by it"
    );
    io.release();
}
