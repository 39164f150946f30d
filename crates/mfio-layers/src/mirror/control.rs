//! Control operations of a [`Mirror`](super::Mirror): the replicas that get them, their order, and
//! their results.

use super::replicas::Mask;
use super::shared::{MirrorShared, ReplicatedControl, WritePolicy};
use crate::gather::{Combine, Ended, MemberOp};
use crate::order::{Entry, Number};
use crate::queued::{QueuedRequest, ResumeControl};
use alloc::sync::Arc;
use mfio::control::{Answer, ControlIo, ControlKind, ControlOp};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Position, Read};
use mfio::packet::View;

/// The effects of an operation on the replicas.
struct Effects {
    /// Whether stale replicas take part.
    all: bool,
    /// Whether replicas that fail it are stale.
    stale: bool,
}

fn effects(kind: ControlKind) -> Option<Effects> {
    let (all, stale) = match kind {
        ControlKind::SyncData
        | ControlKind::SyncAll
        | ControlKind::WriteZeroes
        | ControlKind::SetLen => (true, true),
        ControlKind::Discard | ControlKind::Allocate | ControlKind::Shutdown => (true, false),
        ControlKind::Prefetch | ControlKind::Len | ControlKind::Extents => (false, false),
        _ => return None,
    };
    Some(Effects { all, stale })
}

/// Whether replicas would differ if some of them did not carry it out.
fn changes_bytes(op: ControlOp) -> bool {
    matches!(op, ControlOp::WriteZeroes(..) | ControlOp::SetLen(_))
}

impl<Io, P> MirrorShared<Io, P>
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    /// Sends an operation, or queues it until the earlier writes that overlap it have ended.
    pub(super) fn carry_out(self: &Arc<Self>, objects: &[Io], op: ControlOp, view: View<Read>) {
        let supports = |object: &Io| object.capabilities().supports(op);
        if changes_bytes(op) && !objects.iter().all(supports) {
            return view.fail(ErrorKind::NotSupported);
        }
        let Some((first, last)) = self.control_range(objects, op) else {
            return self.send_control(objects, op, view, None);
        };
        let mut order = self.order.enter();
        match order.enter(first, last) {
            Entry::Begins(number) => {
                drop(order);
                self.send_control(objects, op, view, Some(number));
            }
            Entry::Waits(number) => {
                order.queue(number, QueuedRequest::control(op, view, number));
            }
            Entry::Refused => {
                drop(order);
                view.fail(ErrorKind::LimitReached);
            }
        }
    }

    /// Returns the first and the last byte of an operation that has a place in the order of writes.
    fn control_range(&self, objects: &[Io], op: ControlOp) -> Option<(u64, u64)> {
        match op {
            _ if objects.len() == 1 => None,
            ControlOp::WriteZeroes(span, _) | ControlOp::Discard(span) => {
                match self.writes_in_order(objects) {
                    true => Some((0, u64::MAX)),
                    false => Some((span.start(), span.end() - 1)),
                }
            }
            ControlOp::SetLen(_) | ControlOp::Shutdown => Some((0, u64::MAX)),
            _ => None,
        }
    }

    fn send_control(
        self: &Arc<Self>,
        objects: &[Io],
        op: ControlOp,
        view: View<Read>,
        number: Option<Number>,
    ) {
        let Some(Effects { all, .. }) = effects(op.kind()) else {
            return view.fail(ErrorKind::NotSupported);
        };
        // As of one moment: the parts are listed more than once.
        let fresh = self.replicas.fresh_mask();
        let asked = move |replica: &usize| all || fresh >> *replica & 1 == 1;
        let parts = || {
            let replicas = (0..objects.len()).filter(asked);
            replicas.map(|replica| MemberOp::new(replica, op))
        };
        let rule = ReplicatedControl {
            shared: self.clone(),
            op,
            number,
            starts: false,
        };
        self.control
            .send(view, rule, parts, |replica| &objects[replica]);
    }
}

impl<Io, P> ResumeControl<Number> for MirrorShared<Io, P>
where
    P: Position,
    Io: ControlIo + Send + Sync + 'static,
{
    fn resume_control(self: &Arc<Self>, op: ControlOp, view: View<Read>, number: Number) {
        match self.objects.upgrade() {
            Some(objects) => self.send_control(&objects, op, view, Some(number)),
            // The layer is dropped.
            None => self.order.give_up(number, None),
        }
    }
}

impl<Io, P> Combine for ReplicatedControl<Io, P>
where
    P: Position,
    Io: Send + Sync + 'static,
{
    fn combine(&mut self, ended: &mut Ended<'_>, answer: &mut Answer<'_>) -> Result<(), Cause> {
        // Before the initiator learns of the end, and may write there.
        let shared = &self.shared;
        self.starts = self
            .number
            .is_some_and(|number| shared.order.finish(number));
        match self.op {
            ControlOp::Len => answer.len(longest(ended)?),
            ControlOp::Extents(_) => {
                let best = best_extents(ended)?;
                answer.extents(.., ended.extents(best))
            }
            ControlOp::Prefetch(_) => {
                match (0..ended.parts.len()).any(|n| ended.failure(n).is_none()) {
                    true => Ok(()),
                    false => ended.all(),
                }
            }
            op => self.shared.control_result(op, ended),
        }
    }

    fn over(self) {
        if self.starts {
            self.shared.start_ready();
        }
    }
}

impl<Io, P: Position> MirrorShared<Io, P> {
    /// Decides the result of an operation by the replicas that failed it, and marks those as stale,
    /// if that is its effect.
    fn control_result(&self, op: ControlOp, ended: &Ended<'_>) -> Result<(), Cause> {
        let stale = effects(op.kind()).is_some_and(|effects| effects.stale);
        let (mut failed, mut marked): (Mask, Mask) = (0, 0);
        for (replica, cause) in ended.failures() {
            failed |= 1 << replica;
            // A replica that cannot sync has lost nothing.
            if stale && (changes_bytes(op) || cause.kind() != ErrorKind::NotSupported) {
                marked |= 1 << replica;
            }
        }
        if marked != 0 {
            self.replicas.mark(marked);
        }
        let done = self.replicas.fresh_mask() & !failed != 0;
        match self.policy {
            WritePolicy::Any if done => Ok(()),
            WritePolicy::Any | WritePolicy::All => ended.all(),
        }
    }
}

/// Returns the greatest of the lengths that were answered.
fn longest(ended: &mut Ended<'_>) -> Result<u64, Cause> {
    let mut longest = None;
    for index in 0..ended.parts.len() {
        if ended.failure(index).is_none() {
            longest = longest.max(Some(ended.len(index)?));
        }
    }
    longest.map_or_else(|| ended.all().map(|()| 0), Ok)
}

/// Returns the part whose extents reach farthest. An answer that is not full ends with its replica,
/// which others may be longer than.
fn best_extents(ended: &mut Ended<'_>) -> Result<usize, Cause> {
    let mut best = None;
    for index in 0..ended.parts.len() {
        if ended.failure(index).is_none() {
            let room = ended.room();
            let (count, len) = ended
                .extents(index)
                .fold((0, 0), |(count, sum), (len, _)| (count + 1, sum + len));
            let goes_on = count == room || len == ended.parts[index].span().len();
            best = best.max(Some((goes_on, len, usize::MAX - index)));
        }
    }
    match best {
        Some((.., index)) => Ok(usize::MAX - index),
        None => ended.all().map(|()| 0),
    }
}
