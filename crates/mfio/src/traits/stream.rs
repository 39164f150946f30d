//! Reading and writing of streams: the forms without a position.

use super::borrowed::{ReadExact, ReadSome, WriteAll, WriteSome};
use super::each::TransferEach;
use super::owned::{TransferBufExact, TransferBufSome, TransferPacket};
use super::to_end::ReadToEnd;
use super::to_vec::ReadVec;
use super::value::ReadValue;
use super::{Blocking, IoRead, IoWrite};
use crate::backend::IoBackend;
use crate::error::Result;
use crate::io::{NoPos, PacketIo, Read, Write};
use crate::packet::{EndedSegment, Packet, ReadBuffer, WriteBuffer};
use alloc::vec::Vec;
use bytemuck::{AnyBitPattern, NoUninit, Pod};

/// Reading of streams: the methods of every [`PacketIo<Read, NoPos>`](PacketIo). They are those of
/// [`IoRead`] without `_at` and without a position, and copy and allocate as much. Batches and
/// pipelines are at [`IoRead`].
///
/// Dropping a future detaches its read. Bytes received by it afterwards are lost, unless the object
/// keeps them for the next read, as pipes and sockets do; a
/// [`ByteStream`](crate::cursor::ByteStream) never loses any.
///
/// ```
/// use mfio::memory::pipe;
/// use mfio::prelude::*;
///
/// let (reads, writes) = pipe(100);
/// reads.block_on(async {
///     writes.write_all(b"a word, and more").await?;
///     let mut word = [0; 6];
///     reads.read_exact(&mut word).await?;
///     assert_eq!(&word, b"a word");
///     assert_eq!(reads.read_vec(100).await?, b", and more");
///     Ok::<_, mfio::error::Error>(())
/// })?;
/// # Ok::<_, mfio::error::Error>(())
/// ```
pub trait StreamRead: PacketIo<Read, NoPos> {
    /// Reads a plain value; see [`IoRead::read_value_at`].
    ///
    /// # Errors
    /// The first failure, if any byte could not be read; `UnexpectedEof` at end of file. The bytes
    /// received are lost.
    #[inline]
    fn read_value<T: AnyBitPattern>(&self) -> ReadValue<'_, NoPos, Self, T> {
        self.read_value_at(NoPos)
    }

    /// Reads exactly `bytes.len()` bytes; see [`IoRead::read_exact_at`].
    ///
    /// # Errors
    /// The first failure, if any byte could not be read; `UnexpectedEof` at end of file. The bytes
    /// received are at the front of `bytes`.
    #[doc(alias = "read_all")]
    #[inline]
    fn read_exact<'a>(&'a self, bytes: &'a mut [u8]) -> ReadExact<'a, NoPos, Self> {
        self.read_exact_at(bytes, NoPos)
    }

    /// Reads up to `bytes.len()` bytes: waits for the first, and returns the number of bytes read,
    /// 0 at end of file. The rest of `bytes` is unchanged.
    ///
    /// # Errors
    /// The failure of the first byte, unless that is the end of the file.
    #[doc(alias = "read_some")]
    #[doc(alias = "recv")]
    #[inline]
    fn read<'a>(&'a self, bytes: &'a mut [u8]) -> ReadSome<'a, NoPos, Self> {
        self.read_at(bytes, NoPos)
    }

    /// Fills an owned buffer without a copy; see [`IoRead::read_exact_buf_at`].
    ///
    /// # Errors
    /// Those of [`IoRead::read_exact_buf_at`].
    #[inline]
    fn read_exact_buf<B: ReadBuffer>(
        &self,
        buffer: B,
    ) -> TransferBufExact<'_, Read, NoPos, Self, B> {
        self.read_exact_buf_at(buffer, NoPos)
    }

    /// Reads into an owned buffer without a copy; see [`IoRead::read_buf_at`].
    ///
    /// # Errors
    /// Those of [`IoRead::read_buf_at`].
    #[inline]
    fn read_buf<B: ReadBuffer>(&self, buffer: B) -> TransferBufSome<'_, Read, NoPos, Self, B> {
        self.read_buf_at(buffer, NoPos)
    }

    /// Reads into a packet; see [`IoRead::read_packet_at`].
    #[inline]
    fn read_packet<B: ReadBuffer>(
        &self,
        packet: Packet<B>,
    ) -> TransferPacket<'_, Read, NoPos, Self, B> {
        self.read_packet_at(packet, NoPos)
    }

    /// Reads into a packet, and calls `each` with each range as it completes; see
    /// [`IoRead::read_packet_each_at`].
    #[inline]
    fn read_packet_each<B: ReadBuffer, F: FnMut(EndedSegment<'_>)>(
        &self,
        packet: Packet<B>,
        each: F,
    ) -> TransferEach<'_, Read, NoPos, Self, B, F> {
        self.read_packet_each_at(packet, NoPos, each)
    }

    /// Reads up to `len` bytes into a new vector, with one request; see [`IoRead::read_vec_at`].
    ///
    /// # Errors
    /// Those of [`IoRead::read_vec_at`].
    #[inline]
    fn read_vec(&self, len: usize) -> ReadVec<'_, NoPos, Self> {
        self.read_vec_at(NoPos, len)
    }

    /// Appends all bytes until the other end is closed to `bytes`, and returns their number; see
    /// [`IoRead::read_to_end_at`].
    ///
    /// # Errors
    /// Those of [`IoRead::read_to_end_at`].
    #[inline]
    fn read_to_end<'a>(&'a self, bytes: &'a mut Vec<u8>) -> ReadToEnd<'a, NoPos, Self> {
        self.read_to_end_at(bytes, NoPos)
    }

    /// Reads up to `len` bytes into new `Bytes`, with one request; see [`IoRead::read_bytes_at`].
    ///
    /// # Errors
    /// Those of [`IoRead::read_vec_at`].
    #[cfg(feature = "bytes")]
    fn read_bytes(&self, len: usize) -> super::ReadBytes<'_, NoPos, Self> {
        self.read_bytes_at(NoPos, len)
    }
}

impl<Io: PacketIo<Read, NoPos> + ?Sized> StreamRead for Io {}

/// Writing of streams: the methods of every [`PacketIo<Write, NoPos>`](PacketIo). They are those of
/// [`IoWrite`] without `_at` and without a position, and copy and allocate as much. Batches and
/// pipelines are at [`IoWrite`]; [`StreamRead`] has an example.
///
/// Dropping a future detaches its write, which is carried out nevertheless as far as the object
/// can.
pub trait StreamWrite: PacketIo<Write, NoPos> {
    /// Writes a plain value; see [`IoWrite::write_value_at`].
    ///
    /// # Errors
    /// The first failure, if any byte could not be written.
    #[inline]
    fn write_value<'a, T: NoUninit>(&'a self, value: &'a T) -> WriteAll<'a, NoPos, Self> {
        self.write_value_at(value, NoPos)
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The first failure, if any byte could not be written; any part of `bytes` may have been.
    #[inline]
    fn write_all<'a>(&'a self, bytes: &'a [u8]) -> WriteAll<'a, NoPos, Self> {
        self.write_all_at(bytes, NoPos)
    }

    /// Writes the front of `bytes`, and returns the number of bytes written.
    ///
    /// # Errors
    /// The failure of the first byte. A failure after the first byte is a partial write.
    #[doc(alias = "write_some")]
    #[doc(alias = "send")]
    #[inline]
    fn write<'a>(&'a self, bytes: &'a [u8]) -> WriteSome<'a, NoPos, Self> {
        self.write_at(bytes, NoPos)
    }

    /// Writes all of an owned buffer without a copy; see [`IoWrite::write_all_buf_at`].
    ///
    /// # Errors
    /// Those of [`IoWrite::write_all_buf_at`].
    #[inline]
    fn write_all_buf<B: WriteBuffer>(
        &self,
        buffer: B,
    ) -> TransferBufExact<'_, Write, NoPos, Self, B> {
        self.write_all_buf_at(buffer, NoPos)
    }

    /// Writes the front of an owned buffer without a copy; see [`IoWrite::write_buf_at`].
    ///
    /// # Errors
    /// Those of [`IoWrite::write_buf_at`].
    #[inline]
    fn write_buf<B: WriteBuffer>(&self, buffer: B) -> TransferBufSome<'_, Write, NoPos, Self, B> {
        self.write_buf_at(buffer, NoPos)
    }

    /// Writes a packet; see [`IoWrite::write_packet_at`].
    #[inline]
    fn write_packet<B: WriteBuffer>(
        &self,
        packet: Packet<B>,
    ) -> TransferPacket<'_, Write, NoPos, Self, B> {
        self.write_packet_at(packet, NoPos)
    }

    /// Writes a packet, and calls `each` with each range as it completes; see
    /// [`IoWrite::write_packet_each_at`].
    #[inline]
    fn write_packet_each<B: WriteBuffer, F: FnMut(EndedSegment<'_>)>(
        &self,
        packet: Packet<B>,
        each: F,
    ) -> TransferEach<'_, Write, NoPos, Self, B, F> {
        self.write_packet_each_at(packet, NoPos, each)
    }
}

impl<Io: PacketIo<Write, NoPos> + ?Sized> StreamWrite for Io {}

/// The forms of streams, without a position.
impl<Io: IoBackend + ?Sized> Blocking<'_, Io, NoPos> {
    /// Reads a plain value; see [`read_value_at`](Self::read_value_at).
    ///
    /// # Errors
    /// The first failure, if any byte could not be read; `UnexpectedEof` at end of file.
    #[inline]
    pub fn read_value<T: Pod>(self) -> Result<T>
    where
        Io: PacketIo<Read, NoPos>,
    {
        self.read_value_at(NoPos)
    }

    /// Reads exactly `bytes.len()` bytes.
    ///
    /// # Errors
    /// The first failure, if any byte could not be read; `UnexpectedEof` at end of file. Any part
    /// of `bytes` may have been overwritten.
    #[inline]
    pub fn read_exact(self, bytes: &mut [u8]) -> Result<()>
    where
        Io: PacketIo<Read, NoPos>,
    {
        self.read_exact_at(bytes, NoPos)
    }

    /// Reads up to `bytes.len()` bytes: waits for the first, and returns the number of bytes read,
    /// 0 at end of file. The rest of `bytes` may have been overwritten.
    ///
    /// # Errors
    /// The failure of the first byte, unless that is the end of the file.
    #[inline]
    pub fn read(self, bytes: &mut [u8]) -> Result<usize>
    where
        Io: PacketIo<Read, NoPos>,
    {
        self.read_at(bytes, NoPos)
    }

    /// Appends all bytes until the other end is closed to `bytes`; see
    /// [`read_to_end_at`](Self::read_to_end_at).
    ///
    /// # Errors
    /// The first failure; `OutOfMemory`. The bytes before it are in `bytes`.
    pub fn read_to_end(self, bytes: &mut Vec<u8>) -> Result<usize>
    where
        Io: PacketIo<Read, NoPos>,
    {
        self.read_to_end_at(bytes, NoPos)
    }

    /// Writes a plain value: its bytes as they are, in this machine's byte order.
    ///
    /// # Errors
    /// The first failure, if any byte could not be written.
    #[inline]
    pub fn write_value<T: NoUninit>(self, value: &T) -> Result<()>
    where
        Io: PacketIo<Write, NoPos>,
    {
        self.write_value_at(value, NoPos)
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The first failure, if any byte could not be written; any part of `bytes` may have been.
    #[inline]
    pub fn write_all(self, bytes: &[u8]) -> Result<()>
    where
        Io: PacketIo<Write, NoPos>,
    {
        self.write_all_at(bytes, NoPos)
    }

    /// Writes the front of `bytes`, and returns the number of bytes written.
    ///
    /// # Errors
    /// The failure of the first byte. A failure after the first byte is a partial write.
    #[inline]
    pub fn write(self, bytes: &[u8]) -> Result<usize>
    where
        Io: PacketIo<Write, NoPos>,
    {
        self.write_at(bytes, NoPos)
    }
}
