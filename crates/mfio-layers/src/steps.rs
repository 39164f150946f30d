//! [`Steps`]: a loop over requests of several initiators, any of which may panic.

#[cfg(feature = "std")]
use alloc::boxed::Box;
#[cfg(feature = "std")]
use core::any::Any;
#[cfg(feature = "std")]
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs the steps of a loop, and continues after a panic of an object in one of them. The first
/// panic is resumed when the loop is [over](Self::over). The views of a step that panics fail as it
/// unwinds.
///
/// Without std a panic leaves the loop at once, so each loop has an [`OnPanic`] beside it that
/// fails the other requests.
#[derive(Default)]
pub(crate) struct Steps {
    #[cfg(feature = "std")]
    panic: Option<Box<dyn Any + Send>>,
}

#[cfg(feature = "std")]
impl Steps {
    /// Runs a step. A second panic is reported by the panic hook only.
    pub(crate) fn run(&mut self, step: impl FnOnce()) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(step)) else {
            return;
        };
        if self.panic.is_none() {
            self.panic = Some(panic);
        } else {
            // The payload of a panic may panic when it is dropped. That payload is leaked.
            core::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(panic))));
        }
    }

    /// Ends the loop.
    pub(crate) fn over(self) {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
    }

    /// Ends the loop while another panic unwinds.
    fn discard(self) {
        let discarded = catch_unwind(AssertUnwindSafe(|| drop(self.panic)));
        // The payload of a panic may panic when it is dropped. That payload is leaked.
        core::mem::forget(discarded);
    }
}

#[cfg(not(feature = "std"))]
impl Steps {
    /// Runs a step.
    pub(crate) fn run(&mut self, step: impl FnOnce()) {
        step();
    }

    /// Ends the loop.
    pub(crate) fn over(self) {}

    fn discard(self) {}
}

/// Runs a closure when it is dropped, as a panic unwinds; code that does not panic
/// [forgets](core::mem::forget) it. A panic of the closure is reported only.
pub(crate) struct OnPanic<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        let mut steps = Steps::default();
        steps.run(&mut self.0);
        steps.discard();
    }
}
