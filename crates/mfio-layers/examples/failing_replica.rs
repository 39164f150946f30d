//! A mirror of two files, of which one begins to fail.
//!
//! Reads are shared between the replicas; of what one fails only that is read from the other, so
//! that nobody notices. A replica that misses a write is not read from any more, until it was made
//! whole again.
//!
//! `cargo run -p mfio-layers --example failing_replica`

mod common;

use common::{Scratch, noise, runtime};
use mfio::backend::IoBackendExt;
use mfio::error::{ErrorKind, Result};
use mfio::traits::{IoRead, IoWrite};
use mfio_layers::{Fault, Mirror, Rule, Trace, WritePolicy};

const SIZE: usize = 1 << 20;
const BLOCK: usize = 16 << 10;

pub(crate) fn main() -> Result<()> {
    let scratch = Scratch::new("failing-replica");
    let rt = runtime();
    rt.block_on(async {
        let mut bytes = noise(SIZE, 6);
        // The first replica has a bad range, and the second one fails its third write.
        let bad = Rule::fail(ErrorKind::Other)
            .reads()
            .within(100_000..140_000);
        let once = Rule::fail(ErrorKind::StorageFull).writes().nth(3);
        let mut replicas = Vec::new();
        for (name, rule) in [("replica-0", bad), ("replica-1", once)] {
            let file = scratch.file(&rt, name, &bytes).await?;
            replicas.push(Trace::new(Fault::<_>::new(file, [rule])));
        }
        let mirror: Mirror<_> = Mirror::with_policy(replicas, WritePolicy::Any)?;

        for _ in 0..2 {
            for at in (0..SIZE).step_by(BLOCK) {
                let read = mirror.read_vec_at(at as u64, BLOCK).await?;
                assert!(read == bytes[at..at + BLOCK], "the block at {at}");
            }
        }
        println!(
            "{} reads, although a part of one replica is bad:",
            2 * SIZE / BLOCK
        );
        for (n, replica) in mirror.replicas().iter().enumerate() {
            println!("\nreplica {n}:\n{}", replica.snapshot());
        }
        let [first, second] = mirror.replicas() else {
            unreachable!("there are two");
        };
        assert!(first.snapshot().reads.failures > 0, "the range was hit");
        let share = second.snapshot().reads.operations;
        assert!(
            share >= (SIZE / BLOCK) as u64,
            "half of the reads, and what the other failed"
        );

        for n in 0..4 {
            let change = noise(3000, n);
            mirror.write_all_at(&change, n * 5000).await?;
            bytes[n as usize * 5000..][..3000].copy_from_slice(&change);
        }
        assert!(mirror.is_stale(1) && !mirror.is_stale(0));
        println!("\nfour writes succeed; replica 1 failed one of them, and is stale");
        assert!(mirror.read_vec_at(0, 50_000).await? == bytes[..50_000]);

        // Made whole again from the other one.
        let all = first.inner().inner().read_vec_at(0, SIZE).await?;
        second.write_all_at(&all, 0).await?;
        mirror.clear_stale(1);
        let file = second.inner().inner();
        assert!(file.read_vec_at(0, SIZE).await? == bytes);
        println!("copied from replica 0, it has all bytes again");
        Ok(())
    })
}
