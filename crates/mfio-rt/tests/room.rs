//! More operations at once than there is room for: they wait, and none is refused.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::fs::File as StdFile;
use std::future::Future;
use std::io::{Read as _, Write as _};
use std::os::fd::{FromRawFd, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use common::*;
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::{PacketIo, Read};
use mfio::packet::{Batch, InFlight, Packet};
use mfio::traits::{IoRead, IoWrite};
use mfio_layers::{AttachBackend, Stripe};
use mfio_rt::native::{File, NativeRt};

/// Runtimes of all drivers with room for very little.
fn tight() -> impl Iterator<Item = NativeRt> {
    let there = DRIVERS.iter().filter(|kind| runtime(**kind).is_some());
    there.map(|kind| {
        let builder = NativeRt::builder().require(*kind).threads(1);
        builder.max_in_flight(2).queue_depth(2).build().unwrap()
    })
}

fn create(rt: &NativeRt, dir: &Dir, name: &str) -> File {
    let path = dir.path(&format!("{name}-{}", rt.report().chosen()));
    rt.block_on(rt.create(path)).unwrap()
}

/// A file of which each read takes a number of 8 bytes, once there is one, and its other end.
fn numbers() -> (OwnedFd, StdFile) {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: just made, and nobody else's.
    let reader = unsafe { OwnedFd::from_raw_fd(fd) };
    let writer = StdFile::from(reader.try_clone().unwrap());
    (reader, writer)
}

fn read_number(file: &File) -> InFlight<[u8; 8], Read> {
    let (in_flight, view) = Packet::new([0; 8]).start::<Read>();
    file.send_io(0, view);
    in_flight
}

/// Polls once and submits what that sent.
fn start<F: Future + Unpin>(rt: &NativeRt, future: &mut F) -> Poll<F::Output> {
    poll_with(rt, future, Waker::noop())
}

fn poll_with<F: Future + Unpin>(rt: &NativeRt, future: &mut F, waker: &Waker) -> Poll<F::Output> {
    rt.block_on(async { Pin::new(future).poll(&mut Context::from_waker(waker)) })
}

/// Takes in what has ended.
fn turn(rt: &NativeRt) {
    let (with, _handle) = rt.with_backend(std::future::pending::<()>());
    assert!(
        pin!(with)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
}

async fn join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| Some(Box::pin(future))).collect();
    let mut outputs: Vec<_> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |cx| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if let Some(Poll::Ready(value)) = future.as_mut().map(|it| it.as_mut().poll(cx)) {
                (*future, *output) = (None, Some(value));
            }
        }
        match outputs.iter().all(Option::is_some) {
            true => Poll::Ready(outputs.drain(..).flatten().collect()),
            false => Poll::Pending,
        }
    })
    .await
}

/// More than the default limit, by one batch and by as many futures.
#[test]
fn a_hundred_thousand_writes_at_once_all_succeed() {
    const MANY: u64 = 100_000;
    let dir = Dir::new();
    for rt in runtimes() {
        let file = create(&rt, &dir, "many");
        let batch: Batch<_> = (0..MANY).map(|n| (n, vec![byte_at(n)])).collect();
        let ended = rt.block_on(file.write_batch(batch));
        let failed: Vec<_> = ended.results().filter_map(Result::err).collect();
        assert!(failed.is_empty(), "{}: {:?}", failed.len(), failed[0]);
        let written = rt.block_on(file.read_vec_at(0, MANY as usize)).unwrap();
        assert_bytes(&written, 0);
        // Nobody drives the runtime while these are sent, so none can have ended.
        let writes = (0..MANY).map(|n| {
            let mut write = file.write_packet_at(Packet::new([!byte_at(n)]), n);
            let polled = Pin::new(&mut write).poll(&mut Context::from_waker(Waker::noop()));
            (write, polled.is_pending())
        });
        let writes: Vec<_> = writes
            .filter_map(|(write, on)| on.then_some(write))
            .collect();
        for write in writes {
            let ended = rt.block_on(write);
            assert_eq!(ended.outcome.first_error(), None);
        }
        let written = rt.block_on(file.read_vec_at(0, MANY as usize)).unwrap();
        let flipped: Vec<_> = written.iter().map(|byte| !byte).collect();
        assert_bytes(&flipped, 0);
    }
}

/// Opens, lengths and syncs wait like transfers; and all go on in the order in which they were
/// sent.
#[test]
fn operations_of_every_kind_wait_for_room_in_order() {
    let dir = Dir::new();
    for rt in tight() {
        let path = dir.file("some", 100);
        let opened = rt.block_on(join((0..50).map(|_| rt.open_read(&path))));
        for file in &opened {
            let file = file.as_ref().unwrap();
            assert_eq!(
                rt.block_on(file.read_value_at::<u8>(7)).unwrap(),
                byte_at(7)
            );
        }
        let file = opened[0].as_ref().unwrap();
        for len in rt.block_on(join((0..50).map(|_| file.len()))) {
            assert_eq!(len.unwrap(), 100);
        }
        rt.block_on(join((0..50).map(|_| file.sync_all())))
            .into_iter()
            .collect::<Result<(), _>>()
            .unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let writer = File::from_owned_fd(&rt, writer.into());
        let written = rt.block_on(join(
            (0..200_u8).map(|n| writer.write_all_buf_at(vec![n], 0)),
        ));
        assert!(written.iter().all(|(result, _)| result.is_ok()));
        let mut order = [0; 200];
        (&reader).read_exact(&mut order).unwrap();
        assert!(order.is_sorted(), "{order:?}");
    }
}

/// A layer makes many requests of one.
#[test]
fn one_request_in_more_parts_than_there_is_room_for() {
    let dir = Dir::new();
    for rt in tight() {
        let members = ["left", "right"].map(|name| create(&rt, &dir, name));
        let stripe = Stripe::new(members, 16).unwrap();
        let io = AttachBackend::new(stripe, rt.clone());
        let bytes: Vec<u8> = (0..64 * 1024).map(byte_at).collect();
        io.block_on(io.write_all_at(&bytes, 0)).unwrap();
        let mut read = vec![0; bytes.len()];
        io.block_on(io.read_exact_at(&mut read, 0)).unwrap();
        assert_bytes(&read, 0);
    }
}

/// An operation that waits for room has not begun: a read that is dropped takes nothing, a write
/// that was sent is carried out.
#[test]
fn dropped_reads_leave_the_queue_and_writes_are_carried_out() {
    let dir = Dir::new();
    for rt in tight() {
        let (reader, mut feed) = numbers();
        let stream = File::from_owned_fd(&rt, reader);
        let file = create(&rt, &dir, "behind");
        let mut first: Vec<_> = (0..2).map(|_| read_number(&stream)).collect();
        assert!(first.iter_mut().all(|read| start(&rt, read).is_pending()));
        let mut dropped: Vec<_> = (0..1000).map(|_| read_number(&stream)).collect();
        assert!(dropped.iter_mut().all(|read| start(&rt, read).is_pending()));
        drop(dropped);
        let mut write = file.write_packet_at(Packet::new(*b"sent"), 0);
        assert!(start(&rt, &mut write).is_pending());
        drop(write);
        first.push(read_number(&stream));
        for left in (0..3).rev() {
            feed.write_all(&7_u64.to_ne_bytes()).unwrap();
            eventually("a read that is wanted takes the number", || {
                turn(&rt);
                first.iter().filter(|read| !read.is_ended()).count() == left
            });
        }
        let path = file.path().unwrap().to_owned();
        eventually("the write is carried out", || {
            turn(&rt);
            std::fs::read(&path).unwrap() == b"sent"
        });
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// An end makes room for one, and wakes the one that has ended.
#[test]
fn room_for_one_wakes_one() {
    for rt in tight() {
        let (reader, mut feed) = numbers();
        let stream = File::from_owned_fd(&rt, reader);
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut reads: Vec<_> = (0..100).map(|_| read_number(&stream)).collect();
        for read in &mut reads {
            assert!(poll_with(&rt, read, &waker).is_pending());
        }
        for ended in 1..=20 {
            feed.write_all(&1_u64.to_ne_bytes()).unwrap();
            eventually("one read has ended", || {
                turn(&rt);
                reads.iter().filter(|read| read.is_ended()).count() == ended
            });
            eventually("its task is woken", || {
                count.0.load(Ordering::SeqCst) >= ended
            });
            assert_eq!(count.0.load(Ordering::SeqCst), ended);
        }
    }
}

/// The end of the runtime is the end of all that wait, one after another and not within each other.
#[test]
fn the_end_of_many_that_wait_needs_no_stack() {
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let ends = small.spawn(|| {
        for rt in tight() {
            let (reader, _feed) = numbers();
            let stream = File::from_owned_fd(&rt, reader);
            let mut reads: Vec<_> = (0..50_000).map(|_| read_number(&stream)).collect();
            let mut cx = Context::from_waker(Waker::noop());
            assert!(
                reads
                    .iter_mut()
                    .all(|read| pin!(read).poll(&mut cx).is_pending())
            );
            drop((stream, rt));
            for read in reads {
                let Ok(ended) = read.try_end() else {
                    panic!("it ended with the runtime");
                };
                let error = ended.outcome.first_error().unwrap();
                assert_eq!(error.kind(), ErrorKind::Cancelled);
            }
        }
    });
    ends.unwrap().join().unwrap();
}

/// Each of them makes room for the next one when it has ended, and nothing else does.
#[test]
fn writes_that_wait_for_room_are_carried_out_one_after_another_when_the_runtime_ends() {
    const N: u64 = 2000;
    for rt in tight() {
        let dir = Dir::new();
        let file = create(&rt, &dir, "ends");
        rt.block_on(async {
            for n in 0..N {
                let bytes = n.to_le_bytes();
                let mut write = pin!(file.write_all_at(&bytes, n * 8));
                let mut cx = Context::from_waker(Waker::noop());
                assert!(!matches!(write.as_mut().poll(&mut cx), Poll::Ready(Err(_))));
            }
        });
        let path = file.path().unwrap().to_path_buf();
        drop((file, rt));
        let written = std::fs::read(path).unwrap();
        let expected: Vec<u8> = (0..N).flat_map(u64::to_le_bytes).collect();
        assert!(written == expected, "{} bytes", written.len());
    }
}
