//! [`QueuedRequest`]: requests of either direction and control operations that wait in a layer, in
//! one queue.

use crate::directions::{AnyView, DirectionExt, is_unwanted_control};
use alloc::sync::Arc;
use mfio::control::ControlOp;
use mfio::io::{Direction, Position, Read};
use mfio::packet::View;

/// A request that waits in a layer with the shared state `C`, and a note of that layer. It keeps
/// neither the layer nor the object below alive, so that it ends when the layer is dropped.
pub(crate) struct QueuedRequest<C, P, X = ()> {
    target: Target<P>,
    pub(crate) view: AnyView,
    pub(crate) note: X,
    resume: fn(&Arc<C>, Target<P>, AnyView, X),
}

/// The purpose of a request.
#[derive(Clone, Copy)]
enum Target<P> {
    /// A transfer from this position on.
    Transfer(P),
    Control(ControlOp),
}

/// A layer that continues requests.
pub(crate) trait Resume<D: Direction, P, X>: Sized {
    fn resume(self: &Arc<Self>, pos: P, view: View<D>, note: X);
}

/// A layer that continues control operations.
pub(crate) trait ResumeControl<X>: Sized {
    fn resume_control(self: &Arc<Self>, op: ControlOp, view: View<Read>, note: X);
}

impl<C, P: Position, X> QueuedRequest<C, P, X> {
    pub(crate) fn new<D: DirectionExt>(pos: P, view: View<D>, note: X) -> Self
    where
        C: Resume<D, P, X>,
    {
        Self {
            target: Target::Transfer(pos),
            view: D::erase(view),
            note,
            resume: |shared, target, view, note| {
                if let (Target::Transfer(pos), Some(view)) = (target, D::restore(view)) {
                    shared.resume(pos, view, note);
                }
            },
        }
    }

    /// Makes a request of a control operation.
    pub(crate) fn control(op: ControlOp, view: View<Read>, note: X) -> Self
    where
        C: ResumeControl<X>,
    {
        Self {
            target: Target::Control(op),
            view: AnyView::Read(view),
            note,
            resume: |shared, target, view, note| {
                if let (Target::Control(op), AnyView::Read(view)) = (target, view) {
                    shared.resume_control(op, view, note);
                }
            },
        }
    }

    pub(crate) fn resume(self, shared: &Arc<C>) {
        (self.resume)(shared, self.target, self.view, self.note);
    }

    /// Whether it is an abandoned read or question.
    pub(crate) fn is_unwanted(&self) -> bool {
        match (&self.target, &self.view) {
            (Target::Control(op), AnyView::Read(view)) => is_unwanted_control(*op, view),
            (_, view) => view.is_unwanted(),
        }
    }

    /// Returns how many bytes it moves; none, if it is a control operation.
    pub(crate) fn len(&self) -> usize {
        match self.target {
            Target::Transfer(_) => self.view.len(),
            Target::Control(_) => 0,
        }
    }

    /// Splits off the first `len` bytes of a transfer. Where there is no position for the rest, its
    /// view is returned.
    pub(crate) fn split(self, len: usize) -> (Self, Result<Self, AnyView>)
    where
        X: Copy,
    {
        let next = match self.target {
            Target::Transfer(pos) => pos.advance(len).map(Target::Transfer),
            control @ Target::Control(_) => Some(control),
        };
        let (head, tail) = self.view.split_at(len);
        let first = Self { view: head, ..self };
        let rest = match next {
            Some(target) => Ok(Self {
                target,
                view: tail,
                ..first
            }),
            None => Err(tail),
        };
        (first, rest)
    }
}
