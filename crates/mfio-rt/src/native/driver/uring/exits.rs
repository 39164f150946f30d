//! Counts the exits of threads that have submitted to a ring.
//!
//! When a thread exits, the kernel ends its operations with `ECANCELED` or `EFAULT`, before it has
//! made their system calls. A file system may report the same errors of a call that was made. If no
//! thread has exited meanwhile, they are the file system's.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

static EXITS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static SUBMITTER: Submitter = const { Submitter };
}

/// Is dropped before the kernel ends the operations of its thread.
struct Submitter;

impl Drop for Submitter {
    fn drop(&mut self) {
        EXITS.fetch_add(1, SeqCst);
    }
}

/// Returns the number of exits so far.
#[inline]
pub(super) fn count() -> u32 {
    EXITS.load(SeqCst)
}

/// Counts the exit of this thread when it comes; at once if it has begun.
#[inline]
pub(super) fn watch() {
    if SUBMITTER.try_with(|_| ()).is_err() {
        drop(Submitter);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_exit_of_a_submitting_thread_counts() {
        let before = super::count();
        std::thread::spawn(super::watch).join().unwrap();
        assert_ne!(super::count(), before);
    }
}
