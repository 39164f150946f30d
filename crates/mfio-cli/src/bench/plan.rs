//! The events to measure, how often and how long.

use std::time::Duration;

use super::contestant::Contestant;
use crate::args::BenchArgs;
use crate::failure::{Failure, Result};
use crate::output;

/// Upper bound on the file made for a benchmark, in bytes.
pub(super) const MAX_MADE: u64 = 256 << 20;
const QUICK_SIZE: u64 = 64 << 20;
const MAX_BLOCK: u64 = 1 << 20;
const SECTOR: u64 = 512;
const SECONDS: f64 = 0.5;

/// Measuring, with --quick: it leaves time for making the file, for warming up, and for machines
/// that are slow.
const QUICK_MEASURING: f64 = 9.0;
/// No round begins, with --quick, that would not end by then.
const QUICK_END: Duration = Duration::from_secs(17);
const QUICK_SECONDS: f64 = 0.2;

/// One thing that is measured in every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) contestant: Contestant,
    /// Number of reads in flight; 1 for contestants without depth.
    pub(super) depth: usize,
}

/// The choices made, checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) block_size: usize,
    /// Upper bound on the bytes of the file that are made or read.
    pub(super) size: u64,
    pub(super) depths: Vec<usize>,
    pub(super) events: Vec<Event>,
    pub(super) rounds: usize,
    /// Duration of one measurement.
    pub(super) length: Duration,
    /// Deadline of the last round, counted from the start.
    pub(super) end: Option<Duration>,
}

impl Plan {
    /// Checks what the parser of the command line cannot.
    pub(super) fn new(args: &BenchArgs) -> Result<Self> {
        let block_size = block_size(args.block_size)?;
        let size = size(args)?;
        let depths = depths(&args.depths);
        let events = events(&depths);
        let rounds = args.rounds as usize;
        let measurements = (events.len() * rounds) as f64;
        let seconds = match (args.seconds, args.quick) {
            (Some(seconds), _) => seconds,
            (None, true) => (QUICK_MEASURING / measurements).clamp(0.001, QUICK_SECONDS),
            (None, false) => SECONDS,
        };
        Ok(Self {
            block_size,
            size,
            depths,
            events,
            rounds,
            length: Duration::from_secs_f64(seconds),
            end: args.quick.then_some(QUICK_END),
        })
    }
}

fn block_size(bytes: u64) -> Result<usize> {
    if bytes == 0 || !bytes.is_multiple_of(SECTOR) || bytes > MAX_BLOCK {
        let what = format!("--block-size {bytes} cannot be read");
        return Err(Failure::new(what).help("choose a multiple of 512, at most 1M"));
    }
    Ok(bytes as usize)
}

fn size(args: &BenchArgs) -> Result<u64> {
    let default = if args.quick { QUICK_SIZE } else { MAX_MADE };
    let size = args.size.unwrap_or(default);
    if args.file.is_none() && size > MAX_MADE {
        let what = format!(
            "--size {} is more than is made for a benchmark",
            output::bytes(size)
        );
        return Err(Failure::new(what).help("choose at most 256M, or name a FILE of yours"));
    }
    Ok(size)
}

/// Each depth once, rising.
fn depths(wanted: &[u32]) -> Vec<usize> {
    let mut depths: Vec<_> = wanted.iter().map(|depth| *depth as usize).collect();
    depths.sort_unstable();
    depths.dedup();
    depths
}

/// Returns contestants without depth once, the others at every depth.
fn events(depths: &[usize]) -> Vec<Event> {
    let (several, one): (Vec<_>, Vec<_>) = Contestant::ALL.iter().partition(|c| c.has_depth());
    let single = one.into_iter().map(|&contestant| Event {
        contestant,
        depth: 1,
    });
    let deep = depths.iter().flat_map(|&depth| {
        several
            .iter()
            .map(move |&&contestant| Event { contestant, depth })
    });
    single.chain(deep).collect()
}
