//! The end of the driver: first the kernel stops, then memory is given back.

use std::time::Duration;

use mfio::error::ErrorKind;

use super::{Uring, end_all, sqe};
use crate::native::driver::Driver;
use crate::native::driver::deadline::Deadline;

/// Between two looks, in case a completion is posted without waking us.
const LOOK: Duration = Duration::from_millis(50);

impl Uring {
    /// Cancels everything and waits for the terminal completions. Returns how many did not come.
    pub(super) fn stop(&self, patience: Duration) -> usize {
        self.close();
        let until = Deadline::after(patience);
        let mut done = Vec::new();
        loop {
            self.push_cancels();
            self.reap(&mut done);
            let left = until.left();
            let open = self.unfinished();
            if open == 0 || left.is_zero() {
                return open;
            }
            // A failure shows in what is left at the end.
            let _ = self.ring.submit_and_wait(Some(left.min(LOOK)));
        }
    }

    /// Nothing is taken in any more; what the kernel does not know of yet ends here.
    fn close(&self) {
        let unsent = self.queue().close();
        end_all(unsent, ErrorKind::Cancelled);
    }

    fn push_cancels(&self) {
        let mut entries = self.ring.entries();
        if self.queue().wake_armed {
            push(&mut entries, &sqe::cancel(sqe::WAKE));
        }
        let filled = self.fill(&mut entries);
        drop(entries);
        end_all(filled.given_up, ErrorKind::Cancelled);
    }

    fn unfinished(&self) -> usize {
        let queue = self.queue();
        queue.table.len() + usize::from(queue.wake_armed)
    }
}

#[allow(unsafe_code)]
fn push(entries: &mut super::Entries<'_>, cancel: &io_uring::squeue::Entry) {
    // SAFETY: the entry points to nothing.
    unsafe { entries.push(cancel) };
}
