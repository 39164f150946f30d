//! The error of an operation.

use crate::control::{ControlIo, ControlOp};
use crate::error::{Cause, Error};
use crate::io::Operation;

/// Builds the error of an operation, as the user sees it.
#[cold]
pub(super) fn failure<Io: ControlIo + ?Sized>(io: &Io, op: ControlOp, cause: Cause) -> Error {
    let mut error = Error::new(cause, op.kind().name()).identity(io.identity());
    if let Some(span) = op.span() {
        error = error.offset(span.start()).len(span.len());
    }
    if let Some(help) = io.explain(Operation::Control, cause) {
        error = error.help(help);
    }
    error
}
