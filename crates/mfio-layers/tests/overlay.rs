//! Hazards of an `Overlay`, each with a test named after it.
#![allow(
    clippy::single_range_in_vec_init,
    reason = "lists of ranges that have one"
)]

mod later;

use later::{Later, bytes_of, failures_of, read, write};
use mfio::error::ErrorKind;
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::packet::View;
use mfio_layers::Overlay;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

type Io = Overlay<Arc<Later>, Arc<Later>>;

/// 64 bytes of value 1, in granules of 16; the top is full of nines.
fn overlay() -> (Arc<Later>, Arc<Later>, Io) {
    let (base, top) = (Later::new(vec![1; 64]), Later::new(vec![9; 64]));
    let io = Io::new(base.clone(), top.clone(), 64, 16).unwrap();
    (base, top, io)
}

fn finish(objects: &[&Later]) {
    while objects.iter().any(|object| object.waiting() > 0) {
        objects.iter().for_each(|object| object.finish());
    }
}

fn all(base: &Later, top: &Later, io: &Io) -> Vec<u8> {
    let all = read(io, 0, 64);
    finish(&[base, top]);
    bytes_of(all)
}

#[test]
fn of_two_partial_writes_to_one_granule_none_is_lost() {
    let (base, top, io) = overlay();
    let first = write(&io, 0, &[2; 4]);
    let second = write(&io, 8, &[3; 4]);
    assert_eq!(base.counts(), (1, 0), "the second one waits");
    finish(&[&base, &top]);
    assert_eq!(failures_of(first), []);
    assert_eq!(failures_of(second), []);
    let expected = [[2; 4], [1; 4], [3; 4], [1; 4]].concat();
    assert_eq!(all(&base, &top, &io)[..16], expected);
    assert_eq!(base.counts().0, 2, "once by a copy, once by the read");
}

#[test]
fn a_whole_write_lost_under_a_copy_that_began_before_it() {
    for whole in [16, 0] {
        let (base, top, io) = overlay();
        let part = write(&io, 16, &[2; 4]);
        let whole = write(&io, whole, &[3; 48]);
        base.finish();
        finish(&[&top, &base]);
        assert_eq!(failures_of(part), []);
        assert_eq!(failures_of(whole), []);
        assert_eq!(all(&base, &top, &io)[20..32], [3; 12]);
    }
}

#[test]
fn a_failed_copy_does_not_make_the_granule_present() {
    let (base, top, io) = overlay();
    base.fail_next(0..1);
    let from_base = write(&io, 4, &[2; 20]);
    finish(&[&base, &top]);
    assert_eq!(failures_of(from_base), [(0..12, ErrorKind::TimedOut)]);
    assert_eq!(io.present(), [16..32]);

    top.fail_next(15..16);
    let to_top = write(&io, 32, &[2; 4]);
    finish(&[&base, &top]);
    assert_eq!(failures_of(to_top), [(0..4, ErrorKind::TimedOut)]);
    top.fail_next(20..21);
    let whole = write(&io, 32, &[2; 32]);
    finish(&[&base, &top]);
    assert_eq!(failures_of(whole), [(16..32, ErrorKind::TimedOut)]);
    assert_eq!(io.present(), [16..48]);
    let expected = [
        vec![1; 16],
        vec![2; 8],
        vec![1; 8],
        vec![2; 16],
        vec![1; 16],
    ]
    .concat();
    assert_eq!(all(&base, &top, &io), expected);
}

#[test]
fn waiters_of_a_failed_copy_go_on() {
    let (base, top, io) = overlay();
    base.fail_next(0..16);
    let first = write(&io, 0, &[2; 4]);
    let second = write(&io, 4, &[3; 4]);
    finish(&[&base, &top]);
    assert_eq!(failures_of(first), [(0..4, ErrorKind::TimedOut)]);
    assert_eq!(failures_of(second), []);
    let expected = [[1; 4], [3; 4], [1; 4], [1; 4]].concat();
    assert_eq!(all(&base, &top, &io)[..16], expected);
}

#[test]
fn a_granule_is_not_present_before_it_is_stored() {
    let (base, top, io) = overlay();
    let change = write(&io, 0, &[2; 16]);
    let early = read(&io, 0, 16);
    assert_eq!(top.counts(), (0, 1), "it is read from the base");
    base.finish();
    assert_eq!(bytes_of(early), [1; 16]);
    assert_eq!(io.present(), []);
    top.finish();
    assert_eq!(failures_of(change), []);
    assert_eq!(all(&base, &top, &io)[..16], [2; 16]);
}

#[test]
fn a_broken_byte_of_the_base_that_is_overwritten_does_not_matter() {
    let (base, top, io) = overlay();
    base.break_bytes([5]);
    let over = write(&io, 4, &[2; 4]);
    let beside = write(&io, 16, &[2; 4]);
    finish(&[&base, &top]);
    assert_eq!(failures_of(over), []);
    assert_eq!(failures_of(beside), []);
    assert_eq!(all(&base, &top, &io)[4..8], [2; 4]);
}

#[test]
fn an_abandoned_write_leaves_no_granule_busy() {
    let (base, top, io) = overlay();
    drop(write(&io, 0, &[2; 4]));
    let _never_polled = write(&io, 4, &[3; 4]);
    drop(write(&io, 16, &[2; 16]));
    base.step(0);
    let last = write(&io, 8, &[4; 4]);
    finish(&[&base, &top]);
    assert_eq!(failures_of(last), []);
    let expected = [[2; 4], [3; 4], [4; 4], [1; 4]].concat();
    assert_eq!(all(&base, &top, &io)[..16], expected);
}

#[test]
fn more_copies_than_there_are_buffers_wait_and_go_on() {
    let (base, top) = (Later::new(vec![1; 4096]), Later::new(vec![9; 4096]));
    let io = Io::new(base.clone(), top.clone(), 4096, 16).unwrap();
    let writes: Vec<_> = (0..256).map(|n| write(&io, n * 16, &[2])).collect();
    assert_eq!(base.counts(), (32, 0));
    finish(&[&base, &top]);
    for write in writes {
        assert_eq!(failures_of(write), []);
    }
    assert_eq!(io.present(), [0..4096]);
    assert_eq!(top.counts(), (0, 256));
}

/// Answers at once, and counts how deep calls nest.
struct Inline {
    fails: bool,
    depth: AtomicUsize,
    deepest: AtomicUsize,
}

impl Inline {
    fn new(fails: bool) -> Arc<Self> {
        let (depth, deepest) = Default::default();
        Arc::new(Self {
            fails,
            depth,
            deepest,
        })
    }

    fn end<D: mfio::io::Direction>(&self, view: View<D>) {
        let depth = self.depth.fetch_add(1, Ordering::Relaxed) + 1;
        self.deepest.fetch_max(depth, Ordering::Relaxed);
        match self.fails {
            true => view.fail(ErrorKind::Busy),
            false => view.done(),
        }
        self.depth.fetch_sub(1, Ordering::Relaxed);
    }
}

impl IoObject for Inline {}

impl PacketIo<Read> for Inline {
    fn send_io(&self, _: u64, view: View<Read>) {
        self.end(view);
    }
}

impl PacketIo<Write> for Inline {
    fn send_io(&self, _: u64, view: View<Write>) {
        self.end(view);
    }
}

#[test]
fn calls_do_not_nest_with_the_number_of_waiters() {
    for fails in [false, true] {
        let (base, top) = (Later::new(vec![1; 16]), Inline::new(fails));
        let io = Overlay::<_, _>::new(base.clone(), top.clone(), 16, 16).unwrap();
        let first = write(&io, 0, &[2]);
        // Whole granules, each of which the top answers at once, and fails, so that the next one
        // may try.
        let others: Vec<_> = (0..1000).map(|_| write(&io, 0, &[2; 16])).collect();
        base.finish();
        assert_eq!(failures_of(first).len(), usize::from(fails));
        for other in others {
            let expected = [(0..16, ErrorKind::Busy)];
            assert_eq!(failures_of(other), expected[..usize::from(fails)]);
        }
        assert!(top.deepest.load(Ordering::Relaxed) <= 2);
    }
    let (base, top) = (Inline::new(true), Inline::new(false));
    let io = Overlay::<_, _>::new(base.clone(), top, 1 << 20, 16).unwrap();
    let all: Vec<_> = (0..1000).map(|n| write(&io, n, &[2])).collect();
    for write in all {
        assert_eq!(failures_of(write), [(0..1, ErrorKind::Busy)]);
    }
    assert_eq!(base.deepest.load(Ordering::Relaxed), 1);
}

#[test]
fn reads_are_split_only_where_the_side_changes() {
    let (base, top, io) = overlay();
    let change = write(&io, 16, &[2; 32]);
    finish(&[&base, &top]);
    assert_eq!(failures_of(change), []);
    let all = read(&io, 0, 64);
    assert_eq!((base.counts().0, top.counts().0), (2, 1));
    finish(&[&base, &top]);
    bytes_of(all);
}

#[test]
fn the_end_within_a_granule() {
    let (base, top) = (Later::new(vec![1; 20]), Later::new(vec![9; 20]));
    let io = Io::new(base.clone(), top.clone(), 20, 16).unwrap();
    let whole = write(&io, 16, &[2; 10]);
    assert_eq!(base.counts(), (0, 0), "these are all bytes of the granule");
    finish(&[&base, &top]);
    assert_eq!(failures_of(whole), [(4..10, ErrorKind::UnexpectedEof)]);
    assert_eq!(io.present(), [16..20]);
    let beyond = write(&io, 20, &[2; 10]);
    assert_eq!(failures_of(beyond), [(0..10, ErrorKind::UnexpectedEof)]);
}

#[test]
fn present_ranges_are_whole_granules() {
    let io = |present: std::ops::Range<u64>| {
        let (base, top) = (Later::new([]), Later::new([]));
        Io::with_present(base, top, 40, 16, [present])
    };
    assert_eq!(io(16..40).unwrap().present(), [16..40]);
    assert_eq!(io(16..40).unwrap().present_len(), 24);
    #[expect(clippy::reversed_empty_ranges, reason = "it is wrong")]
    for wrong in [1..16, 0..17, 0..48, 32..16] {
        assert_eq!(io(wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
