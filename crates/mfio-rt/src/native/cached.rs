//! Reads of what the page cache holds do not pay for a round trip through the driver.
//!
//! A read is first tried where it is sent (`preadv2` with `RWF_NOWAIT`), which is the fastest there is while one
//! request at a time is in flight. With many, sending them to the ring together is. So the runtime is in one of two
//! modes, and looks at the size of its batches to tell which:
//!
//! * *Inline*: reads are tried at once. Every so many hits one is queued all the same: it gives way to other tasks,
//!   and the batch that it ends up in tells how many are about.
//! * *Queued*: reads go to the ring together. A small batch switches back; a batch of one is tried where it is.
//!
//! Large reads are not tried: copying them would hold up who sends them. A file remembers what trying has brought: after several misses in a row it stops for a while, longer each time;
//! where the file system cannot, for good. Files in memory (tmpfs) never wait, and never go to the driver at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};

use mfio::error::{Cause, ErrorKind};
use mfio::io::Read;
use mfio::packet::View;

use super::object::Object;
use super::sys;

/// What the sizes of the batches say, for a whole runtime.
#[derive(Debug)]
pub(crate) struct Mode {
    queued: AtomicBool,
}

impl Mode {
    /// Inline to begin with.
    pub(crate) fn new() -> Self {
        Self {
            queued: AtomicBool::new(false),
        }
    }

    /// Takes in how many reads were submitted together.
    #[inline]
    pub(crate) fn batch(&self, reads: usize) {
        let queued = reads > MANY;
        if reads > 0 && self.queued.load(Relaxed) != queued {
            self.queued.store(queued, Relaxed);
        }
    }
}

/// Reads in a batch up to which trying each is no slower than one round trip for all of them. Measured: through a reactor
/// eight break even, under `block_on` six do.
const MANY: usize = 7;

/// The longest read that is done where it is sent.
const MAX_INLINE: usize = 64 * 1024;

/// What trying has brought for one file. All of it is advice: races cost a try, or save one.
#[derive(Debug)]
pub(crate) struct Caching {
    state: AtomicU8,
    /// Misses in a row.
    misses: AtomicU8,
    /// Reads that are not to be tried, yet.
    skip: AtomicU32,
    hits: AtomicU32,
}

const TRY: u8 = 0;
const NEVER: u8 = 1;
const MEMORY: u8 = 2;

/// Misses in a row after which a file stops trying for a while.
const PATIENCE: u8 = 4;
/// The longest while, as a power of two.
const MAX_BACKOFF: u8 = 12;

impl Caching {
    /// Trying makes sense unless the file goes past the page cache.
    pub(crate) fn new(try_cache: bool) -> Self {
        let state = if try_cache { TRY } else { NEVER };
        Self {
            state: AtomicU8::new(state),
            misses: AtomicU8::new(0),
            skip: AtomicU32::new(0),
            hits: AtomicU32::new(0),
        }
    }

    /// Whether a read that is sent now should be tried first.
    #[inline]
    fn at_send(&self, mode: &Mode, stride: u32) -> bool {
        match self.state.load(Relaxed) {
            MEMORY => true,
            NEVER => false,
            _ => !mode.queued.load(Relaxed) && self.not_skipped() && !self.gives_way(stride),
        }
    }

    /// Whether a read that is alone in its batch should be tried first.
    #[inline]
    fn at_flush(&self) -> bool {
        match self.state.load(Relaxed) {
            MEMORY => true,
            NEVER => false,
            _ => self.misses.load(Relaxed) < PATIENCE,
        }
    }

    #[inline]
    fn not_skipped(&self) -> bool {
        let skip = self.skip.load(Relaxed);
        if skip > 0 {
            self.skip.store(skip - 1, Relaxed);
        }
        skip == 0
    }

    #[inline]
    fn gives_way(&self, stride: u32) -> bool {
        let hits = self.hits.load(Relaxed).wrapping_add(1);
        self.hits.store(hits, Relaxed);
        hits.is_multiple_of(stride)
    }

    fn hit(&self) {
        if self.misses.load(Relaxed) != 0 {
            self.misses.store(0, Relaxed);
        }
    }

    #[cold]
    fn missed(&self) {
        let misses = self.misses.load(Relaxed).saturating_add(1);
        self.misses.store(misses, Relaxed);
        if misses >= PATIENCE {
            let backoff = (misses - PATIENCE + 3).min(MAX_BACKOFF);
            self.skip.store(1 << backoff, Relaxed);
        }
    }

    #[cold]
    fn unsupported(&self, object: &Object) {
        let state = if sys::is_in_memory(object.fd()) {
            MEMORY
        } else {
            NEVER
        };
        self.state.store(state, Relaxed);
    }
}

/// Tries a read where it is sent; after `stride` hits one is queued all the same. What comes back is left to be submitted.
#[inline]
pub(crate) fn read_at_send(
    object: &Arc<Object>,
    mode: &Mode,
    stride: u32,
    view: View<Read>,
    pos: u64,
) -> Option<(View<Read>, u64)> {
    if view.len() <= MAX_INLINE && object.caching().at_send(mode, stride) {
        read_now(object, view, pos)
    } else {
        Some((view, pos))
    }
}

/// Whether a read that is alone in its batch should be tried, with [`read_now`].
#[inline]
pub(crate) fn is_tried_at_flush(object: &Object, view: &View<Read>) -> bool {
    view.len() <= MAX_INLINE && object.caching().at_flush()
}

/// Tries a read. What comes back is left to be submitted.
pub(crate) fn read_now(
    object: &Arc<Object>,
    mut view: View<Read>,
    mut pos: u64,
) -> Option<(View<Read>, u64)> {
    let caching = object.caching();
    loop {
        let len = view.len();
        let in_memory = caching.state.load(Relaxed) == MEMORY;
        let (fd, position) = (object.fd(), object.position(pos));
        let result = if in_memory {
            sys::read_slice(fd, view.bytes_mut(), position)
        } else {
            sys::read_nowait(fd, view.bytes_mut(), position)
        };
        match result {
            Ok(n) if n >= len => {
                caching.hit();
                view.done();
                return None;
            }
            // Some kernels (Linux 5.9 and 5.10) say this, or EIO, of what they would have to wait for. The driver knows.
            Ok(0) | Err(libc::EIO) if !in_memory => return Some((view, pos)),
            Ok(0) => {
                view.fail(ErrorKind::UnexpectedEof);
                return None;
            }
            Ok(n) => {
                let (done, rest) = view.split_at(n);
                done.done();
                (view, pos) = (rest, pos + n as u64);
            }
            Err(libc::EAGAIN) => {
                caching.missed();
                return Some((view, pos));
            }
            Err(libc::EOPNOTSUPP) => {
                caching.unsupported(object);
                return Some((view, pos));
            }
            Err(errno) => {
                view.fail(Cause::from_errno(errno));
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Caching, MANY, Mode, PATIENCE};

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
        mode.batch(MANY);
        assert!(caching.at_send(&mode, STRIDE));
        mode.batch(MANY + 1);
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
        (1..PATIENCE).for_each(|_| caching.missed());
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
    fn what_goes_past_the_page_cache_never_tries() {
        let (caching, mode) = (Caching::new(false), Mode::new());
        assert!(!caching.at_send(&mode, STRIDE) && !caching.at_flush());
    }
}
