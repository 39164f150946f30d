//! The next offset, the time limit and the check of each block: the same code for all contestants.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::cpu;
use super::subject::Subject;
use crate::failure::{Failure, Result};

/// The time of one measurement, shared by its readers.
#[derive(Debug)]
pub(super) struct Clock {
    start: Instant,
    end: Instant,
    cpu: Option<Duration>,
    over: AtomicBool,
}

/// The result of one measurement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) reads: u64,
    pub(super) took: Duration,
    /// Processor time of all threads, user and system, where the system tells.
    pub(super) cpu: Option<Duration>,
}

impl Sample {
    /// Reads per second.
    pub(super) fn rate(&self) -> f64 {
        self.reads as f64 / self.took.as_secs_f64()
    }

    /// Returns the number of processors at work.
    pub(super) fn processors(&self) -> Option<f64> {
        Some(self.cpu?.as_secs_f64() / self.took.as_secs_f64())
    }

    /// Seconds of processor time per read.
    pub(super) fn cpu_per_read(&self) -> Option<f64> {
        let cpu = self.cpu?.as_secs_f64();
        (self.reads > 0).then(|| cpu / self.reads as f64)
    }
}

impl Clock {
    /// Begins to measure.
    pub(super) fn start(length: Duration) -> Arc<Self> {
        let cpu = cpu::used();
        let start = Instant::now();
        Arc::new(Self {
            start,
            end: start + length,
            cpu,
            over: AtomicBool::new(false),
        })
    }

    /// Ends the measurement, after all readers have ended.
    pub(super) fn stop(&self, reads: u64) -> Sample {
        let took = self.start.elapsed();
        let cpu = self.cpu.and_then(|before| cpu::used()?.checked_sub(before));
        Sample { reads, took, cpu }
    }
}

/// One reader's blocks, one after the other.
#[derive(Debug)]
pub(super) struct Reads {
    subject: Arc<Subject>,
    clock: Arc<Clock>,
    state: u64,
    count: u64,
    /// Readers look at the clock in turn.
    phase: u64,
}

/// Looking at the clock costs more than a small part of a read, so it is looked at once in so many.
const LOOK_EVERY: u64 = 16;

impl Reads {
    /// A reader's own sequence: `seed` tells readers and measurements apart.
    pub(super) fn new(subject: &Arc<Subject>, clock: &Arc<Clock>, seed: u64) -> Self {
        Self {
            subject: subject.clone(),
            clock: clock.clone(),
            state: seed,
            count: 0,
            phase: seed,
        }
    }

    /// Returns the next offset; `None` when the time is up, but every reader reads at least once.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u64> {
        let look = (self.count + self.phase) % LOOK_EVERY == LOOK_EVERY - 1;
        if look && Instant::now() >= self.clock.end {
            self.clock.over.store(true, Relaxed);
        }
        if self.count > 0 && self.clock.over.load(Relaxed) {
            return None;
        }
        let block = (u128::from(self.random()) * u128::from(self.subject.blocks)) >> 64;
        Some(block as u64 * self.subject.block_size as u64)
    }

    /// Takes in the block that was read at `offset`.
    #[inline]
    pub(super) fn accept(&mut self, offset: u64, block: &[u8]) -> Result<()> {
        if !self.subject.content.is_right(offset, block) {
            return Err(self.wrong(offset));
        }
        self.count += 1;
        Ok(())
    }

    /// Returns the number of verified blocks.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// A read that failed: the others stop, too.
    #[cold]
    pub(super) fn failed(&self, who: &str, error: &dyn fmt::Display) -> Failure {
        self.clock.over.store(true, Relaxed);
        Failure::new(format!("{who}, reading {}: {error}", self.subject.name))
    }

    #[cold]
    fn wrong(&self, offset: u64) -> Failure {
        self.clock.over.store(true, Relaxed);
        let (name, len) = (&self.subject.name, self.subject.block_size);
        Failure::new(format!(
            "the {len} bytes at offset {offset} of {name} were not what they must be"
        ))
        .help("does anybody write to the file? If not, this is a bug: please report it")
    }

    /// SplitMix64.
    #[inline]
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
