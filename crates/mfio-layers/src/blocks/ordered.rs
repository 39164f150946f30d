//! The order of the requests that change blocks.

use super::shared::{BlocksShared, OrderedControl, OrderedWrite, Queued, Zeroes, send};
use crate::order::{Entry, Number};
use crate::sent::{self, Sent, SentPool};
use alloc::sync::Arc;
use mfio::control::{ControlIo, ControlOp};
use mfio::error::ErrorKind;
use mfio::io::{Address, PacketIo, Read, Write};
use mfio::packet::{Outcome, View};

impl<Io, P> BlocksShared<Io, P>
where
    P: Address,
    Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Carries out a write when the earlier requests to its blocks have ended.
    #[inline]
    pub(super) fn write(self: &Arc<Self>, io: &Io, at: u64, view: View<Write>) {
        let Some((first, last)) = self.geometry.blocks(at, view.len() as u64) else {
            // It has no bytes.
            return view.done();
        };
        match self.gate.alone(first, last) {
            Some(number) => self.begin(io, number, at, view),
            None => self.write_among_others(io, (first, last), at, view),
        }
    }

    fn write_among_others(
        self: &Arc<Self>,
        io: &Io,
        (first, last): (u64, u64),
        at: u64,
        view: View<Write>,
    ) {
        let mut order = self.gate.enter();
        match order.enter(first, last) {
            Entry::Begins(number) => {
                drop(order);
                self.begin(io, number, at, view);
            }
            Entry::Waits(number) => order.queue(number, Queued::Write { at, view }),
            Entry::Refused => {
                drop(order);
                view.fail(ErrorKind::LimitReached);
            }
        }
    }

    #[inline]
    fn begin(self: &Arc<Self>, io: &Io, number: Number, at: u64, view: View<Write>) {
        let relay = sent::relay(self, view, OrderedWrite { number });
        let view = relay.start();
        let address = view.as_ptr().addr();
        match self.geometry.is_aligned(at, address, view.len()) {
            true => send::<Write, P, Io>(io, at, view),
            false => self.write_parts(io, at, view),
        }
    }

    /// Takes a request out of the order, and begins those that waited for it.
    pub(super) fn finish(self: &Arc<Self>, number: Number) {
        if self.gate.finish(number) {
            self.start_ready();
        }
    }

    #[cold]
    fn start_ready(self: &Arc<Self>) {
        self.gate
            .start_ready(|number, queued| match (queued, self.inner.upgrade()) {
                (Some(Queued::Write { at, view }), Some(io)) => self.begin(&io, number, at, view),
                (Some(Queued::Control { op, view, begin }), Some(io)) => {
                    begin(self, &io, number, op, view);
                }
                // The layer is dropped, and its queue with it.
                (queued, _) => self.gate.give_up(number, queued),
            });
    }
}

impl<Io, P> BlocksShared<Io, P>
where
    P: Address,
    Io: ControlIo + PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
{
    /// Carries out an operation that changes the blocks from byte `first` to byte `last`, when the
    /// earlier requests to them have ended.
    pub(super) fn control(
        self: &Arc<Self>,
        io: &Io,
        (first, last): (u64, u64),
        op: ControlOp,
        view: View<Read>,
    ) {
        let mut order = self.gate.enter();
        match order.enter(first, last) {
            Entry::Begins(number) => {
                drop(order);
                self.begin_control(io, number, op, view);
            }
            Entry::Waits(number) => {
                let begin = Self::begin_control;
                order.queue(number, Queued::Control { op, view, begin });
            }
            Entry::Refused => {
                drop(order);
                view.fail(ErrorKind::LimitReached);
            }
        }
    }

    fn begin_control(self: &Arc<Self>, io: &Io, number: Number, op: ControlOp, view: View<Read>) {
        let relay = sent::relay(self, view, OrderedControl { number });
        let view = relay.start();
        match op {
            ControlOp::WriteZeroes(span, unmap) => {
                self.write_zeroes(io, Zeroes { span, unmap }, view);
            }
            op => io.send_control(op, view),
        }
    }
}

/// Ends a request that was in the order.
macro_rules! ordered {
    ($($direction:ident, $request:ident, $pool:ident;)*) => {$(
        impl<Io, P> Sent<View<$direction>, BlocksShared<Io, P>> for $request
        where
            P: Address,
            Io: PacketIo<Read, P> + PacketIo<Write, P> + Send + Sync + 'static,
        {
            #[inline]
            fn pool(
                shared: &BlocksShared<Io, P>,
            ) -> &SentPool<View<$direction>, BlocksShared<Io, P>, Self> {
                &shared.$pool
            }

            #[inline]
            fn ended(
                self,
                shared: Arc<BlocksShared<Io, P>>,
                view: View<$direction>,
                outcome: Outcome,
            ) {
                // Before the initiator learns of the end, and may write there again.
                let starts = shared.gate.finish(self.number);
                view.resolve(&outcome);
                if starts {
                    shared.start_ready();
                }
            }
        }
    )*};
}
ordered! {
    Write, OrderedWrite, writes;
    Read, OrderedControl, controls;
}
