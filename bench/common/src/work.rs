use crate::Args;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// A small pseudo-random generator: the same numbers for every contestant.
#[derive(Clone)]
pub struct Xorshift(u64);

impl Xorshift {
    pub fn new(seed: u64) -> Self {
        // Spread small seeds so that neighbouring tasks do not start alike.
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Block-aligned random offsets until time is up. One per task; reads the clock every 16 ops.
pub struct RandReads {
    rng: Xorshift,
    blocks: u64,
    bs: u64,
    deadline: Instant,
    ops: u64,
}

impl RandReads {
    pub fn new(a: &Args, task: usize, start: Instant) -> Self {
        Self {
            rng: Xorshift::new(task as u64),
            blocks: a.bytes / a.bs as u64,
            bs: a.bs as u64,
            deadline: start + a.duration(),
            ops: 0,
        }
    }

    /// The next offset, or `None` when the run is over.
    #[inline]
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<u64> {
        if self.ops.is_multiple_of(16) && Instant::now() >= self.deadline {
            return None;
        }
        self.ops += 1;
        // Multiply-shift instead of a division: uniform enough and a nanosecond cheaper.
        let block = ((self.rng.next() >> 32) * self.blocks) >> 32;
        Some(block * self.bs)
    }

    /// Checks a read's length.
    #[inline]
    pub fn check(&self, n: usize) {
        assert_eq!(n as u64, self.bs, "short read");
    }

    pub fn ops(&self) -> u64 {
        self.ops
    }
}

/// Sequential offsets shared by all tasks of a run. Wraps around the file until time is up, or,
/// for a copy, hands every block out exactly once.
#[derive(Clone)]
pub struct SeqCursor {
    inner: Arc<SeqInner>,
}

struct SeqInner {
    pos: AtomicU64,
    over: AtomicBool,
    bs: u64,
    bytes: u64,
    deadline: Option<Instant>,
}

impl SeqCursor {
    pub fn timed(a: &Args, start: Instant) -> Self {
        Self::new(a, Some(start + a.duration()))
    }

    pub fn once(a: &Args) -> Self {
        Self::new(a, None)
    }

    fn new(a: &Args, deadline: Option<Instant>) -> Self {
        assert_eq!(a.bytes % a.bs as u64, 0);
        Self {
            inner: Arc::new(SeqInner {
                pos: AtomicU64::new(0),
                over: AtomicBool::new(false),
                bs: a.bs as u64,
                bytes: a.bytes,
                deadline,
            }),
        }
    }

    pub fn next(&self) -> Option<u64> {
        let c = &*self.inner;
        if c.over.load(Ordering::Relaxed) {
            return None;
        }
        let over = match c.deadline {
            Some(d) => Instant::now() >= d,
            None => c.pos.load(Ordering::Relaxed) >= c.bytes,
        };
        if over {
            c.over.store(true, Ordering::Relaxed);
            return None;
        }
        let pos = c.pos.fetch_add(c.bs, Ordering::Relaxed);
        if c.deadline.is_none() && pos >= c.bytes {
            return None;
        }
        Some(pos % c.bytes)
    }

    #[inline]
    pub fn check(&self, n: usize) {
        assert_eq!(n as u64, self.inner.bs, "short transfer");
    }

    /// Bytes handed out.
    pub fn bytes(&self) -> u64 {
        match self.inner.deadline {
            Some(_) => self.inner.pos.load(Ordering::Relaxed),
            None => self.inner.bytes,
        }
    }
}
