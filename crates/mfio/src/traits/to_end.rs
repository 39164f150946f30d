//! Reads to the end of the file, appended to a vector of the caller.
//!
//! A request never reads into the vector itself, because a future that is dropped would lose it
//! with all bytes before: chunks are read into packets of the object's pool, and copied. Their
//! length doubles with the bytes read, up to a limit, so their number is logarithmic and a short
//! file costs little. The blocking form reads into the vector.

use super::completeness::Prefix;
use super::failure;
use super::stage::Stage;
use super::transfer::moved;
use crate::backend::{IoBackend, IoBackendExt};
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::io::{Alignment, Operation, PacketIo, Position, Read};
use crate::packet::{Ended, InFlight, Outcome, Packet, PoolBuf, give_pooled, take_aligned};
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

/// Shortest request of the future, in bytes: the largest size that pools keep.
const FIRST: usize = 64 << 10;
/// Shortest request of the blocking form, in bytes, if the vector has no free capacity.
const FIRST_BLOCKING: usize = 8 << 10;
/// Longest request, in bytes.
const MOST: usize = 4 << 20;
/// Number of requests that one poll handles before it yields to other tasks.
const BUDGET: usize = 32;
/// Length of the read that looks for the end before a full vector grows, in bytes.
const PROBE: usize = 32;

/// The future of [`IoRead::read_to_end_at`](super::IoRead::read_to_end_at).
#[must_use = "nothing is sent before the first poll"]
pub struct ReadToEnd<'a, P, Io: ?Sized> {
    io: &'a Io,
    pos: P,
    bytes: &'a mut Vec<u8>,
    /// Number of bytes read.
    done: usize,
    /// `Fresh` between requests.
    stage: Stage<(), InFlight<PoolBuf, Read>>,
    spare: Option<Packet<PoolBuf>>,
}

impl<'a, P: Position, Io: PacketIo<Read, P> + ?Sized> ReadToEnd<'a, P, Io> {
    pub(super) fn new(io: &'a Io, pos: P, bytes: &'a mut Vec<u8>) -> Self {
        Self {
            io,
            pos,
            bytes,
            done: 0,
            stage: Stage::Fresh(()),
            spare: None,
        }
    }

    /// Sends the next request. `None` at the last position, which is the end of the file.
    fn send(&mut self) -> core::result::Result<Option<InFlight<PoolBuf, Read>>, Missing> {
        let Some(pos) = self.pos.advance(self.done) else {
            return Ok(None);
        };
        let alignment = self.io.alignment(Operation::Read);
        let len = alignment.round_up(next_len(self.done, FIRST));
        if in_order::<P>(alignment) {
            // The bytes could not be read again if the vector could not grow.
            reserve(self.bytes, len).map_err(|cause| (len, cause))?;
        }
        let packet = self.chunk(len, alignment).map_err(|cause| (len, cause))?;
        let (in_flight, view) = packet.start_prefix(len);
        self.io.send_io(pos, view);
        Ok(Some(in_flight))
    }

    fn chunk(
        &mut self,
        len: usize,
        alignment: Alignment,
    ) -> core::result::Result<Packet<PoolBuf>, Cause> {
        match self.spare.take() {
            Some(packet) if packet.len() >= len => return Ok(packet),
            Some(packet) => give_pooled(self.io.pool(), packet),
            None => {}
        }
        take_aligned(self.io.pool(), len, alignment.memory())
    }

    /// Appends the bytes of a chunk. `Some` if it was the last.
    fn take(&mut self, ended: Ended<PoolBuf>) -> Option<Result<usize>> {
        let Ended { packet, outcome } = ended;
        let appended = append(self.bytes, &packet, &outcome);
        self.spare = Some(packet);
        let end = match appended {
            Ok(good) => {
                self.done += good;
                judge(good, outcome.len() - good, outcome.first_error())
            }
            Err(cause) => Some(Err((outcome.len(), cause))),
        };
        end.map(|end| self.finish(end))
    }

    fn finish(&mut self, end: core::result::Result<(), Missing>) -> Result<usize> {
        self.stage = Stage::Over;
        if let Some(packet) = self.spare.take() {
            give_pooled(self.io.pool(), packet);
        }
        match end {
            Ok(()) => Ok(self.done),
            Err(failed) => Err(failure_behind(self.io, self.pos, self.done, failed)),
        }
    }
}

/// The number of bytes that were not read, and the cause.
type Missing = (usize, Cause);

/// Returns the length of the next request after `done` bytes: a power of two, so that memory is
/// used again if few bytes arrive at a time.
fn next_len(done: usize, first: usize) -> usize {
    (1 << done.max(1).ilog2()).clamp(first, MOST)
}

/// Whether bytes arrive in the order of requests and only once.
fn in_order<P: Position>(alignment: Alignment) -> bool {
    P::SEQUENTIAL || alignment.is_in_order()
}

fn reserve(bytes: &mut Vec<u8>, len: usize) -> core::result::Result<(), Cause> {
    bytes
        .try_reserve(len)
        .map_err(|_| Cause::new(ErrorKind::OutOfMemory))
}

/// Appends the good bytes of a request.
fn append(
    bytes: &mut Vec<u8>,
    packet: &Packet<PoolBuf>,
    outcome: &Outcome,
) -> core::result::Result<usize, Cause> {
    let good = outcome.good_prefix();
    reserve(bytes, good)?;
    bytes.extend_from_slice(&packet.buffer()[..good]);
    Ok(good)
}

/// Whether a request that brought `good` bytes was the last: `Ok` at end of file. A stream ends a
/// request with the bytes available and `WouldBlock`, and goes on.
fn judge(
    good: usize,
    missing: usize,
    cause: Option<Cause>,
) -> Option<core::result::Result<(), Missing>> {
    let cause = cause?;
    match cause.kind() {
        ErrorKind::UnexpectedEof => Some(Ok(())),
        ErrorKind::WouldBlock if good > 0 => None,
        _ => Some(Err((missing, cause))),
    }
}

#[cold]
fn failure_behind<P, Io>(io: &Io, pos: P, done: usize, (len, cause): Missing) -> Error
where
    P: Position,
    Io: PacketIo<Read, P> + ?Sized,
{
    failure(io, pos.advance(done).unwrap_or(pos), len, cause)
}

impl<P: Position, Io: PacketIo<Read, P> + ?Sized> Future for ReadToEnd<'_, P, Io> {
    type Output = Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        for _ in 0..BUDGET {
            match &mut this.stage {
                Stage::Sent(in_flight) => {
                    let ended = ready!(Pin::new(in_flight).poll(cx));
                    this.stage = Stage::Fresh(());
                    if let Some(result) = this.take(ended) {
                        return Poll::Ready(result);
                    }
                }
                Stage::Fresh(()) => match this.send() {
                    Ok(Some(in_flight)) => this.stage = Stage::Sent(in_flight),
                    Ok(None) => return Poll::Ready(this.finish(Ok(()))),
                    Err(failed) => return Poll::Ready(this.finish(Err(failed))),
                },
                Stage::Over => panic!("a future was polled after it was ready"),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<P, Io: ?Sized> Drop for ReadToEnd<'_, P, Io> {
    /// Keeps the bytes of a request that has ended, which a stream would not give again.
    fn drop(&mut self) {
        if let Stage::Sent(in_flight) = core::mem::replace(&mut self.stage, Stage::Over)
            && let Ok(Ended { packet, outcome }) = in_flight.try_end()
        {
            // Without memory they are lost, which the documentation allows.
            let _ = append(self.bytes, &packet, &outcome);
        }
    }
}

impl<P: fmt::Debug, Io: ?Sized> fmt::Debug for ReadToEnd<'_, P, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadToEnd")
            .field("pos", &self.pos)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

/// Reads to the end of the file on a blocked thread, without a copy.
pub(super) fn blocking<P, Io>(io: &Io, pos: P, bytes: &mut Vec<u8>) -> Result<usize>
where
    P: Position,
    Io: PacketIo<Read, P> + IoBackend + ?Sized,
{
    let alignment = io.alignment(Operation::Read);
    if alignment.memory() > 1 || alignment.block() > 1 {
        // The memory of a vector is not aligned.
        return io.block_on(ReadToEnd::new(io, pos, bytes));
    }
    let mut done = 0;
    loop {
        let Some(at) = pos.advance(done) else {
            return Ok(done);
        };
        let full = bytes.len() == bytes.capacity() && !bytes.is_empty();
        let step = match full && !in_order::<P>(alignment) {
            true => probe(io, at, bytes),
            false => fill(io, at, bytes, done),
        };
        let end = match step {
            Ok((good, missing, cause)) => {
                done += good;
                judge(good, missing, cause)
            }
            Err(failed) => Some(Err(failed)),
        };
        match end {
            Some(Ok(())) => return Ok(done),
            Some(Err(failed)) => return Err(failure_behind(io, pos, done, failed)),
            None => {}
        }
    }
}

/// The number of bytes read, the number of bytes missing, and the cause.
type Step = core::result::Result<(usize, usize, Option<Cause>), Missing>;

/// Reads a few bytes, so that a vector with exactly the capacity needed does not grow.
fn probe<P, Io>(io: &Io, at: P, bytes: &mut Vec<u8>) -> Step
where
    P: Position,
    Io: PacketIo<Read, P> + IoBackend + ?Sized,
{
    let mut few = [0; PROBE];
    let (good, cause) = moved::<Read, P, Io, Prefix>(io, at, &mut few);
    reserve(bytes, good).map_err(|cause| (PROBE, cause))?;
    bytes.extend_from_slice(&few[..good]);
    Ok((good, PROBE - good, cause))
}

/// Reads into the free capacity of the vector, and grows it if there is none.
fn fill<P, Io>(io: &Io, at: P, bytes: &mut Vec<u8>, done: usize) -> Step
where
    P: Position,
    Io: PacketIo<Read, P> + IoBackend + ?Sized,
{
    let len = match bytes.capacity() - bytes.len() {
        0 => FIRST_BLOCKING,
        room => room.min(next_len(done, FIRST_BLOCKING)),
    };
    reserve(bytes, len).map_err(|cause| (len, cause))?;
    let mut longer = Longer::new(bytes, len);
    let (good, cause) = moved::<Read, P, Io, Prefix>(io, at, longer.room());
    longer.good += good;
    Ok((good, len - good, cause))
}

/// A vector with zeroes at its end, which are truncated to the good bytes on drop, also when
/// unwinding.
struct Longer<'a> {
    bytes: &'a mut Vec<u8>,
    good: usize,
}

impl<'a> Longer<'a> {
    fn new(bytes: &'a mut Vec<u8>, len: usize) -> Self {
        let good = bytes.len();
        bytes.resize(good + len, 0);
        Self { bytes, good }
    }

    fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.good..]
    }
}

impl Drop for Longer<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.good);
    }
}
