//! The future of ranges that are read together.

use super::stage::Stage;
use crate::io::{Address, PacketIo, Read};
use crate::ranges::{EndedRanges, Ranges, Sending};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// The future of [`IoRead::read_ranges`](super::IoRead::read_ranges).
#[must_use = "nothing is sent before the first poll"]
pub struct ReadRanges<'a, P: Address, Io: ?Sized> {
    io: &'a Io,
    stage: Stage<Ranges<P>, Sending<P>>,
}

impl<'a, P: Address, Io: PacketIo<Read, P> + ?Sized> ReadRanges<'a, P, Io> {
    pub(super) fn new(io: &'a Io, ranges: Ranges<P>) -> Self {
        Self {
            io,
            stage: Stage::Fresh(ranges),
        }
    }
}

impl<P: Address, Io: PacketIo<Read, P> + ?Sized> Future for ReadRanges<'_, P, Io> {
    type Output = EndedRanges<P>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let sending = this.stage.sent(|ranges| Sending::start(ranges, this.io));
        let ended = ready!(sending.poll(this.io, cx));
        this.stage = Stage::Over;
        Poll::Ready(ended)
    }
}

impl<P: Address, Io: ?Sized> fmt::Debug for ReadRanges<'_, P, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadRanges").finish_non_exhaustive()
    }
}
