//! The state machine of the borrowed and typed forms: a packet of the object's pool, sent at the
//! first poll.

use super::completeness::goes_on;
use super::stage::Stage;
use crate::error::Cause;
use crate::io::{Direction, PacketIo, Position};
use crate::packet::{
    BufferFor, Ended, InFlight, Outcome, Packet, PoolBuf, give_pooled, take_pooled,
};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// An operation through a packet of the pool; see the module.
pub(super) struct Pooled<'a, D: Direction, P, Io: ?Sized> {
    pub(super) io: &'a Io,
    pub(super) pos: P,
    stage: Stage<(), InFlight<PoolBuf, D>>,
    /// Number of bytes received from a stream so far, if all are wanted.
    done: usize,
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
            stage: Stage::Fresh(()),
            done: 0,
        }
    }

    /// Polls an operation on `len` bytes. `fill` prepares them before they are sent, `finish` reads
    /// them afterwards. With `ALL` the read of a stream is repeated until all bytes have arrived.
    #[inline]
    pub(super) fn poll<R, const ALL: bool>(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
        fill: impl FnOnce(&mut [u8]),
        finish: impl FnOnce(&Outcome, &[u8]) -> Result<R, Cause>,
    ) -> Poll<Result<R, Cause>> {
        let ended = match &mut self.stage {
            Stage::Sent(in_flight) => ready!(Pin::new(in_flight).poll(cx)),
            Stage::Fresh(()) => match self.send(len, fill) {
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
        match goes_on::<P>(&ended.outcome, self.done) {
            Some(good) if ALL => self.go_on(cx, len, ended.packet, good, finish),
            _ => Poll::Ready(self.finish(len, ended, finish)),
        }
    }

    /// Requests the missing bytes, as part of the same packet.
    #[cold]
    fn go_on<R>(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
        mut packet: Packet<PoolBuf>,
        mut good: usize,
        finish: impl FnOnce(&Outcome, &[u8]) -> Result<R, Cause>,
    ) -> Poll<Result<R, Cause>> {
        loop {
            self.done = good;
            self.stage = Stage::Over;
            let (mut in_flight, view) = packet.start_prefix::<D>(len);
            let (there, rest) = view.split_at(good);
            there.done();
            self.io.send_io(self.pos, rest);
            let Poll::Ready(ended) = Pin::new(&mut in_flight).poll(cx) else {
                self.stage = Stage::Sent(in_flight);
                return Poll::Pending;
            };
            match goes_on::<P>(&ended.outcome, good) {
                Some(more) => (packet, good) = (ended.packet, more),
                None => return Poll::Ready(self.finish(len, ended, finish)),
            }
        }
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
