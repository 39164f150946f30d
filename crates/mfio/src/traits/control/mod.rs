//! Control operations: the methods of every [`ControlIo`].

mod batch;
mod blocking;
mod call;
mod extents;
mod failure;

use crate::control::{ControlIo, ControlOp, Span, Unmap};

pub use batch::{ControlBatch, EndedControls};
pub(crate) use call::SentControl;
pub use call::{ControlCall, ControlLen};
pub use extents::{ExtentAt, ListExtents};
pub(crate) use failure::failure;

/// Control operations of objects; see [`control`](crate::control).
///
/// Ranges are those of std: `0..4096`, `..`, or a [`Span`]. An operation with an empty range
/// succeeds without being sent. Futures are lazy, have names, and are `Send` if the object is
/// `Sync`. Their packets come from the pool of the object: nothing is allocated in the steady
/// state, except for the vector of [`extents`](Self::extents).
///
/// An operation that is not supported fails with `NotSupported`;
/// [`capabilities`](ControlIo::capabilities) tells beforehand.
///
/// # Cancel safety
/// Nothing is sent before the first poll. Dropping a future after that detaches its operation,
/// which is still carried out.
///
/// ```
/// use mfio::memory::Memory;
/// use mfio::prelude::*;
///
/// let io = Memory::new(vec![1; 8]);
/// io.block_on(async {
///     io.set_len(12).await?;
///     io.discard(0..4).await?;
///     io.sync_all().await
/// })?;
/// assert_eq!(io.to_vec(), [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]);
/// # Ok::<_, mfio::error::Error>(())
/// ```
#[expect(
    clippy::len_without_is_empty,
    reason = "the length is asked for, and may fail"
)]
pub trait IoControl: ControlIo {
    /// Makes the data of all writes that have ended durable, with the metadata that is needed to
    /// find it. Writes in flight may or may not be covered.
    ///
    /// # Errors
    /// The failure of the flush, once: after an error the state of unsynced data is unknown, and a
    /// second call that succeeds proves nothing.
    #[doc(alias = "fdatasync")]
    #[doc(alias = "flush_data")]
    #[inline]
    fn sync_data(&self) -> ControlCall<'_, Self> {
        ControlCall::new(self, ControlOp::SyncData)
    }

    /// Makes all writes that have ended durable, data and metadata. Writes in flight may or may not
    /// be covered.
    ///
    /// # Errors
    /// As [`sync_data`](Self::sync_data).
    #[doc(alias = "fsync")]
    #[doc(alias = "flush")]
    #[inline]
    fn sync_all(&self) -> ControlCall<'_, Self> {
        ControlCall::new(self, ControlOp::SyncAll)
    }

    /// Tells that the bytes of a range are no longer needed. Their values are undefined afterwards:
    /// use [`write_zeroes`](Self::write_zeroes) for zeros. The length stays; what is beyond the end
    /// is ignored.
    ///
    /// # Errors
    /// The failure of the operation. Any part of the range may have been discarded.
    #[doc(alias = "trim")]
    #[doc(alias = "BLKDISCARD")]
    #[doc(alias = "unmap")]
    #[inline]
    fn discard(&self, range: impl Into<Span>) -> ControlCall<'_, Self> {
        ControlCall::new(self, ControlOp::Discard(range.into()))
    }

    /// Sets the bytes of a range to zero, as a write of zeros would: also beyond the end, if a
    /// write may go there.
    ///
    /// # Errors
    /// The failure of the operation. Any part of the range may be zero.
    #[doc(alias = "fallocate")]
    #[doc(alias = "punch_hole")]
    #[doc(alias = "BLKZEROOUT")]
    #[doc(alias = "write_zeros")]
    #[inline]
    fn write_zeroes(&self, range: impl Into<Span>, unmap: Unmap) -> ControlCall<'_, Self> {
        ControlCall::new(self, ControlOp::WriteZeroes(range.into(), unmap))
    }

    /// Reserves storage for a range, so that writes to it do not fail for lack of space. Bytes and
    /// length stay.
    ///
    /// # Errors
    /// The failure of the operation, such as `StorageFull`.
    #[doc(alias = "fallocate")]
    #[doc(alias = "posix_fallocate")]
    #[inline]
    fn allocate(&self, range: impl Into<Span>) -> ControlCall<'_, Self> {
        ControlCall::new(self, ControlOp::Allocate(range.into()))
    }

    /// Changes the length. Bytes that are added are zero; those that are cut off are lost.
    ///
    /// # Errors
    /// The failure of the operation.
    #[doc(alias = "ftruncate")]
    #[doc(alias = "resize")]
    #[doc(alias = "truncate")]
    #[inline]
    fn set_len(&self, len: u64) -> ControlCall<'_, Self> {
        ControlCall::new(self, ControlOp::SetLen(len))
    }

    /// Returns the length, in bytes.
    ///
    /// # Errors
    /// The failure of the operation.
    #[doc(alias = "size")]
    #[doc(alias = "fstat")]
    #[inline]
    fn len(&self) -> ControlLen<'_, Self> {
        ControlLen::new(self)
    }

    /// Returns which parts of a range hold data and which are holes, in order, up to the end of the
    /// range or of the object. Neighbours of one kind are one extent.
    ///
    /// # Errors
    /// The first failure.
    #[doc(alias = "SEEK_DATA")]
    #[doc(alias = "SEEK_HOLE")]
    #[doc(alias = "FIEMAP")]
    #[inline]
    fn extents(&self, range: impl Into<Span>) -> ListExtents<'_, Self> {
        ListExtents::new(self, range.into())
    }

    /// Returns the extent that begins at `pos`, or `None` at the end of the object. It may be
    /// followed by another of the same kind.
    ///
    /// # Errors
    /// The failure of the operation.
    #[doc(alias = "SEEK_DATA")]
    #[doc(alias = "SEEK_HOLE")]
    #[inline]
    fn extent_at(&self, pos: u64) -> ExtentAt<'_, Self> {
        ExtentAt::new(self, pos)
    }

    /// Tells that reads of a range will follow, so that the object may read ahead.
    ///
    /// # Errors
    /// The failure of the operation; reads work all the same.
    #[doc(alias = "fadvise")]
    #[doc(alias = "readahead")]
    #[inline]
    fn prefetch(&self, range: impl Into<Span>) -> ControlCall<'_, Self> {
        ControlCall::new(self, ControlOp::Prefetch(range.into()))
    }

    /// Ends the stream that is written: its reader finds the end after the bytes written before.
    /// Later writes fail.
    ///
    /// # Errors
    /// The failure of the operation.
    #[doc(alias = "half_close")]
    #[doc(alias = "close")]
    #[inline]
    fn shutdown(&self) -> ControlCall<'_, Self> {
        ControlCall::new(self, ControlOp::Shutdown)
    }

    /// Carries out an operation without an answer. The methods above name each.
    ///
    /// # Errors
    /// The failure of the operation; `InvalidInput` for [`Len`](ControlOp::Len) and
    /// [`Extents`](ControlOp::Extents), which have an answer.
    #[inline]
    fn control(&self, op: ControlOp) -> ControlCall<'_, Self> {
        ControlCall::new(self, op)
    }

    /// Carries out several operations without an answer, all in flight at once, in any order. They
    /// share one packet, in which each has a byte.
    ///
    /// ```
    /// use mfio::control::{ControlOp, Unmap};
    /// use mfio::memory::Memory;
    /// use mfio::prelude::*;
    ///
    /// let io = Memory::new(vec![1; 8]);
    /// let ops = [ControlOp::Discard((0..2).into()), ControlOp::Discard((6..8).into())];
    /// let ended = io.block_on(io.control_batch(&ops));
    /// ended.all()?;
    /// assert_eq!(io.to_vec(), [0, 0, 1, 1, 1, 1, 0, 0]);
    /// # Ok::<_, mfio::error::Error>(())
    /// ```
    #[inline]
    fn control_batch<'a>(&'a self, ops: &'a [ControlOp]) -> ControlBatch<'a, Self> {
        ControlBatch::new(self, ops)
    }
}

impl<Io: ControlIo + ?Sized> IoControl for Io {}
