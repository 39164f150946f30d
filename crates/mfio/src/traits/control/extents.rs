//! Futures of extents.

use super::call::PooledControl;
use super::failure::failure;
use crate::control::{Answer, ControlIo, ControlOp, Extent, Span};
use crate::error::{Cause, Result};
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// Number of extents that one packet of a list has room for: a page of the pool.
const PER_PACKET: usize = 4096 / Answer::EXTENT;

/// The future of [`IoControl::extent_at`](super::IoControl::extent_at).
#[must_use = "nothing is sent before the first poll"]
pub struct ExtentAt<'a, Io: ?Sized> {
    pos: u64,
    sending: PooledControl<'a, Io>,
}

impl<'a, Io: ControlIo + ?Sized> ExtentAt<'a, Io> {
    #[inline]
    pub(super) fn new(io: &'a Io, pos: u64) -> Self {
        Self {
            pos,
            sending: PooledControl::new(io),
        }
    }
}

impl<Io: ControlIo + ?Sized> Future for ExtentAt<'_, Io> {
    type Output = Result<Option<Extent>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { pos, sending } = &mut *self;
        let span = Span::from(*pos..);
        if span.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let op = ControlOp::Extents(span);
        let first = |answer: &mut Answer<'_>| answer.read_extents(span).next();
        let extent = ready!(sending.poll(cx, op, Answer::EXTENT, first));
        Poll::Ready(extent.map_err(|cause| failure(sending.io, op, cause)))
    }
}

impl<Io: ?Sized> fmt::Debug for ExtentAt<'_, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtentAt")
            .field("pos", &self.pos)
            .finish_non_exhaustive()
    }
}

/// The future of [`IoControl::extents`](super::IoControl::extents).
#[must_use = "nothing is sent before the first poll"]
pub struct ListExtents<'a, Io: ?Sized> {
    list: List,
    sending: PooledControl<'a, Io>,
}

impl<'a, Io: ControlIo + ?Sized> ListExtents<'a, Io> {
    #[inline]
    pub(super) fn new(io: &'a Io, span: Span) -> Self {
        Self {
            list: List::new(span),
            sending: PooledControl::new(io),
        }
    }
}

impl<Io: ControlIo + ?Sized> Future for ListExtents<'_, Io> {
    type Output = Result<Vec<Extent>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { list, sending } = &mut *self;
        while let Some(op) = list.next_op() {
            let read = |answer: &mut Answer<'_>| list.extend(answer);
            let polled = ready!(sending.poll(cx, op, List::BYTES, read));
            if let Err(cause) = polled.flatten() {
                return Poll::Ready(Err(failure(sending.io, op, cause)));
            }
            sending.again();
        }
        Poll::Ready(Ok(core::mem::take(&mut list.extents)))
    }
}

impl<Io: ?Sized> fmt::Debug for ListExtents<'_, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListExtents")
            .field("span", &self.list.left)
            .finish_non_exhaustive()
    }
}

/// A list that grows by one answer after another.
pub(super) struct List {
    /// The range that is left to ask for.
    left: Span,
    pub(super) extents: Vec<Extent>,
}

impl List {
    /// Number of bytes of an answer.
    pub(super) const BYTES: usize = PER_PACKET * Answer::EXTENT;

    pub(super) fn new(span: Span) -> Self {
        Self {
            left: span,
            extents: Vec::new(),
        }
    }

    /// Returns the next operation, or `None` if the list is complete.
    pub(super) fn next_op(&self) -> Option<ControlOp> {
        (!self.left.is_empty()).then_some(ControlOp::Extents(self.left))
    }

    /// Takes an answer in.
    pub(super) fn extend(&mut self, answer: &mut Answer<'_>) -> Result<(), Cause> {
        let span = self.left;
        let mut count = 0;
        for extent in answer.read_extents(span) {
            count += 1;
            self.left = span.starting_at(extent.span.end());
            self.push(extent.span.until(span.end()), extent)?;
        }
        if count < PER_PACKET {
            // The object has ended.
            self.left = Span::default();
        }
        Ok(())
    }

    fn push(&mut self, span: Span, extent: Extent) -> Result<(), Cause> {
        match self.extents.last_mut() {
            Some(last) if last.kind == extent.kind && last.span.end() == span.start() => {
                last.span = Span::from(last.span.start()..span.end());
            }
            _ => {
                let room = self.extents.try_reserve(1);
                room.map_err(|_| crate::error::ErrorKind::OutOfMemory)?;
                self.extents.push(Extent { span, ..extent });
            }
        }
        Ok(())
    }
}
