//! Records that are scattered over a file, seen as if they lay one behind the other.
//!
//! The file has pages of 4 KiB, and in each of some pages one record of 64 bytes. `Remap` maps a
//! dense address space to them, so that record number `n` is at byte `64 * n`, wherever it is in
//! the file. A record that was deleted is a hole: reading it fails, and its neighbours do not.
//!
//! `cargo run -p mfio-layers --example records`

mod common;

use common::{Numbers, Scratch, noise, runtime};
use mfio::backend::IoBackendExt;
use mfio::error::{ErrorKind, Result};
use mfio::packet::{Batch, Packet};
use mfio::traits::{IoRead, IoWrite};
use mfio_layers::{Remap, Trace};

const RECORD: usize = 64;
const RECORDS: usize = 1000;
const PAGES: usize = 1500;
/// This one was deleted.
const HOLE: usize = 500;

pub(crate) fn main() -> Result<()> {
    let scratch = Scratch::new("records");
    let rt = runtime();
    rt.block_on(async {
        let bytes = noise(PAGES * 4096, 1);
        let file = scratch.file(&rt, "pages", &bytes).await?;

        // The records are in pages in no order, somewhere within each.
        let mut numbers = Numbers(3);
        let mut pages: Vec<_> = (0..PAGES).collect();
        (0..PAGES).for_each(|n| pages.swap(n, numbers.below(PAGES)));
        let place = |n: usize| pages[n] * 4096 + pages[n] % 60 * RECORD;

        let mut table: Remap<_> = Remap::new(Trace::new(file));
        for n in (0..RECORDS).filter(|n| *n != HOLE) {
            let start = (n * RECORD) as u64;
            table.map(start..start + RECORD as u64, place(n) as u64)?;
        }

        // One request for all of them: the layer sends each part where it belongs, into the one
        // buffer.
        let all = table
            .read_packet_at(Packet::new(vec![0; RECORDS * RECORD]), 0)
            .await;
        let mut records = all.packet.buffer().chunks(RECORD).enumerate();
        assert!(records.all(|(n, record)| n == HOLE || record == &bytes[place(n)..][..RECORD]));
        let failed: Vec<_> = all.outcome.failures().collect();
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].offset, failed[0].len), (HOLE * RECORD, RECORD));
        println!("{RECORDS} records as one read: all but number {HOLE}, which fails alone:");
        let error = table
            .read_value_at::<[u8; RECORD]>((HOLE * RECORD) as u64)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), failed[0].cause.kind());
        println!("  {error}");

        // Single fields of many records, as a batch.
        let mut batch = Batch::new();
        (0..HOLE).for_each(|n| batch.push((n * RECORD + 8) as u64, [0u8; 8]));
        let fields = table.read_batch(batch).await;
        assert!(fields.outcome.is_success());
        let field = |n| &bytes[place(n) + 8..][..8];
        assert!((0..HOLE).all(|n| fields.batch.bytes(n) == field(n)));
        println!("a field of each of {HOLE} records as one batch");

        // Writing works the same way.
        table
            .write_all_at(&[7; 3 * RECORD], 10 * RECORD as u64)
            .await?;
        let file = table.into_inner();
        for n in 10..13 {
            assert_eq!(
                file.read_value_at::<[u8; RECORD]>(place(n) as u64).await?,
                [7; RECORD]
            );
        }
        println!("three records changed by one write\n\nThe file:");
        println!("{}", file.snapshot());
        assert_ne!(error.kind(), ErrorKind::UnexpectedEof, "not the end");
        Ok(())
    })
}
