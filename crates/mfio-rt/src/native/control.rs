//! Control operations of files and streams.

use mfio::control::{Answer, Capabilities, ControlIo, ControlKind, ControlOp};
use mfio::error::{Cause, ErrorKind};
use mfio::io::Read;
use mfio::packet::View;

use super::file::File;
use super::metadata::{MetadataRequest, Space, explained};
use super::object::{FileKind, Object};
use super::op::Op;
use super::stream::Stream;
use super::sys::{self, Errno};

/// Whether this system has calls for holes and hints.
const HAS_HOLES: bool = cfg!(target_os = "linux");

impl Object {
    /// Returns the operations that files of this kind support. `writable`: if opened for writing.
    fn capabilities(&self, writable: bool) -> Capabilities {
        use ControlKind as K;
        let kinds: &[K] = match self.kind() {
            FileKind::Regular => &[K::SyncData, K::SyncAll, K::Len, K::Extents],
            FileKind::BlockDevice => &[K::SyncData, K::SyncAll, K::Len, K::Extents],
            FileKind::Directory => &[K::SyncData, K::SyncAll],
            FileKind::Socket => &[K::Shutdown],
            FileKind::Other => &[],
        };
        let more: &[K] = match self.kind() {
            FileKind::Regular if writable && HAS_HOLES => &[
                K::SetLen,
                K::Prefetch,
                K::Discard,
                K::WriteZeroes,
                K::Allocate,
            ],
            FileKind::Regular if writable => &[K::SetLen],
            FileKind::BlockDevice if writable && HAS_HOLES => {
                &[K::Prefetch, K::Discard, K::WriteZeroes]
            }
            FileKind::Regular | FileKind::BlockDevice if HAS_HOLES => &[K::Prefetch],
            _ => &[],
        };
        kinds.iter().chain(more).copied().collect()
    }

    /// Returns why an operation is impossible on this file, if it is.
    fn rejection(&self, op: ControlOp) -> Option<Cause> {
        if self.capabilities(self.is_writable()).supports(op) {
            return None;
        }
        Some(match self.capabilities(true).supports(op) {
            true => ErrorKind::ReadOnly.into(),
            false => ErrorKind::NotSupported.into(),
        })
    }

    /// Carries out an operation on this thread.
    fn execute(&self, op: ControlOp, answer: &mut Answer<'_>) -> Result<(), Cause> {
        if op.is_empty() && op.kind() != ControlKind::Extents {
            return Ok(());
        }
        if let Some(cause) = self.rejection(op) {
            return Err(cause);
        }
        let fd = self.fd();
        let failed = |errno: Errno| explained(Cause::from_errno(errno));
        match op {
            ControlOp::SyncData => sys::sync(fd, true).map_err(failed),
            ControlOp::SyncAll => sys::sync(fd, false).map_err(failed),
            ControlOp::Shutdown => sys::shutdown(fd).map_err(failed),
            ControlOp::Len => answer.len(sys::len(fd).map_err(failed)?),
            ControlOp::Extents(span) => {
                let runs = sys::extents(fd, span, answer.room()).map_err(failed)?;
                answer.extents(span, runs)
            }
            op => Space::execute(self, op).map_err(failed),
        }
    }
}

/// A file does what its kind can: `capabilities` tells. A file that was not opened for writing
/// fails the operations that change it with `ReadOnly`.
///
/// Ranges are made holes by `fallocate(2)`, and those of block devices by `BLKDISCARD`, in whole
/// blocks. A zero write extends the file, as every write does. Extents move the offset of the
/// descriptor (`lseek(2)`), which its duplicates share; nothing here uses it.
///
/// Syncs go to the driver, all others to threads, of which there are up to
/// [`Builder::threads`](super::Builder::threads).
impl ControlIo for File {
    fn send_control(&self, op: ControlOp, mut view: View<Read>) {
        if op.is_empty() {
            view.bytes_mut().fill(0);
            return view.done();
        }
        if let Some(cause) = self.object().rejection(op) {
            return view.fail(cause);
        }
        if op == ControlOp::Shutdown {
            // It never waits.
            return mfio::control::answer_with(view, |answer| self.object().execute(op, answer));
        }
        let request = MetadataRequest::control(self.object().clone(), op, view);
        if let Err((op, cause)) = self.owner().submit(Op::Metadata(request)) {
            op.fail(cause);
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.object().capabilities(self.object().is_writable())
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        Some(match self.owner().is_child() {
            true => Err(ErrorKind::BackendGone.into()),
            false => self.object().execute(op, answer),
        })
    }
}

/// A socket ends its written side (`shutdown(2)`); pipes and terminals support nothing.
impl ControlIo for Stream {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        self.file().send_control(op, view);
    }

    fn capabilities(&self) -> Capabilities {
        self.file().capabilities()
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        self.file().control_blocking(op, answer)
    }
}
