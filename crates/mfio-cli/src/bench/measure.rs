//! One measurement: a contestant reads for a while.

use std::time::Duration;

use super::arena::Arena;
use super::contestant::Contestant;
use super::plan::Event;
use super::reads::Sample;
use super::{ours, plain, tokio_fs};
use crate::failure::{Failure, Result};

/// Warming up takes this part of the time that is measured afterwards.
const WARM_UP: u32 = 8;

/// Warms up, and measures.
///
/// Executors are built anew for every event and are gone after it, so that none disturbs the
/// others.
pub(super) fn measure(arena: &Arena, event: Event, length: Duration, seed: u64) -> Result<Sample> {
    if event.contestant.has_depth() {
        spare_descriptors()?;
    }
    let lengths = [length / WARM_UP, length];
    match event.contestant {
        Contestant::StdPread => lengths.map(|length| plain::pread(arena, length, seed)),
        Contestant::Blocking => lengths.map(|length| ours::blocking(arena, length, seed)),
        Contestant::BlockOn => {
            lengths.map(|length| ours::block_on(arena, event.depth, length, seed))
        }
        Contestant::Smol => lengths.map(|length| ours::smol(arena, event.depth, length, seed)),
        Contestant::TokioFs => {
            let executor = tokio_fs::executor()?;
            lengths.map(|length| tokio_fs::run(&executor, arena, event.depth, length, seed))
        }
        Contestant::Tokio => {
            let executor = tokio_fs::executor()?;
            lengths.map(|length| ours::tokio(&executor, arena, event.depth, length, seed))
        }
    }
    .into_iter()
    .reduce(Result::and)
    .expect("two measurements are made")
}

/// Descriptors that executors and their reactors open, with some to spare.
const SPARE: usize = 16;

/// Fails where descriptors are short: an executor that runs out of them panics or waits for ever.
fn spare_descriptors() -> Result<()> {
    let spare = || std::fs::File::open("/dev/null");
    match (0..SPARE).map(|_| spare()).collect::<Result<Vec<_>, _>>() {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::new(format!(
            "executors need {SPARE} descriptors, and cannot have them: {error}"
        ))
        .help("raise the limit of open files (ulimit -n)")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Arena, Contestant, measure};
    use crate::args::{Args, Command};
    use crate::bench::content::Content;
    use crate::bench::plan::{Event, Plan};
    use crate::bench::progress::Progress;
    use crate::bench::subject::Subject;
    use crate::drivers;
    use clap::Parser;
    use mfio::backend::IoBackendExt;
    use mfio_rt::native::DriverKind;
    use std::sync::Arc;
    use std::time::Duration;

    fn arena(driver: DriverKind, content: Content) -> Option<Arena> {
        let Ok(runtime) = drivers::runtime(Some(driver)) else {
            println!("skipped: {driver} is refused here");
            return None;
        };
        let args = ["mfio", "bench", "--size", "256K"];
        let Command::Bench(args) = Args::parse_from(args).command else {
            unreachable!("it is asked for");
        };
        let plan = Plan::new(&args).expect("a good plan");
        let mut subject = Subject::make(None, &plan, &mut Progress::new(true)).expect("a file");
        subject.content = content;
        let file = runtime.block_on(runtime.open_read(subject.path()));
        Some(Arena {
            subject: Arc::new(subject),
            runtime,
            file: file.expect("it can be opened"),
        })
    }

    fn reads(arena: &Arena, contestant: Contestant, depth: usize) -> Result<u64, String> {
        let depth = if contestant.has_depth() { depth } else { 1 };
        let event = Event { contestant, depth };
        let sample = measure(arena, event, Duration::from_millis(5), 1);
        sample
            .map(|sample| sample.reads)
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn everybody_reads_at_every_depth_whatever_the_driver() {
        for driver in DriverKind::ALL {
            let Some(arena) = arena(*driver, Content::Numbered) else {
                continue;
            };
            for contestant in Contestant::ALL {
                for depth in [1, 3, 64] {
                    let reads = reads(&arena, *contestant, depth);
                    assert!(
                        reads.is_ok_and(|reads| reads > 0),
                        "{driver} {contestant:?} {depth}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_wrong_block_is_always_reported() {
        for driver in DriverKind::ALL {
            let Some(arena) = arena(*driver, Content::Noted(Vec::new())) else {
                continue;
            };
            for contestant in Contestant::ALL {
                let error = reads(&arena, *contestant, 8).expect_err("nothing is right");
                assert!(
                    error.contains("not what they must be"),
                    "{contestant:?}: {error}"
                );
            }
        }
    }
}
