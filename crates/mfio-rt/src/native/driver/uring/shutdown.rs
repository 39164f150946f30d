//! The end of the driver: the kernel stops first, then memory is freed.

use std::time::Duration;

use mfio::error::ErrorKind;

use super::driver::Uring;
use super::ring::Entries;
use super::sqe;
use crate::native::driver::contract::Driver;
use crate::native::driver::deadline::Deadline;
use crate::native::op::fail_all;

/// The interval at which to look for completions without a wake-up.
const LOOK: Duration = Duration::from_millis(50);

impl Uring {
    /// Cancels optional operations, carries out the others (writes), and waits for the terminal
    /// completions. Returns how many did not come. After 7/8 of `patience` the others are
    /// cancelled, too.
    pub(super) fn stop(&self, patience: Duration) -> usize {
        self.close();
        let cancelling = patience / 8;
        match self.finish(Deadline::after(patience - cancelling), false) {
            0 => 0,
            _ => {
                let given_up = self.queue().give_up();
                fail_all(given_up, ErrorKind::Cancelled);
                self.finish(Deadline::after(cancelling.max(LOOK)), true)
            }
        }
    }

    /// Reaps until every operation has ended, or the time is up. Returns how many have not ended.
    fn finish(&self, until: Deadline, at_last: bool) -> usize {
        let (mut done, mut before) = (Vec::new(), 0);
        loop {
            let refused = self.push_cancels();
            let more = self.reap(&mut done) || refused;
            let left = until.left();
            let open = self.queue().unfinished(at_last && left.is_zero());
            if open == 0 || left.is_zero() {
                return open;
            }
            // Operations that have ended may have made room for others.
            let moves = more || open != std::mem::replace(&mut before, open);
            if !moves {
                self.wait(Some(left.min(LOOK)));
            }
        }
    }

    /// Rejects operations from now on, and ends the optional ones that the kernel does not have.
    fn close(&self) {
        let unsent = self.queue().close();
        fail_all(unsent, ErrorKind::Cancelled);
    }

    /// Submits cancel requests. Returns `true` if some are left.
    fn push_cancels(&self) -> bool {
        let mut entries = self.ring.entries();
        if entries.is_closed() {
            drop(entries);
            return self.cancel_without_entries();
        }
        if self.queue().wake_armed {
            push(&mut entries, &sqe::cancel(sqe::WAKE));
        }
        let filled = self.fill(&mut entries);
        let more = self.submit_filled(entries, &filled);
        fail_all(filled.given_up, ErrorKind::Cancelled);
        more
    }
}

#[allow(unsafe_code)]
fn push(entries: &mut Entries<'_>, cancel: &io_uring::squeue::Entry) {
    // SAFETY: the entry points to nothing.
    unsafe { entries.push(cancel) };
}
