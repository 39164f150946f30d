//! The model: an object whose bytes are those of its members, looked up one by one.

use crate::sparse::{Cell, Form, Sparse, extents, run};
use mfio::control::{ControlIo, ControlOp, ExtentKind, Span, Unmap};
use mfio::error::ErrorKind;
use proptest::prelude::*;
use std::ops::Range;

/// Positions that are looked at: behind them no member has a byte.
const SPACE: u64 = 400;

/// The place of a byte of the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A byte of a member, which may end before.
    At(usize, u64),
    /// There is no byte, and writes fail with this.
    Missing(ErrorKind),
}

/// Bytes of members, and their places in a layer.
pub(crate) struct Model<F> {
    pub(crate) members: Vec<Vec<Cell>>,
    /// The end of the addresses of the layer.
    end: u64,
    place: F,
}

impl<F: Fn(u64) -> Place> Model<F> {
    pub(crate) fn new(members: &[Sparse], end: u64, place: F) -> Self {
        Self {
            members: members.iter().map(Sparse::cells).collect(),
            end,
            place,
        }
    }

    fn cell(&mut self, at: u64) -> Result<&mut Cell, ErrorKind> {
        match (self.place)(at) {
            Place::At(member, at) => {
                let cell = self.members[member].get_mut(at as usize);
                cell.ok_or(ErrorKind::UnexpectedEof)
            }
            Place::Missing(kind) => Err(kind),
        }
    }

    /// Carries out an operation that has a range.
    fn execute(&mut self, op: ControlOp) -> Result<(), ErrorKind> {
        let span = op.span().unwrap();
        let positions = || span.start()..span.end().min(SPACE);
        let writes = matches!(op, ControlOp::WriteZeroes(..) | ControlOp::Allocate(_));
        let mut result = Ok(());
        if writes && !span.is_empty() {
            // Ranges that no write may have are refused as a whole.
            if span.end() > self.end {
                return Err(ErrorKind::UnexpectedEof);
            }
            for at in span.start()..span.end().min(SPACE + 1) {
                if let Place::Missing(kind) = (self.place)(at) {
                    return Err(kind);
                }
            }
            if span.end() > SPACE {
                result = Err(ErrorKind::UnexpectedEof);
            }
        }
        for at in positions() {
            match self.cell(at) {
                Ok(cell) => cell.apply(op),
                Err(kind) if writes => result = Err(kind),
                Err(_) => {}
            }
        }
        result
    }

    /// Returns the extents from the start of a range to the first byte that is missing.
    fn extents(&mut self, span: Span) -> Vec<(Range<u64>, ExtentKind)> {
        let mut all: Vec<(Range<u64>, ExtentKind)> = Vec::new();
        for at in span.start()..span.end().min(SPACE) {
            let kind = match self.cell(at) {
                Ok(cell) => cell.kind(),
                Err(_) => break,
            };
            match all.last_mut() {
                Some((range, last)) if *last == kind => range.end = at + 1,
                _ => all.push((at..at + 1, kind)),
            }
        }
        all
    }
}

/// One call: the form, the operation, and how many extents are asked for at a time.
pub(crate) type Call = (Form, ControlOp, usize);

/// Calls with ranges that begin within `SPACE`, many of them short.
pub(crate) fn calls() -> impl Strategy<Value = Vec<Call>> {
    let len = prop_oneof![4 => 0..30u64, 2 => 0..200u64, 1 => Just(1 << 50), 1 => Just(u64::MAX)];
    let span = (0..120u64, len).prop_map(|(start, len)| (start..start.saturating_add(len)).into());
    let unmap = prop_oneof![Just(Unmap::Allowed), Just(Unmap::Forbidden)];
    let op = prop_oneof![
        span.clone().prop_map(ControlOp::Discard),
        (span.clone(), unmap).prop_map(|(span, unmap)| ControlOp::WriteZeroes(span, unmap)),
        span.clone().prop_map(ControlOp::Allocate),
        span.clone().prop_map(ControlOp::Prefetch),
        span.prop_map(ControlOp::Extents),
    ];
    let form = prop_oneof![Just(Form::Async), Just(Form::Blocking)];
    prop::collection::vec((form, op, 1..6usize), 1..30)
}

/// Bytes of all kinds, in runs.
pub(crate) fn cells(len: Range<usize>) -> impl Strategy<Value = Vec<Cell>> {
    let cell = prop_oneof![Just(Cell::Data(7)), Just(Cell::Hole), Just(Cell::Zero)];
    let runs = prop::collection::vec((cell, 1..12usize), 0..8);
    (runs, len).prop_map(|(runs, len)| {
        let cells = runs.into_iter().flat_map(|(cell, n)| vec![cell; n]);
        let rest = std::iter::repeat(Cell::Data(9));
        cells.chain(rest).take(len).collect()
    })
}

/// Calls operations, and compares results and bytes with the model.
pub(crate) fn compare<F: Fn(u64) -> Place>(
    io: &impl ControlIo,
    members: &[Sparse],
    mut model: Model<F>,
    calls: &[Call],
) -> Result<(), TestCaseError> {
    for &(form, op, room) in calls {
        match op {
            ControlOp::Extents(span) => {
                let expected = Ok(model.extents(span));
                prop_assert_eq!(
                    extents(io, form, span, room),
                    expected,
                    "{:?} {:?}",
                    form,
                    op
                );
            }
            op => {
                let expected = model.execute(op);
                prop_assert_eq!(run(io, form, op), expected, "{:?} of {:?}", form, op);
            }
        }
        for (member, cells) in members.iter().zip(&model.members) {
            prop_assert_eq!(&member.cells(), cells, "after {:?}", op);
        }
    }
    Ok(())
}
