//! The machine of the borrowed and typed forms: a packet of the object's pool, sent at the first poll.

use crate::error::Cause;
use crate::io::{Direction, PacketIo, Position};
use crate::packet::{BufferFor, Ended, InFlight, Outcome, PoolBuf, give_pooled, take_pooled};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// See the module.
pub(super) struct Pooled<'a, D: Direction, P, Io: ?Sized> {
    pub(super) io: &'a Io,
    pub(super) pos: P,
    stage: Stage<D>,
}

enum Stage<D: Direction> {
    Fresh,
    Sent(InFlight<PoolBuf, D>),
    Over,
}

impl<'a, D, P, Io> Pooled<'a, D, P, Io>
where
    D: Direction,
    P: Position,
    Io: PacketIo<D, P> + ?Sized,
    PoolBuf: BufferFor<D>,
{
    pub(super) fn new(io: &'a Io, pos: P) -> Self {
        Self {
            io,
            pos,
            stage: Stage::Fresh,
        }
    }

    /// Polls an operation on `len` bytes. `fill` prepares them before they are sent, `finish` looks at them afterwards.
    #[inline]
    pub(super) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
        finish: impl FnOnce(&Outcome, &[u8]) -> Result<R, Cause>,
    ) -> Poll<Result<R, Cause>> {
        let ended = match &mut self.stage {
            Stage::Sent(in_flight) => ready!(Pin::new(in_flight).poll(cx)),
            Stage::Fresh => match self.send(len, fill) {
                Ok(mut in_flight) => match Pin::new(&mut in_flight).poll(cx) {
                    Poll::Ready(ended) => ended,
                    Poll::Pending => {
                        self.stage = Stage::Sent(in_flight);
                        return Poll::Pending;
                    }
                },
                Err(cause) => return Poll::Ready(Err(cause)),
            },
            Stage::Over => panic!("a future was polled after it was ready"),
        };
        Poll::Ready(self.finish(len, ended, finish))
    }

    #[inline]
    fn send(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<InFlight<PoolBuf, D>, Cause> {
        self.stage = Stage::Over;
        let mut packet = take_pooled(self.io.pool(), len)?;
        fill(&mut packet.buffer_mut()[..len]);
        let (in_flight, view) = packet.start_prefix::<D>(len);
        self.io.send_io(self.pos, view);
        Ok(in_flight)
    }

    #[inline]
    fn finish<R>(
        &mut self,
        len: usize,
        ended: Ended<PoolBuf>,
        finish: impl FnOnce(&Outcome, &[u8]) -> Result<R, Cause>,
    ) -> Result<R, Cause> {
        self.stage = Stage::Over;
        let result = finish(&ended.outcome, &ended.packet.buffer()[..len]);
        give_pooled(self.io.pool(), ended.packet);
        result
    }
}
