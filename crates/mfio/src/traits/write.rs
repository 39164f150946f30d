//! [`IoWrite`].

use super::batch::TransferBatch;
use super::borrowed::{WriteAll, WriteSome};
use super::each::TransferEach;
use super::flow::WriteWith;
use super::owned::{TransferBuf, TransferBufSome, TransferPacket};
use crate::io::{Address, PacketIo, Position, Write};
use crate::packet::{Batch, EndedSegment, Packet, WriteBuffer};
use crate::pipeline::{Pipeline, Window};
use bytemuck::NoUninit;

/// Writing, for everything that is a [`PacketIo<Write>`](PacketIo). See the [module](super) for what the forms cost.
///
/// Every future is lazy. Dropping it detaches the operation: what was sent is still carried out, as far as the object can;
/// owned buffers are freed when the operation has ended.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{IoRead, IoWrite};
///
/// let io = Memory::new(vec![0; 8]);
/// io.block_on(async {
///     io.write(0, &[1u8, 2]).await?;
///     io.write_all(2, &[3, 4]).await?;
///     let (result, _) = io.write_buf(4, vec![5, 6, 7, 8]).await;
///     result?;
///     assert_eq!(io.read_to_vec(0, 100).await?, [1, 2, 3, 4, 5, 6, 7, 8]);
///     Ok::<_, mfio::error::Error>(())
/// })?;
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub trait IoWrite<P: Position = u64>: PacketIo<Write, P> {
    /// Writes a plain value: its bytes as they are, in this machine's order.
    ///
    /// # Errors
    /// Where not every byte could be written.
    #[inline]
    fn write<'a, T: NoUninit>(&'a self, pos: P, value: &'a T) -> WriteAll<'a, P, Self> {
        self.write_all(pos, bytemuck::bytes_of(value))
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// Where not every byte could be written; any part may have been.
    #[doc(alias = "write_all_at")]
    #[doc(alias = "pwrite")]
    #[inline]
    fn write_all<'a>(&'a self, pos: P, bytes: &'a [u8]) -> WriteAll<'a, P, Self> {
        WriteAll::new(self, pos, bytes)
    }

    /// Writes the front of `bytes` and says how many it were.
    ///
    /// # Errors
    /// Where not even the first byte could be written.
    #[doc(alias = "write_at")]
    #[inline]
    fn write_some<'a>(&'a self, pos: P, bytes: &'a [u8]) -> WriteSome<'a, P, Self> {
        WriteSome::new(self, pos, bytes)
    }

    /// Writes all of an owned buffer, which comes back with the result.
    ///
    /// # Errors
    /// Where not every byte could be written; any part may have been.
    #[inline]
    fn write_buf<B: WriteBuffer>(&self, pos: P, buffer: B) -> TransferBuf<'_, Write, P, Self, B> {
        TransferBuf::new(self, pos, buffer)
    }

    /// As [`write_some`](Self::write_some), with an owned buffer.
    ///
    /// # Errors
    /// Where not even the first byte could be written.
    #[inline]
    fn write_buf_some<B: WriteBuffer>(
        &self,
        pos: P,
        buffer: B,
    ) -> TransferBufSome<'_, Write, P, Self, B> {
        TransferBufSome::new(self, pos, buffer)
    }

    /// Writes a packet, which comes back with the outcome of every range. Allocates nothing.
    #[inline]
    fn write_packet<B: WriteBuffer>(
        &self,
        pos: P,
        packet: Packet<B>,
    ) -> TransferPacket<'_, Write, P, Self, B> {
        TransferPacket::new(self, pos, packet)
    }

    /// Writes many buffers, each at a position of its own, as one request with one wake-up. The batch comes back with what
    /// became of each. Used again it allocates nothing.
    ///
    /// # Cancel safety
    /// Dropping the future detaches what is on its way, which may still be written, and does not send what a
    /// [limit](TransferBatch::limit) has held back. The batch and its buffers are lost.
    #[inline]
    fn write_batch<B: WriteBuffer>(
        &self,
        batch: Batch<B, P>,
    ) -> TransferBatch<'_, Write, P, Self, B> {
        TransferBatch::new(self, batch)
    }

    /// Writes as requests come in, so many at once and no more. See [`pipeline`](crate::pipeline).
    #[inline]
    fn write_pipeline<B, T>(&self, window: impl Into<Window>) -> Pipeline<'_, Write, P, Self, B, T>
    where
        B: WriteBuffer + 'static,
        T: Send + 'static,
    {
        Pipeline::new(self, window.into())
    }

    /// Writes `len` bytes that `producer` makes, in order, in [chunks](WriteWith::chunks); it fills all it is given, which
    /// may hold anything before. The earlier chunks are written meanwhile. The output is how many bytes were written.
    ///
    /// It is called by the task that polls, without a lock: it may use the same object.
    ///
    /// # Errors
    /// What failed first by position, at which offset, and how many bytes were written without a gap; some behind those may
    /// have been written too. When it returns nothing is being written any more.
    ///
    /// # Cancel safety
    /// Dropping the future detaches what is on its way: it may still be written. Where the producer panics the future is
    /// over, and its chunk is not written.
    ///
    /// ```
    /// use mfio::backend::IoBackendExt;
    /// use mfio::memory::Memory;
    /// use mfio::traits::IoWrite;
    ///
    /// let io = Memory::new(vec![0; 6]);
    /// let mut next = 1;
    /// let count = |bytes: &mut [u8]| bytes.fill_with(|| { next += 1; next });
    /// assert_eq!(io.block_on(io.write_with(2, 3, count))?, 3);
    /// assert_eq!(io.to_vec(), [0, 0, 2, 3, 4, 0]);
    /// # Ok::<_, mfio::error::Error>(())
    /// ```
    #[inline]
    fn write_with<F>(&self, pos: P, len: u64, producer: F) -> WriteWith<'_, P, Self, F>
    where
        P: Address,
        F: FnMut(&mut [u8]),
    {
        WriteWith::new(self, pos, len, producer)
    }

    /// As [`write_packet`](Self::write_packet); `each` is called with each range as it ends, while others may still be on
    /// their way, and has been called with all of them when the future is ready. It is called by the task that polls.
    fn write_packet_each<B: WriteBuffer, F: FnMut(EndedSegment<'_>)>(
        &self,
        pos: P,
        packet: Packet<B>,
        each: F,
    ) -> TransferEach<'_, Write, P, Self, B, F> {
        TransferEach::new(self, pos, packet, each)
    }
}

impl<P: Position, Io: PacketIo<Write, P> + ?Sized> IoWrite<P> for Io {}
