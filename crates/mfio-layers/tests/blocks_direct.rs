//! Files past the page cache under `Blocks`: any position and length, as std sees the same file.
#![cfg(target_os = "linux")]

#[path = "../../mfio-rt/tests/common/mod.rs"]
mod native;

use mfio::backend::IoBackendExt;
use mfio::control::{ExtentKind, Unmap};
use mfio::io::{IoObject, Operation, PacketIo, Write};
use mfio::packet::Packet;
use mfio::traits::{BlockingIo, IoControl, IoRead, IoWrite};
use mfio_layers::Blocks;
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Whole blocks, and more than a few buffers of the layer.
const LEN: usize = 1 << 20;

/// A file that is removed at the end.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// Makes a file where there are files past the page cache.
fn direct(rt: &NativeRt, name: &str) -> (Removed, File) {
    let direct = OpenOptions::new().read(true).write(true).direct(true);
    let parents = [
        std::env::temp_dir(),
        Path::new(env!("CARGO_TARGET_TMPDIR")).into(),
    ];
    for parent in parents {
        let name = format!("mfio-blocks-{name}-{}", std::process::id());
        let path = Removed(parent.join(name));
        let bytes: Vec<u8> = (0..LEN as u64).map(native::byte_at).collect();
        std::fs::write(&path.0, bytes).unwrap();
        if let Ok(file) = rt.block_on(rt.open(&path.0, &direct))
            && file.alignment(Operation::Read).block() > 1
        {
            return (path, file);
        }
    }
    panic!("no directory for files past the page cache: set TMPDIR to one on a disk");
}

/// A sequence that looks random.
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end
    }
}

#[test]
fn odd_positions_and_lengths_are_those_that_std_sees() {
    for rt in native::runtimes() {
        let driver = rt.report().chosen().to_string();
        let (path, file) = direct(&rt, &driver);
        let io: Blocks<_> = Blocks::new(file).unwrap();
        let std = std::fs::File::open(&path.0).unwrap();
        let mut expected: Vec<u8> = (0..LEN as u64).map(native::byte_at).collect();
        let mut noise = Noise(7);
        for round in 0..150 {
            let longest = [3, 700, 9000, 200_000][round % 4];
            let len = 1 + noise.below(longest);
            let pos = noise.below(LEN - len);
            let bytes: Vec<u8> = (0..len).map(|n| (n + round) as u8).collect();
            match round % 3 {
                0 => io.blocking().write_all_at(&bytes, pos as u64).unwrap(),
                _ => rt.block_on(io.write_all_at(&bytes, pos as u64)).unwrap(),
            }
            expected[pos..pos + len].copy_from_slice(&bytes);
            let (start, end) = (pos.saturating_sub(5000), (pos + len + 5000).min(LEN));
            let mut seen = vec![0; end - start];
            std.read_exact_at(&mut seen, start as u64).unwrap();
            assert!(
                seen == expected[start..end],
                "{driver}: {len} bytes at {pos}"
            );
            let (pos, len) = (noise.below(LEN), noise.below(longest));
            let mut seen = vec![0; len];
            let good = match round % 3 {
                0 => io.blocking().read_at(&mut seen, pos as u64).unwrap(),
                _ => rt.block_on(io.read_at(&mut seen, pos as u64)).unwrap(),
            };
            assert_eq!(good, len.min(LEN - pos));
            assert!(
                seen[..good] == expected[pos..pos + good],
                "{driver}: {len} at {pos}"
            );
        }
        // Neighbours at once, none of which is aligned.
        rt.block_on(async {
            let writes: Vec<_> = (0..64usize)
                .map(|n| {
                    let (in_flight, view) = Packet::new(vec![n as u8; 333]).start::<Write>();
                    io.send_io(n as u64 * 333 + 11, view);
                    in_flight
                })
                .collect();
            for (n, write) in writes.into_iter().enumerate() {
                assert!(write.await.outcome.is_success(), "{n}");
                expected[n * 333 + 11..][..333].fill(n as u8);
            }
        });
        assert!(std::fs::read(&path.0).unwrap() == expected);

        // Behind the end the file grows by whole blocks.
        rt.block_on(io.write_all_at(b"more", LEN as u64 + 3))
            .unwrap();
        let grown = std::fs::read(&path.0).unwrap();
        assert_eq!(grown.len(), LEN + io.block());
        assert_eq!(grown[LEN..LEN + 9], *b"\0\0\0more\0\0");
    }
}

#[test]
fn control_operations_take_any_range_and_length() {
    for rt in native::runtimes() {
        let driver = rt.report().chosen().to_string();
        let (path, file) = direct(&rt, &format!("control-{driver}"));
        let io: Blocks<_> = Blocks::new(file).unwrap();
        let mut expected: Vec<u8> = (0..LEN as u64).map(native::byte_at).collect();
        rt.block_on(async {
            for (start, end) in [(5, 9), (1000, 70_003), (81_920, 90_112), (99_999, 100_001)] {
                let done = io.write_zeroes(start..end, Unmap::Allowed).await;
                done.unwrap();
                expected[start as usize..end as usize].fill(0);
            }
            io.sync_all().await.unwrap();
            assert!(std::fs::read(&path.0).unwrap() == expected, "{driver}");
            let first = io.extent_at(20_001).await.unwrap().unwrap();
            assert_ne!(first.kind, ExtentKind::Data, "{driver}");
            assert_eq!(first.span.start(), 20_001);
            // The last block is padded by a write behind the end, and cut again.
            io.write_all_at(b"more", LEN as u64 + 3).await.unwrap();
            io.set_len(LEN as u64 + 7).await.unwrap();
            assert_eq!(io.len().await.unwrap(), LEN as u64 + 7);
            expected.extend_from_slice(b"\0\0\0more");
            assert!(std::fs::read(&path.0).unwrap() == expected, "{driver}");
            assert_eq!(
                io.read_vec_at(LEN as u64 + 2, 100).await.unwrap(),
                b"\0more"
            );
        });
    }
}
