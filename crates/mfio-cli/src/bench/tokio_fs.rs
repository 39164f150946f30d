//! `tokio::fs` as it is used: without positional reads, so each task has a handle of its own, seeks
//! and reads.

use std::time::Duration;

use mfio::packet::AlignedBuf;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::arena::Arena;
use super::plain::cannot_reopen;
use super::reads::{Clock, Reads, Sample};
use crate::failure::{Failure, Result};

/// tokio with as many workers as it takes by itself: `tokio::fs` and mfio get the same.
pub(super) fn executor() -> Result<Runtime> {
    Builder::new_multi_thread()
        .enable_io()
        .build()
        .map_err(|error| {
            Failure::new(format!("cannot build a tokio runtime: {error}"))
                .help("it needs threads and descriptors: see `ulimit -u` and `ulimit -n`")
        })
}

/// Returns the number of workers of [`executor`].
pub(super) fn workers() -> Result<usize> {
    Ok(executor()?.metrics().num_workers())
}

pub(super) fn run(
    executor: &Runtime,
    arena: &Arena,
    depth: usize,
    length: Duration,
    seed: u64,
) -> Result<Sample> {
    let open = || {
        let file = std::fs::File::open(arena.subject.path());
        file.map_err(|error| cannot_reopen(arena, &error))
    };
    let handles: Vec<_> = (0..depth).map(|_| open()).collect::<Result<_>>()?;
    let blocks = handles.into_iter().map(|file| {
        let block = AlignedBuf::new(arena.subject.block_size);
        (tokio::fs::File::from_std(file), block)
    });
    let blocks: Vec<_> = blocks.collect();
    executor.block_on(async {
        let clock = Clock::start(length);
        let tasks: Vec<_> = (seed..)
            .zip(blocks)
            .map(|(seed, (file, block))| {
                tokio::spawn(task(file, block, Reads::new(&arena.subject, &clock, seed)))
            })
            .collect();
        let count = join(tasks).await?;
        Ok(clock.stop(count))
    })
}

async fn task(mut file: tokio::fs::File, mut block: AlignedBuf, mut reads: Reads) -> Result<u64> {
    while let Some(offset) = reads.next() {
        let read = async {
            file.seek(SeekFrom::Start(offset)).await?;
            file.read_exact(&mut block).await
        };
        read.await
            .map_err(|error| reads.failed("tokio::fs", &error))?;
        reads.accept(offset, &block)?;
    }
    Ok(reads.count())
}

/// Waits for all tasks, and sums what they have read.
pub(super) async fn join(tasks: Vec<JoinHandle<Result<u64>>>) -> Result<u64> {
    let mut sum = 0;
    for task in tasks {
        sum += task.await.map_err(|error| {
            Failure::new(format!("a task of tokio did not end as it should: {error}"))
        })??;
    }
    Ok(sum)
}
