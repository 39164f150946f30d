//! Whether to try a read of the page cache where it is sent, or to queue it for the driver.
//!
//! Trying (`preadv2` with `RWF_NOWAIT`) is the fastest way while one request at a time is in
//! flight. With many, sending them to the ring together is. So the runtime is in one of two modes,
//! chosen by the size of its batches:
//!
//! * *Inline*: reads are tried at once. Every so many attempts one read is queued instead: that
//!   yields to other tasks, and the size of its batch tells how many requests there are.
//! * *Queued*: reads go to the ring together. A small batch switches back; a batch of one is tried
//!   at the flush.
//!
//! Each file remembers what its attempts gave. After several misses in a row it backs off, longer
//! each time; where the file system does not support the call, for good. Reads of files in memory
//! (tmpfs) never wait, so they never go to the driver.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};

/// The mode of a runtime, as the sizes of its batches suggest.
#[derive(Debug)]
pub(crate) struct Mode {
    queued: AtomicBool,
}

impl Mode {
    /// Starts inline.
    pub(crate) fn new() -> Self {
        Self {
            queued: AtomicBool::new(false),
        }
    }

    /// Records how many reads were submitted together.
    #[inline]
    pub(crate) fn batch(&self, reads: usize) {
        let queued = reads > MAX_TRIED_BATCH;
        if reads > 0 && self.queued.load(Relaxed) != queued {
            self.queued.store(queued, Relaxed);
        }
    }
}

/// The largest batch in which trying each read is no slower than one round trip for all of them.
/// Measured: eight break even through a reactor, six under `block_on`.
const MAX_TRIED_BATCH: usize = 7;

/// The results of the attempts on one file. A race costs one attempt, or saves one.
#[derive(Debug)]
pub(crate) struct Caching {
    state: AtomicU8,
    /// Misses in a row.
    misses: AtomicU8,
    /// Reads that are still to be queued without an attempt.
    skip: AtomicU32,
    attempts: AtomicU32,
}

const TRY: u8 = 0;
const NEVER: u8 = 1;
const MEMORY: u8 = 2;

/// Misses in a row after which a file backs off.
const MISSES_ALLOWED: u8 = 4;
/// The longest back-off in reads, as a power of two.
const MAX_BACKOFF: u8 = 12;

impl Caching {
    /// `try_cache` is false for files that bypass the page cache.
    pub(crate) fn new(try_cache: bool) -> Self {
        let state = if try_cache { TRY } else { NEVER };
        Self {
            state: AtomicU8::new(state),
            misses: AtomicU8::new(0),
            skip: AtomicU32::new(0),
            attempts: AtomicU32::new(0),
        }
    }

    /// Whether to try a read that is sent now. One in `stride` attempts is queued instead.
    #[inline]
    pub(crate) fn at_send(&self, mode: &Mode, stride: u32) -> bool {
        match self.state.load(Relaxed) {
            MEMORY => true,
            NEVER => false,
            _ => !mode.queued.load(Relaxed) && !self.count_skip() && !self.count_attempt(stride),
        }
    }

    /// Whether to try a read that is alone in its batch.
    #[inline]
    pub(crate) fn at_flush(&self) -> bool {
        match self.state.load(Relaxed) {
            MEMORY => true,
            NEVER => false,
            _ => self.misses.load(Relaxed) < MISSES_ALLOWED,
        }
    }

    /// Counts a read; returns whether the back-off skips it.
    #[inline]
    fn count_skip(&self) -> bool {
        let skip = self.skip.load(Relaxed);
        if skip > 0 {
            self.skip.store(skip - 1, Relaxed);
        }
        skip > 0
    }

    /// Counts an attempt; returns whether this read is queued instead.
    #[inline]
    fn count_attempt(&self, stride: u32) -> bool {
        let attempts = self.attempts.load(Relaxed).wrapping_add(1);
        self.attempts.store(attempts, Relaxed);
        attempts.is_multiple_of(stride)
    }

    /// Records that the page cache had the bytes.
    #[inline]
    pub(crate) fn hit(&self) {
        if self.misses.load(Relaxed) != 0 {
            self.misses.store(0, Relaxed);
        }
    }

    /// Records that it did not.
    #[cold]
    pub(crate) fn missed(&self) {
        let misses = self.misses.load(Relaxed).saturating_add(1);
        self.misses.store(misses, Relaxed);
        if misses >= MISSES_ALLOWED {
            let backoff = (misses - MISSES_ALLOWED + 3).min(MAX_BACKOFF);
            self.skip.store(1 << backoff, Relaxed);
        }
    }

    /// Records that the file system does not support the attempt.
    #[cold]
    pub(crate) fn unsupported(&self, in_memory: bool) {
        let state = if in_memory { MEMORY } else { NEVER };
        self.state.store(state, Relaxed);
    }

    /// Whether the file lives in memory, so that reads never wait.
    #[inline]
    pub(crate) fn is_in_memory(&self) -> bool {
        self.state.load(Relaxed) == MEMORY
    }
}

#[cfg(test)]
mod tests {
    use super::{Caching, MAX_TRIED_BATCH, MISSES_ALLOWED, Mode};

    const STRIDE: u32 = 64;

    #[test]
    fn every_so_many_hits_one_gives_way() {
        let (caching, mode) = (Caching::new(true), Mode::new());
        let tried = (0..STRIDE * 10).filter(|_| caching.at_send(&mode, STRIDE));
        assert_eq!(tried.count() as u32, STRIDE * 10 - 10);
    }

    #[test]
    fn large_batches_are_queued_and_small_ones_switch_back() {
        let (caching, mode) = (Caching::new(true), Mode::new());
        mode.batch(MAX_TRIED_BATCH);
        assert!(caching.at_send(&mode, STRIDE));
        mode.batch(MAX_TRIED_BATCH + 1);
        assert!(!caching.at_send(&mode, STRIDE));
        mode.batch(0);
        assert!(
            !caching.at_send(&mode, STRIDE),
            "a flush without reads tells nothing"
        );
        mode.batch(1);
        assert!(caching.at_send(&mode, STRIDE));
    }

    #[test]
    fn misses_in_a_row_stop_it_for_longer_and_longer() {
        let (caching, mode) = (Caching::new(true), Mode::new());
        let pause = || {
            let skipped = (0..100_000).take_while(|_| !caching.at_send(&mode, u32::MAX));
            skipped.count()
        };
        (1..MISSES_ALLOWED).for_each(|_| caching.missed());
        assert_eq!(pause(), 0);
        caching.missed();
        let first = pause();
        caching.missed();
        let second = pause();
        assert!(first > 0 && second > first, "{first}, then {second}");
        (0..100).for_each(|_| caching.missed());
        let longest = pause();
        assert!(longest > second && longest < 10_000, "{longest}");
        assert!(!caching.at_flush());
        caching.hit();
        assert!(caching.at_flush());
        caching.missed();
        assert_eq!(pause(), 0);
    }

    #[test]
    fn direct_files_never_try_the_page_cache() {
        let (caching, mode) = (Caching::new(false), Mode::new());
        assert!(!caching.at_send(&mode, STRIDE) && !caching.at_flush());
    }
}
