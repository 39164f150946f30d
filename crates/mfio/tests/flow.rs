//! Bytes that are consumed, produced and forwarded in chunks, against the bytes.

#[path = "common/faulty.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod faulty;

use faulty::{Ends, Faulty};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::io::Alignment;
use mfio::memory::{Frozen, Memory};
use mfio::packet::{PacketPool, PoolLimits};
use mfio::traits::{BlockingIo, Chunks, IoRead, IoWrite, forward};
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls until it is ready; between polls that do not wake themselves `serve` ends a request.
fn drive<F: Future>(future: F, mut serve: impl FnMut() -> bool) -> F::Output {
    struct Woken(AtomicUsize);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let waker = Waker::from(woken.clone());
    let mut future: Pin<&mut F> = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while woken.0.swap(0, Ordering::SeqCst) == 0 {
            assert!(serve(), "pending with nothing in flight, and nobody wakes");
        }
    }
}

/// A source of numbers that need not be good.
fn numbers(mut seed: u64) -> impl FnMut() -> usize {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize
    }
}

#[derive(Clone, Debug)]
struct Case {
    bad: Option<u64>,
    whole: bool,
    held: bool,
    aligned: bool,
    pooled: bool,
    chunks: Chunks,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let flags = any::<(bool, bool, bool, bool)>();
    let bad = prop_oneof![Just(None), (0..200u64).prop_map(Some)];
    (bad, flags, 0..70usize, 0..10usize, any::<u64>()).prop_map(
        |(bad, (whole, held, aligned, pooled), size, window, seed)| Case {
            bad,
            whole,
            held,
            aligned,
            pooled,
            chunks: Chunks { size, window },
            seed,
        },
    )
}

impl Case {
    fn object(&self) -> Faulty {
        let ends = if self.whole {
            Ends::Whole
        } else {
            Ends::AtTheByte
        };
        let mut io = Faulty::counting(200).bad(ends, self.bad);
        if self.held {
            io = io.holding();
        }
        if self.aligned {
            io.alignment = Alignment::new(64, 16);
        }
        if self.pooled {
            io.pool = Some(PacketPool::new(PoolLimits::default()));
        }
        io
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The consumer sees the bytes in order, none that was not read, and as many as it is told.
    #[test]
    fn a_consumer_sees_the_bytes_and_no_others(
        case in case(),
        pos in 0..230u64,
        len in 0..230u64,
        to_end in any::<bool>(),
        stop in 0..300usize,
    ) {
        let io = case.object();
        let mut seen = Vec::new();
        let consumer = |bytes: &[u8]| {
            let largest = case.chunks.size.max(1).next_multiple_of(16);
            assert!(!bytes.is_empty() && bytes.len() <= largest);
            seen.extend_from_slice(bytes);
            if seen.len() >= stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut order = numbers(case.seed);
        let op = io.read_with_at(pos, len, consumer).chunks(case.chunks);
        let op = if to_end { op.to_end() } else { op };
        let result = drive(op, || io.serve(order()));
        let all: Vec<u8> = (pos..(pos + len).min(200)).map(|i| i as u8).collect();
        prop_assert!(all.starts_with(&seen));
        let stopped = !seen.is_empty() && seen.len() >= stop;
        match result {
            Ok(n) => {
                prop_assert_eq!(n, seen.len() as u64);
                prop_assert!(stopped || n == len || to_end && n == all.len() as u64);
            }
            Err(partial) => {
                prop_assert!(!stopped);
                prop_assert_eq!(partial.good, seen.len() as u64);
                prop_assert_eq!(partial.error.get_offset(), Some(pos + partial.good));
                match case.bad.filter(|bad| (pos..pos + len).contains(bad)) {
                    Some(bad) if partial.error.kind() == ErrorKind::Busy => {
                        prop_assert!(case.whole || case.aligned || partial.good == bad - pos);
                        prop_assert!(partial.good <= bad - pos);
                    }
                    // Of a block, more was asked for.
                    _ if partial.error.kind() == ErrorKind::Busy => prop_assert!(case.aligned),
                    _ => {
                        prop_assert_eq!(partial.error.kind(), ErrorKind::UnexpectedEof);
                        prop_assert!(!to_end && seen.len() == all.len());
                    }
                }
            }
        }
    }

    /// The bytes that were produced are written, in order; the good prefix is there.
    #[test]
    fn produced_bytes_are_written(case in case(), pos in 0..230u64, len in 0..230u64) {
        let pos = if case.aligned { pos & !15 } else { pos };
        let io = case.object();
        let mut next = 0u8;
        let producer = |bytes: &mut [u8]| {
            bytes.fill_with(|| {
                next = next.wrapping_add(1);
                next ^ 0x80
            });
        };
        let mut order = numbers(case.seed);
        let writing = io.write_with_at(pos, len, producer).chunks(case.chunks);
        let result = drive(writing, || io.serve(order()));
        let good = match &result {
            Ok(n) => { prop_assert_eq!(*n, len); len }
            Err(partial) => {
                prop_assert_eq!(partial.error.get_offset(), Some(pos + partial.good));
                partial.good
            }
        };
        prop_assert_eq!(io.held(), 0, "nothing is written any more");
        let fits = len == 0 || pos + len <= 200;
        let bad = case.bad.filter(|bad| (pos..pos + len).contains(bad));
        prop_assert_eq!(result.is_ok(), fits && bad.is_none());
        if !case.whole {
            let end = bad.unwrap_or(200).min(pos + len);
            prop_assert_eq!(good, end.saturating_sub(pos).min(len));
        }
        let bytes = io.bytes.lock().unwrap();
        for i in 0..good {
            prop_assert_eq!(bytes[(pos + i) as usize], ((i + 1) as u8) ^ 0x80);
        }
    }

    /// The bytes that are forwarded arrive; errors are those of the side that failed first by
    /// position.
    #[test]
    fn forwarded_bytes_arrive(
        from in case(),
        to in case(),
        pos in 0..230u64,
        to_pos in 0..230u64,
        len in 0..230u64,
        exposing in any::<bool>(),
    ) {
        let mut source = from.object();
        if exposing && from.bad.is_none() {
            source.exposed = Some(Arc::from(source.bytes.lock().unwrap().clone()));
        }
        let mut target = to.object();
        // Positions that let both be aligned are the user's to choose.
        target.alignment = Alignment::NONE;
        *target.bytes.lock().unwrap() = vec![0xaa; 200];
        let mut order = numbers(from.seed);
        let op = forward(&source, pos, &target, to_pos, len).chunks(from.chunks);
        let result = drive(op, || {
            let n = order();
            let (first, second) = if n.is_multiple_of(2) {
                (&source, &target)
            } else {
                (&target, &source)
            };
            first.serve(n) || second.serve(n)
        });
        prop_assert_eq!(target.held(), 0, "nothing is written any more");
        let good = match &result {
            Ok(n) => { prop_assert_eq!(*n, len); len }
            Err(partial) => {
                let base = if partial.error.get_operation() == "read" { pos } else { to_pos };
                prop_assert_eq!(partial.error.get_offset(), Some(base + partial.good));
                partial.good
            }
        };
        let bytes = target.bytes.lock().unwrap();
        for i in 0..good {
            prop_assert_eq!(bytes[(to_pos + i) as usize], (pos + i) as u8);
        }
        if !from.whole && !from.aligned && !to.whole {
            let room = |bad: Option<u64>, pos: u64| {
                let end = bad.filter(|&bad| bad >= pos).unwrap_or(200).min(200);
                end.saturating_sub(pos)
            };
            let (readable, writable) = (room(from.bad, pos), room(to.bad, to_pos));
            prop_assert_eq!(good, len.min(readable).min(writable));
        }
    }
}

#[test]
fn a_consumer_that_panics_harms_nothing_else() {
    let io = Memory::new(vec![7; 1000]);
    let mut op = Box::pin(io.read_with_at(0, 1000, |bytes: &[u8]| {
        assert!(bytes.is_empty(), "a consumer panics");
    }));
    let panicked = catch_unwind(AssertUnwindSafe(|| io.block_on(op.as_mut())));
    assert!(panicked.is_err());
    let again = catch_unwind(AssertUnwindSafe(|| io.block_on(op.as_mut())));
    assert!(again.is_err(), "it is over");
    assert_eq!(
        io.block_on(io.read_with_at(0, 1000, |_: &[u8]| ()))
            .unwrap(),
        1000
    );

    let produced = catch_unwind(AssertUnwindSafe(|| {
        io.block_on(io.write_with_at(0, 10, |bytes: &mut [u8]| {
            bytes.fill(9);
            panic!("a producer panics");
        }))
    }));
    assert!(produced.is_err());
    assert!(
        io.to_vec().iter().all(|&b| b == 7),
        "its chunk was not written"
    );
}

#[test]
fn a_consumer_may_use_the_same_object() {
    let io = Memory::new((0..200).collect::<Vec<u8>>());
    let chunks = Chunks {
        size: 10,
        window: 8,
    };
    let mut copied = Vec::new();
    let again = |bytes: &[u8]| {
        let pos = u64::from(bytes[0]);
        copied.push(io.blocking().read_value_at::<u8>(pos).unwrap());
        io.blocking().write_value_at(&0xffu8, pos).unwrap();
    };
    io.block_on(io.read_with_at(0, 200, again).chunks(chunks))
        .unwrap();
    assert_eq!(copied, (0..20).map(|i| i * 10).collect::<Vec<u8>>());

    // Blocking, even without a short cut: the consumer runs between the waits.
    let mut inner = 0;
    io.blocking()
        .read_with_at(0, 100, |_: &[u8]| {
            let add = |bytes: &[u8]| inner += bytes.len();
            io.blocking().read_with_at(0, 50, add).unwrap();
            let read = io.block_on(io.read_vec_at(0, 3)).unwrap();
            assert_eq!(read.len(), 3);
        })
        .unwrap();
    assert_eq!(inner, 50);
    io.blocking()
        .write_with_at(0, 100, |bytes: &mut [u8]| {
            bytes.fill(1);
            assert_eq!(
                io.blocking()
                    .read_ranges([0..3, 1..2])
                    .get(0)
                    .unwrap()
                    .len(),
                3
            );
        })
        .unwrap();
}

#[test]
fn one_poll_does_not_go_on_for_ever() {
    let io = Frozen::from(vec![1; 1 << 20]);
    let mut op = pin!(
        io.read_with_at(0, 1 << 20, |_: &[u8]| ())
            .chunks(Chunks { size: 1, window: 1 })
    );
    let mut cx = Context::from_waker(Waker::noop());
    assert!(op.as_mut().poll(&mut cx).is_pending());
}

#[test]
fn positions_end_where_numbers_end() {
    let io = Faulty::counting(10);
    let partial = drive(io.read_with_at(u64::MAX - 1, 10, |_: &[u8]| ()), || false).unwrap_err();
    assert_eq!(
        (partial.good, partial.error.kind()),
        (0, ErrorKind::UnexpectedEof)
    );
    let chunks = Chunks { size: 2, window: 1 };
    let written = drive(
        io.write_with_at(u64::MAX, 10, |_: &mut [u8]| ())
            .chunks(chunks),
        || false,
    );
    assert_eq!(written.unwrap_err().good, 0);
}

#[test]
fn chunks_may_grow_on_their_way() {
    let io = Memory::new(vec![0; 6000]);
    let small = Chunks {
        size: 16,
        window: 1,
    };
    let large = Chunks {
        size: 1000,
        window: 2,
    };
    let mut future = io
        .write_with_at(0, 6000, |bytes| bytes.fill(7))
        .chunks(small);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
    assert_eq!(io.block_on(future.chunks(large)).unwrap(), 6000);
    assert!(io.to_vec().iter().all(|&byte| byte == 7));
}
