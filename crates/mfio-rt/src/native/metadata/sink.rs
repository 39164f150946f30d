//! Receivers of the answers of metadata operations: a future, or the view of a control operation.

use std::fmt;
use std::sync::Arc;

use mfio::control::{Answer, ExtentKind, answer_with};
use mfio::error::{Cause, ErrorKind};
use mfio::io::Read;
use mfio::packet::View;

use super::answer::AnswerSlot;

/// The receiver of an answer of type `A`.
pub(super) trait Sink<A>: fmt::Debug + Send + Sync {
    /// Passes the answer on. Runs code of the user's.
    fn complete(self, answer: Result<A, Cause>);

    /// Whether nobody waits for the answer.
    fn is_abandoned(&self) -> bool;
}

impl<A: fmt::Debug + Send> Sink<A> for Arc<AnswerSlot<A>> {
    fn complete(self, answer: Result<A, Cause>) {
        AnswerSlot::complete(&self, answer);
    }

    fn is_abandoned(&self) -> bool {
        AnswerSlot::is_abandoned(self)
    }
}

/// The view of a control operation.
#[derive(Debug)]
pub(super) struct Reply(pub(super) View<Read>);

impl Reply {
    fn end(self, write: impl FnOnce(&mut Answer<'_>) -> Result<(), Cause>) {
        answer_with(self.0, |answer| write(answer).map_err(explained));
    }
}

/// Returns the cause of a failure, with the kind `NotSupported` for all errnos that say so.
pub(crate) fn explained(cause: Cause) -> Cause {
    match cause.errno() {
        Some(
            errno
            @ (libc::EOPNOTSUPP | libc::ENOSYS | libc::ENOTTY | libc::ENODEV | libc::ENOTSOCK),
        ) => Cause::with_errno(ErrorKind::NotSupported, errno),
        _ => cause,
    }
}

macro_rules! replies {
    ($($answer:ty => |$to:ident, $value:ident| $write:expr;)*) => {$(
        impl Sink<$answer> for Reply {
            fn complete(self, answer: Result<$answer, Cause>) {
                self.end(|$to| answer.and_then(|$value| $write));
            }

            fn is_abandoned(&self) -> bool {
                self.0.is_abandoned()
            }
        }
    )*};
}
replies! {
    () => |_to, _unit| Ok(());
    u64 => |to, len| to.len(len);
    // Clipped to the range when they were found.
    Vec<(u64, ExtentKind)> => |to, runs| to.extents(.., runs);
}
