//! Everything at once: a virtual disk with a cache, whose changes go to a file of their own, over
//! an image that is striped over mirrors, one replica of which is bad. What goes in and out is
//! traced, and every byte compared with a model.
//!
//! ```text
//!  Trace ─ Cache ─ Overlay ─┬─ base: Trace ─ Stripe ─┬─ Mirror ─┬─ Fault ─ file
//!                           │                        │          └─ Fault ─ file
//!                           └─ top: file             └─ Mirror ─┬─ …
//! ```
//!
//! `cargo run -p mfio-layers --example virtual_disk`

mod common;

use common::{Numbers, Scratch, noise, runtime};
use mfio::backend::{IoBackend, IoBackendExt};
use mfio::error::{ErrorKind, Result};
use mfio::io::{PacketIo, Read, Write};
use mfio::packet::Batch;
use mfio::traits::{BlockingIo, IoControl, IoRead, IoWrite};
use mfio_layers::{AttachBackend, Cache, Fault, Mirror, Overlay, Rule, Stripe, Trace};
use mfio_rt::native::{File, NativeRt};

const SIZE: usize = 4 << 20;
const UNIT: usize = 64 << 10;

type Volume = Stripe<Mirror<Fault<File>>>;
type Disk = Overlay<Trace<Volume, mfio_layers::SystemNow>, File>;

/// An image, dealt out to three mirrors of two files each.
async fn volume(rt: &NativeRt, scratch: &Scratch, image: &[u8]) -> Result<Volume> {
    let mut mirrors = Vec::new();
    for n in 0..3 {
        let units = image.chunks(UNIT).skip(n).step_by(3);
        let part: Vec<u8> = units.flatten().copied().collect();
        let mut replicas = Vec::new();
        for copy in 0..2 {
            let file = scratch.file(rt, &format!("disk-{n}-{copy}"), &part).await?;
            let bad = Rule::fail(ErrorKind::Other)
                .reads()
                .within(200_000..900_000);
            let rules = (n == 1 && copy == 0).then_some(bad);
            replicas.push(Fault::<_>::new(file, rules));
        }
        mirrors.push(Mirror::new(replicas)?);
    }
    Stripe::new(mirrors, UNIT as u64)
}

/// Requests without order, many of them at once, compared with what they must give.
async fn exercise<Io>(io: &Io, model: &mut [u8], rounds: usize) -> Result<()>
where
    Io: PacketIo<Read> + PacketIo<Write>,
{
    let mut numbers = Numbers(9);
    for round in 0..rounds {
        // One write in each of some regions, so that they do not touch each other.
        let mut writes = Batch::new();
        for region in model
            .chunks_mut(SIZE / 16)
            .step_by(2 + round % 3)
            .enumerate()
        {
            let (number, region) = region;
            let (at, len) = (numbers.below(region.len() / 2), 1 + numbers.below(20_000));
            let bytes = noise(len, (round * 16 + number) as u64);
            region[at..at + len].copy_from_slice(&bytes);
            let start = number * (2 + round % 3) * (SIZE / 16);
            writes.push((start + at) as u64, bytes);
        }
        assert!(io.write_batch(writes).await.outcome.is_success());

        let mut reads = Batch::new();
        for _ in 0..50 {
            let len = 1 + numbers.below(10_000);
            reads.push(numbers.below(SIZE - len) as u64, vec![0; len]);
        }
        let ended = io.read_batch(reads).await;
        assert!(ended.outcome.is_success());
        for n in 0..ended.batch.len() {
            let at = ended.batch.position(n) as usize;
            let bytes = ended.batch.bytes(n);
            assert!(bytes == &model[at..at + bytes.len()], "bytes at {at}");
        }
    }
    let all = io.read_vec_at(0, SIZE + 1).await?;
    assert!(all == model, "the whole disk");
    Ok(())
}

fn blocking(
    io: &(impl PacketIo<Read> + PacketIo<Write> + IoBackend),
    model: &mut [u8],
) -> Result<()> {
    let mut numbers = Numbers(5);
    for n in 0..200 {
        let (at, len) = (numbers.below(SIZE - 9000), 1 + numbers.below(9000));
        if n % 3 == 0 {
            let bytes = noise(len, n);
            io.blocking().write_all_at(&bytes, at as u64)?;
            model[at..at + len].copy_from_slice(&bytes);
        } else {
            let mut bytes = vec![0; len];
            io.blocking().read_exact_at(&mut bytes, at as u64)?;
            assert!(bytes == model[at..at + len], "bytes at {at}");
        }
    }
    Ok(())
}

pub(crate) fn main() -> Result<()> {
    let scratch = Scratch::new("virtual-disk");
    let rt = runtime();
    let image = noise(SIZE, 8);
    let mut model = image.clone();

    let disk: Disk = rt.block_on(async {
        let base = Trace::new(volume(&rt, &scratch, &image).await?);
        let top = scratch.file(&rt, "changes", &[]).await?;
        Overlay::new(base, top, SIZE as u64, 16 << 10)
    })?;
    let io = AttachBackend::new(Trace::new(Cache::new(disk, 1 << 20, 4096)?), rt);

    io.block_on(exercise(&io, &mut model, 12))?;
    blocking(&io, &mut model)?;
    // Every write is durable from here on, in the file of changes.
    io.block_on(io.sync_data())?;

    let cache = io.inner().inner();
    let disk = cache.inner();
    println!("The disk:\n{}\n", io.inner().snapshot());
    println!("The cache:\n{:#?}\n", cache.stats());
    println!(
        "{} of {} KiB are in the file of changes\n",
        disk.present_len() >> 10,
        SIZE >> 10
    );
    println!(
        "The image, striped over mirrors:\n{}",
        disk.base().snapshot()
    );
    assert_eq!(
        disk.base().snapshot().reads.failures,
        0,
        "the other replica answers"
    );
    assert_eq!(
        disk.base().snapshot().writes.operations,
        0,
        "a base is only read"
    );
    assert!(
        disk.base().snapshot().controls.is_empty(),
        "nor is it synced"
    );
    let hit = disk.base().inner().members()[1].replicas()[0]
        .handle()
        .hits(0);
    println!("\n{hit} reads of the bad replica failed, and nobody noticed");
    assert!(hit > 0 && cache.stats().hits > 0 && cache.stats().evictions > 0);
    assert!(
        io.block_on(disk.base().read_vec_at(0, SIZE))? == image,
        "as it was"
    );
    Ok(())
}
