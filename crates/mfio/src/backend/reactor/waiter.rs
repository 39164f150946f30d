//! [`ReactorWaiter`]: a task that waits at a reactor.

use super::list::Reactors;
use super::watch::Watch;
use crate::backend::drive::ErasedBackend;
use crate::backend::polling::PollingFlags;
use crate::backend::registration::{ReactorError, Register, Registration};
use crate::contain::contained;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::task::Waker;

/// A task that waits at the watch of a reactor; leaves when dropped.
pub(crate) struct ReactorWaiter<'a> {
    backend: &'a Arc<dyn ErasedBackend>,
    reactors: &'a Reactors,
    watch: Arc<Watch>,
    /// The number of the task at its watch.
    task: usize,
    waker: Waker,
}

impl<'a> ReactorWaiter<'a> {
    /// Joins the watch of the current reactor; `make` registers the handle by `register` if there
    /// is none.
    ///
    /// The caller has set the waker of the handle, and looks at the drive lock afterwards.
    pub(crate) fn join(
        backend: &'a Arc<dyn ErasedBackend>,
        reactors: &'a Reactors,
        waker: &Waker,
        interests: &PollingFlags,
        register: Register,
        make: impl FnOnce() -> Result<Box<dyn Registration>, ReactorError>,
    ) -> Result<Self, ReactorError> {
        // User code, which may panic: there is nothing to undo yet.
        let (kept, for_reports) = (waker.clone(), waker.clone());
        let make = || make().map(|made| Watch::new(backend, made, register, interests));
        let (watch, task, is_new) = Self::join_watch(reactors, register, make)?;
        backend.waiters().add_at_handle();
        backend.waiters().attendance.add_task();
        let this = Self {
            backend,
            reactors,
            watch,
            task,
            waker: kept,
        };
        this.set_waker(for_reports);
        if is_new && this.watch.arm() {
            backend.waiters().signal();
        }
        // It may have failed before this task's waker was there to be woken.
        this.watch.check()?;
        Ok(this)
    }

    /// Adds a task to the watch of the current reactor, which `make` makes if there is none (R5).
    /// Returns the number of the task, and whether the watch was made.
    fn join_watch(
        reactors: &Reactors,
        register: Register,
        make: impl FnOnce() -> Result<Arc<Watch>, ReactorError>,
    ) -> Result<(Arc<Watch>, usize, bool), ReactorError> {
        let mut make = Some(make);
        let mut made = None;
        loop {
            let (watches, seen) = reactors.snapshot();
            // Registrations are user code, so they are queried outside the lock (W1).
            let joined = watches.iter().find_map(|watch| {
                let suits = watch.suits(register);
                let task = suits.then(|| watch.tasks.lock().join())??;
                Some((watch.clone(), task, false))
            });
            if let Some(joined) = joined {
                // A watch that was made in vain is dropped outside the lock.
                return Ok(joined);
            }
            if let Some(make) = make.take() {
                made = Some(make().map(|watch| {
                    let task = watch.tasks.lock().join();
                    (watch, task.unwrap_or_default())
                }));
            }
            match made {
                Some(Ok((ref watch, task))) if reactors.insert(watch, seen) => {
                    return Ok((watch.clone(), task, true));
                }
                // Unless another task has succeeded meanwhile.
                Some(Err(error)) if reactors.snapshot().1 == seen => {
                    return Err(error);
                }
                _ => {}
            }
        }
    }

    /// Sets the waker that is woken to report an error.
    fn set_waker(&self, waker: Waker) {
        let before = self.watch.tasks.lock().wakers.set_waker(self.task, waker);
        drop(before);
    }

    /// Returns whether the calling task still runs on the reactor at which it waits.
    pub(crate) fn is_current(&self) -> bool {
        self.watch.is_current()
    }

    /// Goes on waiting, with interests and a waker that may have changed.
    pub(crate) fn renew(
        &mut self,
        waker: &Waker,
        interests: &PollingFlags,
    ) -> Result<(), ReactorError> {
        self.watch.check()?;
        if !self.waker.will_wake(waker) {
            self.waker = waker.clone();
            self.set_waker(waker.clone());
        }
        let (read, write) = interests.get();
        if self.backend.interests().is_none() && self.watch.interests.get() != (read, write) {
            self.watch.interests.set_read(read);
            self.watch.interests.set_write(write);
            if self.watch.arm() {
                self.backend.waiters().signal();
            }
        }
        Ok(())
    }
}

/// Without the watch's tasks and the list, which are under locks: the formatter is user code.
impl fmt::Debug for ReactorWaiter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReactorWaiter")
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

impl Drop for ReactorWaiter<'_> {
    fn drop(&mut self) {
        let (waker, last) = {
            let mut tasks = self.watch.tasks.lock();
            (tasks.wakers.leave(self.task), tasks.end_if_last())
        };
        let before = last.then(|| self.reactors.remove(&self.watch));
        let waiters = self.backend.waiters();
        waiters.attendance.remove_task();
        waiters.remove_at_handle();
        contained(|| drop((waker, before)));
    }
}
