//! Ranges that were merged end as if each had been read by itself, whatever part of a request an
//! object fails.

#[path = "common/faulty.rs"]
#[allow(dead_code, reason = "each test uses a part")]
mod faulty;

use faulty::{Ends, Faulty};
use mfio::error::ErrorKind;
use mfio::io::{Alignment, IoObject, Operation, PacketIo, Read};
use mfio::memory::Memory;
use mfio::packet::{Packet, View};
use mfio::ranges::{EndedRanges, Merge, Ranges};
use mfio::traits::{BlockingIo, IoRead};
use proptest::prelude::*;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Sends each part of a request to the object below, cut at multiples of a unit, as a layer over
/// several members does.
struct Members {
    below: Faulty,
    unit: u64,
}

impl IoObject for Members {
    fn alignment(&self, _: Operation) -> Alignment {
        self.below.alignment
    }
}

impl PacketIo<Read> for Members {
    fn send_io(&self, mut pos: u64, mut view: View<Read>) {
        loop {
            let part = (self.unit - pos % self.unit).min(view.len() as u64);
            let (head, rest) = view.split_at(part as usize);
            self.below.send_io(pos, head);
            if rest.is_empty() {
                return rest.done();
            }
            (pos, view) = (pos + part, rest);
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls until it is ready, and serves what is held meanwhile.
fn drive<F: Future>(io: &Faulty, future: F) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let cx = &mut Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return output;
        }
        // It yields now and then.
        if !woken.0.swap(false, Ordering::Relaxed) {
            assert!(io.serve(7), "pending with nothing in flight");
        }
    }
}

type Expected = (Vec<u8>, Option<ErrorKind>);

/// The result of a range that is read by itself.
fn alone(io: &Members, range: &Range<u64>) -> Expected {
    if range.is_empty() {
        return (Vec::new(), None);
    }
    let block = io.below.alignment.block() as u64;
    let start = range.start - range.start % block;
    let len = (range.end.next_multiple_of(block) - start) as usize;
    let buffer = mfio::packet::AlignedBuf::new(len);
    let ended = drive(&io.below, io.read_packet_at(Packet::new(buffer), start));
    let skip = (range.start - start) as usize;
    let part = ended
        .outcome
        .part(skip..skip + (range.end - range.start) as usize);
    let good = ended.packet.buffer()[skip..][..part.good_prefix()].to_vec();
    (good, part.first_error().map(|cause| cause.kind()))
}

fn check(io: &Members, ranges: &[Range<u64>], ended: &EndedRanges) -> Result<(), TestCaseError> {
    for (range, got) in ranges.iter().zip(ended.iter()) {
        let got: Expected = match got {
            Ok(bytes) => (bytes.to_vec(), None),
            Err(failed) => (failed.good.to_vec(), Some(failed.error.kind())),
        };
        prop_assert_eq!(got, alone(io, range), "{:?}", range);
    }
    Ok(())
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

    #[test]
    fn a_merged_range_ends_exactly_as_if_it_were_read_alone(
        list in prop::collection::vec((0..210u64, 0..40u64), 0..20),
        bad in prop::collection::vec(0..200u64, 0..6),
        ends in ends(),
        unit in prop_oneof![Just(u64::MAX), Just(16), Just(50)],
        aligned in any::<bool>(),
        gap in 0..20usize,
        limit in 0..200usize,
        in_flight in 0..300usize,
        held in any::<bool>(),
    ) {
        let mut below = Faulty::counting(200).bad(ends, bad);
        if held {
            below = below.holding();
        }
        if aligned {
            below.alignment = Alignment::new(8, 8);
        }
        // A member's part of a block is whole blocks.
        let unit = if aligned { unit.min(u64::MAX - 7) & !7 } else { unit };
        let io = Members { below, unit };
        let list: Vec<_> = list.into_iter().map(|(start, len)| start..start + len).collect();
        let mut plan = Ranges::new(Merge { gap, limit, in_flight, memory: usize::MAX });
        for _ in 0..2 {
            plan.extend(list.iter().cloned());
            let ended = drive(&io.below, io.read_ranges(plan));
            check(&io, &list, &ended)?;
            plan = ended.into_ranges();
        }
    }
}

#[test]
fn a_byte_that_fails_behind_a_range_does_not_fail_the_middle_of_the_range() {
    // The member from 50 on fails as a whole for byte 80, which the first range does not want.
    let below = Faulty::counting(100).bad(Ends::Whole, [80]);
    let io = Members { below, unit: 50 };
    let ended = drive(&io.below, io.read_ranges([40..60, 70..90]));
    assert_eq!(ended.requests(), 1, "they were merged");
    assert_eq!(ended.get(0).unwrap(), &(40..60).collect::<Vec<u8>>()[..]);
    assert_eq!(ended.get(1).unwrap_err().good, []);
}

/// How many requests are sent for `list`, and how many ranges fail.
fn requests_for(io: &Faulty, list: impl Iterator<Item = Range<u64>>) -> (usize, usize, usize) {
    let ended = drive(io, io.read_ranges(list.collect::<Ranges>()));
    let failed = ended.iter().filter(|result| result.is_err()).count();
    (ended.requests(), io.asked.lock().unwrap().len(), failed)
}

#[test]
fn ten_thousand_ranges_that_fail_cost_one_more_request_each() {
    const RANGES: u64 = 10_000;
    for ends in [Ends::Whole, Ends::AtTheByte, Ends::ByteByByte] {
        let bad = (0..RANGES).map(|n| n * 16 + 3);
        let io = Faulty::counting(RANGES as usize * 16).bad(ends, bad);
        let (merged, asked, failed) = requests_for(&io, (0..RANGES).map(|n| n * 16..n * 16 + 8));
        assert_eq!(failed, RANGES as usize);
        assert!(merged < 10, "they were merged into {merged}");
        assert_eq!(asked, merged + RANGES as usize);
    }
}

#[test]
fn equal_ranges_that_fail_are_read_once_more_together() {
    let io = Faulty::counting(100).bad(Ends::Whole, [50]);
    let list = (0..10_000).map(|n| if n % 2 == 0 { 40..60 } else { 10..20 });
    let (merged, asked, failed) = requests_for(&io, list);
    assert_eq!((merged, failed), (1, 5_000));
    assert_eq!(asked, 1 + 2);
}

#[test]
fn ranges_within_each_other_that_fail_cost_one_more_request_each() {
    let io = Faulty::counting(4_096).bad(Ends::Whole, [2_048]);
    let (merged, asked, failed) = requests_for(&io, (0..2_000).map(|n| n..4_096 - n));
    assert_eq!((merged, failed), (1, 2_000));
    // The first range is all of the merged request, so that it has failed by itself.
    assert_eq!(asked, 1 + 1_999);
}

#[test]
fn memory_for_ranges_that_are_read_once_more_is_bounded() {
    let io = Faulty::counting(100_000)
        .bad(Ends::Whole, [50_000])
        .holding();
    let mut plan = Ranges::new(Merge {
        in_flight: 150_000,
        ..Merge::LOCAL
    });
    // Together they have 25 times as many bytes as there are.
    plan.extend((0..50).map(|n| n * 1_000..50_001 + n));
    plan.push(0..100_000);
    let ended = {
        let mut future = pin!(io.read_ranges(plan));
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(ended) = future.as_mut().poll(cx) {
                break ended;
            }
            let asked = io.asked.lock().unwrap();
            let held = asked[asked.len() - io.held()..].iter();
            let bytes: u64 = held.map(|range| range.end - range.start).sum();
            drop(asked);
            assert!(bytes <= 150_000, "{bytes} bytes on their way");
            assert!(io.serve(0));
        }
    };
    assert!(ended.iter().all(|result| result.is_err()));
}

#[test]
fn blocking_ranges_end_as_if_they_were_read_alone() {
    /// Fails a request as a whole where it reaches beyond the end.
    struct Strict(Memory);

    impl IoObject for Strict {}

    impl PacketIo<Read> for Strict {
        fn send_io(&self, pos: u64, view: View<Read>) {
            match pos + view.len() as u64 > 100 {
                true => view.fail(ErrorKind::UnexpectedEof),
                false => self.0.send_io(pos, view),
            }
        }
    }

    impl mfio::backend::IoBackend for Strict {
        type Backend = mfio::backend::DynBackend;

        fn polling_handle(&self) -> Option<mfio::backend::PollingHandle<'_>> {
            self.0.polling_handle()
        }

        fn get_backend(&self) -> mfio::backend::BackendHandle<'_, Self::Backend> {
            self.0.get_backend()
        }
    }

    let io = Strict(Memory::new(vec![7; 100]));
    let ended = io.blocking().read_ranges([10..20, 90..110, 95..100]);
    assert_eq!(ended.requests(), 1);
    assert_eq!(ended.get(0).unwrap(), [7; 10]);
    assert_eq!(
        ended.get(1).unwrap_err().error.kind(),
        ErrorKind::UnexpectedEof
    );
    assert_eq!(ended.get(2).unwrap(), [7; 5]);
}

#[test]
fn many_waves_of_ranges_let_other_tasks_run() {
    struct Woken(std::sync::atomic::AtomicUsize);
    impl std::task::Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let io = Faulty::counting(1_000).bad(Ends::Whole, [500]);
    let mut plan = Ranges::new(Merge {
        in_flight: 1,
        ..Merge::LOCAL
    });
    plan.extend((0..100).map(|n| n * 10..n * 10 + 5));
    let woken = std::sync::Arc::new(Woken(0.into()));
    let waker = Waker::from(woken.clone());
    let mut future = pin!(io.read_ranges(plan));
    let mut polls = 1;
    let ended = loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ended) => break ended,
            Poll::Pending => polls += 1,
        }
        assert!(woken.0.load(std::sync::atomic::Ordering::SeqCst) >= polls - 1);
    };
    assert!((3..50).contains(&polls), "{polls} polls");
    assert_eq!(ended.iter().filter(|result| result.is_err()).count(), 1);
}
