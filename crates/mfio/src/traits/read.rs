//! [`IoRead`].

use super::batch::TransferBatch;
use super::borrowed::{ReadAll, ReadSome};
use super::each::TransferEach;
use super::flow::{ReadWith, Verdict};
use super::owned::{TransferBuf, TransferBufSome, TransferPacket};
use super::ranges::ReadRanges;
use super::to_end::ReadToEnd;
use super::to_vec::ReadToVec;
use super::value::ReadValue;
use crate::io::{Address, PacketIo, Position, Read};
use crate::packet::{Batch, EndedSegment, Packet, ReadBuffer};
use crate::pipeline::{Pipeline, Window};
use crate::ranges::Ranges;
use alloc::vec::Vec;
use bytemuck::AnyBitPattern;

/// Reading, for everything that is a [`PacketIo<Read>`](PacketIo). See the [module](super) for what the forms cost.
///
/// Every future is lazy. Dropping it detaches the operation: nothing of yours is touched afterwards, owned buffers are
/// freed when the operation has ended.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::IoRead;
///
/// let io = Memory::new(vec![1, 2, 3, 4, 5, 6, 7, 8]);
/// io.block_on(async {
///     assert_eq!(io.read::<[u8; 2]>(2).await?, [3, 4]);
///     let mut borrowed = [0; 3];
///     io.read_all(0, &mut borrowed).await?;
///     assert_eq!(borrowed, [1, 2, 3]);
///     let (result, owned) = io.read_buf(4, vec![0; 4]).await;
///     result?;
///     assert_eq!(owned, [5, 6, 7, 8]);
///     assert_eq!(io.read_some(6, &mut borrowed).await?, 2, "the data ends");
///     Ok::<_, mfio::error::Error>(())
/// })?;
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub trait IoRead<P: Position = u64>: PacketIo<Read, P> {
    /// Reads a plain value: the bytes as they are, in this machine's order. A stream is asked again until it is whole, as by
    /// [`read_all`](Self::read_all); the bytes of one that is not are lost.
    ///
    /// # Errors
    /// Where not every byte could be read; the end of the data is `UnexpectedEof`.
    #[inline]
    fn read<T: AnyBitPattern>(&self, pos: P) -> ReadValue<'_, P, Self, T> {
        ReadValue::new(self, pos)
    }

    /// Fills `bytes`. Where it fails or is dropped they are as they were.
    ///
    /// A stream ([`NoPos`](crate::io::NoPos)) is asked again until they are full. Where that fails or is dropped half-way,
    /// what came is taken from the stream, and in the front of `bytes`;
    /// [`Streaming`](crate::cursor::Streaming) is what keeps it.
    ///
    /// # Errors
    /// Where not every byte could be read; the end of the data is `UnexpectedEof`.
    #[doc(alias = "read_exact")]
    #[doc(alias = "read_exact_at")]
    #[doc(alias = "pread")]
    #[inline]
    fn read_all<'a>(&'a self, pos: P, bytes: &'a mut [u8]) -> ReadAll<'a, P, Self> {
        ReadAll::new(self, pos, bytes)
    }

    /// Reads into the front of `bytes` and says how many it were: 0 at the end of the data. Others are as they were.
    ///
    /// # Errors
    /// Where not even the first byte could be read, for another reason than the end of the data.
    #[doc(alias = "read_at")]
    #[inline]
    fn read_some<'a>(&'a self, pos: P, bytes: &'a mut [u8]) -> ReadSome<'a, P, Self> {
        ReadSome::new(self, pos, bytes)
    }

    /// Fills an owned buffer, which comes back with the result. Where it failed, any part may have been overwritten. A stream
    /// is asked again until it is full, as by [`read_all`](Self::read_all).
    ///
    /// The length of the buffer is filled, not its capacity.
    ///
    /// # Errors
    /// Where not every byte could be read; the end of the data is `UnexpectedEof`. `InvalidInput`
    /// where the buffer has a capacity but no length: use `vec![0; n]`, not
    /// `Vec::with_capacity(n)`.
    #[inline]
    fn read_buf<B: ReadBuffer>(&self, pos: P, buffer: B) -> TransferBuf<'_, Read, P, Self, B> {
        TransferBuf::new(self, pos, buffer)
    }

    /// As [`read_some`](Self::read_some), with an owned buffer. What lies behind the bytes read may have been overwritten.
    ///
    /// # Errors
    /// Where not even the first byte could be read, for another reason than the end of the data.
    /// `InvalidInput` where the buffer has a capacity but no length.
    #[inline]
    fn read_buf_some<B: ReadBuffer>(
        &self,
        pos: P,
        buffer: B,
    ) -> TransferBufSome<'_, Read, P, Self, B> {
        TransferBufSome::new(self, pos, buffer)
    }

    /// Reads into a packet, which comes back with the outcome of every range. Allocates nothing.
    ///
    /// A buffer with a capacity but no length fails with `InvalidInput`, as by
    /// [`read_buf`](Self::read_buf).
    #[inline]
    fn read_packet<B: ReadBuffer>(
        &self,
        pos: P,
        packet: Packet<B>,
    ) -> TransferPacket<'_, Read, P, Self, B> {
        TransferPacket::new(self, pos, packet)
    }

    /// Reads `len` bytes into a new vector; fewer only where the data ends.
    /// [`read_to_end`](Self::read_to_end) needs no length.
    ///
    /// `len` may be far more than there is: memory grows by the bytes that come. Up to 1 MiB is one
    /// request. More is read by several, one after another: 256 KiB, then each time as much as has
    /// come.
    ///
    /// Of a stream, or another object that takes requests [in
    /// order](crate::io::Alignment::in_order), it takes what one request brings, which may be
    /// fewer: as taken bytes are not lost, a failure behind them is left to the next call.
    ///
    /// # Errors
    /// Where a byte before the end of the data could not be read, with the cause of the first such
    /// byte; [`read_buf_some`](Self::read_buf_some) and [`read_packet`](Self::read_packet) give
    /// what lies before it. `OutOfMemory` where there is too little for the bytes that come.
    #[inline]
    fn read_to_vec(&self, pos: P, len: usize) -> ReadToVec<'_, P, Self> {
        ReadToVec::new(self, pos, len)
    }

    /// Appends everything from `pos` to the end of the data to `bytes`, and returns the number of
    /// bytes appended, as `read_to_end` of std does. Of a stream that is everything until its other
    /// end has gone.
    ///
    /// Memory grows by the bytes that come. Requests are sent one after another: of 64 KiB at
    /// first, then of up to as much as has come, 4 MiB at most. `pos` must be a multiple of the
    /// object's [block](crate::io::Alignment::block), where it has such.
    ///
    /// # Errors
    /// The cause of the first byte that could not be read, at its offset; `OutOfMemory`. The bytes
    /// before are in `bytes`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the bytes that came in `bytes`, and detaches the request in
    /// flight. Of a stream, bytes are lost only where that request ends after the drop and the
    /// object does not keep them for the next one, as pipes and sockets do; with a cursor
    /// ([`Streaming`](crate::cursor::Streaming)) they never are.
    ///
    /// ```
    /// use mfio::backend::IoBackendExt;
    /// use mfio::memory::Memory;
    /// use mfio::traits::IoRead;
    ///
    /// let io = Memory::new(b"head and body".to_vec());
    /// let mut bytes = b"the ".to_vec();
    /// assert_eq!(io.block_on(io.read_to_end(9, &mut bytes))?, 4);
    /// assert_eq!(bytes, b"the body");
    /// # Ok::<_, mfio::error::Error>(())
    /// ```
    #[inline]
    fn read_to_end<'a>(&'a self, pos: P, bytes: &'a mut Vec<u8>) -> ReadToEnd<'a, P, Self> {
        ReadToEnd::new(self, pos, bytes)
    }

    /// As [`read_to_vec`](Self::read_to_vec), into new `Bytes`, which share the memory that was read into.
    ///
    /// ```
    /// use mfio::backend::IoBackendExt;
    /// use mfio::memory::Memory;
    /// use mfio::traits::IoRead;
    ///
    /// let io = Memory::new(b"head and body".to_vec());
    /// let all: bytes::Bytes = io.block_on(io.read_bytes(0, 100))?;
    /// assert_eq!(all.slice(9..), "body");
    /// # Ok::<_, mfio::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// As those of [`read_to_vec`](Self::read_to_vec).
    #[cfg(feature = "bytes")]
    fn read_bytes(&self, pos: P, len: usize) -> super::ReadBytes<'_, P, Self> {
        super::ReadBytes::new(self, pos, len)
    }

    /// Reads many buffers, each at a position of its own, as one request with one wake-up. The batch comes back with what
    /// became of each. Used again it allocates nothing.
    ///
    /// A buffer with a capacity but no length fails with `InvalidInput`, as by
    /// [`read_buf`](Self::read_buf), and with it the outcome of the batch; the other buffers are
    /// read.
    ///
    /// # Cancel safety
    /// Dropping the future detaches what is on its way, and does not send what a [limit](TransferBatch::limit) has held back.
    /// The batch and its buffers are lost.
    #[inline]
    fn read_batch<B: ReadBuffer>(&self, batch: Batch<B, P>) -> TransferBatch<'_, Read, P, Self, B> {
        TransferBatch::new(self, batch)
    }

    /// Reads many ranges together; those that are near each other with one request. See [`ranges`](crate::ranges).
    ///
    /// # Cancel safety
    /// Dropping the future detaches what is on its way. The list and its memory are lost.
    #[inline]
    fn read_ranges(&self, ranges: impl Into<Ranges<P>>) -> ReadRanges<'_, P, Self>
    where
        P: Address,
    {
        ReadRanges::new(self, ranges.into())
    }

    /// Reads as requests come in, so many at once and no more. See [`pipeline`](crate::pipeline).
    #[inline]
    fn read_pipeline<B, T>(&self, window: impl Into<Window>) -> Pipeline<'_, Read, P, Self, B, T>
    where
        B: ReadBuffer + 'static,
        T: Send + 'static,
    {
        Pipeline::new(self, window.into())
    }

    /// Reads `len` bytes into `consumer`, which is shown them in order, in [chunks](ReadWith::chunks); the next chunks are
    /// read meanwhile. It may return [`ControlFlow`](core::ops::ControlFlow), to stop. The output is how many bytes it was
    /// shown.
    ///
    /// For what has positions; of an object with such ones that is a stream all the same, as a file that is a pipe, chunks are
    /// read one after another.
    ///
    /// Nothing is copied; where the object [exposes](PacketIo::expose) its memory, that is what the consumer sees. It is
    /// called by the task that polls, without a lock: it may use the same object. It is never shown bytes that were not
    /// read.
    ///
    /// # Errors
    /// What failed, at which offset, and how many bytes the consumer was shown before. The end of the data is
    /// `UnexpectedEof`, unless [`to_end`](ReadWith::to_end) was called.
    ///
    /// # Cancel safety
    /// Dropping the future detaches what is on its way. What the consumer has seen it has seen. Where it panics the future
    /// is over.
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
    /// assert_eq!(io.block_on(io.read_with(250, u64::MAX, add).to_end())?, 6);
    /// assert_eq!(sum, 250 + 251 + 252 + 253 + 254 + 255);
    ///
    /// let enough = |_: &[u8]| ControlFlow::Break(());
    /// assert_eq!(io.block_on(io.read_with(0, 100, enough))?, 100, "one chunk");
    /// # Ok::<_, mfio::error::Error>(())
    /// ```
    #[inline]
    fn read_with<F, V>(&self, pos: P, len: u64, consumer: F) -> ReadWith<'_, P, Self, F>
    where
        P: Address,
        F: FnMut(&[u8]) -> V,
        V: Verdict,
    {
        ReadWith::new(self, pos, len, consumer)
    }

    /// As [`read_packet`](Self::read_packet); `each` is called with each range as it ends, while others may still be on
    /// their way, and has been called with all of them when the future is ready. It is called by the task that polls.
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
    /// let ended = io.block_on(io.read_packet_each(1, Packet::new([0; 8]), add));
    /// assert_eq!((sum, ended.outcome.good_prefix()), (2 + 3 + 4, 3));
    /// ```
    fn read_packet_each<B: ReadBuffer, F: FnMut(EndedSegment<'_>)>(
        &self,
        pos: P,
        packet: Packet<B>,
        each: F,
    ) -> TransferEach<'_, Read, P, Self, B, F> {
        TransferEach::new(self, pos, packet, each)
    }
}

impl<P: Position, Io: PacketIo<Read, P> + ?Sized> IoRead<P> for Io {}
