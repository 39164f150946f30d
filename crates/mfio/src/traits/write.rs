//! Writing at positions.

use super::batch::TransferBatch;
use super::borrowed::{WriteAll, WriteSome};
use super::each::TransferEach;
use super::flow::WriteWith;
use super::owned::{TransferBufExact, TransferBufSome, TransferPacket};
use crate::io::{Address, PacketIo, Position, Write};
use crate::packet::{Batch, EndedSegment, Packet, WriteBuffer};
use crate::pipeline::{Pipeline, Window};
use bytemuck::NoUninit;

/// Writing at positions: the methods of every [`PacketIo<Write>`](PacketIo). Their names and the
/// order of their arguments are those of [`std::os::unix::fs::FileExt`]: the buffer, then the
/// position. The [module](super) says what each form copies and allocates;
/// [`StreamWrite`](super::StreamWrite) has the forms of streams, without a position.
///
/// Every future is lazy: it sends nothing before its first poll. Dropping it detaches the
/// operation, which is carried out nevertheless as far as the object can; an owned buffer is freed
/// when the operation has ended.
///
/// ```
/// use mfio::backend::IoBackendExt;
/// use mfio::memory::Memory;
/// use mfio::traits::{IoRead, IoWrite};
///
/// let io = Memory::new(vec![0; 8]);
/// io.block_on(async {
///     io.write_value_at(&[1u8, 2], 0).await?;
///     io.write_all_at(&[3, 4], 2).await?;
///     let (result, _) = io.write_all_buf_at(vec![5, 6, 7, 8], 4).await;
///     result?;
///     assert_eq!(io.read_vec_at(0, 100).await?, [1, 2, 3, 4, 5, 6, 7, 8]);
///     Ok::<_, mfio::error::Error>(())
/// })?;
/// # Ok::<_, mfio::error::Error>(())
/// ```
///
/// [`std::os::unix::fs::FileExt`]: https://doc.rust-lang.org/std/os/unix/fs/trait.FileExt.html
pub trait IoWrite<P: Position = u64>: PacketIo<Write, P> {
    /// Writes a plain value: its bytes as they are, in this machine's byte order.
    ///
    /// # Errors
    /// The first failure, if any byte could not be written.
    #[doc(alias = "write")]
    #[inline]
    fn write_value_at<'a, T: NoUninit>(&'a self, value: &'a T, pos: P) -> WriteAll<'a, P, Self> {
        self.write_all_at(bytemuck::bytes_of(value), pos)
    }

    /// Writes all of `bytes` from `pos` on.
    ///
    /// # Errors
    /// The first failure, if any byte could not be written; any part of `bytes` may have been.
    ///
    /// # Cancel safety
    /// After a drop any part of `bytes` may be written.
    #[doc(alias = "write_all")]
    #[doc(alias = "pwrite")]
    #[inline]
    fn write_all_at<'a>(&'a self, bytes: &'a [u8], pos: P) -> WriteAll<'a, P, Self> {
        WriteAll::new(self, pos, bytes)
    }

    /// Writes the front of `bytes` at `pos`, and returns the number of bytes written.
    ///
    /// # Errors
    /// The failure of the first byte. A failure after the first byte is a partial write.
    #[doc(alias = "write_some")]
    #[doc(alias = "pwrite")]
    #[inline]
    fn write_at<'a>(&'a self, bytes: &'a [u8], pos: P) -> WriteSome<'a, P, Self> {
        WriteSome::new(self, pos, bytes)
    }

    /// Writes all of an owned buffer without a copy, and returns it with the result.
    ///
    /// # Errors
    /// The first failure, if any byte could not be written; any part of the buffer may have been.
    #[doc(alias = "write_buf")]
    #[inline]
    fn write_all_buf_at<B: WriteBuffer>(
        &self,
        buffer: B,
        pos: P,
    ) -> TransferBufExact<'_, Write, P, Self, B> {
        TransferBufExact::new(self, pos, buffer)
    }

    /// Writes the front of an owned buffer without a copy, and returns it with the number of bytes
    /// written.
    ///
    /// # Errors
    /// The failure of the first byte. A failure after the first byte is a partial write.
    #[doc(alias = "write_buf_some")]
    #[inline]
    fn write_buf_at<B: WriteBuffer>(
        &self,
        buffer: B,
        pos: P,
    ) -> TransferBufSome<'_, Write, P, Self, B> {
        TransferBufSome::new(self, pos, buffer)
    }

    /// Writes a packet, and returns it with the outcome of every range. Allocates nothing.
    #[doc(alias = "write_packet")]
    #[doc(alias = "write_raw")]
    #[inline]
    fn write_packet_at<B: WriteBuffer>(
        &self,
        packet: Packet<B>,
        pos: P,
    ) -> TransferPacket<'_, Write, P, Self, B> {
        TransferPacket::new(self, pos, packet)
    }

    /// Writes many buffers, each at its own position, as one request with one wake-up. The batch is
    /// returned with the outcome of each buffer. Used again it allocates nothing.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the requests in flight, which may still be written, and does
    /// not send those held back by a [limit](TransferBatch::limit). The batch and its buffers are
    /// lost.
    #[doc(alias = "pwritev")]
    #[inline]
    fn write_batch<B: WriteBuffer>(
        &self,
        batch: Batch<B, P>,
    ) -> TransferBatch<'_, Write, P, Self, B> {
        TransferBatch::new(self, batch)
    }

    /// Creates a pipeline of writes with a bounded number of requests in flight. See
    /// [`pipeline`](crate::pipeline).
    #[inline]
    fn write_pipeline<B, T>(&self, window: impl Into<Window>) -> Pipeline<'_, Write, P, Self, B, T>
    where
        B: WriteBuffer + 'static,
        T: Send + 'static,
    {
        Pipeline::new(self, window.into())
    }

    /// Writes `len` bytes that `producer` makes, in order, in [chunks](WriteWith::chunks); earlier
    /// chunks are written meanwhile. The producer fills the whole slice that it is given, whose
    /// contents are unspecified. Returns the number of bytes written.
    ///
    /// The task that polls the future calls the producer, without a lock, so it may use the same
    /// object.
    ///
    /// # Errors
    /// The failure with the lowest offset, and the number of bytes written without a gap; bytes
    /// behind those may have been written too. No write is in flight any more.
    ///
    /// # Panics
    /// If the producer does; the future is then over, and the chunk is not written.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the requests in flight, which may still be written.
    ///
    /// ```
    /// use mfio::backend::IoBackendExt;
    /// use mfio::memory::Memory;
    /// use mfio::traits::IoWrite;
    ///
    /// let io = Memory::new(vec![0; 6]);
    /// let mut next = 1;
    /// let count = |bytes: &mut [u8]| bytes.fill_with(|| { next += 1; next });
    /// assert_eq!(io.block_on(io.write_with_at(2, 3, count))?, 3);
    /// assert_eq!(io.to_vec(), [0, 0, 2, 3, 4, 0]);
    /// # Ok::<_, mfio::error::Error>(())
    /// ```
    #[doc(alias = "write_with")]
    #[inline]
    fn write_with_at<F>(&self, pos: P, len: u64, producer: F) -> WriteWith<'_, P, Self, F>
    where
        P: Address,
        F: FnMut(&mut [u8]),
    {
        WriteWith::new(self, pos, len, producer)
    }

    /// Writes a packet, as [`write_packet_at`](Self::write_packet_at) does, and calls `each` with
    /// each range as it completes, while others may be in flight. `each` has been called with all
    /// of them when the future is ready. The task that polls the future calls it.
    #[doc(alias = "write_packet_each")]
    fn write_packet_each_at<B: WriteBuffer, F: FnMut(EndedSegment<'_>)>(
        &self,
        packet: Packet<B>,
        pos: P,
        each: F,
    ) -> TransferEach<'_, Write, P, Self, B, F> {
        TransferEach::new(self, pos, packet, each)
    }
}

impl<P: Position, Io: PacketIo<Write, P> + ?Sized> IoWrite<P> for Io {}
