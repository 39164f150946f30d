//! [`Sparse`]: an object that has every control operation, tells how it is used, and fails or waits
//! as it is told. Calls of operations without a backend.

use mfio::control::{
    Answer, Capabilities, ControlIo, ControlKind, ControlOp, ExtentKind, Span, Unmap, answer_with,
};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Identity, IoObject, PacketIo, Read, Write};
use mfio::packet::{InFlight, Packet, View};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// A byte, and its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Data(u8),
    Hole,
    Zero,
}

impl Cell {
    pub(crate) fn kind(self) -> ExtentKind {
        match self {
            Self::Data(_) => ExtentKind::Data,
            Self::Hole => ExtentKind::Hole,
            Self::Zero => ExtentKind::Zero,
        }
    }

    /// Changes the cell as an operation on it does.
    pub(crate) fn apply(&mut self, op: ControlOp) {
        *self = match (op, *self) {
            (ControlOp::Discard(_) | ControlOp::WriteZeroes(_, Unmap::Allowed), _) => Self::Hole,
            (ControlOp::WriteZeroes(..), _) | (ControlOp::Allocate(_), Self::Hole) => Self::Zero,
            (_, cell) => cell,
        };
    }
}

/// The behaviour of an object when it gets an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Pass,
    Fail(ErrorKind),
    /// Waits until [`Sparse::release`].
    Hold,
}

/// Bytes with and without storage. Clones share them.
#[derive(Clone)]
pub(crate) struct Sparse {
    state: Arc<Mutex<State>>,
    supported: Capabilities,
    short_cut: bool,
    /// The longest extent that it tells, in bytes.
    longest: usize,
}

struct State {
    cells: Vec<Cell>,
    log: Vec<ControlOp>,
    /// The acts of the next operations. Those after them pass.
    script: VecDeque<Act>,
    held: Vec<Held>,
    /// Whether writes and operations wait, whatever the script says.
    holds: bool,
}

enum Held {
    Control(ControlOp, View<Read>),
    Write(u64, View<Write>),
}

pub(crate) fn every_kind() -> Capabilities {
    ControlKind::ALL.iter().copied().collect()
}

impl Sparse {
    pub(crate) fn new(cells: impl Into<Vec<Cell>>) -> Self {
        let state = State {
            cells: cells.into(),
            log: Vec::new(),
            script: VecDeque::new(),
            held: Vec::new(),
            holds: false,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            supported: every_kind(),
            short_cut: false,
            longest: usize::MAX,
        }
    }

    /// An object of data.
    pub(crate) fn of_data(len: usize) -> Self {
        Self::new(vec![Cell::Data(7); len])
    }

    /// Supports these operations only.
    pub(crate) fn supporting(self, supported: Capabilities) -> Self {
        Self { supported, ..self }
    }

    /// Has a short cut for blocking calls.
    pub(crate) fn with_short_cut(self, short_cut: bool) -> Self {
        Self { short_cut, ..self }
    }

    /// Tells extents of up to `longest` bytes: neighbours may be of one kind.
    pub(crate) fn with_extents_of(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    pub(crate) fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.state.lock().unwrap().script.extend(acts);
    }

    pub(crate) fn cells(&self) -> Vec<Cell> {
        self.state.lock().unwrap().cells.clone()
    }

    /// Returns the operations since the last call.
    pub(crate) fn log(&self) -> Vec<ControlOp> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    /// Lets all writes and operations wait from now on.
    pub(crate) fn hold(&self) {
        self.state.lock().unwrap().holds = true;
    }

    /// Carries out what waits. Returns how many they were.
    pub(crate) fn release(&self) -> usize {
        let mut number = 0;
        while self.release_one(0) {
            number += 1;
        }
        number
    }

    /// Carries out one that waits. Returns `false` if none does.
    pub(crate) fn release_one(&self, which: usize) -> bool {
        let mut state = self.state.lock().unwrap();
        if state.held.is_empty() {
            return false;
        }
        let which = which % state.held.len();
        let held = state.held.swap_remove(which);
        drop(state);
        match held {
            Held::Control(op, view) => answer_with(view, |answer| self.execute(op, answer)),
            Held::Write(pos, view) => self.write(pos, view),
        }
        true
    }

    fn act(&self, op: ControlOp) -> Act {
        let mut state = self.state.lock().unwrap();
        state.log.push(op);
        let rest = if state.holds { Act::Hold } else { Act::Pass };
        match state.script.pop_front().unwrap_or(rest) {
            Act::Pass if !self.supported.supports(op) => Act::Fail(ErrorKind::NotSupported),
            act => act,
        }
    }

    fn execute(&self, op: ControlOp, answer: &mut Answer<'_>) -> Result<(), Cause> {
        let cells = &mut self.state.lock().unwrap().cells;
        let range = |span: Span| {
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(cells.len());
            place(span.start())..place(span.end())
        };
        match op {
            ControlOp::SetLen(len) => cells.resize(usize::try_from(len).unwrap(), Cell::Hole),
            ControlOp::Len => answer.len(cells.len() as u64)?,
            ControlOp::Extents(span) => {
                let runs = cells[range(span)].chunk_by(|a, b| a.kind() == b.kind());
                let runs = runs.flat_map(|run| run.chunks(self.longest));
                answer.extents(span, runs.map(|run| (run.len() as u64, run[0].kind())))?;
            }
            op => {
                let Some(span) = op.span() else {
                    return Ok(());
                };
                let range = range(span);
                let all = range.len() as u64 == span.len();
                cells[range].iter_mut().for_each(|cell| cell.apply(op));
                if !all && matches!(op, ControlOp::WriteZeroes(..) | ControlOp::Allocate(_)) {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(())
    }

    /// Calls `each` with the cells of a transfer that exist. Returns how many they are.
    fn transfer(&self, pos: u64, len: usize, each: impl FnMut((usize, &mut Cell))) -> usize {
        let cells = &mut self.state.lock().unwrap().cells;
        let start = usize::try_from(pos).unwrap_or(usize::MAX).min(cells.len());
        let good = len.min(cells.len() - start);
        cells[start..start + good]
            .iter_mut()
            .enumerate()
            .for_each(each);
        good
    }
}

impl Sparse {
    fn write(&self, pos: u64, view: View<Write>) {
        let bytes = view.bytes();
        let good = self.transfer(pos, bytes.len(), |(n, cell)| *cell = Cell::Data(bytes[n]));
        view.done_prefix(good, ErrorKind::UnexpectedEof);
    }
}

impl IoObject for Sparse {
    fn identity(&self) -> Identity<'_> {
        Identity {
            object: Some("a sparse object".into()),
            driver: None,
        }
    }
}

impl ControlIo for Sparse {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        assert!(!op.is_empty(), "a layer ends it");
        match self.act(op) {
            Act::Pass => answer_with(view, |answer| self.execute(op, answer)),
            Act::Fail(kind) => view.fail(kind),
            Act::Hold => {
                let held = Held::Control(op, view);
                self.state.lock().unwrap().held.push(held);
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.supported
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        self.short_cut.then(|| match self.act(op) {
            Act::Pass => self.execute(op, answer),
            Act::Fail(kind) => Err(kind.into()),
            Act::Hold => panic!("a blocking call waits for ever"),
        })
    }
}

impl PacketIo<Read> for Sparse {
    fn send_io(&self, pos: u64, mut view: View<Read>) {
        let bytes = view.bytes_mut();
        let good = self.transfer(pos, bytes.len(), |(n, cell)| {
            bytes[n] = match *cell {
                Cell::Data(byte) => byte,
                Cell::Hole | Cell::Zero => 0,
            };
        });
        view.done_prefix(good, ErrorKind::UnexpectedEof);
    }
}

impl PacketIo<Write> for Sparse {
    fn send_io(&self, pos: u64, view: View<Write>) {
        let mut state = self.state.lock().unwrap();
        if state.holds {
            return state.held.push(Held::Write(pos, view));
        }
        drop(state);
        self.write(pos, view);
    }
}

/// The form of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Async,
    Blocking,
}

pub(crate) const FORMS: [Form; 2] = [Form::Async, Form::Blocking];

/// Starts an operation whose answer has `len` bytes.
pub(crate) fn start(io: &impl ControlIo, op: ControlOp, len: usize) -> InFlight<Vec<u8>, Read> {
    // Garbage, so that an answer that is not written is found.
    let (in_flight, view) = Packet::new(vec![0xa5; len]).start::<Read>();
    io.send_control(op, view);
    in_flight
}

/// Returns the answer of an operation that has ended.
pub(crate) fn end(in_flight: InFlight<Vec<u8>, Read>) -> Result<Vec<u8>, ErrorKind> {
    let ended = in_flight.try_end().expect("it has ended");
    match ended.outcome.first_error() {
        Some(cause) => Err(cause.kind()),
        None => Ok(ended.packet.buffer().to_vec()),
    }
}

/// Calls an operation whose answer has `len` bytes. A blocking call without a short cut is as an
/// asynchronous one.
pub(crate) fn call(
    io: &impl ControlIo,
    form: Form,
    op: ControlOp,
    len: usize,
) -> Result<Vec<u8>, ErrorKind> {
    if form == Form::Blocking {
        let mut bytes = vec![0xa5; len];
        if let Some(result) = io.control_blocking(op, &mut Answer::new(&mut bytes)) {
            return result.map(|()| bytes).map_err(Cause::kind);
        }
    }
    end(start(io, op, len))
}

/// Calls an operation without an answer.
pub(crate) fn run(io: &impl ControlIo, form: Form, op: ControlOp) -> Result<(), ErrorKind> {
    call(io, form, op, 1).map(drop)
}

pub(crate) fn len(io: &impl ControlIo, form: Form) -> Result<u64, ErrorKind> {
    let mut answer = call(io, form, ControlOp::Len, Answer::LEN)?;
    Ok(Answer::new(&mut answer).read_len().expect("a length"))
}

/// Returns the extents of a range, asked for `room` of them at a time, as users' calls do.
pub(crate) fn extents(
    io: &impl ControlIo,
    form: Form,
    span: Span,
    room: usize,
) -> Result<Vec<(Range<u64>, ExtentKind)>, ErrorKind> {
    let mut left = span;
    let mut all: Vec<(Range<u64>, ExtentKind)> = Vec::new();
    while !left.is_empty() {
        let mut answer = call(io, form, ControlOp::Extents(left), room * Answer::EXTENT)?;
        let asked = left;
        let mut count = 0;
        for extent in Answer::new(&mut answer).read_extents(asked) {
            count += 1;
            assert!(extent.span.end() <= asked.end(), "it is not asked for");
            left = asked.starting_at(extent.span.end());
            match all.last_mut() {
                Some((range, kind)) if *kind == extent.kind => range.end = extent.span.end(),
                _ => all.push((extent.span.start()..extent.span.end(), extent.kind)),
            }
        }
        if count < room {
            break;
        }
    }
    Ok(all)
}
