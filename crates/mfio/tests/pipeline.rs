//! Pipelines: every request has its result, once, with its buffer, whatever ends when, and whoever
//! polls.
#![allow(unsafe_code)]

#[path = "common/faulty.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod faulty;

use faulty::{Ends, Faulty};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::NoPos;
use mfio::memory::{Memory, pipe};
use mfio::pipeline::{Completed, Window};
use mfio::traits::{BlockingIo, IoRead, StreamRead};
use proptest::prelude::*;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

struct Count(AtomicUsize);

impl Count {
    fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self(AtomicUsize::new(0)));
        (count.clone(), Waker::from(count))
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Serve(usize),
    Poll,
    Try,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<usize>().prop_map(Step::Serve),
        Just(Step::Poll),
        Just(Step::Try)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_request_has_its_result_once(
        requests in prop::collection::vec((0..210u64, 0..12usize), 0..40),
        steps in prop::collection::vec(step(), 0..60),
        operations in 1..9usize,
        bytes in 0..40usize,
        in_order in any::<bool>(),
        held in any::<bool>(),
    ) {
        let io = Faulty::counting(200).bad(Ends::AtTheByte, [100]);
        let io = if held { io.holding() } else { io };
        let mut window = Window::new(operations).bytes(bytes);
        if in_order {
            window = window.in_order();
        }
        let list = requests.iter().enumerate().map(|(i, &(pos, len))| (pos, vec![0u8; len], i));
        let mut run = io.read_pipeline(window).run(list);
        let mut done: Vec<Completed<u64, Vec<u8>, usize>> = Vec::new();
        let (count, waker) = Count::new();
        let mut cx = Context::from_waker(&waker);
        let mut steps = steps.into_iter();
        loop {
            let woken = count.get();
            match steps.next() {
                Some(Step::Serve(which)) => { io.serve(which); }
                Some(Step::Try) => drop(run.pipeline().in_flight()),
                Some(Step::Poll) | None => match run.poll_next(&mut cx) {
                    // It yields now and then.
                    Poll::Pending if count.get() > woken => {}
                    Poll::Ready(Some(completed)) => done.push(completed),
                    Poll::Ready(None) => break,
                    Poll::Pending => {
                        let before = count.get();
                        let first = in_order.then_some(0);
                        let served = io.serve(first.unwrap_or(3));
                        prop_assert!(served, "pending with nothing in flight");
                        prop_assert!(count.get() > before, "an end wakes who waits");
                    }
                },
            }
            prop_assert!(run.pipeline().in_flight() <= operations);
            prop_assert!(io.held() <= operations);
        }
        prop_assert_eq!(done.len(), requests.len());
        if in_order {
            prop_assert!(done.iter().map(|c| c.tag).eq(0..requests.len()));
        }
        done.sort_by_key(|c| c.tag);
        for (i, completed) in done.iter().enumerate() {
            let (pos, len) = requests[i];
            prop_assert_eq!((completed.tag, completed.pos, completed.buffer.len()), (i, pos, len));
            let readable = if pos > 100 { 200 } else { 100 };
            let good = (readable - pos.min(readable)).min(len as u64) as usize;
            prop_assert_eq!(completed.outcome.good_prefix(), good);
            prop_assert_eq!(completed.result.is_ok(), good == len);
            for (n, &byte) in completed.buffer[..good].iter().enumerate() {
                prop_assert_eq!(byte, pos as u8 + n as u8);
            }
        }
    }
}

#[test]
fn a_window_of_bytes_lets_one_long_request_through() {
    let io = Faulty::counting(200).holding();
    let mut pipeline = io.read_pipeline(Window::new(8).bytes(10));
    pipeline.try_push((0u64, vec![0; 50])).unwrap();
    let refused = pipeline.try_push((0u64, vec![1, 2])).unwrap_err();
    assert_eq!(refused.buffer, [1, 2], "it comes back as it was");
    io.serve(0);
    assert!(pipeline.try_next().is_some());
    pipeline.try_push(refused).unwrap();
    assert!(pipeline.has_room(8) && !pipeline.has_room(9));
}

#[test]
fn a_window_without_a_bound_takes_no_memory_for_it() {
    let io = Memory::new((0..=255).collect::<Vec<u8>>());
    for window in [Window::new(usize::MAX), Window::new(usize::MAX).in_order()] {
        let requests = (0..100u64).map(|i| (i, [0u8; 1]));
        let read = io.blocking().read_pipeline(window.bytes(7), requests);
        assert_eq!(
            read.map(|ended| u32::from(ended.buffer[0])).sum::<u32>(),
            4950
        );
    }
}

#[test]
fn many_ends_make_one_wake_up() {
    let io = Faulty::counting(200).holding();
    let mut pipeline = io.read_pipeline::<[u8; 4], ()>(Window::new(16));
    (0..16).for_each(|i| pipeline.try_push((i * 4, [0; 4])).unwrap());
    let (count, waker) = Count::new();
    let mut cx = Context::from_waker(&waker);
    assert!(pipeline.poll_next(&mut cx).is_pending());
    while io.serve(0) {}
    assert_eq!(count.get(), 1);
    for _ in 0..16 {
        assert!(matches!(pipeline.poll_next(&mut cx), Poll::Ready(Some(_))));
    }
    assert!(matches!(pipeline.poll_next(&mut cx), Poll::Ready(None)));
    assert_eq!(count.get(), 1);
}

#[test]
fn a_pipeline_polled_by_another_task_wakes_that_one() {
    let io = Faulty::counting(200).holding();
    let mut pipeline = io.read_pipeline::<[u8; 4], ()>(4);
    pipeline.try_push((0u64, [0; 4])).unwrap();
    let ((first, a), (second, b)) = (Count::new(), Count::new());
    assert!(
        pipeline
            .poll_next(&mut Context::from_waker(&a))
            .is_pending()
    );
    // The future is dropped, too: it loses nothing.
    {
        let mut next = pipeline.next();
        assert!(
            Pin::new(&mut next)
                .poll(&mut Context::from_waker(&b))
                .is_pending()
        );
    }
    io.serve(0);
    assert_eq!((first.get(), second.get()), (0, 1));
    assert!(pipeline.try_next().is_some());
}

#[test]
fn a_dropped_pipeline_frees_each_buffer_once() {
    let buffer = || -> (Arc<()>, Tracked) {
        let alive = Arc::new(());
        (alive.clone(), Tracked(alive))
    };
    #[derive(Debug)]
    struct Tracked(#[expect(dead_code, reason = "it is counted")] Arc<()>);
    let io = Faulty::counting(200).holding();
    let mut pipeline = io.read_pipeline::<[u8; 4], Tracked>(Window::new(8).in_order());
    let mut alive = Vec::new();
    for i in 0..8 {
        let (arc, tracked) = buffer();
        alive.push(arc);
        pipeline.try_push((i * 4, [0; 4], tracked)).unwrap();
    }
    // Some wait for their turn, some are on the list, some in flight.
    io.serve(3);
    assert!(pipeline.try_next().is_none());
    io.serve(3);
    drop(pipeline);
    let gone = |alive: &[Arc<()>]| {
        alive
            .iter()
            .filter(|arc| Arc::strong_count(arc) == 1)
            .count()
    };
    assert_eq!(gone(&alive), 2);
    io.serve(0);
    assert_eq!(gone(&alive), 3, "nobody keeps what nobody will fetch");
    while io.serve(0) {}
    assert_eq!(gone(&alive), 8);
}

#[test]
fn ends_on_other_threads_are_all_heard_of() {
    let io = Memory::new((0..=255).collect::<Vec<u8>>());
    let driver = std::thread::scope(|scope| {
        // Two threads drive the backend, each with a pipeline of its own.
        let threads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let requests = (0..2000u64).map(|i| (i % 256, [0u8; 1], i));
                    let run = io.blocking().read_pipeline(16, requests);
                    run.map(|ended| {
                        assert_eq!(ended.buffer[0], ended.pos as u8);
                        ended.tag
                    })
                    .sum::<u64>()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(driver, [(0..2000).sum::<u64>(); 2]);
}

#[test]
fn writes_go_through_a_pipeline_as_well() {
    let io = Memory::new(vec![0; 8]);
    let requests = (0..10u64).map(|i| (i, [i as u8 + 1]));
    let failed: Vec<_> = io
        .blocking()
        .write_pipeline(Window::new(3).in_order(), requests)
        .filter_map(|ended| ended.result.err())
        .map(|error| (error.kind(), error.get_offset()))
        .collect();
    assert_eq!(
        failed,
        [
            (ErrorKind::UnexpectedEof, Some(8)),
            (ErrorKind::UnexpectedEof, Some(9))
        ]
    );
    assert_eq!(io.to_vec(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[cfg(feature = "stream")]
#[test]
fn a_pipeline_is_a_stream() {
    use futures_util::StreamExt;
    let io = Memory::new((0..=255).collect::<Vec<u8>>());
    let requests = (0..20u64).map(|i| (i, [0u8; 1]));
    let run = io.read_pipeline(4).run(requests);
    let read: Vec<u8> = io.block_on(StreamExt::map(run, |ended| ended.buffer[0]).collect());
    assert_eq!(read.len(), 20);
}

#[test]
fn an_iterator_of_requests_may_wait_for_the_same_object() {
    let io = Memory::new((0..=255).collect::<Vec<u8>>());
    let requests = (0..20u64).map(|i| {
        let at = io.blocking().read_value_at::<u8>(i).unwrap();
        let at = u64::from(at) + io.block_on(io.read_vec_at(0, 1)).unwrap().len() as u64;
        (at, [0u8; 1])
    });
    let sum: u32 = io
        .blocking()
        .read_pipeline(4, requests)
        .map(|e| u32::from(e.buffer[0]))
        .sum();
    assert_eq!(sum, (1..21).sum());
}

#[test]
fn an_end_between_the_look_and_the_registration_is_not_lost() {
    /// A waker that, when it is cloned, ends a request: between the look at the list and the
    /// registration.
    unsafe fn ending(io: *const ()) -> RawWaker {
        // SAFETY: the object outlives every poll of the test.
        unsafe { &*io.cast::<Faulty>() }.serve(0);
        RawWaker::new(std::ptr::null(), &NOTHING)
    }
    static NOTHING: RawWakerVTable = RawWakerVTable::new(
        |_| RawWaker::new(std::ptr::null(), &NOTHING),
        |_| (),
        |_| (),
        |_| (),
    );
    static ENDING: RawWakerVTable = RawWakerVTable::new(ending, |_| (), |_| (), |_| ());
    let io = Faulty::counting(200).holding();
    let mut pipeline = io.read_pipeline::<[u8; 4], ()>(4);
    pipeline.try_push((0u64, [0; 4])).unwrap();
    // SAFETY: the functions do what wakers' must; the pointer is valid as long as it is used.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::from_ref(&io).cast(), &ENDING)) };
    let polled = pipeline.poll_next(&mut Context::from_waker(&waker));
    assert!(
        matches!(polled, Poll::Ready(Some(_))),
        "nobody would wake it"
    );
}

#[test]
fn a_waker_may_end_the_next_request() {
    struct Serves(Arc<Faulty>);
    impl Wake for Serves {
        fn wake(self: Arc<Self>) {
            while self.0.serve(0) {}
        }
    }
    let io = Arc::new(Faulty::counting(200).holding());
    let mut pipeline = io.read_pipeline::<[u8; 4], ()>(4);
    (0..4).for_each(|i| pipeline.try_push((i * 4, [0; 4])).unwrap());
    let waker = Waker::from(Arc::new(Serves(io.clone())));
    assert!(
        pipeline
            .poll_next(&mut Context::from_waker(&waker))
            .is_pending()
    );
    io.serve(0);
    assert_eq!(std::iter::from_fn(|| pipeline.try_next()).count(), 4);
}

#[test]
fn hazard_a_dropped_pipeline_takes_bytes_that_others_wait_for() {
    let (reads, writes) = pipe(64);
    let mut dropped = reads.read_pipeline(Window::new(2));
    for _ in 0..2 {
        assert!(dropped.try_push((NoPos, [0; 4])).is_ok());
    }
    drop(dropped);
    writes.blocking().write_all(b"for others").unwrap();
    let read = reads.block_on(reads.read_vec(16)).unwrap();
    assert_eq!(read, b"for others");
}
