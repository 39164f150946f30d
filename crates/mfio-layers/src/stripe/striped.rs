//! [`Striped`]: control operations of a [`Stripe`](super::Stripe), by member and not by unit.

use crate::gather::{Combine, Ended, MemberOp};
use crate::len::first_missing;
use core::iter;
use core::num::NonZeroU64;
use mfio::control::{Answer, ControlOp, ExtentKind, Span};
use mfio::error::Cause;

/// An operation that members carry out.
pub(crate) struct Striped {
    pub(super) op: ControlOp,
    pub(super) layout: Layout,
}

/// The places of bytes.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(super) members: u64,
    pub(super) unit: NonZeroU64,
}

impl Layout {
    /// Returns how many of the bytes before `at` a member has: they are the first ones there.
    pub(super) fn share(self, member: u64, at: u64) -> u64 {
        let (number, within) = (at / self.unit, at % self.unit);
        let (row, last) = (number / self.members, number % self.members);
        // No more than `at`, so nothing overflows.
        let rest = match member {
            _ if member < last => self.unit.get(),
            _ if member == last => within,
            _ => 0,
        };
        row * self.unit.get() + rest
    }

    /// Returns the member that has the byte at `at`, and the end of its unit.
    fn unit_of(self, at: u64) -> (u64, u64) {
        let number = at / self.unit;
        let end = (number + 1).saturating_mul(self.unit.get());
        (number % self.members, end)
    }

    fn first_missing(self, member: u64, len: u64) -> u64 {
        first_missing(member, self.members, self.unit, len)
    }

    /// Returns the end of a run of bytes of one kind from `at` on, and the kind. Runs end where
    /// extents of members do: so there are no fewer of them than of those of any member, and an
    /// answer is short only where an object ends.
    fn run(self, ended: &mut Ended<'_>, at: u64) -> Option<(u64, ExtentKind)> {
        let (member, unit_end) = self.unit_of(at);
        // Parts are in the order of members, some of which have none.
        let member_of = |part: &MemberOp| part.member as u64;
        let index = ended.parts.binary_search_by_key(&member, member_of).ok()?;
        let (end, kind) = ended.extent(index, self.share(member, at))?;
        let end = self.first_missing(member, end);
        // If the extents of all members are of one kind, units need not be looked at.
        let mut all = end;
        for index in 0..ended.parts.len() {
            let member = member_of(&ended.parts[index]);
            match ended.extent(index, self.share(member, at)) {
                Some((end, other)) if other == kind => {
                    all = all.min(self.first_missing(member, end))
                }
                _ => return Some((end.min(unit_end), kind)),
            }
        }
        match ended.parts.len() as u64 == self.members {
            true => Some((all, kind)),
            false => Some((end.min(unit_end), kind)),
        }
    }

    /// Writes the extents of a range.
    fn extents(
        self,
        span: Span,
        ended: &mut Ended<'_>,
        answer: &mut Answer<'_>,
    ) -> Result<(), Cause> {
        let mut at = span.start();
        let runs = iter::from_fn(|| {
            if at == span.end() {
                return None;
            }
            let (end, kind) = self.run(ended, at)?;
            let start = core::mem::replace(&mut at, end.min(span.end()));
            Some((at - start, kind))
        });
        answer.extents(span, runs)
    }
}

impl Combine for Striped {
    fn combine(&mut self, ended: &mut Ended<'_>, answer: &mut Answer<'_>) -> Result<(), Cause> {
        ended.all()?;
        match self.op {
            ControlOp::Len => {
                let mut nearest = u64::MAX;
                for index in 0..ended.parts.len() {
                    let member = ended.parts[index].member as u64;
                    let missing = self.layout.first_missing(member, ended.len(index)?);
                    nearest = nearest.min(missing);
                }
                answer.len(nearest)
            }
            ControlOp::Extents(span) => self.layout.extents(span, ended, answer),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_largest_addresses_do_not_overflow() {
        for (members, unit) in [(1, 7), (3, 10), (2, 1 << 63), (3, u64::MAX), (u64::MAX, 1)] {
            let unit = NonZeroU64::new(unit).unwrap();
            let layout = Layout { members, unit };
            let sum = (0..members.min(3)).map(|member| u128::from(layout.share(member, u64::MAX)));
            let rest = u128::from(members.saturating_sub(3));
            assert!(sum.sum::<u128>() + rest <= u128::from(u64::MAX));
            let (member, end) = layout.unit_of(u64::MAX - 1);
            assert!(member < members && end > u64::MAX - 1);
        }
    }

    #[test]
    fn a_share_has_the_bytes_before_an_address() {
        let unit = NonZeroU64::new(10).unwrap();
        let layout = Layout { members: 3, unit };
        let shares = |at| [0, 1, 2].map(|member| layout.share(member, at));
        assert_eq!(shares(0), [0, 0, 0]);
        assert_eq!(shares(47), [20, 17, 10]);
        assert_eq!(shares(60), [20, 20, 20]);
    }
}
