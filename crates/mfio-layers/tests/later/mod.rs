//! An object that answers later, in any order, and what requests at the same time may see.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

use mfio::error::{Cause, ErrorKind};
use mfio::io::{Direction, PacketIo, Read, Write};
use mfio::packet::{FailedRange, InFlight, Packet, View};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Bytes behind requests that wait until the test lets them happen, and then until it lets them end: what is done, and
/// what is told, come in an order that has nothing to do with that of the requests.
pub struct Later(Mutex<State>);

struct State {
    bytes: Vec<u8>,
    queue: Vec<Request>,
    /// Bytes that cannot be read.
    broken: BTreeSet<usize>,
    /// The next requests that fail, each with the bytes of it that do.
    failing: Vec<Range<usize>>,
    reads: usize,
    writes: usize,
}

struct Request {
    pos: u64,
    side: Side,
    failed: Range<usize>,
    happened: bool,
}

enum Side {
    Read(View<Read>),
    Write(View<Write>),
}

pub fn fail_parts<D: Direction>(view: View<D>, at: usize, fails: impl Fn(usize) -> Option<Cause>) {
    let len = view.len();
    let mut rest = view;
    let mut n = 0;
    while n < len {
        let why = fails(at + n);
        let run = (n..len).take_while(|m| fails(at + m) == why).count();
        let (part, tail) = rest.split_at(run);
        match why {
            None => part.done(),
            Some(cause) => part.fail(cause),
        }
        (rest, n) = (tail, n + run);
    }
    rest.done();
}

impl Later {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            bytes: bytes.into(),
            queue: Vec::new(),
            broken: BTreeSet::new(),
            failing: Vec::new(),
            reads: 0,
            writes: 0,
        })))
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }

    pub fn break_bytes(&self, bytes: impl IntoIterator<Item = usize>) {
        self.0.lock().unwrap().broken.extend(bytes);
    }

    /// The next request fails in these bytes of it.
    pub fn fail_next(&self, bytes: Range<usize>) {
        self.0.lock().unwrap().failing.push(bytes);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        let mut state = self.0.lock().unwrap();
        state.failing.clear();
        state.broken.clear();
    }

    /// Changes bytes behind the back of everybody.
    pub fn set(&self, at: usize, bytes: &[u8]) {
        self.0.lock().unwrap().bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes the data longer.
    pub fn grow(&self, bytes: &[u8]) {
        self.0.lock().unwrap().bytes.extend_from_slice(bytes);
    }

    pub fn waiting(&self) -> usize {
        self.0.lock().unwrap().queue.len()
    }

    /// How many reads and writes there have been.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.0.lock().unwrap();
        (state.reads, state.writes)
    }

    fn push(&self, pos: u64, side: Side) {
        let mut state = self.0.lock().unwrap();
        match side {
            Side::Read(_) => state.reads += 1,
            Side::Write(_) => state.writes += 1,
        }
        let failed = state.failing.pop().unwrap_or(0..0);
        state.queue.push(Request {
            pos,
            side,
            failed,
            happened: false,
        });
    }

    /// Lets one request happen or, where it has happened, end.
    pub fn step(&self, which: usize) -> bool {
        let mut state = self.0.lock().unwrap();
        if state.queue.is_empty() {
            return false;
        }
        let which = which % state.queue.len();
        if state.queue[which].happened {
            let request = state.queue.remove(which);
            let (size, broken) = (state.bytes.len(), state.broken.clone());
            drop(state);
            request.end(size, &broken);
        } else {
            state.happen(which);
        }
        true
    }

    /// Lets everything happen and end, in the order of the requests.
    pub fn finish(&self) {
        while self.step(0) {}
    }
}

impl State {
    fn happen(&mut self, which: usize) {
        let request = &mut self.queue[which];
        request.happened = true;
        let at = usize::try_from(request.pos).unwrap_or(usize::MAX);
        match &mut request.side {
            Side::Read(view) => {
                let from = self.bytes.get(at..).unwrap_or_default();
                let len = from.len().min(view.len());
                view.bytes_mut()[..len].copy_from_slice(&from[..len]);
            }
            Side::Write(view) => {
                let to = self.bytes.get_mut(at..).unwrap_or_default();
                for (n, byte) in view.bytes().iter().enumerate().take(to.len()) {
                    if !request.failed.contains(&n) {
                        to[n] = *byte;
                    }
                }
            }
        }
    }
}

impl Request {
    fn end(self, size: usize, broken: &BTreeSet<usize>) {
        let Self {
            pos, side, failed, ..
        } = self;
        let at = usize::try_from(pos).unwrap_or(usize::MAX / 2);
        let why = |byte: usize| {
            if byte >= size {
                Some(Cause::new(ErrorKind::UnexpectedEof))
            } else if failed.contains(&(byte - at)) {
                Some(Cause::new(ErrorKind::TimedOut))
            } else {
                None
            }
        };
        let unreadable = |byte| {
            let broken = broken.contains(&byte);
            why(byte).or(broken.then_some(Cause::new(ErrorKind::Other)))
        };
        match side {
            Side::Read(view) => fail_parts(view, at, unreadable),
            Side::Write(view) => fail_parts(view, at, why),
        }
    }
}

impl PacketIo<Read> for Later {
    fn send_io(&self, pos: u64, view: View<Read>) {
        self.push(pos, Side::Read(view));
    }
}

impl PacketIo<Write> for Later {
    fn send_io(&self, pos: u64, view: View<Write>) {
        self.push(pos, Side::Write(view));
    }
}

/// Sends a read; it ends later.
pub fn read(io: &impl PacketIo<Read>, pos: u64, len: usize) -> InFlight<Vec<u8>, Read> {
    let (in_flight, view) = Packet::new(vec![255; len]).start::<Read>();
    io.send_io(pos, view);
    in_flight
}

/// Sends a write; it ends later.
pub fn write(io: &impl PacketIo<Write>, pos: u64, bytes: &[u8]) -> InFlight<Vec<u8>, Write> {
    let (in_flight, view) = Packet::new(bytes.to_vec()).start::<Write>();
    io.send_io(pos, view);
    in_flight
}

/// What was read, all of it, where it has ended.
pub fn bytes_of(read: InFlight<Vec<u8>, Read>) -> Vec<u8> {
    let (result, bytes) = read.try_end().expect("it has ended").into_buffer();
    result.expect("it succeeded");
    bytes
}

/// What failed of a request that has ended, and why.
pub fn failures_of<D: Direction>(request: InFlight<Vec<u8>, D>) -> Vec<(Range<usize>, ErrorKind)> {
    let ended = request.try_end().expect("it has ended");
    let range = |range: FailedRange| (range.offset..range.offset + range.len, range.cause.kind());
    ended.outcome.failures().map(range).collect()
}

/// One thing that happens in a run.
#[derive(Clone, Debug)]
pub enum Step {
    Read { pos: usize, len: usize },
    Write { pos: usize, len: usize, value: u8 },
    Advance(Vec<usize>),
    Drop(usize),
    Fail(usize, Range<usize>),
}

/// Steps on an object of `size` bytes; with `fail`, requests below fail.
pub fn steps(size: usize, longest: usize, fail: bool) -> impl Strategy<Value = Vec<Step>> {
    let read = (0..size, 0..=longest).prop_map(|(pos, len)| Step::Read { pos, len });
    let write = (0..size, 0..=longest, 0..64u8).prop_map(|(pos, len, value)| Step::Write {
        pos,
        len,
        value,
    });
    let advance = prop::collection::vec(any::<usize>(), 1..6).prop_map(Step::Advance);
    let failing = (any::<usize>(), 0..longest, 1..longest)
        .prop_map(|(which, start, len)| Step::Fail(which, start..start + len));
    prop::collection::vec(
        prop_oneof![
            4 => read,
            4 => write,
            8 => advance,
            1 => any::<usize>().prop_map(Step::Drop),
            u32::from(fail) => failing,
        ],
        1..80,
    )
}

/// Which values a byte may have, as bits: values are below 64.
#[derive(Clone, Copy)]
struct Byte {
    possible: u64,
    /// Writes that have not ended, and what those wrote that were not alone.
    active: usize,
    together: u64,
    unsure: bool,
}

struct ReadOp {
    pos: usize,
    allowed: Vec<u64>,
    in_flight: InFlight<Vec<u8>, Read>,
}

struct WriteOp {
    pos: usize,
    in_flight: InFlight<Vec<u8>, Write>,
}

/// Sends requests to an object and checks each read: it may give what was there when it began, or what a write gave that was
/// on its way meanwhile, and nothing else.
pub struct Witness<'a, Io> {
    io: &'a Io,
    bytes: Vec<Byte>,
    reads: Vec<ReadOp>,
    writes: Vec<WriteOp>,
    /// Bytes that must fail, if they are read.
    pub broken: BTreeSet<usize>,
    /// Whether any byte may fail.
    pub may_fail: bool,
}

impl<'a, Io: PacketIo<Read> + PacketIo<Write>> Witness<'a, Io> {
    pub fn new(io: &'a Io, bytes: &[u8]) -> Self {
        let byte = |byte: &u8| Byte {
            possible: 1 << byte,
            active: 0,
            together: 0,
            unsure: false,
        };
        Self {
            io,
            bytes: bytes.iter().map(byte).collect(),
            reads: Vec::new(),
            writes: Vec::new(),
            broken: BTreeSet::new(),
            may_fail: false,
        }
    }

    pub fn read(&mut self, pos: usize, len: usize) {
        let known = self.bytes.get(pos..).unwrap_or_default();
        let allowed = known.iter().take(len).map(|byte| byte.possible).collect();
        let (in_flight, view) = Packet::new(vec![255; len]).start::<Read>();
        self.reads.push(ReadOp {
            pos,
            allowed,
            in_flight,
        });
        self.io.send_io(pos as u64, view);
    }

    pub fn write(&mut self, pos: usize, bytes: Vec<u8>) {
        for (n, value) in bytes.iter().enumerate() {
            let Some(byte) = self.bytes.get_mut(pos + n) else {
                break;
            };
            if byte.active == 0 {
                (byte.together, byte.unsure) = (0, false);
            }
            byte.active += 1;
            byte.together |= 1 << value;
            byte.possible |= 1 << value;
            for read in &mut self.reads {
                if let Some(allowed) = (pos + n)
                    .checked_sub(read.pos)
                    .and_then(|at| read.allowed.get_mut(at))
                {
                    *allowed |= 1 << value;
                }
            }
        }
        let (in_flight, view) = Packet::new(bytes).start::<Write>();
        self.writes.push(WriteOp { pos, in_flight });
        self.io.send_io(pos as u64, view);
    }

    /// Gives one request up. What a write that was given up does, and when, is not known any more.
    pub fn drop_one(&mut self, which: usize) {
        if !self.reads.is_empty() {
            self.reads.swap_remove(which % self.reads.len());
        }
        if !self.writes.is_empty() && which.is_multiple_of(4) {
            let write = self.writes.swap_remove(which % self.writes.len());
            // Never counted as ended, so its value stays possible.
            drop(write.in_flight);
        }
    }

    /// Looks at what has ended.
    pub fn look(&mut self) -> Result<(), TestCaseError> {
        for read in std::mem::take(&mut self.reads) {
            match read.in_flight.try_end() {
                Err(in_flight) => self.reads.push(ReadOp { in_flight, ..read }),
                Ok(ended) => {
                    let bytes = ended.packet.buffer();
                    let mut failed = vec![None; bytes.len()];
                    for range in ended.outcome.failures() {
                        failed[range.offset..range.offset + range.len].fill(Some(range.cause));
                    }
                    for (n, value) in bytes.iter().enumerate() {
                        self.check(read.pos + n, *value, failed[n], read.allowed.get(n))?;
                    }
                }
            }
        }
        for write in std::mem::take(&mut self.writes) {
            match write.in_flight.try_end() {
                Err(in_flight) => self.writes.push(WriteOp { in_flight, ..write }),
                Ok(ended) => {
                    let len = ended.packet.len();
                    let mut failed = vec![false; len];
                    for range in ended.outcome.failures() {
                        failed[range.offset..range.offset + range.len].fill(true);
                    }
                    for (n, failed) in failed.into_iter().enumerate() {
                        let Some(byte) = self.bytes.get_mut(write.pos + n) else {
                            prop_assert!(failed, "a write behind the end succeeded");
                            continue;
                        };
                        prop_assert!(!failed || self.may_fail, "a write failed");
                        byte.unsure |= failed;
                        byte.active -= 1;
                        if byte.active == 0 && !byte.unsure {
                            byte.possible = byte.together;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn check(
        &self,
        at: usize,
        value: u8,
        failed: Option<Cause>,
        allowed: Option<&u64>,
    ) -> Result<(), TestCaseError> {
        match (allowed, failed) {
            (None, Some(cause)) => prop_assert_eq!(cause.kind(), ErrorKind::UnexpectedEof),
            (None, None) => prop_assert!(false, "byte {} is behind the end", at),
            (Some(_), Some(cause)) => prop_assert!(
                self.may_fail || self.broken.contains(&at),
                "byte {} failed: {}",
                at,
                cause
            ),
            (Some(allowed), None) => {
                prop_assert!(!self.broken.contains(&at), "byte {} is broken", at);
                prop_assert!(
                    value < 64 && allowed >> value & 1 == 1,
                    "byte {} is {}, which was not there: {:b}",
                    at,
                    value,
                    allowed
                );
            }
        }
        Ok(())
    }

    pub fn unanswered(&self) -> usize {
        self.reads.len() + self.writes.len()
    }
}

/// Plays `steps` against an object over others that answer later, lets all end, and reads everything once more.
pub fn play<Io: PacketIo<Read> + PacketIo<Write>>(
    witness: &mut Witness<'_, Io>,
    below: &[&Later],
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    for step in steps {
        match step {
            Step::Read { pos, len } => witness.read(pos, len),
            Step::Write { pos, len, value } => {
                // Neighbours differ, so that a byte in the wrong place is seen.
                let bytes = (0..len).map(|n| (value + (n % 64) as u8) % 64).collect();
                witness.write(pos, bytes);
            }
            Step::Advance(which) => which.into_iter().for_each(|which| {
                below[which % below.len()].step(which / below.len());
            }),
            Step::Drop(which) => witness.drop_one(which),
            Step::Fail(which, bytes) => below[which % below.len()].fail_next(bytes),
        }
        witness.look()?;
    }
    finish(witness, below)?;
    witness.read(0, witness.bytes.len() + 5);
    finish(witness, below)
}

pub fn finish<Io: PacketIo<Read> + PacketIo<Write>>(
    witness: &mut Witness<'_, Io>,
    below: &[&Later],
) -> Result<(), TestCaseError> {
    while below.iter().any(|object| object.waiting() > 0) {
        below.iter().for_each(|object| object.finish());
    }
    witness.look()?;
    prop_assert_eq!(witness.unanswered(), 0, "not all requests ended");
    Ok(())
}

/// Bytes below 64 that tell most places from each other.
pub fn small_noise(len: usize) -> Vec<u8> {
    (0..len)
        .map(|n| ((n * n + n * 7) % 61 + n / 61) as u8 % 64)
        .collect()
}
