//! Blocking forms: the bytes go to and from your memory without a copy, because the call waits for their end.
//!
//! An object that has a short cut (a file calls `pread`) is asked first. Otherwise the memory is lent to a packet.

use super::extent::{Extent, Prefix, Whole, goes_on};
use super::flow::{Partial, Verdict, read_with_blocking, write_with_blocking};
use super::lending::{Lend, lend};
use super::to_end;
use super::{IoRead, IoWrite, failure};
use crate::backend::{IoBackend, IoBackendExt};
use crate::error::{Cause, ErrorKind, Result};
use crate::io::{Address, PacketIo, Position, Read, Write};
use crate::packet::{Outcome, ReadBuffer, WriteBuffer};
use crate::pipeline::{BlockingRun, Request, Window};
use crate::ranges::{EndedRanges, Ranges};
use alloc::vec::Vec;
use bytemuck::{NoUninit, Pod};
use core::marker::PhantomData;

/// Adds [`blocking`](BlockingIo::blocking) to every object with a backend.
pub trait BlockingIo: IoBackend {
    /// The blocking forms of reading and writing.
    #[inline]
    fn blocking<P: Position>(&self) -> Blocking<'_, Self, P> {
        Blocking {
            io: self,
            position: PhantomData,
        }
    }
}

impl<Io: IoBackend + ?Sized> BlockingIo for Io {}

/// Reading and writing that waits, without a copy. For plain threads: on an executor it blocks everything else.
///
/// ```
/// use mfio::memory::Memory;
/// use mfio::traits::BlockingIo;
///
/// let io = Memory::new(vec![0; 16]);
/// io.blocking().write_all(4, b"abcd")?;
/// assert_eq!(io.blocking().read::<[u8; 4]>(4)?, *b"abcd");
///
/// let error = io.blocking().read_all(10, &mut [0; 8]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "read of 8 bytes at offset 10 failed: unexpected end of data [memory]"
/// );
/// # Ok::<_, mfio::error::Error>(())
/// ```
///
/// # Panics
/// Where there is no short cut the methods panic where [`block_on`](crate::backend::IoBackendExt::block_on) does: within
/// a `block_on` of the same backend on the same thread, or where the backend is dead. If the backend panics while it has
/// the memory, and the end of that cannot be proved, the process is aborted.
#[derive(Debug)]
pub struct Blocking<'a, Io: ?Sized, P = u64> {
    io: &'a Io,
    position: PhantomData<fn(P)>,
}

impl<Io: ?Sized, P> Clone for Blocking<'_, Io, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Io: ?Sized, P> Copy for Blocking<'_, Io, P> {}

impl<Io: IoBackend + ?Sized, P: Position> Blocking<'_, Io, P> {
    /// Reads a plain value: the bytes as they are, in this machine's order.
    ///
    /// # Errors
    /// Where not every byte could be read; the end of the data is `UnexpectedEof`.
    #[inline]
    pub fn read<T: Pod>(self, pos: P) -> Result<T>
    where
        Io: PacketIo<Read, P>,
    {
        let mut value = T::zeroed();
        self.read_all(pos, bytemuck::bytes_of_mut(&mut value))?;
        Ok(value)
    }

    /// Fills `bytes`. Where it fails, any part of them may have been overwritten.
    ///
    /// # Errors
    /// Where not every byte could be read; the end of the data is `UnexpectedEof`.
    #[inline]
    pub fn read_all(self, pos: P, bytes: &mut [u8]) -> Result<()>
    where
        Io: PacketIo<Read, P>,
    {
        transfer::<Read, P, Io, Whole>(self.io, pos, bytes)
    }

    /// Reads into the front of `bytes` and says how many it were: 0 at the end of the data. What lies behind may have
    /// been overwritten.
    ///
    /// # Errors
    /// Where not even the first byte could be read, for another reason than the end of the data.
    #[inline]
    pub fn read_some(self, pos: P, bytes: &mut [u8]) -> Result<usize>
    where
        Io: PacketIo<Read, P>,
    {
        transfer::<Read, P, Io, Prefix>(self.io, pos, bytes)
    }

    /// [`read_to_end`](IoRead::read_to_end), waiting: appends everything from `pos` to the end of
    /// the data to `bytes`, and returns the number of bytes appended. Nothing is copied where the
    /// object asks for no [alignment](PacketIo::alignment). The room that `bytes` has is used
    /// first.
    ///
    /// # Errors
    /// The cause of the first byte that could not be read, at its offset; `OutOfMemory`. The bytes
    /// before are in `bytes`.
    pub fn read_to_end(self, pos: P, bytes: &mut Vec<u8>) -> Result<usize>
    where
        Io: PacketIo<Read, P>,
    {
        to_end::blocking(self.io, pos, bytes)
    }

    /// Writes a plain value: its bytes as they are, in this machine's order.
    ///
    /// # Errors
    /// Where not every byte could be written.
    #[inline]
    pub fn write<T: NoUninit>(self, pos: P, value: &T) -> Result<()>
    where
        Io: PacketIo<Write, P>,
    {
        self.write_all(pos, bytemuck::bytes_of(value))
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// Where not every byte could be written; any part may have been.
    #[inline]
    pub fn write_all(self, pos: P, bytes: &[u8]) -> Result<()>
    where
        Io: PacketIo<Write, P>,
    {
        transfer::<Write, P, Io, Whole>(self.io, pos, bytes)
    }

    /// Writes the front of `bytes` and says how many it were.
    ///
    /// # Errors
    /// Where not even the first byte could be written.
    #[inline]
    pub fn write_some(self, pos: P, bytes: &[u8]) -> Result<usize>
    where
        Io: PacketIo<Write, P>,
    {
        transfer::<Write, P, Io, Prefix>(self.io, pos, bytes)
    }

    /// [`read_ranges`](IoRead::read_ranges), waiting. There is no short cut: the requests are on their way together.
    pub fn read_ranges(self, ranges: impl Into<Ranges<P>>) -> EndedRanges<P>
    where
        P: Address,
        Io: PacketIo<Read, P>,
    {
        self.io.block_on(self.io.read_ranges(ranges))
    }

    /// [`read_with`](IoRead::read_with), waiting. The consumer runs between the waits: it may wait for the same object.
    ///
    /// # Errors
    /// What failed, at which offset, and how many bytes the consumer was shown before.
    pub fn read_with<F, V>(self, pos: P, len: u64, consumer: F) -> Result<u64, Partial>
    where
        P: Address,
        Io: PacketIo<Read, P>,
        F: FnMut(&[u8]) -> V,
        V: Verdict,
    {
        read_with_blocking(self.io, pos, len, consumer)
    }

    /// [`write_with`](IoWrite::write_with), waiting. The producer runs between the waits: it may wait for the same object.
    ///
    /// # Errors
    /// What failed, at which offset, and how many bytes were written without a gap.
    pub fn write_with<F>(self, pos: P, len: u64, producer: F) -> Result<u64, Partial>
    where
        P: Address,
        Io: PacketIo<Write, P>,
        F: FnMut(&mut [u8]),
    {
        write_with_blocking(self.io, pos, len, producer)
    }
}

impl<'a, Io: IoBackend + ?Sized, P: Position> Blocking<'a, Io, P> {
    /// [`read_pipeline`](IoRead::read_pipeline) that takes its requests from an iterator. Waits only where there is no room
    /// for another request, or none is left, and nothing has ended. `requests` runs between the waits.
    pub fn read_pipeline<B, T, R>(
        self,
        window: impl Into<Window>,
        requests: R,
    ) -> BlockingRun<'a, Read, P, Io, B, T, R::IntoIter>
    where
        Io: PacketIo<Read, P>,
        B: ReadBuffer + 'static,
        T: Send + 'static,
        R: IntoIterator,
        R::Item: Into<Request<P, B, T>>,
    {
        let pipeline = self.io.read_pipeline(window);
        BlockingRun::new(self.io, pipeline, requests.into_iter())
    }

    /// [`write_pipeline`](IoWrite::write_pipeline) that takes its requests from an iterator; see
    /// [`read_pipeline`](Self::read_pipeline).
    pub fn write_pipeline<B, T, R>(
        self,
        window: impl Into<Window>,
        requests: R,
    ) -> BlockingRun<'a, Write, P, Io, B, T, R::IntoIter>
    where
        Io: PacketIo<Write, P>,
        B: WriteBuffer + 'static,
        T: Send + 'static,
        R: IntoIterator,
        R::Item: Into<Request<P, B, T>>,
    {
        let pipeline = self.io.write_pipeline(window);
        BlockingRun::new(self.io, pipeline, requests.into_iter())
    }
}

/// Moves bytes, and makes of it what the user asked for.
#[inline]
fn transfer<D, P, Io, E>(io: &Io, pos: P, bytes: D::Slice<'_>) -> Result<E::Output>
where
    D: Lend,
    P: Position,
    Io: PacketIo<D, P> + IoBackend + ?Sized,
    E: Extent,
{
    let len = D::size(&bytes);
    match moved::<D, P, Io, E>(io, pos, bytes) {
        (done, None) => Ok(E::output(done)),
        (done, Some(cause)) => E::judge::<D>(&Outcome::prefix(len, done, cause))
            .map(E::output)
            .map_err(|cause| failure(io, pos, len, cause)),
    }
}

/// Moves bytes through the short cut where there is one, else through a packet. Says how many from the start were moved
/// and, where that ended it, what went wrong behind them.
#[inline]
pub(crate) fn moved<D, P, Io, E>(io: &Io, pos: P, mut bytes: D::Slice<'_>) -> (usize, Option<Cause>)
where
    D: Lend,
    P: Position,
    Io: PacketIo<D, P> + IoBackend + ?Sized,
    E: Extent,
{
    let len = D::size(&bytes);
    let mut done = 0;
    while !E::enough(done, len) {
        let Some(at) = pos.advance(done) else {
            // What has no position any more is beyond the end, as where a packet reaches that far.
            return (done, Some(ErrorKind::UnexpectedEof.into()));
        };
        match io.transfer_blocking(at, D::rest(&mut bytes, done)) {
            Some(Ok(0)) if D::READS => return (done, Some(ErrorKind::UnexpectedEof.into())),
            Some(Ok(0)) => return (done, Some(ErrorKind::WriteZero.into())),
            Some(Ok(n)) => done += n.min(len - done),
            Some(Err(cause)) if cause.kind() == ErrorKind::Interrupted => {}
            Some(Err(cause)) => return (done, Some(cause)),
            None => {
                let rest = lend::<D, P, Io>(io, at, D::rest(&mut bytes, done));
                done += rest.good_prefix();
                if goes_on::<P>(&rest, 0).is_none() {
                    return (done, rest.first_error());
                }
            }
        }
    }
    (done, None)
}
