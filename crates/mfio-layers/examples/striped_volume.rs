//! A volume that is striped over three files.
//!
//! Writes to the volume are striped over the files in units of 4 KiB, and read back from all of
//! them at once. A partition of the volume is a window, as layers nest.
//!
//! `cargo run -p mfio-layers --example striped_volume`

mod common;

use common::{Scratch, noise, runtime};
use mfio::backend::IoBackendExt;
use mfio::error::Result;
use mfio::traits::{BlockingIo, IoRead, IoWrite};
use mfio_layers::{AttachBackend, Stripe, Trace, Window};

const UNIT: usize = 4096;
const SIZE: usize = 3 << 20;

pub(crate) fn main() -> Result<()> {
    let scratch = Scratch::new("striped-volume");
    let rt = runtime();
    let disks = rt.block_on(async {
        let mut disks = Vec::new();
        for name in ["disk-0", "disk-1", "disk-2"] {
            let file = scratch.file(&rt, name, &[0; SIZE / 3]).await?;
            disks.push(Trace::new(file));
        }
        Ok::<_, mfio::error::Error>(disks)
    })?;

    // All files are driven by one runtime, which is said once.
    let volume = AttachBackend::new(Stripe::new(disks, UNIT as u64)?, rt);
    let bytes = noise(SIZE, 2);
    volume.block_on(async {
        volume.write_all_at(&bytes, 0).await?;
        assert_eq!(volume.read_vec_at(0, SIZE + 100).await?, bytes);
        println!(
            "{} KiB written and read, in units of {UNIT} bytes:",
            SIZE >> 10
        );

        // Unit number n is the (n / 3)th of file n % 3.
        for (number, unit) in bytes.chunks(UNIT).enumerate() {
            let disk = &volume.inner().members()[number % 3];
            let at = (number / 3 * UNIT) as u64;
            assert_eq!(
                disk.inner().read_vec_at(at, UNIT).await?,
                unit,
                "unit {number}"
            );
        }
        for (n, disk) in volume.inner().members().iter().enumerate() {
            println!("\ndisk {n}:\n{}", disk.snapshot());
        }
        Ok::<_, mfio::error::Error>(())
    })?;

    // A partition: its byte 0 is somewhere within a unit.
    let partition = Window::new(volume, 1_000_000, 1_000_000);
    partition
        .blocking()
        .write_all_at(b"across the edge of a unit or two", 4000)?;
    let text: [u8; 32] = partition.blocking().read_value_at(4000)?;
    assert_eq!(&text, b"across the edge of a unit or two");
    let error = partition
        .blocking()
        .write_all_at(&text, 999_990)
        .unwrap_err();
    println!("\nA partition ends where it ends:\n  {error}");
    let whole = partition.inner();
    assert_eq!(whole.blocking().read_value_at::<[u8; 32]>(1_004_000)?, text);
    Ok(())
}
