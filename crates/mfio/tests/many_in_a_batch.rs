//! Batches of a hundred thousand buffers, over objects that have room for few requests at a time.

use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::memory::Memory;
use mfio::packet::{Batch, View};
use mfio::traits::{IoRead, IoWrite};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

const MANY: u64 = 100_000;

#[test]
fn a_hundred_thousand_buffers_go_through_a_memory_object_in_one_batch() {
    let io = Memory::new(vec![0; MANY as usize * 4]);
    for limit in [usize::MAX, 64] {
        let bytes = |n: u64| (n as u32).wrapping_mul(0x9e37_79b9).to_le_bytes();
        let batch: Batch<_> = (0..MANY).map(|n| (n * 4, bytes(n))).collect();
        let ended = io.block_on(io.write_batch(batch).limit(limit));
        assert!(ended.results().all(|result| result.is_ok()));
        let ended = io.block_on(io.read_batch(ended.batch).limit(limit));
        assert!(ended.outcome.is_success());
        assert!((0..MANY).all(|n| ended.batch.bytes(n as usize) == bytes(n)));
    }
}

/// Has room for few requests: those beyond wait (or fail, where it refuses) until the test serves
/// one.
struct Few {
    room: usize,
    refuses: bool,
    queues: Mutex<Queues>,
}

#[derive(Default)]
struct Queues {
    running: VecDeque<View<Read>>,
    waiting: VecDeque<View<Read>>,
    most: usize,
}

impl IoObject for Few {}

impl PacketIo<Read> for Few {
    fn send_io(&self, _: u64, view: View<Read>) {
        let mut queues = self.queues.lock().unwrap();
        if queues.running.len() < self.room {
            queues.running.push_back(view);
        } else if !self.refuses {
            queues.waiting.push_back(view);
        } else {
            drop(queues);
            return view.fail(ErrorKind::LimitReached);
        }
        queues.most = queues.most.max(queues.running.len() + queues.waiting.len());
    }
}

impl Few {
    fn new(room: usize, refuses: bool) -> Self {
        Self {
            room,
            refuses,
            queues: Mutex::default(),
        }
    }

    /// Serves the request that came first, or last. Returns whether there was one.
    fn serve(&self, last: bool) -> bool {
        let mut queues = self.queues.lock().unwrap();
        let served = match last {
            true => queues.running.pop_back(),
            false => queues.running.pop_front(),
        };
        if let Some(next) = queues.waiting.pop_front() {
            queues.running.push_back(next);
        }
        drop(queues);
        let Some(mut view) = served else {
            return false;
        };
        view.bytes_mut().fill(9);
        view.done();
        true
    }
}

fn read(io: &Few, limit: usize, len: usize) -> mfio::packet::EndedBatch<Vec<u8>> {
    let batch: Batch<_> = (0..MANY).map(|n| (n, vec![0; len])).collect();
    let mut future = pin!(io.read_batch(batch).limit(limit));
    let cx = &mut Context::from_waker(Waker::noop());
    let mut last = false;
    loop {
        if let Poll::Ready(ended) = future.as_mut().poll(cx) {
            return ended;
        }
        // Some are served between two polls, from either end.
        (0..100).for_each(|_| {
            last = !last;
            io.serve(last);
        });
    }
}

#[test]
fn a_batch_waits_where_the_object_has_room_for_few() {
    let io = Few::new(64, false);
    let ended = read(&io, usize::MAX, 2);
    assert!(ended.outcome.is_success());
    assert_eq!(ended.batch.len(), MANY as usize);
    assert!((0..MANY as usize).all(|n| ended.batch.bytes(n) == [9, 9]));
}

#[test]
fn a_limit_keeps_a_batch_within_the_room_of_an_object_that_refuses() {
    let io = Few::new(64, true);
    let ended = read(&io, 64 * 2, 2);
    assert!(ended.results().all(|result| result.is_ok()));
    assert_eq!(io.queues.lock().unwrap().most, 64);
}

#[test]
fn asking_for_each_outcome_of_a_batch_that_failed_takes_no_time_by_all_failures() {
    struct Fails;
    impl IoObject for Fails {}

    impl PacketIo<Write> for Fails {
        fn send_io(&self, pos: u64, view: View<Write>) {
            // Neighbours differ, so that each is a failure of its own.
            match pos % 2 {
                0 => view.fail(ErrorKind::Busy),
                _ => view.fail(ErrorKind::StorageFull),
            }
        }
    }
    let batch: Batch<_> = (0..MANY).map(|n| (n, [0; 1])).collect();
    let ended = mfio::poller::block_on(Fails.write_batch(batch));
    assert_eq!(ended.outcome.failures().len(), MANY as usize);
    // By all failures these were 10,000,000,000 steps.
    assert!((0..MANY as usize).all(|n| ended.outcome_of(n).good_prefix() == 0));
}
