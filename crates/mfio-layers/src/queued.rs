//! [`QueuedRequest`]: requests of either direction that wait in a layer, in one queue.

use crate::directions::{AnyView, DirectionExt};
use alloc::sync::Arc;
use mfio::io::Direction;
use mfio::packet::View;

/// A request that waits in a layer with the shared state `C`, and a note of that layer. It keeps
/// neither the layer nor the object below alive, so that it ends when the layer is dropped.
pub(crate) struct QueuedRequest<C, P, X = ()> {
    pub(crate) pos: P,
    pub(crate) view: AnyView,
    pub(crate) note: X,
    resume: fn(&Arc<C>, P, AnyView, X),
}

/// A layer that continues requests.
pub(crate) trait Resume<D: Direction, P, X>: Sized {
    fn resume(self: &Arc<Self>, pos: P, view: View<D>, note: X);
}

impl<C, P: Copy, X> QueuedRequest<C, P, X> {
    pub(crate) fn new<D: DirectionExt>(pos: P, view: View<D>, note: X) -> Self
    where
        C: Resume<D, P, X>,
    {
        Self {
            pos,
            view: D::erase(view),
            note,
            resume: |shared, pos, view, note| {
                if let Some(view) = D::restore(view) {
                    shared.resume(pos, view, note);
                }
            },
        }
    }

    pub(crate) fn resume(self, shared: &Arc<C>) {
        (self.resume)(shared, self.pos, self.view, self.note);
    }

    /// Splits off the first `len` bytes. The rest is at `next`; where there is no such position,
    /// its view is returned.
    pub(crate) fn split(self, len: usize, next: Option<P>) -> (Self, Result<Self, AnyView>)
    where
        X: Copy,
    {
        let (head, tail) = self.view.split_at(len);
        let first = Self { view: head, ..self };
        let rest = match next {
            Some(pos) => Ok(Self {
                pos,
                view: tail,
                ..first
            }),
            None => Err(tail),
        };
        (first, rest)
    }
}
