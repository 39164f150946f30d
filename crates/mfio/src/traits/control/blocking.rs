//! Blocking control operations.

use super::super::blocking::Blocking;
use super::IoControl;
use super::extents::List;
use super::failure::failure;
use crate::backend::{IoBackend, IoBackendExt};
use crate::control::{Answer, ControlIo, ControlOp, Extent, Span, Unmap};
use crate::error::{ErrorKind, Result};
use alloc::vec::Vec;

/// Control operations, which block until they have ended. They take the object's short cut, if it
/// has one ([`ControlIo::control_blocking`]).
impl<Io: ControlIo + IoBackend + ?Sized> Blocking<'_, Io> {
    /// Makes the data of all writes that have ended durable; see [`IoControl::sync_data`].
    ///
    /// # Errors
    /// The failure of the flush, once.
    #[doc(alias = "fdatasync")]
    pub fn sync_data(self) -> Result<()> {
        self.control(ControlOp::SyncData)
    }

    /// Makes all writes that have ended durable; see [`IoControl::sync_all`].
    ///
    /// # Errors
    /// The failure of the flush, once.
    #[doc(alias = "fsync")]
    #[doc(alias = "flush")]
    pub fn sync_all(self) -> Result<()> {
        self.control(ControlOp::SyncAll)
    }

    /// Tells that the bytes of a range are no longer needed; see [`IoControl::discard`].
    ///
    /// # Errors
    /// The failure of the operation. Any part of the range may have been discarded.
    #[doc(alias = "trim")]
    pub fn discard(self, range: impl Into<Span>) -> Result<()> {
        self.control(ControlOp::Discard(range.into()))
    }

    /// Sets the bytes of a range to zero; see [`IoControl::write_zeroes`].
    ///
    /// # Errors
    /// The failure of the operation. Any part of the range may be zero.
    #[doc(alias = "punch_hole")]
    pub fn write_zeroes(self, range: impl Into<Span>, unmap: Unmap) -> Result<()> {
        self.control(ControlOp::WriteZeroes(range.into(), unmap))
    }

    /// Reserves storage for a range; see [`IoControl::allocate`].
    ///
    /// # Errors
    /// The failure of the operation, such as `StorageFull`.
    #[doc(alias = "fallocate")]
    pub fn allocate(self, range: impl Into<Span>) -> Result<()> {
        self.control(ControlOp::Allocate(range.into()))
    }

    /// Changes the length; see [`IoControl::set_len`].
    ///
    /// # Errors
    /// The failure of the operation.
    #[doc(alias = "ftruncate")]
    #[doc(alias = "resize")]
    pub fn set_len(self, len: u64) -> Result<()> {
        self.control(ControlOp::SetLen(len))
    }

    /// Returns the length, in bytes.
    ///
    /// # Errors
    /// The failure of the operation.
    #[expect(
        clippy::len_without_is_empty,
        reason = "it asks the object, and may fail"
    )]
    pub fn len(self) -> Result<u64> {
        let mut bytes = [0; Answer::LEN];
        let mut answer = Answer::new(&mut bytes);
        let op = ControlOp::Len;
        match self.io.control_blocking(op, &mut answer) {
            None => self.io.block_on(IoControl::len(self.io)),
            Some(Ok(())) => {
                let len = answer.read_len().ok_or(ErrorKind::InvalidData.into());
                len.map_err(|cause| failure(self.io, op, cause))
            }
            Some(Err(cause)) => Err(failure(self.io, op, cause)),
        }
    }

    /// Returns which parts of a range hold data and which are holes; see [`IoControl::extents`].
    ///
    /// # Errors
    /// The first failure.
    #[doc(alias = "SEEK_DATA")]
    #[doc(alias = "SEEK_HOLE")]
    pub fn extents(self, range: impl Into<Span>) -> Result<Vec<Extent>> {
        let span = range.into();
        let mut list = List::new(span);
        let mut bytes = [0; List::BYTES];
        while let Some(op) = list.next_op() {
            let mut answer = Answer::new(&mut bytes);
            let Some(result) = self.io.control_blocking(op, &mut answer) else {
                // An object has a short cut for all answers, or for none.
                return self.io.block_on(self.io.extents(span));
            };
            let taken = result.and_then(|()| list.extend(&mut answer));
            taken.map_err(|cause| failure(self.io, op, cause))?;
        }
        Ok(list.extents)
    }

    /// Returns the extent that begins at `pos`; see [`IoControl::extent_at`].
    ///
    /// # Errors
    /// The failure of the operation.
    pub fn extent_at(self, pos: u64) -> Result<Option<Extent>> {
        let span = Span::from(pos..);
        let mut bytes = [0; Answer::EXTENT];
        let mut answer = Answer::new(&mut bytes);
        let op = ControlOp::Extents(span);
        match self.io.control_blocking(op, &mut answer) {
            _ if span.is_empty() => Ok(None),
            None => self.io.block_on(self.io.extent_at(pos)),
            Some(Ok(())) => Ok(answer.read_extents(span).next()),
            Some(Err(cause)) => Err(failure(self.io, op, cause)),
        }
    }

    /// Tells that reads of a range will follow; see [`IoControl::prefetch`].
    ///
    /// # Errors
    /// The failure of the operation; reads work all the same.
    #[doc(alias = "fadvise")]
    pub fn prefetch(self, range: impl Into<Span>) -> Result<()> {
        self.control(ControlOp::Prefetch(range.into()))
    }

    /// Ends the stream that is written; see [`IoControl::shutdown`].
    ///
    /// # Errors
    /// The failure of the operation.
    pub fn shutdown(self) -> Result<()> {
        self.control(ControlOp::Shutdown)
    }

    /// Carries out an operation without an answer; see [`IoControl::control`].
    ///
    /// # Errors
    /// The failure of the operation; `InvalidInput` if it has an answer.
    pub fn control(self, op: ControlOp) -> Result<()> {
        if op.is_empty() && !op.has_answer() {
            return Ok(());
        }
        let short_cut = match op.has_answer() {
            true => Some(Err(ErrorKind::InvalidInput.into())),
            false => self.io.control_blocking(op, &mut Answer::new(&mut [0])),
        };
        match short_cut {
            None => self.io.block_on(self.io.control(op)),
            Some(result) => result.map_err(|cause| failure(self.io, op, cause)),
        }
    }

    /// Carries out several operations without an answer; see [`IoControl::control_batch`]. There is
    /// no short cut: they are in flight at once.
    ///
    /// # Errors
    /// The first failure, in the order of the operations.
    pub fn control_batch(self, ops: &[ControlOp]) -> Result<()> {
        self.io.block_on(self.io.control_batch(ops)).all()
    }
}
