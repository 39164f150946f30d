//! Transfers past the page cache.

use std::sync::Arc;

use crate::common::*;
use crate::transfers::all;
use mfio::error::{ErrorKind, Result};
use mfio::io::{IoObject, Operation};
use mfio::packet::AlignedBuf;
use mfio::traits::{IoRead, IoWrite, forward};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::NativeRt;

pub(super) async fn past_the_page_cache(rt: NativeRt, dir: Arc<Dir>) {
    let path = dir.file("direct", 1 << 20);
    let options = OpenOptions::new().read(true).write(true).direct(true);
    let file = match rt.open(&path, &options).await {
        Ok(file) => file,
        Err(error) if error.errno() == Some(libc::EINVAL) => {
            return println!("no O_DIRECT here: {error}");
        }
        Err(error) => panic!("{error}"),
    };
    let reads = (0..64).map(|n| {
        (
            n * 16_384,
            Box::pin(file.read_exact_buf_at(AlignedBuf::new(8192), n * 16_384)),
        )
    });
    for (pos, (result, bytes)) in all(reads.collect()).await {
        result.unwrap();
        assert_bytes(&bytes, pos);
    }
    let mut block = AlignedBuf::new(4096);
    block.fill(7);
    file.write_all_buf_at(block, 8192).await.0.unwrap();
    assert!(
        std::fs::read(&path).unwrap()[8192..12_288]
            .iter()
            .all(|byte| *byte == 7)
    );
    // Some file systems take it all the same.
    if let Err(error) = file.read_exact_buf_at(AlignedBuf::new(512), 1).await.0 {
        assert_eq!(error.errno(), Some(libc::EINVAL));
        assert!(error.to_string().contains("AlignedBuf"), "{error}");
    }
    what_chooses_its_memory_keeps_to_blocks(&rt, &dir).await;
}

/// Positions and lengths of the user's own, and an end within a block.
async fn what_chooses_its_memory_keeps_to_blocks(rt: &NativeRt, dir: &Dir) {
    let len = (1 << 20) - 100;
    let path = dir.file("direct-odd", len);
    let direct = OpenOptions::new().read(true).write(true).direct(true);
    let file = rt.open(&path, &direct).await.unwrap();
    let alignment = file.alignment(Operation::Read);
    assert!(
        alignment.block() >= 512 && alignment.block() <= 4096,
        "{alignment:?}"
    );
    let mut at = 777;
    let look = |bytes: &[u8]| {
        assert_bytes(bytes, at);
        at += bytes.len() as u64;
    };
    let read = file.read_with_at(777, u64::MAX, look).to_end().await;
    assert_eq!(read.unwrap(), len as u64 - 777);

    let len = len as u64;
    let ranges = [
        7..9,
        5000..5008,
        500_000..500_001,
        len - 3..len,
        len - 1..len + 1,
        len + 9..len + 10,
    ];
    let ended = file.read_ranges(ranges.clone()).await;
    for (range, result) in ranges.iter().zip(ended.iter()) {
        let inside = range.end.min(len).saturating_sub(range.start) as usize;
        match result {
            Ok(bytes) => assert_bytes(bytes, range.start),
            Err(error) => {
                assert_eq!(error.error.kind(), ErrorKind::UnexpectedEof, "{error}");
                assert_eq!(error.good.len(), inside);
            }
        }
    }
    assert_eq!(ended.iter().filter(Result::is_err).count(), 2);

    let copy = rt.create(dir.path("direct-copy")).await.unwrap();
    assert_eq!(
        forward(&file, 100, &copy, 3, len - 100).await.unwrap(),
        len - 100
    );
    let copied = std::fs::read(dir.path("direct-copy")).unwrap();
    assert_bytes(&copied[3..], 100);
    // And back, past the page cache: whole blocks.
    let blocks = len & !4095;
    forward(&copy, 3, &file, 4096, blocks - 4096).await.unwrap();
    assert_bytes(&std::fs::read(&path).unwrap()[4096..blocks as usize], 100);
}
