//! Copy on write over an image: what changed is kept in a file of its own, told, carried on with
//! later, and merged.
//!
//! `cargo run -p mfio-layers --example snapshot`

mod common;

use common::{Numbers, Scratch, noise, runtime};
use mfio::backend::IoBackendExt;
use mfio::error::Result;
use mfio::traits::{IoRead, IoWrite};
use mfio_layers::{Overlay, Trace};

const SIZE: usize = 1 << 20;
const GRANULE: usize = 4096;

pub(crate) fn main() -> Result<()> {
    let scratch = Scratch::new("snapshot");
    let rt = runtime();
    rt.block_on(async {
        let image = noise(SIZE, 4);
        let base = scratch.file(&rt, "base", &image).await?;
        let top = scratch.file(&rt, "changes", &[]).await?;
        // What the machine should see; the overlay is compared with it.
        let mut model = image.clone();

        let disk = Overlay::<_, _>::new(
            Trace::new(base.clone()),
            Trace::new(top.clone()),
            SIZE as u64,
            GRANULE,
        )?;
        let mut numbers = Numbers(1);
        for _ in 0..40 {
            let (at, len) = (numbers.below(SIZE / 4), 1 + numbers.below(3000));
            let bytes = noise(len, at as u64);
            disk.write_all_at(&bytes, at as u64).await?;
            model[at..at + len].copy_from_slice(&bytes);
        }
        disk.write_all_at(&[0; 16 * GRANULE], (SIZE / 2) as u64)
            .await?;
        model[SIZE / 2..][..16 * GRANULE].fill(0);

        assert_eq!(disk.read_vec_at(0, SIZE + 1).await?, model);
        assert_eq!(
            base.read_vec_at(0, SIZE + 1).await?,
            image,
            "the base is never changed"
        );
        let changed = disk.present();
        println!(
            "{} of {} KiB changed, in {} ranges:",
            disk.present_len() >> 10,
            SIZE >> 10,
            changed.len()
        );
        for range in &changed {
            println!("  {:>8} to {:>8}", range.start, range.end);
        }
        println!(
            "\nThe base:\n{}\n\nThe changes:\n{}",
            disk.base().snapshot(),
            disk.top().snapshot()
        );

        // Later, with the file of changes and the list of what is in it.
        drop(disk);
        let disk = Overlay::<_, _>::with_present(base.clone(), top, SIZE as u64, GRANULE, changed)?;
        assert_eq!(disk.read_vec_at(0, SIZE + 1).await?, model);
        disk.write_value_at(&1u8, 5).await?;
        model[5] = 1;

        // Merged into the base at last.
        for range in disk.present() {
            let len = (range.end - range.start) as usize;
            let bytes = disk.top().read_vec_at(range.start, len).await?;
            base.write_all_at(&bytes, range.start).await?;
        }
        assert_eq!(base.read_vec_at(0, SIZE + 1).await?, model);
        println!("\nmerged: the base is what the machine saw");
        Ok(())
    })
}
