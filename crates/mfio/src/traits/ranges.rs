//! The future of ranges that are read together.

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
    stage: Stage<P>,
}

enum Stage<P: Address> {
    Fresh(Ranges<P>),
    Sent(Sending<P>),
    Over,
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
        if let Stage::Fresh(_) = this.stage
            && let Stage::Fresh(ranges) = core::mem::replace(&mut this.stage, Stage::Over)
        {
            this.stage = Stage::Sent(Sending::start(ranges, this.io));
        }
        let Stage::Sent(sending) = &mut this.stage else {
            panic!("a future was polled after it was ready");
        };
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
