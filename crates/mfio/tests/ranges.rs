//! Ranges that are read together, against the bytes.

#[path = "common/faulty.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod faulty;

use faulty::{Ends, Faulty};
use mfio::error::ErrorKind;
use mfio::io::Alignment;
use mfio::ranges::{EndedRanges, Merge, Ranges};
use mfio::traits::IoRead;
use proptest::prelude::*;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls until it is ready; between the polls one of the requests that are held is served.
fn drive<F: Future>(io: &Faulty, future: F, mut order: impl FnMut() -> usize) -> F::Output {
    let mut future: Pin<&mut F> = pin!(future);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            // It yields now and then.
            Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
            Poll::Pending => assert!(io.serve(order()), "pending with nothing in flight"),
        }
    }
}

/// Reads a range by itself: returns the good prefix, and why there is no more.
fn alone(io: &Faulty, range: &Range<u64>) -> (Vec<u8>, Option<ErrorKind>) {
    if range.end < range.start {
        return (Vec::new(), Some(ErrorKind::InvalidInput));
    }
    let bytes = io.bytes.lock().unwrap();
    let size = bytes.len() as u64;
    let bad = io
        .bad
        .range(range.start..range.end.max(range.start))
        .next()
        .copied();
    let bad = bad.filter(|&bad| bad < size);
    let end = bad.unwrap_or(range.end.min(size.max(range.start)));
    let kind = match bad {
        Some(_) => Some(ErrorKind::Busy),
        None => (range.end > end).then_some(ErrorKind::UnexpectedEof),
    };
    if bad.is_some() && io.ends == Ends::Whole {
        return (Vec::new(), kind);
    }
    let from = range.start.min(size) as usize;
    (
        bytes[from..end.clamp(range.start.min(size), size) as usize].to_vec(),
        kind,
    )
}

fn check(io: &Faulty, ranges: &[Range<u64>], ended: &EndedRanges) -> Result<(), TestCaseError> {
    prop_assert_eq!(ended.len(), ranges.len());
    for (range, got) in ranges.iter().zip(ended.iter()) {
        let (good, kind) = alone(io, range);
        match got {
            Ok(bytes) => prop_assert_eq!((bytes, None), (&good[..], kind), "{:?}", range),
            Err(error) => {
                prop_assert_eq!(Some(error.error.kind()), kind, "{:?}", range);
                prop_assert_eq!(error.good, &good[..], "{:?}", range);
                prop_assert_eq!(error.error.get_offset(), Some(range.start));
            }
        }
    }
    Ok(())
}

fn ranges() -> impl Strategy<Value = Vec<Range<u64>>> {
    // Some end before they begin, some reach beyond the 200 bytes.
    prop::collection::vec((0..220u64, 0..30u64), 0..20).prop_map(|ranges| {
        let range = |(start, len): (u64, u64)| start..(start + len).saturating_sub(2);
        ranges.into_iter().map(range).collect()
    })
}

fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        Just(Ends::Whole),
        Just(Ends::AtTheByte),
        Just(Ends::ByteByByte)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Merged or not, failing or not, bounded or not: every range is as if it were read by itself.
    #[test]
    fn each_range_is_as_if_it_were_read_by_itself(
        lists in prop::collection::vec(ranges(), 1..4),
        bad in prop::collection::vec(0..200u64, 0..6),
        ends in ends(),
        gap in 0..20usize,
        limit in 0..80usize,
        in_flight in 0..100usize,
        held in any::<bool>(),
        order in any::<u64>(),
    ) {
        let mut io = Faulty::counting(200).bad(ends, bad);
        if held {
            io = io.holding();
        }
        let mut seed = order;
        let mut order = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        let mut plan = Ranges::new(Merge { gap, limit, in_flight, memory: usize::MAX });
        for list in &lists {
            plan.extend(list.iter().cloned());
            let ended = drive(&io, io.read_ranges(plan), &mut order);
            check(&io, list, &ended)?;
            plan = ended.into_ranges();
        }
    }

    /// An object that takes whole blocks gets whole blocks.
    #[test]
    fn blocks_are_kept_to(list in ranges(), limit in 0..200usize, held in any::<bool>()) {
        let mut io = Faulty::counting(200);
        io.alignment = Alignment::new(32, 16);
        if held {
            io = io.holding();
        }
        let mut plan = Ranges::new(Merge { gap: 8, limit, in_flight: 64, memory: 1 << 20 });
        plan.extend(list.iter().cloned());
        let ended = drive(&io, io.read_ranges(plan), || 0);
        check(&io, &list, &ended)?;
    }

    /// No range, however it is, makes it panic or takes more memory than it may.
    #[test]
    fn ranges_come_from_outside(
        list in prop::collection::vec((any::<u64>(), any::<u64>()), 0..10),
        small in 0..150u64,
    ) {
        let io = Faulty::counting(200);
        let mut plan = Ranges::new(Merge { memory: 1 << 16, ..Merge::LOCAL });
        let mut list: Vec<_> = list.into_iter().map(|(start, end)| start..end).collect();
        list.extend([small..small + 5, u64::MAX..u64::MAX, u64::MAX - 1..u64::MAX, 0..u64::MAX]);
        plan.extend(list.iter().cloned());
        let ended = drive(&io, io.read_ranges(plan), || 0);
        for (range, got) in list.iter().zip(ended.iter()) {
            let kind = got.as_ref().err().map(|error| error.error.kind());
            match range.end.checked_sub(range.start) {
                None => prop_assert_eq!(kind, Some(ErrorKind::InvalidInput)),
                Some(0) => prop_assert_eq!(kind, None),
                Some(len) if len > 1 << 16 => prop_assert_eq!(kind, Some(ErrorKind::OutOfMemory)),
                Some(_) => prop_assert_eq!(kind, alone(&io, range).1),
            }
        }
    }
}

#[test]
fn a_range_does_not_fail_for_the_bytes_of_another() {
    for ends in [Ends::Whole, Ends::AtTheByte] {
        let io = Faulty::counting(100).bad(ends, [10, 31]);
        // The second byte that fails lies between ranges.
        let list = [0..8, 9..12, 11..20, 25..30, 35..40];
        let ended = drive(&io, io.read_ranges(list.clone()), || 0);
        assert_eq!(ended.requests(), 1, "they were merged");
        let failed: Vec<_> = ended.iter().map(|result| result.is_err()).collect();
        assert_eq!(failed, [false, true, false, false, false]);
        assert_eq!(ended.get(4).unwrap(), [35, 36, 37, 38, 39]);
    }
}

#[test]
fn a_range_that_is_longer_than_memory_fails_alone() {
    let io = Faulty::counting(100);
    let list = [4..8, 0..u64::MAX, 6..u64::MAX / 2, 50..52, 1 << 40..1 << 62];
    let mut plan = Ranges::new(Merge {
        memory: usize::MAX,
        ..Merge::LOCAL
    });
    plan.extend(list);
    let ended = drive(&io, io.read_ranges(plan), || 0);
    let kinds: Vec<_> = ended
        .iter()
        .map(|r| r.err().map(|e| e.error.kind()))
        .collect();
    let no_memory = Some(ErrorKind::OutOfMemory);
    assert_eq!(kinds, [None, no_memory, no_memory, None, no_memory]);
    let asked = io.asked.lock().unwrap();
    assert!(
        asked.iter().eq([&(4..52)]),
        "what is short is merged past what is long"
    );
}

#[test]
fn lengths_from_outside_are_not_allocated() {
    let io = Faulty::counting(100);
    let mut plan = Ranges::new(Merge {
        memory: 1 << 20,
        limit: 1 << 12,
        ..Merge::LOCAL
    });
    // Each would do by itself; together they are more than may be.
    plan.extend((0..600).map(|i| i << 20..(i << 20) + (1 << 11)));
    let ended = drive(&io, io.read_ranges(plan), || 0);
    let kinds: Vec<_> = ended
        .iter()
        .filter_map(|r| r.err().map(|e| e.error.kind()))
        .collect();
    let refused = kinds
        .iter()
        .filter(|&&kind| kind == ErrorKind::OutOfMemory)
        .count();
    assert_eq!(refused, 600 - 512);
}

#[test]
fn bytes_in_flight_stay_within_the_limit() {
    let io = Faulty::counting(100).holding();
    let mut plan = Ranges::new(Merge {
        gap: 0,
        limit: 10,
        in_flight: 20,
        memory: 1 << 20,
    });
    plan.extend((0..9).map(|i| i * 11..i * 11 + 10));
    let mut most = 0;
    let ended = drive(&io, io.read_ranges(plan), || {
        most = most.max(io.held());
        1
    });
    assert!(ended.iter().all(|result| result.is_ok()));
    assert_eq!((ended.requests(), most), (9, 2));
}

#[test]
fn dropped_ranges_leave_nothing_behind() {
    let io = Faulty::counting(100).holding();
    let mut plan = Ranges::new(Merge {
        gap: 0,
        limit: 10,
        in_flight: 20,
        memory: 1 << 20,
    });
    plan.extend((0..9).map(|i| i * 11..i * 11 + 10));
    let mut future = Box::pin(io.read_ranges(plan));
    let waker = Waker::noop();
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(waker))
            .is_pending()
    );
    drop(future);
    while io.serve(0) {}
}
