//! Reading at positions.

use super::batch::TransferBatch;
use super::borrowed::{ReadExact, ReadSome};
use super::each::TransferEach;
use super::flow::{ReadWith, Verdict};
use super::owned::{TransferBufExact, TransferBufSome, TransferPacket};
use super::ranges::ReadRanges;
use super::to_end::ReadToEnd;
use super::to_vec::ReadVec;
use super::value::ReadValue;
use crate::io::{Address, PacketIo, Position, Read};
use crate::packet::{Batch, EndedSegment, Packet, ReadBuffer};
use crate::pipeline::{Pipeline, Window};
use crate::ranges::Ranges;
use alloc::vec::Vec;
use bytemuck::AnyBitPattern;

/// Reading at positions: the methods of every [`PacketIo<Read>`](PacketIo). Their names and the
/// order of their arguments are those of [`std::os::unix::fs::FileExt`]: the buffer, then the
/// position. The [module](super) says what each form copies and allocates;
/// [`StreamRead`](super::StreamRead) has the forms of streams, without a position.
///
/// Every future is lazy: it sends nothing before its first poll. Dropping it detaches the
/// operation, which touches no memory of the caller's afterwards; an owned buffer is freed when the
/// operation has ended.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
///
/// let io = Memory::new(vec![1, 2, 3, 4, 5, 6, 7, 8]);
/// io.block_on(async {
///     assert_eq!(io.read_value_at::<[u8; 2]>(2).await?, [3, 4]);
///     let mut borrowed = [0; 3];
///     io.read_exact_at(&mut borrowed, 0).await?;
///     assert_eq!(borrowed, [1, 2, 3]);
///     let (result, owned) = io.read_exact_buf_at(vec![0; 4], 4).await;
///     result?;
///     assert_eq!(owned, [5, 6, 7, 8]);
///     assert_eq!(io.read_at(&mut borrowed, 6).await?, 2, "a short read at end of file");
///     Ok::<_, mfio::error::Error>(())
/// })?;
/// # Ok::<_, mfio::error::Error>(())
/// ```
///
/// [`std::os::unix::fs::FileExt`]: https://doc.rust-lang.org/std/os/unix/fs/trait.FileExt.html
pub trait IoRead<P: Position = u64>: PacketIo<Read, P> {
    /// Reads a plain value: its bytes as they are, in this machine's byte order. On a stream the
    /// read is repeated until the value is complete, as [`read_exact_at`](Self::read_exact_at)
    /// does; the bytes of an incomplete value are lost.
    ///
    /// # Errors
    /// The first failure, if any byte could not be read; `UnexpectedEof` at end of file.
    #[doc(alias = "read")]
    #[doc(alias = "read_into")]
    #[inline]
    fn read_value_at<T: AnyBitPattern>(&self, pos: P) -> ReadValue<'_, P, Self, T> {
        ReadValue::new(self, pos)
    }

    /// Reads exactly `bytes.len()` bytes from `pos` on.
    ///
    /// # Errors
    /// The first failure, if any byte could not be read; `UnexpectedEof` at end of file. `bytes` is
    /// then unchanged.
    ///
    /// # Cancel safety
    /// Dropping the future leaves `bytes` unchanged.
    ///
    /// # Streams
    /// On a stream ([`NoPos`](crate::io::NoPos)) the read is repeated until `bytes` is full. After
    /// an error or a drop the bytes received so far have left the stream and are at the front of
    /// `bytes`; a [`ByteStream`](crate::cursor::ByteStream) keeps them for the next read.
    #[doc(alias = "read_all")]
    #[doc(alias = "read_exact")]
    #[doc(alias = "pread")]
    #[inline]
    fn read_exact_at<'a>(&'a self, bytes: &'a mut [u8], pos: P) -> ReadExact<'a, P, Self> {
        ReadExact::new(self, pos, bytes)
    }

    /// Reads up to `bytes.len()` bytes from `pos` on. Returns the number of bytes read, 0 at end of
    /// file; the rest of `bytes` is unchanged.
    ///
    /// # Errors
    /// The failure of the first byte, unless that is the end of the file. A failure after the first
    /// byte is a short read.
    #[doc(alias = "read_some")]
    #[doc(alias = "pread")]
    #[inline]
    fn read_at<'a>(&'a self, bytes: &'a mut [u8], pos: P) -> ReadSome<'a, P, Self> {
        ReadSome::new(self, pos, bytes)
    }

    /// Fills an owned buffer without a copy, and returns it with the result. The length of the
    /// buffer is filled, not its capacity. On a stream the read is repeated until it is full, as
    /// [`read_exact_at`](Self::read_exact_at) does.
    ///
    /// # Errors
    /// The first failure, if any byte could not be read; `UnexpectedEof` at end of file. Any part
    /// of the buffer may have been overwritten. `InvalidInput` if the buffer has a capacity but no
    /// length: use `vec![0; n]`, not `Vec::with_capacity(n)`.
    #[doc(alias = "read_buf")]
    #[inline]
    fn read_exact_buf_at<B: ReadBuffer>(
        &self,
        buffer: B,
        pos: P,
    ) -> TransferBufExact<'_, Read, P, Self, B> {
        TransferBufExact::new(self, pos, buffer)
    }

    /// Reads into an owned buffer without a copy, and returns it with the number of bytes read, 0
    /// at end of file. The bytes behind those may have been overwritten.
    ///
    /// # Errors
    /// The failure of the first byte, unless that is the end of the file. `InvalidInput` if the
    /// buffer has a capacity but no length.
    #[doc(alias = "read_buf_some")]
    #[inline]
    fn read_buf_at<B: ReadBuffer>(
        &self,
        buffer: B,
        pos: P,
    ) -> TransferBufSome<'_, Read, P, Self, B> {
        TransferBufSome::new(self, pos, buffer)
    }

    /// Reads into a packet, and returns it with the outcome of every range. Allocates nothing.
    ///
    /// A buffer with a capacity but no length fails with `InvalidInput`, as in
    /// [`read_exact_buf_at`](Self::read_exact_buf_at).
    #[doc(alias = "read_packet")]
    #[doc(alias = "read_raw")]
    #[doc(alias = "read_raw_all")]
    #[inline]
    fn read_packet_at<B: ReadBuffer>(
        &self,
        packet: Packet<B>,
        pos: P,
    ) -> TransferPacket<'_, Read, P, Self, B> {
        TransferPacket::new(self, pos, packet)
    }

    /// Reads `len` bytes into a new vector; fewer only at end of file.
    /// [`read_to_end_at`](Self::read_to_end_at) needs no length.
    ///
    /// `len` may be much larger than the file: memory grows with the bytes read. Up to 1 MiB is one
    /// request. A longer read is a sequence of requests: 256 KiB, then each time as much as was
    /// read before.
    ///
    /// On a stream, or another object that takes requests [in
    /// order](crate::io::Alignment::in_order), it is one request, which may bring fewer bytes: they
    /// have left the stream, so a failure behind them is reported by the next call.
    ///
    /// # Errors
    /// The first failure before the end of the file; [`read_buf_at`](Self::read_buf_at) and
    /// [`read_packet_at`](Self::read_packet_at) return the bytes before it. `OutOfMemory` if the
    /// bytes read do not fit.
    #[doc(alias = "read_to_vec")]
    #[inline]
    fn read_vec_at(&self, pos: P, len: usize) -> ReadVec<'_, P, Self> {
        ReadVec::new(self, pos, len)
    }

    /// Appends all bytes from `pos` to the end of the file to `bytes`, and returns the number of
    /// bytes appended, as `read_to_end` of std does. A stream ends when its other end is closed.
    ///
    /// Memory grows with the bytes read. Requests are sent one after another: of 64 KiB at first,
    /// then of as much as was read before, 4 MiB at most. `pos` must be a multiple of the object's
    /// [block](crate::io::Alignment::block), if it has one.
    ///
    /// # Errors
    /// The first failure before the end of the file, with its offset; `OutOfMemory`. The bytes
    /// before it are in `bytes`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the bytes read so far in `bytes`, and detaches the request in
    /// flight. Bytes of a stream are lost only if that request ends after the drop and the object
    /// does not keep them for the next one, as pipes and sockets do; a
    /// [`ByteStream`](crate::cursor::ByteStream) cursor never loses any.
    ///
    /// ```
    /// use mfio::backend::IoBackendExt;
    /// use mfio::memory::Memory;
    /// use mfio::traits::IoRead;
    ///
    /// let io = Memory::new(b"head and body".to_vec());
    /// let mut bytes = b"the ".to_vec();
    /// assert_eq!(io.block_on(io.read_to_end_at(&mut bytes, 9))?, 4);
    /// assert_eq!(bytes, b"the body");
    /// # Ok::<_, mfio::error::Error>(())
    /// ```
    #[doc(alias = "read_to_end")]
    #[inline]
    fn read_to_end_at<'a>(&'a self, bytes: &'a mut Vec<u8>, pos: P) -> ReadToEnd<'a, P, Self> {
        ReadToEnd::new(self, pos, bytes)
    }

    /// Reads `len` bytes into new `Bytes`, as [`read_vec_at`](Self::read_vec_at) does. They share
    /// the memory that was read into.
    ///
    /// ```
    /// use mfio::backend::IoBackendExt;
    /// use mfio::memory::Memory;
    /// use mfio::traits::IoRead;
    ///
    /// let io = Memory::new(b"head and body".to_vec());
    /// let all: bytes::Bytes = io.block_on(io.read_bytes_at(0, 100))?;
    /// assert_eq!(all.slice(9..), "body");
    /// # Ok::<_, mfio::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read_vec_at`](Self::read_vec_at).
    #[cfg(feature = "bytes")]
    #[doc(alias = "read_bytes")]
    fn read_bytes_at(&self, pos: P, len: usize) -> super::ReadBytes<'_, P, Self> {
        super::ReadBytes::new(self, pos, len)
    }

    /// Reads many buffers, each at its own position, as one request with one wake-up. The batch is
    /// returned with the outcome of each buffer. Used again it allocates nothing.
    ///
    /// A buffer with a capacity but no length fails with `InvalidInput`, as in
    /// [`read_exact_buf_at`](Self::read_exact_buf_at), and with it the outcome of the batch; the
    /// other buffers are read.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the requests in flight, and does not send those held back by a
    /// [limit](TransferBatch::limit). The batch and its buffers are lost.
    #[doc(alias = "preadv")]
    #[inline]
    fn read_batch<B: ReadBuffer>(&self, batch: Batch<B, P>) -> TransferBatch<'_, Read, P, Self, B> {
        TransferBatch::new(self, batch)
    }

    /// Reads many ranges together, with one request for ranges that are near each other. See
    /// [`ranges`](crate::ranges).
    ///
    /// # Cancel safety
    /// Dropping the future detaches the requests in flight. The list and its memory are lost.
    #[doc(alias = "preadv")]
    #[doc(alias = "readv")]
    #[inline]
    fn read_ranges(&self, ranges: impl Into<Ranges<P>>) -> ReadRanges<'_, P, Self>
    where
        P: Address,
    {
        ReadRanges::new(self, ranges.into())
    }

    /// Creates a pipeline of reads with a bounded number of requests in flight. See
    /// [`pipeline`](crate::pipeline).
    #[inline]
    fn read_pipeline<B, T>(&self, window: impl Into<Window>) -> Pipeline<'_, Read, P, Self, B, T>
    where
        B: ReadBuffer + 'static,
        T: Send + 'static,
    {
        Pipeline::new(self, window.into())
    }

    /// Reads `len` bytes and passes them to `consumer` in order, in [chunks](ReadWith::chunks); the
    /// next chunks are read meanwhile. The consumer may return
    /// [`ControlFlow`](core::ops::ControlFlow) to stop. Returns the number of bytes passed to it.
    ///
    /// On an object with positions that is a stream nevertheless, as a file that is a pipe, chunks
    /// are read one after another.
    ///
    /// Nothing is copied: if the object [exposes](PacketIo::expose) its memory, the consumer sees
    /// that memory. The task that polls the future calls the consumer, without a lock, so it may
    /// use the same object. It never sees bytes that were not read.
    ///
    /// # Errors
    /// The first failure, with its offset and the number of bytes passed to the consumer before.
    /// `UnexpectedEof` at end of file, unless [`to_end`](ReadWith::to_end) was called.
    ///
    /// # Panics
    /// If the consumer does; the future is then over.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the requests in flight.
    ///
    /// ```
    /// use mfio::backend::IoBackendExt;
    /// use mfio::memory::Memory;
    /// use mfio::traits::IoRead;
    /// use std::ops::ControlFlow;
    ///
    /// let io = Memory::new((0..=255).collect::<Vec<u8>>());
    /// let mut sum = 0u32;
    /// let add = |bytes: &[u8]| sum += bytes.iter().map(|&b| u32::from(b)).sum::<u32>();
    /// assert_eq!(io.block_on(io.read_with_at(250, u64::MAX, add).to_end())?, 6);
    /// assert_eq!(sum, 250 + 251 + 252 + 253 + 254 + 255);
    ///
    /// let enough = |_: &[u8]| ControlFlow::Break(());
    /// assert_eq!(io.block_on(io.read_with_at(0, 100, enough))?, 100, "one chunk");
    /// # Ok::<_, mfio::error::Error>(())
    /// ```
    #[doc(alias = "read_with")]
    #[inline]
    fn read_with_at<F, V>(&self, pos: P, len: u64, consumer: F) -> ReadWith<'_, P, Self, F>
    where
        P: Address,
        F: FnMut(&[u8]) -> V,
        V: Verdict,
    {
        ReadWith::new(self, pos, len, consumer)
    }

    /// Reads into a packet, as [`read_packet_at`](Self::read_packet_at) does, and calls `each` with
    /// each range as it completes, while others may be in flight. `each` has been called with all
    /// of them when the future is ready. The task that polls the future calls it.
    ///
    /// ```
    /// use mfio::backend::IoBackendExt;
    /// use mfio::memory::Memory;
    /// use mfio::packet::Packet;
    /// use mfio::traits::IoRead;
    ///
    /// let io = Memory::new(vec![1, 2, 3, 4]);
    /// let mut sum = 0;
    /// let add = |segment: mfio::packet::EndedSegment<'_>| {
    ///     sum += segment.bytes().map_or(0, |bytes| bytes.iter().map(|&b| u32::from(b)).sum());
    /// };
    /// let ended = io.block_on(io.read_packet_each_at(Packet::new([0; 8]), 1, add));
    /// assert_eq!((sum, ended.outcome.good_prefix()), (2 + 3 + 4, 3));
    /// ```
    #[doc(alias = "read_packet_each")]
    fn read_packet_each_at<B: ReadBuffer, F: FnMut(EndedSegment<'_>)>(
        &self,
        packet: Packet<B>,
        pos: P,
        each: F,
    ) -> TransferEach<'_, Read, P, Self, B, F> {
        TransferEach::new(self, pos, packet, each)
    }
}

impl<P: Position, Io: PacketIo<Read, P> + ?Sized> IoRead<P> for Io {}
