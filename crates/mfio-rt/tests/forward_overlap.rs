//! Copies within one file, through one handle and through several, are as those of `memmove`.
#![cfg(target_os = "linux")]

mod common;

use common::{Dir, byte_at, runtimes};
use mfio::backend::IoBackendExt;
use mfio::error::ErrorKind;
use mfio::traits::{Chunks, forward};
use mfio_rt::fs::OpenOptions;

const LEN: usize = 300_000;

#[test]
fn overlapping_ranges_of_one_file_are_copied_as_memmove_does() {
    for rt in runtimes() {
        let dir = Dir::new();
        let both = OpenOptions::new().read(true).write(true);
        for (n, (pos, to_pos, len)) in [
            (0, 1, 299_999),
            (7, 100_000, 200_000),
            (100_000, 7, 200_000),
            (0, 4096, 4097),
        ]
        .into_iter()
        .enumerate()
        {
            for separate in [false, true] {
                let path = dir.file(&format!("{n}-{separate}"), LEN);
                let mut expected: Vec<u8> = (0..LEN as u64).map(byte_at).collect();
                expected.copy_within(pos as usize..(pos + len) as usize, to_pos as usize);
                rt.block_on(async {
                    let file = rt.open(&path, &both).await.unwrap();
                    let copied = if separate {
                        let other = rt.open(&path, &both).await.unwrap();
                        forward(&file, pos, &other, to_pos, len).await
                    } else {
                        let small = Chunks {
                            size: 4096,
                            window: 8,
                        };
                        forward(&file, pos, &file, to_pos, len).chunks(small).await
                    };
                    assert_eq!(copied.unwrap(), len);
                });
                assert!(
                    std::fs::read(&path).unwrap() == expected,
                    "{pos} {to_pos} {len}"
                );
            }
        }
    }
}

#[test]
fn a_file_that_is_copied_behind_itself_does_not_grow_for_ever() {
    for rt in runtimes() {
        let dir = Dir::new();
        let path = dir.file("endless", 100);
        rt.block_on(async {
            let from = rt.open_read(&path).await.unwrap();
            for append in [false, true] {
                let options = OpenOptions::new().write(!append).append(append);
                let to = rt.open(&path, &options).await.unwrap();
                let copied = forward(&from, 0, &to, 100, u64::MAX).to_end().await;
                let error = copied.unwrap_err().error;
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                // The length is what the caller can give.
                assert_eq!(forward(&from, 0, &to, 100, 100).await.unwrap(), 100);
            }
        });
        assert_eq!(std::fs::read(&path).unwrap().len(), 300);
    }
}
