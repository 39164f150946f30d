//! An object that answers later, in any order.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

mod witness;
mod zeroing;

use mfio::control::ControlIo;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Direction, IoObject, PacketIo, Read, Write};
use mfio::packet::{FailedRange, InFlight, Packet, View};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use witness::{Step, Witness, finish, play, small_noise, steps};
#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use zeroing::{Zeroing, play_with_zeroes};

/// Bytes behind requests that wait until the test lets them happen, and then until it lets them
/// end: what is done, and what is told, come in an order that has nothing to do with that of the
/// requests.
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

impl IoObject for Later {}

impl ControlIo for Later {}

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

/// Returns the bytes of a read that has ended and succeeded.
pub fn bytes_of(read: InFlight<Vec<u8>, Read>) -> Vec<u8> {
    let (result, bytes) = read.try_end().expect("it has ended").into_buffer();
    result.expect("it succeeded");
    bytes
}

/// Returns the failed ranges of a request that has ended, with their kinds.
pub fn failures_of<D: Direction>(request: InFlight<Vec<u8>, D>) -> Vec<(Range<usize>, ErrorKind)> {
    let ended = request.try_end().expect("it has ended");
    let range = |range: FailedRange| (range.offset..range.offset + range.len, range.cause.kind());
    ended.outcome.failures().map(range).collect()
}
