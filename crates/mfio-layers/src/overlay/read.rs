//! The reads of an [`Overlay`]: which side has the bytes, and the zeros behind the end of the base.
//!
//! A base need not say how long it is, so its end is learned from its answers. A read that lies where the base is known to
//! have data goes to it as it is. Any other is a relay, whose end tells how far the data reaches.

use super::{Core, Overlay};
use crate::route::Segment;
use alloc::sync::Arc;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, Exposed, PacketIo, Read};
use mfio::packet::{OnEnd, Outcome, Relay, View};

/// The objects that a read may go to.
pub(super) struct Sides<'a, P> {
    pub(super) base: &'a dyn PacketIo<Read, P>,
    /// The base, with zeros behind its end.
    pub(super) tail: &'a dyn PacketIo<Read, P>,
    pub(super) top: &'a dyn PacketIo<Read, P>,
}

impl<'a, P: Address> Sides<'a, P> {
    /// Finds the next bytes of a read.
    #[inline]
    pub(super) fn segment<B, T>(
        &'a self,
        core: &Core<B, T, P>,
        at: u64,
        wanted: u64,
    ) -> Segment<'a, &'a dyn PacketIo<Read, P>, P> {
        let extent = core.extent;
        if at >= extent.len {
            return Segment::missing(ErrorKind::UnexpectedEof, wanted);
        }
        let state = core.state.lock();
        let (present, end) = state.run(extent.granule_of(at));
        let len = extent.start(end) - at;
        let side = match present {
            true => &self.top,
            false if state.base_reaches(at + len.min(wanted)) => &self.base,
            false => &self.tail,
        };
        Segment::of(side, at, len)
    }
}

/// The base of an overlay, with zeros behind its end.
pub(super) struct Tail<'a, B, T, P>(pub(super) &'a Overlay<B, T, P>);

impl<B, T, P> PacketIo<Read, P> for Tail<'_, B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    fn send_io(&self, pos: P, view: View<Read>) {
        let Overlay { objects, core } = self.0;
        let below = Below {
            core: Some(core.clone()),
            at: pos.to_u64(),
        };
        let relay = core.reads.relay(view, below);
        objects.base.send_io(pos, relay.send());
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        self.0.objects.base.expose(pos, len)
    }

    /// A short cut that gives nothing does not say how many bytes are missing, and the base may have some behind them, as
    /// a stripe or a concatenation does. So a packet asks.
    fn transfer_blocking(&self, pos: P, bytes: &mut [u8]) -> Option<Result<usize, Cause>> {
        let Overlay { objects, core } = self.0;
        let (at, len) = (pos.to_u64(), bytes.len());
        let good = match objects.base.transfer_blocking(pos, bytes)? {
            Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => 0,
            Err(cause) => return Some(Err(cause)),
            Ok(good) => good.min(len),
        };
        let end = core.base_gave(at, good);
        (good > 0 || end > at).then_some(Ok(good))
    }
}

/// A read of the base beyond the bytes that it is known to have.
pub(super) struct Below<B, T, P> {
    /// Taken out at the end, so that there is one clone for each read.
    core: Option<Arc<Core<B, T, P>>>,
    at: u64,
}

impl<B, T, P> OnEnd<View<Read>> for Below<B, T, P>
where
    P: Address,
    B: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    fn on_end(mut relay: Relay<View<Read>, Self>, outcome: Outcome) {
        let Some(core) = relay.state_mut().core.take() else {
            return;
        };
        let (view, Self { at, .. }) = core.reads.reclaim(relay);
        if outcome.is_success() {
            core.base_gave(at, view.len());
            return view.done();
        }
        let end = core.end_of_base(at, &outcome);
        let start = view.offset();
        for (part, result) in view.parts(&outcome) {
            match result {
                Ok(()) => part.done(),
                Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => {
                    let missing = end.saturating_sub(part.offset() - start).min(part.len());
                    let (missing, mut zeros) = part.split_at(missing);
                    missing.fail(cause);
                    zeros.bytes_mut().fill(0);
                    zeros.done();
                }
                Err(cause) => part.fail(cause),
            }
        }
    }
}

impl<B, T, P> Core<B, T, P> {
    /// Notes that the base has given `good` bytes from `at` on, the last of them if not all. Returns the address before
    /// which its data does not end.
    fn base_gave(&self, at: u64, good: usize) -> u64 {
        let end = match good {
            0 => 0,
            _ => at.saturating_add(good as u64),
        };
        self.state.lock().base_gave(end)
    }

    /// Learns from a read of the base at `at`, some bytes of which failed, how many of its first bytes the base is known to
    /// have: of those behind them, bytes that failed with `UnexpectedEof` lie behind its end.
    #[cold]
    pub(super) fn end_of_base(&self, at: u64, outcome: &Outcome) -> usize {
        let (mut good, mut seen) = (0, 0);
        for failed in outcome.failures() {
            if failed.offset > seen {
                good = failed.offset;
            }
            seen = failed.offset + failed.len;
        }
        if seen < outcome.len() {
            good = outcome.len();
        }
        let end = self.base_gave(at, good);
        usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX)
    }
}
