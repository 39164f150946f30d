//! The control operations of an [`Overlay`]. The base gets none.

use super::Overlay;
use super::shared::{Objects, OverlayShared, ZeroEdges};
use super::state::{Extent, PendingWrite, Side};
use crate::sent::{self, Sent, SentPool};
use crate::translate::{Translated, cut};
use alloc::sync::Arc;
use core::ops::Range;
use mfio::control::{
    Answer, Capabilities, ControlIo, ControlKind, ControlOp, ExtentKind, Span, answer_with,
};
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, Operation, PacketIo, Read, Write};
use mfio::packet::{AlignedBuf, Outcome, View};

/// The operations that the layer has by itself.
const OWN: Capabilities = Capabilities::NONE
    .with(ControlKind::Discard)
    .with(ControlKind::WriteZeroes)
    .with(ControlKind::Len)
    .with(ControlKind::Extents);

/// The operations that it has if the top has them.
const OF_TOP: Capabilities = Capabilities::NONE
    .with(ControlKind::SyncData)
    .with(ControlKind::SyncAll)
    .with(ControlKind::Allocate)
    .with(ControlKind::Prefetch);

/// The effect of an operation on the layer's granules.
enum Effect {
    /// The top carries out this one.
    Top(ControlOp),
    /// These granules become zero, and zeros are written to the rest of the range.
    Zero(Range<u64>, Span),
    /// These granules become zero.
    Discard(Range<u64>),
    Len,
    Extents(Span),
    Nothing,
    Failed(ErrorKind),
}

impl Effect {
    fn new(extent: Extent, op: ControlOp) -> Self {
        let op = match op {
            ControlOp::SyncData | ControlOp::SyncAll => return Self::Top(op),
            ControlOp::Len => return Self::Len,
            op => match cut(op, extent.len) {
                Ok(Some(op)) => op,
                Ok(None) => return Self::Nothing,
                Err(kind) => return Self::Failed(kind),
            },
        };
        match op {
            ControlOp::Discard(span) => Self::Discard(extent.whole(span)),
            ControlOp::WriteZeroes(span, _) => Self::Zero(extent.whole(span), span),
            ControlOp::Extents(span) => Self::Extents(span),
            ControlOp::Allocate(span) => Self::Top(op.with_span(extent.around(span))),
            op => Self::Top(op),
        }
    }
}

impl Extent {
    /// Returns the whole granules of a range within the extent, which has bytes.
    fn whole(self, span: Span) -> Range<u64> {
        let first = self.granule_of(span.start());
        let begins = u64::from(self.start(first) < span.start());
        let end = match span.end() {
            end if end == self.len => self.granules(),
            end => self.granule_of(end),
        };
        first + begins..end
    }

    /// Returns the bytes of the granules that a range touches, which has bytes.
    fn around(self, span: Span) -> Span {
        let last = self.granule_of(span.end() - 1);
        self.bytes(&(self.granule_of(span.start())..last + 1))
            .into()
    }
}

impl<B, T, P> ControlIo for Overlay<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: ControlIo + PacketIo<Write, P> + Send + Sync + 'static,
{
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        let Self { objects, shared } = self;
        if !self.capabilities().supports(op) {
            return view.fail(ErrorKind::NotSupported);
        }
        match Effect::new(shared.extent, op) {
            Effect::Top(op) => objects.top.send_control(op, view),
            Effect::Zero(granules, span) => shared.write_zeroes(objects, granules, span, view),
            Effect::Discard(granules) => match self.discard(granules) {
                Some(op) => objects.top.send_control(op, view),
                None => Translated::end(view),
            },
            Effect::Len => answer_with(view, |answer| answer.len(shared.extent.len)),
            Effect::Extents(span) => answer_with(view, |answer| shared.extents(span, answer)),
            Effect::Nothing => Translated::end(view),
            Effect::Failed(kind) => view.fail(kind),
        }
    }

    fn capabilities(&self) -> Capabilities {
        let top = self.objects.top.capabilities().intersection(OF_TOP);
        top.iter().fold(OWN, Capabilities::with)
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        let Self { objects, shared } = self;
        if !self.capabilities().supports(op) {
            return Some(Err(ErrorKind::NotSupported.into()));
        }
        match Effect::new(shared.extent, op) {
            Effect::Top(op) => objects.top.control_blocking(op, answer),
            Effect::Zero(granules, span) => {
                let edges = shared.extent.bytes(&granules) != (span.start()..span.end());
                if edges || granules.is_empty() {
                    return None;
                }
                shared.state.lock().set_zero(granules);
                Some(Ok(()))
            }
            Effect::Discard(granules) => match self.discard(granules) {
                Some(op) => objects.top.control_blocking(op, answer),
                None => Some(Ok(())),
            },
            Effect::Len => Some(answer.len(shared.extent.len)),
            Effect::Extents(span) => Some(shared.extents(span, answer)),
            Effect::Nothing => Some(Translated::answer_nothing(answer)),
            Effect::Failed(kind) => Some(Err(kind.into())),
        }
    }
}

impl<B, T, P> Overlay<B, T, P>
where
    T: ControlIo,
{
    /// Discards whole granules. Returns the operation for the top, if it supports it.
    fn discard(&self, granules: Range<u64>) -> Option<ControlOp> {
        let Self { objects, shared } = self;
        if granules.is_empty() {
            return None;
        }
        shared.state.lock().set_zero(granules.clone());
        let op = ControlOp::Discard(shared.extent.bytes(&granules).into());
        objects.top.capabilities().supports(op).then_some(op)
    }
}

impl<B, T, P> OverlayShared<B, T, P> {
    /// Answers where there are holes, and where data.
    fn extents(&self, span: Span, answer: &mut Answer<'_>) -> Result<(), Cause> {
        let state = self.state.lock();
        let mut at = span.start();
        // Of data on both sides the parts are one run, as an answer may have room for one.
        let mut runs = core::iter::from_fn(|| {
            let (side, end) = (at < span.end()).then(|| state.run(self.extent.granule_of(at)))?;
            let start = core::mem::replace(&mut at, self.extent.start(end));
            Some((at - start, side))
        })
        .peekable();
        let merged = core::iter::from_fn(|| {
            let (mut len, side) = runs.next()?;
            while let Some((more, _)) =
                runs.next_if(|(_, next)| (*next == Side::Zero) == (side == Side::Zero))
            {
                len += more;
            }
            let kind = match side {
                Side::Zero => ExtentKind::Hole,
                _ => ExtentKind::Data,
            };
            Some((len, kind))
        });
        answer.extents(span, merged)
    }
}

impl<B, T, P> OverlayShared<B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Sets granules to zero, and writes zeros to the rest of a range.
    fn write_zeroes(
        self: &Arc<Self>,
        objects: &Objects<B, T>,
        granules: Range<u64>,
        span: Span,
        view: View<Read>,
    ) {
        let (head, tail) = match granules.is_empty() {
            true => (span, Span::default()),
            false => {
                let bytes = self.extent.bytes(&granules);
                self.state.lock().set_zero(granules);
                (span.until(bytes.start), span.starting_at(bytes.end))
            }
        };
        // Less than two granules.
        let (head_len, tail_len) = (head.len() as usize, tail.len() as usize);
        if head_len + tail_len == 0 {
            return Translated::end(view);
        }
        let memory = objects.top.alignment(Operation::Write).memory();
        let zeros = match AlignedBuf::try_with_alignment(head_len + tail_len, memory) {
            Ok(zeros) => zeros,
            Err(cause) => return view.fail(cause),
        };
        let relay = sent::relay(self, zeros, ZeroEdges { view });
        let (first, last) = relay.start::<Write>().split_at(head_len);
        for (span, view) in [(head, first), (tail, last)] {
            match view.is_empty() {
                true => view.done(),
                false => {
                    let at = span.start();
                    self.write(objects, PendingWrite { at, view });
                }
            }
        }
    }
}

impl<B, T, P> Sent<AlignedBuf, OverlayShared<B, T, P>> for ZeroEdges
where
    P: Address,
    B: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    fn pool(
        shared: &OverlayShared<B, T, P>,
    ) -> &SentPool<AlignedBuf, OverlayShared<B, T, P>, Self> {
        &shared.edges
    }

    fn ended(self, _: Arc<OverlayShared<B, T, P>>, _: AlignedBuf, outcome: Outcome) {
        match outcome.first_error() {
            None => Translated::end(self.view),
            Some(cause) => self.view.fail(cause),
        }
    }
}
