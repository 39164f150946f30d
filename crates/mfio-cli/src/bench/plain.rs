//! The standard library: one thread, one positional read after the other.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use mfio::packet::AlignedBuf;

use super::arena::Arena;
use super::reads::{Clock, Reads, Sample};
use crate::failure::{Failure, Result};

pub(super) fn pread(arena: &Arena, length: Duration, seed: u64) -> Result<Sample> {
    let subject = &arena.subject;
    let file = File::open(subject.path()).map_err(|error| cannot_reopen(arena, &error))?;
    let mut block = AlignedBuf::new(subject.block_size);
    let clock = Clock::start(length);
    let mut reads = Reads::new(subject, &clock, seed);
    while let Some(offset) = reads.next() {
        file.read_exact_at(&mut block, offset)
            .map_err(|error| reads.failed("std", &error))?;
        reads.accept(offset, &block)?;
    }
    Ok(clock.stop(reads.count()))
}

/// The file could be opened before.
#[cold]
pub(super) fn cannot_reopen(arena: &Arena, error: &std::io::Error) -> Failure {
    let failure = Failure::new(format!(
        "cannot open {} once more: {error}",
        arena.subject.name
    ));
    failure.help(
        "tokio::fs needs a handle for each read in flight: choose smaller --depths, or raise the \
        limit (ulimit -n)",
    )
}
