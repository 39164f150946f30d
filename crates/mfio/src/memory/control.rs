//! Control operations of bytes in memory.

use super::clip::clip;
use super::{Frozen, Memory};
use crate::control::{
    Answer, Capabilities, ControlIo, ControlKind, ControlOp, ExtentKind, Span, answer_with,
};
use crate::error::{Cause, ErrorKind};
use crate::io::Read;
use crate::packet::View;
use alloc::vec::Vec;
use core::ops::Range;

/// The operations that do not change any bytes.
const READ_ONLY: Capabilities = Capabilities::NONE
    .with(ControlKind::SyncData)
    .with(ControlKind::SyncAll)
    .with(ControlKind::Len)
    .with(ControlKind::Extents)
    .with(ControlKind::Prefetch);

/// Carries out an operation that does not change any bytes, on an object of `len` bytes. `None` for
/// the others.
fn read_only(op: ControlOp, answer: &mut Answer<'_>, len: usize) -> Option<Result<(), Cause>> {
    let len = len as u64;
    Some(match op {
        // Memory has nothing to be flushed to, or to be read ahead from.
        ControlOp::SyncData | ControlOp::SyncAll | ControlOp::Prefetch(_) => Ok(()),
        ControlOp::Len => answer.len(len),
        ControlOp::Extents(span) => {
            let data = span.until(len).len();
            answer.extents(span, [(data, ExtentKind::Data)])
        }
        _ => return None,
    })
}

/// Returns the part of a range within `size` bytes, and whether that is all of it.
fn within(size: usize, span: Span) -> (Range<usize>, Result<(), Cause>) {
    let part = clip(
        size,
        span.start(),
        usize::try_from(span.len()).unwrap_or(usize::MAX),
    );
    let all = part.len() as u64 == span.len();
    (
        part,
        all.then_some(()).ok_or(ErrorKind::UnexpectedEof.into()),
    )
}

fn resize(bytes: &mut Vec<u8>, len: u64) -> Result<(), Cause> {
    let len = usize::try_from(len).map_err(|_| ErrorKind::OutOfMemory)?;
    let more = len.saturating_sub(bytes.len());
    bytes
        .try_reserve_exact(more)
        .map_err(|_| ErrorKind::OutOfMemory)?;
    bytes.resize(len, 0);
    Ok(())
}

impl Memory {
    fn execute(&self, op: ControlOp, answer: &mut Answer<'_>) -> Result<(), Cause> {
        let mut bytes = self.shared.bytes.lock();
        if let Some(result) = read_only(op, answer, bytes.len()) {
            return result;
        }
        match op {
            ControlOp::Discard(span) => {
                let (part, _) = within(bytes.len(), span);
                bytes[part].fill(0);
                Ok(())
            }
            ControlOp::WriteZeroes(span, _) => {
                let (part, all) = within(bytes.len(), span);
                bytes[part].fill(0);
                all
            }
            ControlOp::Allocate(span) => within(bytes.len(), span).1,
            ControlOp::SetLen(len) => resize(&mut bytes, len),
            _ => Err(ErrorKind::NotSupported.into()),
        }
    }
}

impl ControlIo for Memory {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        answer_with(view, |answer| self.execute(op, answer));
    }

    fn capabilities(&self) -> Capabilities {
        READ_ONLY
            .with(ControlKind::Discard)
            .with(ControlKind::WriteZeroes)
            .with(ControlKind::Allocate)
            .with(ControlKind::SetLen)
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        Some(self.execute(op, answer))
    }
}

impl Frozen {
    fn execute(&self, op: ControlOp, answer: &mut Answer<'_>) -> Result<(), Cause> {
        if let Some(result) = read_only(op, answer, self.len()) {
            return result;
        }
        match op {
            op if op.is_empty() => Ok(()),
            ControlOp::Shutdown => Err(ErrorKind::NotSupported.into()),
            _ => Err(ErrorKind::ReadOnly.into()),
        }
    }
}

impl ControlIo for Frozen {
    fn send_control(&self, op: ControlOp, view: View<Read>) {
        answer_with(view, |answer| self.execute(op, answer));
    }

    fn capabilities(&self) -> Capabilities {
        READ_ONLY
    }

    fn control_blocking(
        &self,
        op: ControlOp,
        answer: &mut Answer<'_>,
    ) -> Option<Result<(), Cause>> {
        Some(self.execute(op, answer))
    }
}
