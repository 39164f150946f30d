//! A `Cache` over an object that does everything later, in any order, against the bytes that may be
//! seen.

use mfio::control::{ControlIo, ControlOp, Unmap};
use mfio::error::ErrorKind;
use mfio::io::{IoObject, PacketIo, Read, Write};
use mfio::packet::{InFlight, Outcome, Packet, View};
use mfio_layers::Cache;
use proptest::prelude::*;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Number of bytes that are modelled.
pub(crate) const SPACE: usize = 100;

/// A set of bytes as a read may find them: a bit for each value below 63, and the last one for
/// the end of the data.
type Bytes = u64;

/// Returns the set of one byte.
const fn set(byte: Option<u8>) -> Bytes {
    match byte {
        Some(value) => 1 << value,
        None => 1 << 63,
    }
}

pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A request for the object.
enum Request {
    Read(usize, View<Read>),
    Write(usize, View<Write>),
    Control(ControlOp, View<Read>),
}

impl Request {
    /// Returns the bytes that it may change.
    fn changes(&self) -> Range<usize> {
        let clip = |at: u64| usize::try_from(at).unwrap_or(SPACE).min(SPACE);
        match self {
            Self::Read(..) => 0..0,
            Self::Write(at, view) => clip(*at as u64)..clip((at + view.len()) as u64),
            Self::Control(ControlOp::Discard(span) | ControlOp::WriteZeroes(span, _), _) => {
                clip(span.start())..clip(span.end())
            }
            // Shorter or longer: bytes of a block before the end may be new.
            Self::Control(ControlOp::SetLen(_), _) => 0..SPACE,
            Self::Control(..) => 0..0,
        }
    }
}

/// An object whose requests happen, and end, when the test lets them.
struct Slow {
    bytes: Vec<u8>,
    /// Requests, with what has happened to them.
    queue: Vec<(Request, Option<Result<usize, ErrorKind>>)>,
    /// The values that each byte has had since a change that has not ended: a read that begins now
    /// may find any of them.
    possible: [Bytes; SPACE],
    /// Fails the next control operation, after it has happened.
    fails: bool,
}

type Shared = Arc<Mutex<Slow>>;

/// The object as the cache sees it.
struct Object(Shared);

impl IoObject for Object {}

impl PacketIo<Read> for Object {
    fn send_io(&self, at: u64, view: View<Read>) {
        let request = Request::Read(at as usize, view);
        self.0.lock().unwrap().queue.push((request, None));
    }
}

impl PacketIo<Write> for Object {
    fn send_io(&self, at: u64, view: View<Write>) {
        let request = Request::Write(at as usize, view);
        self.0.lock().unwrap().queue.push((request, None));
    }
}

impl ControlIo for Object {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let request = Request::Control(op, view);
        self.0.lock().unwrap().queue.push((request, None));
    }
}

impl Slow {
    fn byte(&self, at: usize) -> Bytes {
        set(self.bytes.get(at).copied())
    }

    /// Lets a request happen. Returns the number of good bytes, or the failure of an operation.
    fn happen(&mut self, which: usize) {
        let (mut request, _) = self.queue.swap_remove(which);
        let len = self.bytes.len();
        let clip = |at: usize| at.min(len);
        let result = match &mut request {
            Request::Read(at, view) => {
                let there = &self.bytes[clip(*at)..clip(*at + view.len())];
                view.bytes_mut()[..there.len()].copy_from_slice(there);
                Ok(there.len())
            }
            Request::Write(at, view) => {
                let there = &mut self.bytes[clip(*at)..clip(*at + view.len())];
                there.copy_from_slice(&view.bytes()[..there.len()]);
                Ok(there.len())
            }
            Request::Control(op, _) => {
                match *op {
                    ControlOp::Discard(span) | ControlOp::WriteZeroes(span, _) => {
                        let at = |at: u64| usize::try_from(at).map_or(len, clip);
                        self.bytes[at(span.start())..at(span.end())].fill(0);
                    }
                    ControlOp::SetLen(len) => self.bytes.resize(len as usize, 0),
                    _ => {}
                }
                match std::mem::take(&mut self.fails) {
                    true => Err(ErrorKind::StorageFull),
                    false => Ok(1),
                }
            }
        };
        self.queue.push((request, Some(result)));
        for at in 0..SPACE {
            self.possible[at] |= self.byte(at);
        }
    }
}

/// Lets a request happen or, where it has happened, end.
fn step(slow: &Shared, which: usize) {
    let mut state = slow.lock().unwrap();
    if state.queue.is_empty() {
        return;
    }
    let which = which % state.queue.len();
    if state.queue[which].1.is_none() {
        return state.happen(which);
    }
    let (request, result) = state.queue.swap_remove(which);
    drop(state);
    match (request, result.unwrap()) {
        (Request::Read(_, view), Ok(good)) => view.done_prefix(good, ErrorKind::UnexpectedEof),
        (Request::Write(_, view), Ok(good)) => view.done_prefix(good, ErrorKind::UnexpectedEof),
        (Request::Control(_, view), Ok(_)) => view.done(),
        (Request::Control(_, view), Err(kind)) => view.fail(kind),
        (_, Err(kind)) => panic!("a transfer fails behind the end only: {kind:?}"),
    }
}

/// A change that the test waits for, or has given up.
enum Change {
    Write(InFlight<Vec<u8>, Write>),
    Control(InFlight<Vec<u8>, Read>),
    GivenUp,
}

/// A read, with the values that each of its bytes may have.
struct WatchedRead {
    at: usize,
    allowed: Vec<Bytes>,
    in_flight: InFlight<Vec<u8>, Read>,
}

/// The requests of a test, and the values that they may find.
struct Watch {
    cache: Cache<Object>,
    slow: Shared,
    reads: Vec<WatchedRead>,
    changes: Vec<(Range<usize>, Change)>,
}

impl Watch {
    fn new(len: usize, blocks: usize) -> Self {
        let bytes: Vec<u8> = (0..len).map(|n| n as u8 % 60 + 1).collect();
        let slow = Slow {
            possible: std::array::from_fn(|at| set(bytes.get(at).copied())),
            bytes,
            queue: Vec::new(),
            fails: false,
        };
        let slow = Arc::new(Mutex::new(slow));
        Self {
            cache: Cache::new(Object(slow.clone()), blocks * 16, 16).unwrap(),
            slow,
            reads: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn read(&mut self, at: usize, len: usize) {
        let allowed = self.slow.lock().unwrap().possible[at..at + len].to_vec();
        let (in_flight, view) = Packet::new(vec![255; len]).start::<Read>();
        PacketIo::<Read>::send_io(&self.cache, at as u64, view);
        self.reads.push(WatchedRead {
            at,
            allowed,
            in_flight,
        });
    }

    fn write(&mut self, at: usize, len: usize, value: u8) {
        let (in_flight, view) = Packet::new(vec![value; len]).start::<Write>();
        let range = at..(at + len).min(SPACE);
        PacketIo::<Write>::send_io(&self.cache, at as u64, view);
        self.changes.push((range, Change::Write(in_flight)));
    }

    fn control(&mut self, op: ControlOp) {
        let (in_flight, view) = Packet::new(vec![0; 1]).start::<Read>();
        self.cache.send_control(op, view);
        let range = {
            let state = self.slow.lock().unwrap();
            state.queue.last().unwrap().0.changes()
        };
        self.changes.push((range, Change::Control(in_flight)));
    }

    fn give_up(&mut self, which: usize) {
        if !self.reads.is_empty() {
            drop(self.reads.swap_remove(which % self.reads.len()));
        }
        if !self.changes.is_empty() {
            let which = which % self.changes.len();
            self.changes[which].1 = Change::GivenUp;
        }
    }

    /// Looks at the requests that have ended.
    fn look(&mut self) -> Result<(), TestCaseError> {
        let possible = self.slow.lock().unwrap().possible;
        for mut read in std::mem::take(&mut self.reads) {
            let at = read.at;
            for (n, allowed) in read.allowed.iter_mut().enumerate() {
                *allowed |= possible[at + n];
            }
            match read.in_flight.try_end() {
                Err(in_flight) => self.reads.push(WatchedRead { in_flight, ..read }),
                Ok(ended) => {
                    let found = found(ended.packet.buffer(), &ended.outcome);
                    for (n, (byte, allowed)) in found.into_iter().zip(read.allowed).enumerate() {
                        prop_assert!(
                            allowed & set(byte) != 0,
                            "byte {} is {:?}, not one of {:b}",
                            at + n,
                            byte,
                            allowed
                        );
                    }
                }
            }
        }
        for (range, change) in std::mem::take(&mut self.changes) {
            let left = match change {
                Change::Write(write) => write.try_end().map(drop).map_err(Change::Write),
                Change::Control(asked) => asked.try_end().map(drop).map_err(Change::Control),
                // Nobody is told of its end, so its bytes may be old or new for ever.
                Change::GivenUp => Err(Change::GivenUp),
            };
            if let Err(change) = left {
                self.changes.push((range, change));
            }
        }
        // Bytes that nothing changes any more have one value.
        let mut state = self.slow.lock().unwrap();
        for at in 0..SPACE {
            if !self.changes.iter().any(|(range, _)| range.contains(&at)) {
                state.possible[at] = state.byte(at);
            }
        }
        Ok(())
    }

    /// Lets everything end.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        while !self.slow.lock().unwrap().queue.is_empty() {
            step(&self.slow, 0);
            self.look()?;
        }
        prop_assert!(self.reads.is_empty(), "a read did not end");
        Ok(())
    }
}

/// Returns the bytes that a read found.
fn found(bytes: &[u8], outcome: &Outcome) -> Vec<Option<u8>> {
    let mut found: Vec<_> = bytes.iter().copied().map(Some).collect();
    for range in outcome.failures() {
        assert_eq!(range.cause.kind(), ErrorKind::UnexpectedEof);
        found[range.offset..range.offset + range.len].fill(None);
    }
    found
}

#[derive(Clone, Debug)]
enum Step {
    Read(usize, usize),
    Write(usize, usize, u8),
    Control(ControlOp),
    FailNext,
    Advance(Vec<usize>),
    GiveUp(usize),
}

pub(crate) fn ops() -> impl Strategy<Value = ControlOp> {
    let span = (0..SPACE as u64, 0..40u64).prop_map(|(at, len)| (at..at + len).into());
    let zeroes = span.clone();
    prop_oneof![
        2 => span.prop_map(ControlOp::Discard),
        2 => zeroes.prop_map(|span| ControlOp::WriteZeroes(span, Unmap::Allowed)),
        3 => (0..SPACE as u64).prop_map(ControlOp::SetLen),
        1 => Just(ControlOp::SyncAll),
        1 => Just(ControlOp::Prefetch((0..50).into())),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = (0..SPACE, 0..40usize).prop_map(|(at, len)| (at, len.min(SPACE - at)));
    let write = (0..SPACE, 0..40usize, 0..63u8);
    let step = prop_oneof![
        6 => place.prop_map(|(at, len)| Step::Read(at, len)),
        2 => write.prop_map(|(at, len, value)| Step::Write(at, len, value)),
        3 => ops().prop_map(Step::Control),
        1 => Just(Step::FailNext),
        8 => prop::collection::vec(0..100usize, 1..6).prop_map(Step::Advance),
        1 => (0..100usize).prop_map(Step::GiveUp),
    ];
    prop::collection::vec(step, 1..80)
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn nothing_stale_is_read_while_others_write_discard_and_resize(
        steps in steps(),
        len in 0..SPACE,
        blocks in 1..9usize,
    ) {
        let mut watch = Watch::new(len, blocks);
        for one in steps {
            match one {
                Step::Read(at, len) => watch.read(at, len),
                Step::Write(at, len, value) => watch.write(at, len, value),
                Step::Control(op) => watch.control(op),
                Step::FailNext => watch.slow.lock().unwrap().fails = true,
                Step::Advance(which) => for which in which {
                    step(&watch.slow, which);
                    watch.look()?;
                },
                Step::GiveUp(which) => watch.give_up(which),
            }
            watch.look()?;
        }
        watch.finish()?;
        // All has ended, seen or not: the cache shows the object, twice.
        watch.changes.clear();
        watch.look()?;
        for _ in 0..2 {
            watch.read(0, SPACE);
            watch.finish()?;
        }
    }
}
