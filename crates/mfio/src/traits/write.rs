//! [`IoWrite`].

use super::batch::TransferBatch;
use super::borrowed::{WriteAll, WriteSome};
use super::each::TransferEach;
use super::owned::{TransferBuf, TransferBufSome, TransferPacket};
use crate::io::{PacketIo, Position, Write};
use crate::packet::{Batch, EndedSegment, Packet, WriteBuffer};
use bytemuck::NoUninit;

/// Writing, for everything that is a [`PacketIo<Write>`](PacketIo). See the [module](super) for what the forms cost.
///
/// Every future is lazy. Dropping it detaches the operation: what was sent may still be written; owned buffers are freed
/// when the operation has ended.
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
    #[inline]
    fn write_all<'a>(&'a self, pos: P, bytes: &'a [u8]) -> WriteAll<'a, P, Self> {
        WriteAll::new(self, pos, bytes)
    }

    /// Writes the front of `bytes` and says how many it were.
    ///
    /// # Errors
    /// Where not even the first byte could be written.
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
    #[inline]
    fn write_batch<B: WriteBuffer>(
        &self,
        batch: Batch<B, P>,
    ) -> TransferBatch<'_, Write, P, Self, B> {
        TransferBatch::new(self, batch)
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
