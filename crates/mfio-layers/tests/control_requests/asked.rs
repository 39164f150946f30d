//! An object that is asked, and checks that every layer makes.

use mfio::backend::{IoBackend, IoBackendExt};
use mfio::control::{
    Answer, Capabilities, ControlIo, ControlKind, ControlOp, ExtentKind, Unmap, answer_with,
};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Direction, IoObject, PacketIo, Read};
use mfio::memory::Memory;
use mfio::packet::{InFlight, Packet, View};
use mfio::prelude::*;
use mfio_layers::AttachBackend;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// An operation of each kind. Ranges are within bytes 10 to 20.
pub(crate) fn all() -> [ControlOp; 10] {
    let span = (10..20).into();
    let ops = [
        ControlOp::SyncData,
        ControlOp::SyncAll,
        ControlOp::Discard(span),
        ControlOp::WriteZeroes(span, Unmap::Allowed),
        ControlOp::Allocate(span),
        ControlOp::SetLen(15),
        ControlOp::Len,
        ControlOp::Extents(span),
        ControlOp::Prefetch(span),
        ControlOp::Shutdown,
    ];
    assert!(
        ops.iter()
            .map(|op| op.kind())
            .eq(ControlKind::ALL.iter().copied())
    );
    ops
}

/// The operations with a range, which is empty.
pub(crate) fn empty() -> Vec<ControlOp> {
    let ops = all().map(|op| op.with_span((7..7).into()));
    ops.into_iter().filter(|op| op.is_empty()).collect()
}

/// Whether an operation asks a question.
pub(crate) fn is_question(op: ControlOp) -> bool {
    matches!(op, ControlOp::Len | ControlOp::Extents(_))
}

/// Answers operations, or holds them, and keeps a log. Clones are one object.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    log: Vec<ControlOp>,
    failing: VecDeque<ErrorKind>,
    unsupported: Option<ControlKind>,
    holds: bool,
    held: VecDeque<(ControlOp, View<Read>)>,
    has_short_cut: bool,
}

impl Asked {
    /// Creates an object with a backend.
    pub(crate) fn new() -> (Self, AttachBackend<Self, Memory>) {
        let asked = Self::default();
        (asked.clone(), AttachBackend::new(asked, Memory::new([])))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Returns the operations since the last call.
    pub(crate) fn log(&self) -> Vec<ControlOp> {
        std::mem::take(&mut self.state().log)
    }

    /// Fails the next operations.
    pub(crate) fn fail_next(&self, kinds: impl IntoIterator<Item = ErrorKind>) {
        self.state().failing.extend(kinds);
    }

    /// Does not fail any more.
    pub(crate) fn heal(&self) {
        self.state().failing.clear();
    }

    /// Does not support this kind any longer, or supports all.
    pub(crate) fn unsupport(&self, kind: Option<ControlKind>) {
        self.state().unsupported = kind;
    }

    /// Holds operations that arrive, or answers them.
    pub(crate) fn hold(&self, holds: bool) {
        self.state().holds = holds;
    }

    /// Answers the operation that is held longest. Returns whether there was one.
    pub(crate) fn release(&self) -> bool {
        let first = self.state().held.pop_front();
        let released = first.is_some();
        if let Some((op, view)) = first {
            answer_with(view, |answer| self.answer(op, answer));
        }
        released
    }

    /// Returns the number of operations that are held.
    pub(crate) fn held(&self) -> usize {
        self.state().held.len()
    }

    fn answer(&self, op: ControlOp, answer: &mut Answer<'_>) -> Result<(), Cause> {
        let mut state = self.state();
        if let Some(kind) = state.failing.pop_front() {
            return Err(kind.into());
        }
        if state.unsupported == Some(op.kind()) {
            return Err(ErrorKind::NotSupported.into());
        }
        match op {
            ControlOp::Len => answer.len(77),
            ControlOp::Extents(span) => {
                answer.extents(span, [(3, ExtentKind::Hole), (4, ExtentKind::Data)])
            }
            _ => Ok(()),
        }
    }
}

impl IoObject for Asked {}

impl ControlIo for Asked {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let mut state = self.state();
        state.log.push(op);
        if state.holds {
            return state.held.push_back((op, view));
        }
        drop(state);
        answer_with(view, |answer| self.answer(op, answer));
    }

    fn capabilities(&self) -> Capabilities {
        let all: Capabilities = ControlKind::ALL.iter().copied().collect();
        let unsupported = self.state().unsupported;
        unsupported.map_or(all, |kind| all.without(kind))
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        let mut state = self.state();
        if !state.has_short_cut {
            return None;
        }
        state.log.push(op);
        drop(state);
        Some(self.answer(op, answer))
    }
}

impl<D: Direction> PacketIo<D> for Asked {
    fn send_io(&self, _: u64, view: View<D>) {
        view.done();
    }
}

/// The answer to a question, as numbers, or the kind of the failure.
pub(crate) type Answered = Result<Vec<u64>, ErrorKind>;

/// The answer of an [`Asked`] that does not fail.
pub(crate) fn good(op: ControlOp) -> Answered {
    Ok(match op {
        ControlOp::Len => vec![77],
        ControlOp::Extents(_) => vec![10, 13, 17],
        _ => vec![],
    })
}

/// Reads the answer of a packet that has ended.
fn read(op: ControlOp, result: Result<(), ErrorKind>, bytes: &mut [u8]) -> Answered {
    result?;
    let answer = Answer::new(bytes);
    Ok(match op {
        ControlOp::Len => vec![answer.read_len().unwrap()],
        ControlOp::Extents(span) => {
            let ends = answer.read_extents(span).map(|extent| extent.span.end());
            [span.start()].into_iter().chain(ends).collect()
        }
        _ => vec![],
    })
}

/// Sends an operation that may end later.
pub(crate) fn send(io: &impl ControlIo, op: ControlOp) -> InFlight<Vec<u8>, Read> {
    let len = if is_question(op) { 64 } else { 1 };
    let (in_flight, view) = Packet::new(vec![0; len]).start();
    io.send_control(op, view);
    in_flight
}

/// Returns the result of an operation that must have ended.
pub(crate) fn ended(op: ControlOp, in_flight: InFlight<Vec<u8>, Read>) -> Answered {
    let mut ended = in_flight.try_end().expect("it has ended");
    let result = match ended.outcome.first_error() {
        Some(cause) => Err(cause.kind()),
        None => Ok(()),
    };
    read(op, result, ended.packet.buffer_mut())
}

/// Asks, and must be answered at once.
pub(crate) fn ask(io: &impl ControlIo, op: ControlOp) -> Answered {
    ended(op, send(io, op))
}

/// The forms of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Async,
    Blocking,
    /// The object below has a short cut.
    ShortCut,
    Batch,
}

pub(crate) const FORMS: [Form; 4] = [Form::Async, Form::Blocking, Form::ShortCut, Form::Batch];

/// Asks in some form.
pub(crate) fn ask_as<Io: ControlIo + IoBackend>(
    io: &Io,
    below: &Asked,
    form: Form,
    op: ControlOp,
) -> Answered {
    below.state().has_short_cut = matches!(form, Form::ShortCut);
    let ends = |list: Vec<mfio::control::Extent>| {
        let start = list.first().map(|extent| extent.span.start());
        let ends = list.iter().map(|extent| extent.span.end());
        start.into_iter().chain(ends).collect()
    };
    // Extents are asked for until there are no more: the object has 7 bytes of them each time.
    let span = |op: ControlOp| mfio::control::Span::from(op.span().unwrap().start()..17);
    let result = match (form, op) {
        (Form::Async, ControlOp::Len) => io.block_on(IoControl::len(io)).map(|len| vec![len]),
        (_, ControlOp::Len) => io.blocking().len().map(|len| vec![len]),
        (Form::Async, ControlOp::Extents(_)) => io.block_on(io.extents(span(op))).map(ends),
        (_, ControlOp::Extents(_)) => io.blocking().extents(span(op)).map(ends),
        (Form::Async, _) => io.block_on(io.control(op)).map(|()| vec![]),
        (Form::Batch, _) => io.blocking().control_batch(&[op]).map(|()| vec![]),
        (Form::Blocking | Form::ShortCut, _) => io.blocking().control(op).map(|()| vec![]),
    };
    below.state().has_short_cut = false;
    result.map_err(|error| error.kind())
}

/// Checks that a layer passes each operation on, in every form, with the answer or the failure of
/// the object, and that an operation whose future is dropped is carried out all the same.
pub(crate) fn passes_all<Io: ControlIo + IoBackend>(io: &Io, below: &Asked) {
    for op in all() {
        let kinds = |log: Vec<ControlOp>| log.iter().map(|op| op.kind()).collect::<Vec<_>>();
        let once = [op.kind()];
        for form in FORMS {
            assert_eq!(ask_as(io, below, form, op), good(op), "{form:?} of {op:?}");
            assert_eq!(kinds(below.log()), once, "{form:?} of {op:?}");

            below.fail_next([ErrorKind::StorageFull]);
            let failed = ask_as(io, below, form, op);
            assert_eq!(failed, Err(ErrorKind::StorageFull), "{form:?} of {op:?}");
            assert_eq!(kinds(below.log()), once, "{form:?} of {op:?}");

            below.unsupport(Some(op.kind()));
            assert!(!io.capabilities().supports(op));
            let refused = ask_as(io, below, form, op);
            assert_eq!(refused, Err(ErrorKind::NotSupported), "{form:?} of {op:?}");
            assert_eq!(kinds(below.log()), once, "{form:?} of {op:?}");
            below.unsupport(None);
            assert!(io.capabilities().supports(op));
        }
        assert_eq!(ask(io, op), good(op));
        assert_eq!(below.log(), [op], "the operation is the same");

        below.hold(true);
        drop(send(io, op));
        let kept = send(io, op);
        assert_eq!(below.log(), [op, op]);
        below.hold(false);
        assert!(below.release() && below.release());
        assert_eq!(ended(op, kept), good(op));
    }
    for op in empty() {
        assert!(ask(io, op).is_ok());
        assert_eq!(below.log(), [op]);
    }
}
