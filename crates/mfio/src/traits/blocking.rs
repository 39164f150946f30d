//! Blocking reads and writes. The caller's memory is used without a copy, because the call waits
//! for the completion.
//!
//! An object with a short cut (a file calls `pread`) takes it. Otherwise the memory is lent to a
//! packet.

use super::completeness::{Prefix, Whole};
use super::flow::{Partial, Verdict, read_with_blocking, write_with_blocking};
use super::to_end;
use super::transfer::transfer;
use super::{IoRead, IoWrite};
use crate::backend::{IoBackend, IoBackendExt};
use crate::error::Result;
use crate::io::{Address, PacketIo, Position, Read, Write};
use crate::packet::{ReadBuffer, WriteBuffer};
use crate::pipeline::{BlockingRun, Request, Window};
use crate::ranges::{EndedRanges, Ranges};
use alloc::vec::Vec;
use bytemuck::{NoUninit, Pod};
use core::marker::PhantomData;

/// The method [`blocking`](BlockingIo::blocking) of every object with a backend.
pub trait BlockingIo: IoBackend {
    /// Returns the blocking forms of reading and writing.
    #[inline]
    fn blocking<P: Position>(&self) -> Blocking<'_, Self, P> {
        Blocking {
            io: self,
            position: PhantomData,
        }
    }
}

impl<Io: IoBackend + ?Sized> BlockingIo for Io {}

/// Blocking reads and writes, without a copy. For plain threads: on an executor they block every
/// other task. Names and arguments are those of [`IoRead`] and [`IoWrite`]; on a stream
/// ([`NoPos`](crate::io::NoPos)) also without `_at` and without a position.
///
/// ```
/// use mfio::memory::Memory;
/// use mfio::traits::BlockingIo;
///
/// let io = Memory::new(vec![0; 16]);
/// io.blocking().write_all_at(b"abcd", 4)?;
/// assert_eq!(io.blocking().read_value_at::<[u8; 4]>(4)?, *b"abcd");
///
/// let error = io.blocking().read_exact_at(&mut [0; 8], 10).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "read of 8 bytes at offset 10 failed: unexpected end of data [memory]"
/// );
/// # Ok::<_, mfio::error::Error>(())
/// ```
///
/// # Panics
/// Without a short cut the methods panic if [`block_on`](crate::backend::IoBackendExt::block_on)
/// does: within a `block_on` of the same backend on the same thread, or if the backend is dead. If
/// the backend panics while it uses the memory, and the end of that cannot be proved, the process
/// is aborted.
#[derive(Debug)]
pub struct Blocking<'a, Io: ?Sized, P = u64> {
    pub(super) io: &'a Io,
    position: PhantomData<fn(P)>,
}

impl<Io: ?Sized, P> Clone for Blocking<'_, Io, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Io: ?Sized, P> Copy for Blocking<'_, Io, P> {}

impl<Io: IoBackend + ?Sized, P: Position> Blocking<'_, Io, P> {
    /// Reads a plain value: its bytes as they are, in this machine's byte order.
    ///
    /// # Errors
    /// The first failure, if any byte could not be read; `UnexpectedEof` at end of file.
    #[doc(alias = "read")]
    #[inline]
    pub fn read_value_at<T: Pod>(self, pos: P) -> Result<T>
    where
        Io: PacketIo<Read, P>,
    {
        let mut value = T::zeroed();
        self.read_exact_at(bytemuck::bytes_of_mut(&mut value), pos)?;
        Ok(value)
    }

    /// Reads exactly `bytes.len()` bytes from `pos` on.
    ///
    /// # Errors
    /// The first failure, if any byte could not be read; `UnexpectedEof` at end of file. Any part
    /// of `bytes` may have been overwritten.
    #[doc(alias = "read_all")]
    #[doc(alias = "pread")]
    #[inline]
    pub fn read_exact_at(self, bytes: &mut [u8], pos: P) -> Result<()>
    where
        Io: PacketIo<Read, P>,
    {
        transfer::<Read, P, Io, Whole>(self.io, pos, bytes)
    }

    /// Reads up to `bytes.len()` bytes from `pos` on. Returns the number of bytes read, 0 at end of
    /// file; the rest of `bytes` may have been overwritten.
    ///
    /// # Errors
    /// The failure of the first byte, unless that is the end of the file.
    #[doc(alias = "read_some")]
    #[doc(alias = "pread")]
    #[inline]
    pub fn read_at(self, bytes: &mut [u8], pos: P) -> Result<usize>
    where
        Io: PacketIo<Read, P>,
    {
        transfer::<Read, P, Io, Prefix>(self.io, pos, bytes)
    }

    /// Appends all bytes from `pos` to the end of the file to `bytes`, and returns their number;
    /// see [`IoRead::read_to_end_at`]. Nothing is copied unless the object asks for an
    /// [alignment](crate::io::IoObject::alignment). The free capacity of `bytes` is used first.
    ///
    /// # Errors
    /// The first failure before the end of the file, with its offset; `OutOfMemory`. The bytes
    /// before it are in `bytes`.
    #[doc(alias = "read_to_end")]
    pub fn read_to_end_at(self, bytes: &mut Vec<u8>, pos: P) -> Result<usize>
    where
        Io: PacketIo<Read, P>,
    {
        to_end::blocking(self.io, pos, bytes)
    }

    /// Writes a plain value: its bytes as they are, in this machine's byte order.
    ///
    /// # Errors
    /// The first failure, if any byte could not be written.
    #[doc(alias = "write")]
    #[inline]
    pub fn write_value_at<T: NoUninit>(self, value: &T, pos: P) -> Result<()>
    where
        Io: PacketIo<Write, P>,
    {
        self.write_all_at(bytemuck::bytes_of(value), pos)
    }

    /// Writes all of `bytes` from `pos` on.
    ///
    /// # Errors
    /// The first failure, if any byte could not be written; any part of `bytes` may have been.
    #[doc(alias = "write_all")]
    #[doc(alias = "pwrite")]
    #[inline]
    pub fn write_all_at(self, bytes: &[u8], pos: P) -> Result<()>
    where
        Io: PacketIo<Write, P>,
    {
        transfer::<Write, P, Io, Whole>(self.io, pos, bytes)
    }

    /// Writes the front of `bytes` at `pos`, and returns the number of bytes written.
    ///
    /// # Errors
    /// The failure of the first byte. A failure after the first byte is a partial write.
    #[doc(alias = "write_some")]
    #[doc(alias = "pwrite")]
    #[inline]
    pub fn write_at(self, bytes: &[u8], pos: P) -> Result<usize>
    where
        Io: PacketIo<Write, P>,
    {
        transfer::<Write, P, Io, Prefix>(self.io, pos, bytes)
    }

    /// Reads many ranges together; see [`IoRead::read_ranges`]. There is no short cut: the requests
    /// are in flight at once.
    pub fn read_ranges(self, ranges: impl Into<Ranges<P>>) -> EndedRanges<P>
    where
        P: Address,
        Io: PacketIo<Read, P>,
    {
        self.io.block_on(self.io.read_ranges(ranges))
    }

    /// Reads `len` bytes and passes them to `consumer` in order; see [`IoRead::read_with_at`]. The
    /// consumer runs between the waits, so it may block on the same object.
    ///
    /// # Errors
    /// The first failure, with its offset and the number of bytes passed to the consumer before.
    #[doc(alias = "read_with")]
    pub fn read_with_at<F, V>(self, pos: P, len: u64, consumer: F) -> Result<u64, Partial>
    where
        P: Address,
        Io: PacketIo<Read, P>,
        F: FnMut(&[u8]) -> V,
        V: Verdict,
    {
        read_with_blocking(self.io, pos, len, consumer)
    }

    /// Writes `len` bytes that `producer` makes; see [`IoWrite::write_with_at`]. The producer runs
    /// between the waits, so it may block on the same object.
    ///
    /// # Errors
    /// The first failure, with its offset and the number of bytes written without a gap.
    #[doc(alias = "write_with")]
    pub fn write_with_at<F>(self, pos: P, len: u64, producer: F) -> Result<u64, Partial>
    where
        P: Address,
        Io: PacketIo<Write, P>,
        F: FnMut(&mut [u8]),
    {
        write_with_blocking(self.io, pos, len, producer)
    }
}

impl<'a, Io: IoBackend + ?Sized, P: Position> Blocking<'a, Io, P> {
    /// Runs a [pipeline of reads](IoRead::read_pipeline) that takes its requests from an iterator.
    /// It waits only if the window is full, or no request is left, and none has completed.
    /// `requests` runs between the waits.
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

    /// Runs a [pipeline of writes](IoWrite::write_pipeline) that takes its requests from an
    /// iterator; see [`read_pipeline`](Self::read_pipeline).
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
