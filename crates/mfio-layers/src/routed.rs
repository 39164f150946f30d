//! [`Routed`]: layers that only route control operations to objects.

use crate::gather::{Combine, Ended, Gather, MemberOp, single};
use crate::translate::{self, Translated};
use alloc::sync::Arc;
use core::iter;
use mfio::control::{Answer, ControlIo, ControlOp, answer_with};
use mfio::error::{Cause, ErrorKind};
use mfio::io::Read;
use mfio::packet::View;

/// A layer that routes control operations to objects.
pub(crate) trait Routed {
    type Io: ControlIo;
    type Rule: Combine;

    fn gather(&self) -> &Arc<Gather<Self::Rule>>;

    fn object(&self, index: usize) -> &Self::Io;

    /// Decides about an operation.
    fn route(&self, op: ControlOp) -> Routing<Self::Rule>;

    /// Returns the parts of an operation, in the order of the objects. There is room for `room`
    /// extents.
    fn parts(&self, op: ControlOp, room: usize) -> impl Iterator<Item = MemberOp>;
}

/// Returns how many parts that follow each other are needed, if there is room for so many extents:
/// each part has at least one.
pub(crate) fn needed(op: ControlOp, room: usize) -> usize {
    match op {
        ControlOp::Extents(_) => room,
        _ => usize::MAX,
    }
}

/// The decision of a layer about an operation.
pub(crate) enum Routing<C> {
    /// The objects carry out this one, and the results are combined.
    Objects(ControlOp, C),
    /// The answer is a length that the layer knows.
    Len(u64),
    /// The operation has nothing to do, and succeeds.
    Nothing,
    Failed(ErrorKind),
}

impl<C> Routing<C> {
    /// Routes an operation that has a range, cut to the address space of the layer.
    pub(crate) fn within(end: u64, op: ControlOp, rule: C) -> Self {
        match translate::cut(op, end) {
            Ok(Some(op)) => Self::Objects(op, rule),
            Ok(None) => Self::Nothing,
            Err(kind) => Self::Failed(kind),
        }
    }
}

/// Implements [`send_control`](ControlIo::send_control).
pub(crate) fn send<L: Routed>(layer: &L, op: ControlOp, view: View<Read>) {
    match layer.route(op) {
        Routing::Objects(op, rule) => {
            let room = (view.len() / Answer::EXTENT).max(1);
            let parts = || layer.parts(op, room);
            layer
                .gather()
                .send(view, rule, parts, |index| layer.object(index));
        }
        Routing::Len(len) => answer_with(view, |answer| answer.len(len)),
        Routing::Nothing => Translated::end(view),
        Routing::Failed(kind) => view.fail(kind),
    }
}

/// Implements [`control_blocking`](ControlIo::control_blocking): by the short cut of the only
/// object that has a part of the operation. There is none for several objects, because packets
/// reach all of them at once.
pub(crate) fn execute<L: Routed>(
    layer: &L,
    op: ControlOp,
    answer: &mut Answer<'_>,
) -> Option<Result<(), Cause>> {
    match layer.route(op) {
        Routing::Objects(op, _) => {
            let room = answer.room().max(1);
            match single(&|| layer.parts(op, room))? {
                Some(MemberOp { member, op, .. }) => {
                    layer.object(member).control_blocking(op, answer)
                }
                None => Some(Translated::answer_nothing(answer)),
            }
        }
        Routing::Len(len) => Some(answer.len(len)),
        Routing::Nothing => Some(Translated::answer_nothing(answer)),
        Routing::Failed(kind) => Some(Err(kind.into())),
    }
}

/// Operations whose parts follow each other: all of them have to succeed.
pub(crate) struct Sequence;

impl Combine for Sequence {
    fn combine(&mut self, ended: &mut Ended<'_>, answer: &mut Answer<'_>) -> Result<(), Cause> {
        ended.all()?;
        if !matches!(ended.parts[0].op, ControlOp::Extents(_)) {
            return Ok(());
        }
        let (mut index, mut at) = (0, ended.parts[0].span().start());
        let runs = iter::from_fn(|| {
            if at == ended.parts[index].span().end() {
                index += 1;
                at = ended.parts.get(index)?.span().start();
            }
            let (end, kind) = ended.extent(index, at)?;
            let start = core::mem::replace(&mut at, end);
            Some((end - start, kind))
        });
        answer.extents(.., runs)
    }
}
