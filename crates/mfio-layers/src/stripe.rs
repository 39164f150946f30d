//! [`Stripe`]: one address space over several objects, unit by unit.

mod striped;

use crate::alignment;
use crate::gather::{self, Gather, MemberOp};
use crate::identity::{first_explanation, first_pool, identity_over_many, strictest};
use crate::len::{StripeLen, first_missing};
use crate::route::{self, Destination};
use crate::routed::{self, Routed, Routing};
use crate::translate::OF_PARTS;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::num::NonZeroU64;
use mfio::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp};
use mfio::error::{Cause, Error, ErrorKind, Result};
use mfio::io::{
    Address, Alignment, Direction, Exposed, Identity, IoObject, Operation, PacketIo, Read,
};
use mfio::packet::{PacketPool, View};
use mfio::traits::HasLen;
use striped::{Layout, Striped};

/// Stripes an address space over several objects, as RAID 0 does: the first unit of bytes is the
/// first unit of the first object, the next one that of the second, and after one unit of each it
/// continues with their second units.
///
/// Requests are split into one part for each unit: the parts of one object are contiguous there,
/// but not in the memory of the request. Where an object ends, or fails, only its parts fail.
///
/// The length ([`HasLen`]) is that of the bytes before the first missing one, where a read comes
/// short. The objects are asked at the same time, which allocates once. It is not known where one
/// of them cannot tell.
///
/// A stripe has no backend of its own, because its objects may have several:
/// [`AttachBackend`](crate::AttachBackend) adds the one that all share, and
/// [`BackendSet`](crate::BackendSet) makes one of many.
///
/// # Control operations
/// The parts of an operation are in flight at once, and it ends when all have ended, with the first
/// failure in the order of the objects. A range of the stripe is one range of each object, however
/// many units it has. Only an operation on one object has a short cut.
///
/// | operation | effect of the layer |
/// |---|---|
/// | `SyncData`, `SyncAll`, `Shutdown` | all objects carry it out |
/// | `Discard`, `Prefetch`, `WriteZeroes`, `Allocate` | each object gets its part of the range |
/// | `Extents` | those of the objects, up to the first byte that is missing |
/// | `SetLen` | each object gets the length of its part; if one fails, lengths differ |
/// | `Len` | that of the bytes before the first missing one: all objects are asked |
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
/// use mfio_layers::{AttachBackend, Stripe, BackendSet};
/// use std::sync::Arc;
///
/// let halves = [b"ABEFI", b"CDGHJ"].map(|bytes| Arc::new(Memory::new(bytes.to_vec())));
/// let stripe = Stripe::new(halves.clone(), 2)?;
/// let io = AttachBackend::new(stripe, BackendSet::new(halves)?);
///
/// assert_eq!(io.block_on(io.read_vec_at(0, 8))?, b"ABCDEFGH");
/// // The first object ends within its third unit.
/// assert_eq!(io.block_on(io.read_vec_at(7, 100))?, b"HI");
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stripe<Io> {
    members: Box<[Io]>,
    unit: NonZeroU64,
    control: Arc<Gather<Striped>>,
}

impl<Io> Stripe<Io> {
    /// Stripes over `members` in units of `unit` bytes.
    ///
    /// # Errors
    /// `InvalidInput` where there is no member, or the unit is 0, or no multiple of the largest
    /// block that a member asks for ([`alignment`](IoObject::alignment)).
    pub fn new(members: impl Into<Box<[Io]>>, unit: u64) -> Result<Self>
    where
        Io: IoObject,
    {
        let stripe = Self::unchecked(members.into(), unit)?;
        let alignment = strictest(stripe.members.iter(), Operation::Read);
        let aligned = stripe.members.len() == 1 || alignment::is_edge(unit, alignment);
        let help = "an object takes whole blocks only (`IoObject::alignment`): a unit must be a \
                    multiple of the largest block";
        alignment::check(aligned, "striping", help)?;
        Ok(stripe)
    }

    fn unchecked(members: Box<[Io]>, unit: u64) -> Result<Self> {
        match NonZeroU64::new(unit) {
            Some(unit) if !members.is_empty() => Ok(Self {
                members,
                unit,
                control: Gather::new(),
            }),
            _ => Err(Error::new(ErrorKind::InvalidInput, "striping")
                .help("a stripe needs an object at least, and units of a byte at least")),
        }
    }

    /// Returns the objects, in their order.
    pub const fn members(&self) -> &[Io] {
        &self.members
    }

    /// Returns the size of a unit in bytes.
    pub const fn unit(&self) -> u64 {
        self.unit.get()
    }

    /// Returns the objects.
    pub fn into_members(self) -> Box<[Io]> {
        self.members
    }

    #[inline]
    fn walk(&self) -> UnitWalk<'_, Io> {
        UnitWalk {
            stripe: self,
            next: None,
        }
    }
}

/// The walk of one request through the units.
struct UnitWalk<'a, Io> {
    stripe: &'a Stripe<Io>,
    /// The member that has the next unit, and its address there; `None` before the first one.
    next: Option<(usize, u64)>,
}

impl<'a, Io> UnitWalk<'a, Io> {
    /// Returns the destination of the next part. Divides once for each request, not for each part.
    #[inline]
    fn route<Q: Address>(&mut self, at: u64) -> Destination<'a, Io, Q> {
        let Stripe { members, unit, .. } = self.stripe;
        if let [only] = &**members {
            return Destination::of(only, at, u64::MAX);
        }
        let (member, row, within) = match self.next {
            Some((member, row)) => (member, row, 0),
            None => {
                let (number, within) = (at / *unit, at % *unit);
                let members = members.len() as u64;
                // The remainder is less than the number of members, so it fits. A row begins no
                // later than its bytes, so the product does not overflow.
                (
                    (number % members) as usize,
                    number / members * unit.get(),
                    within,
                )
            }
        };
        self.next = Some(if member + 1 < members.len() {
            (member + 1, row)
        } else {
            // It wraps only beyond the end of the address space, where it is not used.
            (0, row.wrapping_add(unit.get()))
        });
        Destination::of(&members[member], row + within, unit.get() - within)
    }
}

impl<Io: IoObject> IoObject for Stripe<Io> {
    fn identity(&self) -> Identity<'_> {
        identity_over_many("a stripe", self.members.len(), self.members[0].identity())
    }

    fn explain(&self, operation: Operation, cause: Cause) -> Option<&'static str> {
        let named = || self.control.explain(operation, cause);
        first_explanation(self.members.iter(), operation, cause).or_else(named)
    }

    #[inline]
    fn pool(&self) -> Option<&PacketPool> {
        first_pool(self.members.iter())
    }

    fn alignment(&self, operation: Operation) -> Alignment {
        strictest(self.members.iter(), operation)
    }

    fn len_now(&self) -> Option<u64> {
        let number = self.members.len() as u64;
        let ends = (0..).zip(&self.members).map(|(member, io)| {
            let len = io.len_now()?;
            Some(first_missing(member, number, self.unit, len))
        });
        // `None` is less than any number.
        ends.min().flatten()
    }
}

impl<D: Direction, P: Address, Io: PacketIo<D, P>> PacketIo<D, P> for Stripe<Io> {
    #[inline]
    fn send_io(&self, pos: P, view: View<D>) {
        let mut walk = self.walk();
        route::split_and_send(pos, view, |at, _| walk.route::<P>(at));
    }

    /// Transfers the part in the first unit.
    #[inline]
    fn transfer_blocking(
        &self,
        pos: P,
        bytes: D::Slice<'_>,
    ) -> Option<core::result::Result<usize, Cause>> {
        route::transfer_first::<D, P, P, Io>(pos, bytes, |at, _| self.walk().route(at))
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        route::expose_first::<D, P, P, Io>(pos, len, |at, _| self.walk().route(at))
    }
}

impl<Io> Stripe<Io> {
    fn layout(&self) -> Layout {
        Layout {
            members: self.members.len() as u64,
            unit: self.unit,
        }
    }
}

impl<Io: ControlIo> Routed for Stripe<Io> {
    type Io = Io;
    type Rule = Striped;

    fn gather(&self) -> &Arc<Gather<Striped>> {
        &self.control
    }

    fn object(&self, index: usize) -> &Io {
        &self.members[index]
    }

    fn route(&self, op: ControlOp) -> Routing<Striped> {
        let layout = self.layout();
        let rule = Striped { op, layout };
        match op {
            ControlOp::SyncData
            | ControlOp::SyncAll
            | ControlOp::Shutdown
            | ControlOp::SetLen(_)
            | ControlOp::Len => Routing::Objects(op, rule),
            op => Routing::within(u64::MAX, op, rule),
        }
    }

    fn parts(&self, op: ControlOp, _: usize) -> impl Iterator<Item = MemberOp> {
        let layout = self.layout();
        let parts = (0..self.members.len()).map(move |index| {
            let share = |at| layout.share(index as u64, at);
            let op = match op {
                ControlOp::SetLen(len) => ControlOp::SetLen(share(len)),
                op => match op.span() {
                    Some(span) => op.with_span((share(span.start())..share(span.end())).into()),
                    None => op,
                },
            };
            MemberOp::new(index, op)
        });
        parts.filter(|part| !part.op.is_empty())
    }
}

impl<Io: ControlIo> ControlIo for Stripe<Io> {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        routed::send(self, op, view);
    }

    fn capabilities(&self) -> Capabilities {
        let kept = OF_PARTS
            .with(ControlKind::SetLen)
            .with(ControlKind::Shutdown);
        gather::common(self.members.iter()).intersection(kept)
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<core::result::Result<(), Cause>> {
        routed::execute(self, op, answer)
    }
}

impl<Io: HasLen> HasLen for Stripe<Io> {
    type Len = StripeLen<Io::Len>;

    fn io_len(&self) -> Self::Len {
        StripeLen::new(self.members.iter().map(HasLen::io_len), self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn places(stripe: &Stripe<char>, mut at: u64, parts: usize) -> vec::Vec<(char, u64, u64)> {
        let mut walk = stripe.walk();
        let mut places = vec![];
        for _ in 0..parts {
            let to = walk.route::<u64>(at);
            let (member, place) = to.to.unwrap();
            places.push((*member, place, to.len));
            at = at.saturating_add(to.len);
        }
        places
    }

    #[test]
    fn units_are_dealt_out_round_robin() {
        let stripe = Stripe::unchecked(Box::new(['a', 'b', 'c']), 10).unwrap();
        assert_eq!(
            places(&stripe, 47, 4),
            [('b', 17, 3), ('c', 10, 10), ('a', 20, 10), ('b', 20, 10)]
        );
        assert_eq!(places(&stripe, 0, 1), [('a', 0, 10)]);
        assert_eq!(
            places(&stripe, u64::MAX, 1),
            [('b', u64::MAX / 30 * 10 + 5, 5)]
        );
    }

    #[test]
    fn one_member_is_not_split_and_huge_units_do_not_overflow() {
        assert_eq!(
            places(&Stripe::unchecked(Box::new(['a']), 10).unwrap(), 5, 1),
            [('a', 5, u64::MAX)]
        );
        let stripe = Stripe::unchecked(Box::new(['a', 'b']), u64::MAX).unwrap();
        assert_eq!(
            places(&stripe, u64::MAX - 2, 2),
            [('a', u64::MAX - 2, 2), ('b', 0, u64::MAX)]
        );
        let stripe = Stripe::unchecked(Box::new(['a', 'b']), 1 << 63).unwrap();
        assert_eq!(
            places(&stripe, u64::MAX, 2),
            [('b', (1 << 63) - 1, 1), ('a', 1 << 63, 1 << 63)]
        );
    }

    #[test]
    fn nothing_to_stripe_over_is_an_error() {
        for error in [
            Stripe::<char>::unchecked(Box::new([]), 1),
            Stripe::unchecked(Box::new(['a']), 0),
        ] {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}
