//! The control operations of a [`Blocks`].

use super::Blocks;
use super::geometry::Geometry;
use super::modify::Source;
use super::shared::{AskedExtents, BlocksShared, BufferedWrite, QueuedZeroes};
use super::shared::{ZeroedBlocks, ZeroedBytes, Zeroes};
use crate::sent::{self, Sent, SentPool};
use crate::steps::OnPanic;
use crate::translate::Translated;
use alloc::sync::Arc;
use alloc::vec::Vec;
use mfio::control::{Answer, Capabilities, ControlIo, ControlOp, Span};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, PacketIo, Read, Write};
use mfio::packet::{AlignedBuf, Outcome, View};

/// The way in which the layer carries out an operation.
enum Plan {
    /// Sends this one.
    Forward(ControlOp),
    /// Sends it in the order of writes to the blocks from one byte to another one.
    InOrder(u64, u64),
    /// Asks for the extents of whole blocks.
    Ask(AskedExtents),
    /// Nothing.
    Ignore,
}

impl Plan {
    fn new(geometry: Geometry, op: ControlOp) -> Self {
        match op {
            op if op.is_empty() => Self::Ignore,
            ControlOp::Discard(span) => match geometry.shrink(span) {
                blocks if blocks.is_empty() => Self::Ignore,
                blocks => Self::Forward(op.with_span(blocks)),
            },
            ControlOp::Allocate(span) | ControlOp::Prefetch(span) => {
                Self::Forward(op.with_span(geometry.widen(span)))
            }
            ControlOp::Extents(wanted) => Self::Ask(AskedExtents {
                wanted,
                asked: geometry.widen(wanted),
            }),
            ControlOp::WriteZeroes(span, _) => match geometry.blocks(span.start(), span.len()) {
                Some((first, last)) => Self::InOrder(first, last),
                None => Self::Ignore,
            },
            ControlOp::SetLen(len) => Self::InOrder(geometry.start(len), u64::MAX),
            op => Self::Forward(op),
        }
    }
}

impl<Io, P> ControlIo for Blocks<Io, P>
where
    P: Address,
    Io: ControlIo + PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let Self { inner, shared } = self;
        if !inner.capabilities().supports(op) {
            // It says so, also of an operation that would not reach it.
            return inner.send_control(op, view);
        }
        match Plan::new(shared.geometry, op) {
            Plan::Forward(op) => inner.send_control(op, view),
            Plan::InOrder(first, last) => shared.control(inner, (first, last), op, view),
            Plan::Ask(question) => shared.ask(&**inner, question, view),
            Plan::Ignore => Translated::end(view),
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    /// Carries out operations that are forwarded; zeros of whole blocks, and a length, while no
    /// write is under way.
    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        let Self { inner, shared } = self;
        if !inner.capabilities().supports(op) {
            return inner.control_blocking(op, answer);
        }
        match Plan::new(shared.geometry, op) {
            Plan::Forward(op) => inner.control_blocking(op, answer),
            Plan::InOrder(first, last) => {
                let whole = |span| shared.geometry.widen(span) == span;
                if !op.span().is_none_or(whole) {
                    return None;
                }
                let number = shared.gate.alone(first, last)?;
                let panicked = OnPanic(|| shared.finish(number));
                let result = inner.control_blocking(op, answer);
                core::mem::forget(panicked);
                shared.finish(number);
                result
            }
            Plan::Ask(_) => None,
            Plan::Ignore => Some(Translated::answer_nothing(answer)),
        }
    }
}

impl<Io, P> BlocksShared<Io, P>
where
    P: Address,
    Io: ControlIo + PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Sets a range to zero, one part after another.
    pub(super) fn write_zeroes(self: &Arc<Self>, io: &Io, zeroes: Zeroes, view: View<Read>) {
        let Zeroes { span, unmap } = zeroes;
        if span.is_empty() {
            return view.done();
        }
        let (part, whole) = self.geometry.part_of_zeroes(span);
        let rest = Zeroes {
            span: span.starting_at(part.end()),
            unmap,
        };
        if whole {
            let relay = sent::relay(self, view, ZeroedBlocks { rest });
            return io.send_control(ControlOp::WriteZeroes(part, unmap), relay.start());
        }
        let queued = QueuedZeroes {
            zeroes,
            resume: Self::write_zeroes,
        };
        match self.borrow(part.start(), view, Some(queued)) {
            None => {}
            Some((Err(cause), view)) => self.fail_unbuffered(view, cause),
            Some((Ok(buffer), view)) => {
                let source = ZeroedBytes { view, rest };
                // Less than a block.
                self.modify(io, part.start(), part.len() as usize, source, buffer);
            }
        }
    }

    /// Continues with the rest of a range, a part of which has ended.
    fn continue_zeroes(self: &Arc<Self>, rest: Zeroes, view: View<Read>, outcome: &Outcome) {
        match (outcome.first_error(), self.inner.upgrade()) {
            (Some(cause), _) => view.fail(cause),
            (None, _) if rest.span.is_empty() => view.done(),
            (None, Some(io)) => self.write_zeroes(&io, rest, view),
            (None, None) => drop(view),
        }
    }
}

impl<Io, P> Sent<View<Read>, BlocksShared<Io, P>> for ZeroedBlocks
where
    P: Address,
    Io: ControlIo + PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    fn pool(shared: &BlocksShared<Io, P>) -> &SentPool<View<Read>, BlocksShared<Io, P>, Self> {
        &shared.zeroes
    }

    fn ended(self, shared: Arc<BlocksShared<Io, P>>, view: View<Read>, outcome: Outcome) {
        shared.continue_zeroes(self.rest, view, &outcome);
    }
}

impl<Io, P> Source<Io, P> for ZeroedBytes
where
    P: Address,
    Io: ControlIo + PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    fn pool(
        shared: &BlocksShared<Io, P>,
    ) -> &SentPool<AlignedBuf, BlocksShared<Io, P>, BufferedWrite<P, Self>> {
        &shared.buffered_zeroes
    }

    fn copy_to(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }

    fn end(self, shared: &Arc<BlocksShared<Io, P>>, outcome: &Outcome) {
        shared.continue_zeroes(self.rest, self.view, outcome);
    }

    fn fail(self, cause: Cause) {
        self.view.fail(cause);
    }
}

impl<Io, P> BlocksShared<Io, P>
where
    P: Address,
    Io: ControlIo + Send + Sync + 'static,
{
    /// Asks for the extents of whole blocks.
    fn ask(self: &Arc<Self>, io: &Io, question: AskedExtents, view: View<Read>) {
        let op = ControlOp::Extents(question.asked);
        let relay = sent::relay(self, view, question);
        io.send_control(op, relay.start());
    }
}

impl<Io, P> Sent<View<Read>, BlocksShared<Io, P>> for AskedExtents
where
    P: Address,
    Io: ControlIo + Send + Sync + 'static,
{
    fn pool(shared: &BlocksShared<Io, P>) -> &SentPool<View<Read>, BlocksShared<Io, P>, Self> {
        &shared.extents
    }

    /// Cuts the answer to the range that is wanted.
    fn ended(self, shared: Arc<BlocksShared<Io, P>>, mut view: View<Read>, outcome: Outcome) {
        let Self { wanted, asked } = self;
        if !outcome.is_success() {
            return view.resolve(&outcome);
        }
        let mut answer = Answer::new(view.bytes_mut());
        let mut end = asked.start();
        let part = |span: Span| span.starting_at(wanted.start()).until(wanted.end());
        let runs: Vec<_> = answer
            .read_extents(asked)
            .inspect(|run| end = run.span.end())
            .map(|run| (part(run.span).len(), run.kind))
            .collect();
        if end > asked.start() && end <= wanted.start() {
            // There was room for runs before the range only.
            let asked = asked.starting_at(end);
            return match shared.inner.upgrade() {
                Some(io) => shared.ask(&*io, Self { wanted, asked }, view),
                None => view.fail(ErrorKind::Dropped),
            };
        }
        match answer.extents(wanted, runs) {
            Ok(()) => view.done(),
            Err(cause) => view.fail(cause),
        }
    }
}
