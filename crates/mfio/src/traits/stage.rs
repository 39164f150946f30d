//! Stages of futures that send at their first poll.

use core::mem;

/// The stage of a future: its request until the first poll, then the operation.
pub(super) enum Stage<F, S> {
    Fresh(F),
    Sent(S),
    Over,
}

impl<F, S> Stage<F, S> {
    /// Returns the operation, and starts it if that was not done.
    ///
    /// # Panics
    /// If the future was ready before.
    pub(super) fn sent(&mut self, start: impl FnOnce(F) -> S) -> &mut S {
        if let Stage::Fresh(_) = self
            && let Stage::Fresh(request) = mem::replace(self, Stage::Over)
        {
            *self = Stage::Sent(start(request));
        }
        match self {
            Stage::Sent(operation) => operation,
            Stage::Fresh(_) | Stage::Over => panic!("a future was polled after it was ready"),
        }
    }
}
