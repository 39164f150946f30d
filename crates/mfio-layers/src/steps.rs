//! [`Steps`]: a loop that sees to the requests of many, one after another, in which one may panic.

#[cfg(feature = "std")]
use alloc::boxed::Box;
#[cfg(feature = "std")]
use core::any::Any;
#[cfg(feature = "std")]
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs the steps of a loop so that a panic of an object within one of them does not keep the others waiting: the loop goes
/// on, and the first panic is raised when it is [over](Self::over). The views that a panicking step had fail as it unwinds.
///
/// Without std a panic leaves the loop at once, so there is a guard beside it that gives up what the loop had to do.
#[derive(Default)]
pub(crate) struct Steps {
    #[cfg(feature = "std")]
    panic: Option<Box<dyn Any + Send>>,
}

#[cfg(feature = "std")]
impl Steps {
    /// Runs a step. A second panic is only reported, by the panic hook.
    pub(crate) fn run(&mut self, step: impl FnOnce()) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(step)) else {
            return;
        };
        if self.panic.is_none() {
            self.panic = Some(panic);
        } else {
            // A payload that panics when it is dropped is not asked twice.
            core::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(panic))));
        }
    }

    /// Ends the loop.
    pub(crate) fn over(self) {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
    }

    /// Ends the loop where a panic unwinds already.
    fn discard(self) {
        let discarded = catch_unwind(AssertUnwindSafe(|| drop(self.panic)));
        // A payload that panics when it is dropped is not asked twice.
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

/// Runs a closure where a panic unwinds: code that ends well [forgets](core::mem::forget) it. A panic of the closure is only
/// reported.
pub(crate) struct OnPanic<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        let mut steps = Steps::default();
        steps.run(&mut self.0);
        steps.discard();
    }
}
