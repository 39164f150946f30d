//! [`Translated`]: control operations of layers that move positions.

use crate::len::part_len;
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp, answer_with};
use mfio::error::{Cause, ErrorKind};
use mfio::io::Read;
use mfio::lock::Lock;
use mfio::packet::{Outcome, RelayPool, View};

/// The operations that a part of an object can have.
pub(crate) const OF_PARTS: Capabilities = Capabilities::NONE
    .with(ControlKind::SyncData)
    .with(ControlKind::SyncAll)
    .with(ControlKind::Discard)
    .with(ControlKind::WriteZeroes)
    .with(ControlKind::Allocate)
    .with(ControlKind::Len)
    .with(ControlKind::Extents)
    .with(ControlKind::Prefetch);

/// A control operation as a layer over one object carries it out.
pub(crate) enum Translated {
    /// The object carries out this one.
    Below(ControlOp),
    /// The answer is the length of a part of the object.
    Len(PartOfLen),
    /// The operation has nothing to do, and succeeds.
    Nothing,
    Failed(ErrorKind),
}

impl Translated {
    /// Sends the operation to the object.
    pub(crate) fn send<Io: ControlIo>(self, io: &Io, view: View<Read>) {
        match self {
            Self::Below(op) => io.send_control(op, view),
            Self::Len(part) => {
                io.send_control(ControlOp::Len, sent::relay(&lengths(), view, part).start());
            }
            Self::Nothing => Self::end(view),
            Self::Failed(kind) => view.fail(kind),
        }
    }

    /// Carries the operation out by the short cut of the object.
    pub(crate) fn execute<Io: ControlIo>(
        self,
        io: &Io,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        match self {
            Self::Below(op) => io.control_blocking(op, answer),
            Self::Len(part) => {
                let below = io.control_blocking(ControlOp::Len, answer)?;
                Some(below.and_then(|()| part.answer(answer)))
            }
            Self::Nothing => Some(Self::answer_nothing(answer)),
            Self::Failed(kind) => Some(Err(kind.into())),
        }
    }

    /// Answers an operation that has nothing to do. Its answer has no extents.
    pub(crate) fn answer_nothing(answer: &mut Answer<'_>) -> Result<(), Cause> {
        // Fails where there is no room for extents, and so none to be left out.
        let _ = answer.extents(0..0, []);
        Ok(())
    }

    /// Ends an operation that has nothing to do.
    pub(crate) fn end(mut view: View<Read>) {
        view.bytes_mut().fill(0);
        view.done();
    }
}

/// Cuts an operation that has a range to an address space that ends at `end`. `None` if nothing is
/// left of it.
///
/// # Errors
/// `UnexpectedEof` where a write would fail beyond the end; `NotSupported` for operations without a
/// range.
pub(crate) fn cut(op: ControlOp, end: u64) -> Result<Option<ControlOp>, ErrorKind> {
    let span = op.span().ok_or(ErrorKind::NotSupported)?;
    let left = span.until(end);
    match op {
        _ if span.is_empty() => Ok(None),
        ControlOp::WriteZeroes(..) | ControlOp::Allocate(_) if left != span => {
            Err(ErrorKind::UnexpectedEof)
        }
        _ => Ok((!left.is_empty()).then(|| op.with_span(left))),
    }
}

/// Translates an operation that has a range for a part of up to `len` bytes of an object, from
/// `base` on.
pub(crate) fn part(op: ControlOp, base: u64, len: u64) -> Translated {
    // Bytes that have no address in the object do not exist.
    let len = len.min(u64::MAX - base);
    match cut(op, len) {
        Ok(Some(op)) => {
            let span = op.span().unwrap_or_default();
            let moved = base + span.start()..base + span.end();
            Translated::Below(op.with_span(moved.into()))
        }
        Ok(None) => Translated::Nothing,
        Err(kind) => Translated::Failed(kind),
    }
}

/// A question for the length of a part of up to `most` bytes from `base` on.
pub(crate) struct PartOfLen {
    pub(crate) base: u64,
    pub(crate) most: u64,
}

impl PartOfLen {
    /// Replaces the length of the object by that of the part.
    fn answer(&self, answer: &mut Answer<'_>) -> Result<(), Cause> {
        let len = answer.read_len().ok_or(ErrorKind::InvalidData)?;
        answer.len(part_len(len, self.base, self.most))
    }
}

/// The questions for lengths that are under way. Layers that show a part of an object are `Copy`,
/// and have no memory for them: they share this.
pub(crate) struct Lengths(SentPool<View<Read>, Self, PartOfLen>);

static LENGTHS: Lock<Option<Arc<Lengths>>> = Lock::new(None);

fn lengths() -> Arc<Lengths> {
    let new = || Arc::new(Lengths(RelayPool::new(sent::KEPT)));
    LENGTHS.lock().get_or_insert_with(new).clone()
}

impl Sent<View<Read>, Lengths> for PartOfLen {
    fn pool(shared: &Lengths) -> &SentPool<View<Read>, Lengths, Self> {
        &shared.0
    }

    fn ended(self, _: Arc<Lengths>, view: View<Read>, outcome: Outcome) {
        match outcome.first_error() {
            None => answer_with(view, |answer| self.answer(answer)),
            Some(cause) => view.fail(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mfio::control::{Span, Unmap};

    fn zeroes(span: impl Into<Span>) -> ControlOp {
        ControlOp::WriteZeroes(span.into(), Unmap::Allowed)
    }

    #[test]
    fn ranges_are_cut_where_a_write_would_not_fail() {
        let discard = |span: Span| ControlOp::Discard(span);
        let cut_to = |op, end| cut(op, end).map(|op| op.and_then(ControlOp::span));
        assert_eq!(cut_to(discard((4..9).into()), 6), Ok(Some((4..6).into())));
        assert_eq!(cut_to(discard((4..9).into()), 4), Ok(None));
        assert_eq!(cut_to(zeroes(4..9), 9), Ok(Some((4..9).into())));
        assert_eq!(cut_to(zeroes(4..9), 8), Err(ErrorKind::UnexpectedEof));
        assert_eq!(cut_to(zeroes(9..9), 8), Ok(None));
        assert_eq!(cut_to(ControlOp::SyncAll, 8), Err(ErrorKind::NotSupported));
    }

    #[test]
    fn a_part_at_the_end_of_the_address_space_ends_there() {
        let place = |translated| match translated {
            Translated::Below(op) => op.span(),
            _ => None,
        };
        let discard = |span| part(ControlOp::Discard(span), u64::MAX - 4, u64::MAX);
        let last = Span::from(u64::MAX - 2..u64::MAX);
        assert_eq!(place(discard((2..9).into())), Some(last));
        assert_eq!(place(discard((4..9).into())), None);
        let beyond = part(zeroes(2..9), u64::MAX - 4, u64::MAX);
        assert!(matches!(
            beyond,
            Translated::Failed(ErrorKind::UnexpectedEof)
        ));
    }
}
