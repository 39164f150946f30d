//! The reads of an [`Overlay`](super::Overlay): the choice of the side that has the bytes, and the
//! zeros behind the end of the base.
//!
//! A base need not have a length, so its end is learned from its answers. A read that lies where
//! the base is known to have data goes to it as it is. Any other read is a relay, whose end tells
//! how far the data reaches.

use super::shared::{OverlayShared, TailRead};
use super::state::Side;
use crate::alignment::end_of_data;
use crate::route::Destination;
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::error::{Cause, ErrorKind};
use mfio::io::{Address, Exposed, IoObject, PacketIo, Read};
use mfio::packet::{Outcome, View};

/// The objects that reads may go to.
pub(super) struct Sides<'a, P> {
    pub(super) base: &'a dyn PacketIo<Read, P>,
    /// The base, with zeros behind its end.
    pub(super) tail: &'a dyn PacketIo<Read, P>,
    pub(super) top: &'a dyn PacketIo<Read, P>,
    pub(super) zeros: &'a dyn PacketIo<Read, P>,
}

/// Bytes that are zero.
pub(super) struct Zeros;

impl IoObject for Zeros {}

impl<P: Address> PacketIo<Read, P> for Zeros {
    fn send_io(&self, _: P, mut view: View<Read>) {
        view.bytes_mut().fill(0);
        view.done();
    }

    fn transfer_blocking(&self, _: P, bytes: &mut [u8]) -> Option<Result<usize, Cause>> {
        bytes.fill(0);
        Some(Ok(bytes.len()))
    }
}

impl<'a, P: Address> Sides<'a, P> {
    /// Finds the object that has the next bytes of a read, and how many it has.
    #[inline]
    pub(super) fn route<B, T>(
        &'a self,
        shared: &OverlayShared<B, T, P>,
        at: u64,
        wanted: u64,
    ) -> Destination<'a, &'a dyn PacketIo<Read, P>, P> {
        let extent = shared.extent;
        if at >= extent.len {
            return Destination::missing(ErrorKind::UnexpectedEof, wanted);
        }
        let state = shared.state.lock();
        let (side, end) = state.run(extent.granule_of(at));
        let len = extent.start(end) - at;
        let side = match side {
            Side::Top => &self.top,
            Side::Zero => &self.zeros,
            Side::Base if state.base_reaches(at + len.min(wanted)) => &self.base,
            Side::Base => &self.tail,
        };
        Destination::of(side, at, len)
    }
}

/// The base of an overlay, with zeros behind its end.
pub(super) struct Tail<'a, B, T, P> {
    pub(super) base: &'a B,
    pub(super) shared: &'a Arc<OverlayShared<B, T, P>>,
}

impl<B, T, P> IoObject for Tail<'_, B, T, P> {}

impl<B, T, P> PacketIo<Read, P> for Tail<'_, B, T, P>
where
    P: Address,
    B: PacketIo<Read, P> + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    fn send_io(&self, pos: P, view: View<Read>) {
        let at = pos.to_u64();
        let relay = sent::relay(self.shared, view, TailRead { at });
        self.base.send_io(pos, relay.start());
    }

    fn expose(&self, pos: P, len: usize) -> Option<Exposed> {
        self.base.expose(pos, len)
    }

    /// Returns `None` where the base moved nothing and is not known to end here, so that a packet
    /// asks: a short cut does not say how many bytes are missing, and the base may have others
    /// behind them, as a stripe or a concatenation has.
    fn transfer_blocking(&self, pos: P, bytes: &mut [u8]) -> Option<Result<usize, Cause>> {
        let (at, len) = (pos.to_u64(), bytes.len());
        let good = match self.base.transfer_blocking(pos, bytes)? {
            Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => 0,
            Err(cause) => return Some(Err(cause)),
            Ok(good) => good.min(len),
        };
        let end = self.shared.note_base(at, good);
        (good > 0 || end > at).then_some(Ok(good))
    }
}

impl<B, T, P> Sent<View<Read>, OverlayShared<B, T, P>> for TailRead
where
    P: Address,
    B: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    #[inline]
    fn pool(
        shared: &OverlayShared<B, T, P>,
    ) -> &SentPool<View<Read>, OverlayShared<B, T, P>, Self> {
        &shared.reads
    }

    fn ended(self, shared: Arc<OverlayShared<B, T, P>>, view: View<Read>, outcome: Outcome) {
        if outcome.is_success() {
            shared.note_base(self.at, view.len());
            return view.done();
        }
        let end = shared.end_of_base(self.at, &outcome);
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

impl<B, T, P> OverlayShared<B, T, P> {
    /// Notes that the base has bytes up to `good` behind `at`. Returns the address before which its
    /// data does not end.
    fn note_base(&self, at: u64, good: usize) -> u64 {
        let end = match good {
            0 => 0,
            _ => at.saturating_add(good as u64),
        };
        self.state.lock().note_base(end)
    }

    /// Returns how many of the first bytes of a read at `at`, which failed in part, lie within the
    /// data of the base. Behind them, bytes that failed with `UnexpectedEof` lie behind its end.
    #[cold]
    pub(super) fn end_of_base(&self, at: u64, outcome: &Outcome) -> usize {
        let good = end_of_data(outcome);
        let end = self.note_base(at, good);
        usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX)
    }
}
