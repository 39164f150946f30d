//! mfio: one file object for every way to wait.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::{Integration, IoBackendExt};
use mfio::packet::{AlignedBuf, Packet};
use mfio::traits::{BlockingIo, IoRead};
use mfio_rt::native::File;
use tokio::runtime::Runtime;

use super::arena::Arena;
use super::reads::{Clock, Reads, Sample};
use super::tokio_fs;
use crate::failure::{Failure, Result};

/// The blocking form, on this thread.
pub(super) fn blocking(arena: &Arena, length: Duration, seed: u64) -> Result<Sample> {
    let mut block = AlignedBuf::new(arena.subject.block_size);
    let clock = Clock::start(length);
    let mut reads = Reads::new(&arena.subject, &clock, seed);
    while let Some(offset) = reads.next() {
        arena
            .file
            .blocking()
            .read_exact_at(&mut block, offset)
            .map_err(|error| reads.failed("mfio", &error))?;
        reads.accept(offset, &block)?;
    }
    Ok(clock.stop(reads.count()))
}

/// All reads in one future, on this thread, which drives while it waits.
pub(super) fn block_on(arena: &Arena, depth: usize, length: Duration, seed: u64) -> Result<Sample> {
    let packets = packets(arena, depth);
    let clock = Clock::start(length);
    let readers = readers(arena, packets, &clock, seed).map(Box::pin);
    let count = arena.runtime.block_on(sum(readers.collect()))?;
    Ok(clock.stop(count))
}

/// A task for each read in flight, on the threads of tokio.
pub(super) fn tokio(
    executor: &Runtime,
    arena: &Arena,
    depth: usize,
    length: Duration,
    seed: u64,
) -> Result<Sample> {
    let packets = packets(arena, depth);
    executor.block_on(async {
        let driver = tokio::spawn(Tokio::drive(arena.runtime.clone()));
        let clock = Clock::start(length);
        let tasks = readers(arena, packets, &clock, seed).map(tokio::spawn);
        let stop = driver.abort_handle();
        let count = beside(driver, tokio_fs::join(tasks.collect())).await;
        let sample = clock.stop(count?);
        stop.abort();
        Ok(sample)
    })
}

/// A task for each read in flight, on smol's executor, on this thread.
pub(super) fn smol(arena: &Arena, depth: usize, length: Duration, seed: u64) -> Result<Sample> {
    let packets = packets(arena, depth);
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let driver = executor.spawn(AsyncIo::drive(arena.runtime.clone()));
        let clock = Clock::start(length);
        let tasks = readers(arena, packets, &clock, seed).map(|reader| executor.spawn(reader));
        let tasks: Vec<_> = tasks.collect();
        let join = async {
            let mut count = 0;
            for task in tasks {
                count += task.await?;
            }
            Ok(count)
        };
        let count = beside(driver, join).await?;
        Ok(clock.stop(count))
    }))
}

/// Returns the readers' result. A driver that ends has failed: without one no reader would wake.
async fn beside(driver: impl Future, readers: impl Future<Output = Result<u64>>) -> Result<u64> {
    let (mut driver, mut readers) = (pin!(driver), pin!(readers));
    poll_fn(|cx| {
        if let Poll::Ready(count) = readers.as_mut().poll(cx) {
            return Poll::Ready(count);
        }
        // smol's task panics where what it ran has panicked; tokio's says so.
        match catch_unwind(AssertUnwindSafe(|| driver.as_mut().poll(cx).is_ready())) {
            Ok(false) => Poll::Pending,
            Ok(true) | Err(_) => Poll::Ready(Err(Failure::new(
                "the task that drives mfio did not go on as it should",
            )
            .help(
                "what it said is above; if it is not about a limit of this machine, please \
            report it",
            ))),
        }
    })
    .await
}

/// A packet with a page-aligned buffer for each read in flight.
fn packets(arena: &Arena, depth: usize) -> Vec<Packet<AlignedBuf>> {
    let packet = |_| Packet::new(AlignedBuf::new(arena.subject.block_size));
    (0..depth).map(packet).collect()
}

fn readers(
    arena: &Arena,
    packets: Vec<Packet<AlignedBuf>>,
    clock: &std::sync::Arc<Clock>,
    seed: u64,
) -> impl Iterator<Item = impl Future<Output = Result<u64>> + Send + use<>> {
    let readers: Vec<_> = (seed..)
        .zip(packets)
        .map(|(seed, packet)| {
            let reads = Reads::new(&arena.subject, clock, seed);
            read(arena.file.clone(), packet, reads)
        })
        .collect();
    readers.into_iter()
}

/// One read after the other, in the same packet.
async fn read(file: File, mut packet: Packet<AlignedBuf>, mut reads: Reads) -> Result<u64> {
    while let Some(offset) = reads.next() {
        let ended = file.read_packet_at(packet, offset).await;
        if let Some(cause) = ended.outcome.first_error() {
            return Err(reads.failed("mfio", &format_args!("at offset {offset}: {cause}")));
        }
        packet = ended.packet;
        reads.accept(offset, packet.buffer())?;
    }
    Ok(reads.count())
}

/// Runs all of them in one future, and sums what they give.
async fn sum<F: Future<Output = Result<u64>>>(mut running: Vec<Pin<Box<F>>>) -> Result<u64> {
    let mut sum = Ok(0);
    poll_fn(|cx| {
        running.retain_mut(|reader| match reader.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(count) => {
                sum = add(std::mem::replace(&mut sum, Ok(0)), count);
                false
            }
        });
        match running.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    sum
}

/// The first failure wins.
fn add(sum: Result<u64>, count: Result<u64>) -> Result<u64> {
    Ok(sum? + count?)
}
