//! [`Rule`]: the choice of requests that are hit, and the faults.

use core::num::NonZeroU64;
use core::ops::Range;
use core::time::Duration;
use mfio::control::{ControlKind, ControlOp};
use mfio::error::{Cause, ErrorKind};

/// A fault, and the requests that it hits; see [`Fault`](super::Fault).
///
/// A rule looks at the requests that it selects and that touch its range, and hits all of them, or
/// those that it counts out. It selects reads, writes and control operations, unless it is told
/// otherwise. A hit affects the part of a request within the range; a control operation is hit as a
/// whole.
///
/// ```
/// use mfio::error::{Cause, ErrorKind};
/// use mfio_layers::Rule;
///
/// // Every third read of the second page fails as a broken disk does, ten times in all.
/// let broken = Rule::fail(Cause::with_errno(ErrorKind::Other, 5))
///     .reads()
///     .within(4096..8192)
///     .every(3)
///     .times(10);
/// # drop(broken);
///
/// // The second flush fails, once.
/// # use mfio::control::ControlKind;
/// let flush = Rule::fail(ErrorKind::StorageFull).control(ControlKind::SyncAll).nth(2);
/// # drop(flush);
/// ```
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) action: Action,
    selected: Selected,
    pub(super) within: Option<Range<u64>>,
    /// The first request that is hit, counted from 1, and the distance to the next one.
    first: u64,
    step: NonZeroU64,
    times: u64,
}

/// The requests that a rule looks at.
#[derive(Clone, Copy, Debug)]
enum Selected {
    All,
    Reads,
    Writes,
    Controls,
    Control(ControlKind),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Fail(Cause),
    Short(usize),
    Delay(Duration),
    Hold,
    Drop,
}

impl Rule {
    fn new(action: Action) -> Self {
        Self {
            action,
            selected: Selected::All,
            within: None,
            first: 1,
            step: NonZeroU64::MIN,
            times: u64::MAX,
        }
    }

    /// Fails a request. [`Cause::with_errno`] makes causes as the operating system reports them.
    pub fn fail(cause: impl Into<Cause>) -> Self {
        Self::new(Action::Fail(cause.into()))
    }

    /// Lets the first `bytes` bytes of a request pass. The others fail as at the end of a file, or
    /// of the space for it: with `UnexpectedEof` or `WriteZero`. Looks at no control operation, as
    /// it has no bytes.
    pub fn short(bytes: usize) -> Self {
        Self::new(Action::Short(bytes))
    }

    /// Lets a request pass after a delay. Needs [`Fault::with_clock`](super::Fault::with_clock).
    pub fn delay(by: Duration) -> Self {
        Self::new(Action::Delay(by))
    }

    /// Holds a request until it is released through the [`FaultHandle`](super::FaultHandle).
    pub fn hold() -> Self {
        Self::new(Action::Hold)
    }

    /// Drops a request, as a driver does that gives up: it fails with [`ErrorKind::Dropped`].
    pub fn dropped() -> Self {
        Self::new(Action::Drop)
    }

    /// Looks at reads only.
    #[must_use]
    pub fn reads(mut self) -> Self {
        self.selected = Selected::Reads;
        self
    }

    /// Looks at writes only.
    #[must_use]
    pub fn writes(mut self) -> Self {
        self.selected = Selected::Writes;
        self
    }

    /// Looks at control operations only.
    #[must_use]
    pub fn controls(mut self) -> Self {
        self.selected = Selected::Controls;
        self
    }

    /// Looks at control operations of one kind only.
    #[must_use]
    pub fn control(mut self, kind: ControlKind) -> Self {
        self.selected = Selected::Control(kind);
        self
    }

    /// Looks only at requests that touch these positions. Requests without a position, and control
    /// operations without a range, are not hit.
    #[must_use]
    pub fn within(mut self, positions: Range<u64>) -> Self {
        self.within = Some(positions);
        self
    }

    /// Hits only the `n`-th of the requests that it looks at, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.first = n;
        self.step = NonZeroU64::MAX;
        self
    }

    /// Hits every `k`-th of the requests that it looks at; 0 is as 1.
    #[must_use]
    pub fn every(mut self, k: u64) -> Self {
        self.step = NonZeroU64::new(k).unwrap_or(NonZeroU64::MIN);
        self.first = self.step.get();
        self
    }

    /// Hits no more than `times` requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Returns the range of a request that the rule affects; `None` where it does not look at it.
    pub(super) fn part(&self, reads: bool, pos: Option<u64>, len: usize) -> Option<Range<usize>> {
        match self.selected {
            Selected::All => {}
            Selected::Reads if reads => {}
            Selected::Writes if !reads => {}
            _ => return None,
        }
        let Some(within) = &self.within else {
            return Some(0..len);
        };
        let pos = pos?;
        let clip = |at: u64| usize::try_from(at.saturating_sub(pos)).map_or(len, |at| at.min(len));
        let part = clip(within.start)..clip(within.end);
        (part.start < part.end).then_some(part)
    }

    /// Whether the rule looks at a control operation.
    pub(super) fn looks_at(&self, op: ControlOp) -> bool {
        let selected = match self.selected {
            Selected::All | Selected::Controls => true,
            Selected::Control(kind) => kind == op.kind(),
            Selected::Reads | Selected::Writes => false,
        };
        let touched = match (&self.within, op.span()) {
            (None, _) => true,
            (Some(within), Some(span)) => {
                span.start().max(within.start) < span.end().min(within.end)
            }
            (Some(_), None) => false,
        };
        selected && touched && !matches!(self.action, Action::Short(_))
    }

    /// Whether the rule hits the `seen`-th request that it looks at, after `hits` hits.
    pub(super) fn hits(&self, seen: u64, hits: u64) -> bool {
        hits < self.times
            && seen
                .checked_sub(self.first)
                .is_some_and(|after| after.is_multiple_of(self.step.get()))
    }

    /// Returns the kind that the rest of a short transfer fails with.
    pub(super) fn cut(reads: bool) -> ErrorKind {
        if reads {
            ErrorKind::UnexpectedEof
        } else {
            ErrorKind::WriteZero
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_count_from_one() {
        let hit = |rule: Rule| (1..=7).filter(|&n| rule.hits(n, 0)).collect::<Vec<_>>();
        assert_eq!(hit(Rule::hold()), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(hit(Rule::hold().every(3)), [3, 6]);
        assert_eq!(hit(Rule::hold().nth(2)), [2]);
        assert_eq!(hit(Rule::hold().every(0)), [1, 2, 3, 4, 5, 6, 7]);
        assert!(hit(Rule::hold().times(0)).is_empty());
    }

    #[test]
    fn a_part_is_the_overlap_with_its_rule() {
        let rule = Rule::hold().within(10..20).reads();
        assert_eq!(rule.part(true, Some(5), 10), Some(5..10));
        assert_eq!(rule.part(true, Some(15), 10), Some(0..5));
        assert_eq!(rule.part(true, Some(0), 30), Some(10..20));
        assert_eq!(rule.part(true, Some(20), 30), None);
        assert_eq!(rule.part(true, Some(0), 10), None);
        assert_eq!(rule.part(false, Some(10), 10), None);
        assert_eq!(rule.part(true, None, 10), None);
        assert_eq!(Rule::hold().part(true, None, 0), Some(0..0));
    }

    #[test]
    fn a_rule_looks_at_the_operations_that_it_selects() {
        let discard = ControlOp::Discard((10..20).into());
        let looks = |rule: Rule| [discard, ControlOp::SyncAll].map(|op| rule.looks_at(op));
        assert_eq!(looks(Rule::hold()), [true, true]);
        assert_eq!(looks(Rule::hold().controls()), [true, true]);
        assert_eq!(
            looks(Rule::hold().control(ControlKind::SyncAll)),
            [false, true]
        );
        assert_eq!(looks(Rule::hold().within(19..30)), [true, false]);
        assert_eq!(looks(Rule::hold().within(20..30)), [false, false]);
        assert_eq!(looks(Rule::hold().reads()), [false, false]);
        assert_eq!(looks(Rule::hold().writes()), [false, false]);
        assert_eq!(looks(Rule::short(3)), [false, false]);
        assert_eq!(Rule::hold().controls().part(true, Some(0), 9), None);
    }
}
