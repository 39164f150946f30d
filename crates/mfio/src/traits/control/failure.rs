//! The error of an operation.

use crate::control::ControlOp;
use crate::error::{Cause, Error};
use crate::io::{IoObject, Operation};

/// Builds the error of an operation, as the user sees it.
#[cold]
pub(crate) fn failure<Io: IoObject + ?Sized>(io: &Io, op: ControlOp, cause: Cause) -> Error {
    let mut error = Error::new(cause, op.kind().name()).identity(io.identity());
    if let Some(span) = op.span() {
        error = error.offset(span.start()).len(span.len());
    }
    if let Some(help) = io.explain(Operation::Control, cause) {
        error = error.help(help);
    }
    error
}
