//! Who reads.

use std::sync::Arc;
use std::time::Duration;

use mfio_rt::native::{File, NativeRt};

use super::plan::Event;
use super::reads::Sample;
use super::subject::Subject;
use super::{ours, plain, tokio_fs};
use crate::failure::Result;

/// Everybody who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contestant {
    /// `FileExt::read_exact_at` on one thread: the baseline.
    StdPread,
    /// The blocking form on one thread.
    Blocking,
    /// `seek` and `read_exact`, one task with a handle of its own for each read in flight.
    TokioFs,
    /// One future with all the reads, under `block_on`, without any executor.
    BlockOn,
    /// One task for each read in flight on multi-threaded tokio, and one that drives.
    Tokio,
    /// The same on smol, with one thread.
    Smol,
}

impl Contestant {
    pub(super) const ALL: &'static [Self] = &[
        Self::StdPread,
        Self::Blocking,
        Self::TokioFs,
        Self::BlockOn,
        Self::Tokio,
        Self::Smol,
    ];

    /// What the table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::StdPread => "std pread",
            Self::Blocking => "mfio, blocking",
            Self::TokioFs => "tokio::fs",
            Self::BlockOn => "mfio, block_on",
            Self::Tokio => "mfio, tokio",
            Self::Smol => "mfio, smol",
        }
    }

    /// What JSON calls it.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::StdPread => "std-pread",
            Self::Blocking => "mfio-blocking",
            Self::TokioFs => "tokio-fs",
            Self::BlockOn => "mfio-block_on",
            Self::Tokio => "mfio-tokio",
            Self::Smol => "mfio-smol",
        }
    }

    /// Whether it can have more than one read in flight.
    pub(super) fn has_depth(self) -> bool {
        !matches!(self, Self::StdPread | Self::Blocking)
    }
}

/// What is read, and the one file object through which all contestants of mfio read it.
#[derive(Debug)]
pub(super) struct Arena {
    pub(super) subject: Arc<Subject>,
    pub(super) runtime: NativeRt,
    pub(super) file: File,
}

/// Warming up takes this part of the time that is measured afterwards.
const WARM_UP: u32 = 8;

impl Arena {
    /// Warms up, and measures.
    ///
    /// Executors are built anew for every event and are gone after it, so that none disturbs the others.
    pub(super) fn measure(&self, event: Event, length: Duration, seed: u64) -> Result<Sample> {
        let lengths = [length / WARM_UP, length];
        match event.contestant {
            Contestant::StdPread => lengths.map(|length| plain::pread(self, length, seed)),
            Contestant::Blocking => lengths.map(|length| ours::blocking(self, length, seed)),
            Contestant::BlockOn => {
                lengths.map(|length| ours::block_on(self, event.depth, length, seed))
            }
            Contestant::Smol => lengths.map(|length| ours::smol(self, event.depth, length, seed)),
            Contestant::TokioFs => {
                let executor = tokio_fs::executor()?;
                lengths.map(|length| tokio_fs::run(&executor, self, event.depth, length, seed))
            }
            Contestant::Tokio => {
                let executor = tokio_fs::executor()?;
                lengths.map(|length| ours::tokio(&executor, self, event.depth, length, seed))
            }
        }
        .into_iter()
        .reduce(Result::and)
        .expect("two measurements are made")
    }
}
