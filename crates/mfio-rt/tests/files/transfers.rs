//! Reads and writes.

use std::sync::Arc;

use crate::common::*;
use mfio::error::ErrorKind;
use mfio::packet::Packet;
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::NativeRt;

pub(super) async fn reads_what_is_there(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.open_read(dir.file("read", 100_000)).await.unwrap();
    for (pos, len) in [
        (0, 1),
        (0, 100_000),
        (99_999, 1),
        (4095, 2),
        (12_345, 54_321),
    ] {
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, pos).await.unwrap();
        assert_bytes(&bytes, pos);
        let (result, bytes) = file.read_exact_buf_at(vec![0; len], pos).await;
        result.unwrap();
        assert_bytes(&bytes, pos);
    }
}

/// More than a queue takes at a time.
pub(super) async fn reads_many_at_once(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.open_read(dir.file("many", 1 << 20)).await.unwrap();
    let mut numbers = Numbers::new(1);
    let reads = (0..3000).map(|_| {
        let pos = numbers.below((1 << 20) - 100);
        (pos, Box::pin(file.read_exact_buf_at(vec![0; 100], pos)))
    });
    for (pos, (result, bytes)) in all(reads.collect()).await {
        result.unwrap();
        assert_bytes(&bytes, pos);
    }
}

/// Polls futures together until all are ready.
pub(super) async fn all<K: Clone, F: Future + Unpin>(
    mut futures: Vec<(K, F)>,
) -> Vec<(K, F::Output)> {
    let mut done = Vec::new();
    std::future::poll_fn(move |cx| {
        futures.retain_mut(|(key, future)| match std::pin::Pin::new(future).poll(cx) {
            std::task::Poll::Ready(output) => {
                done.push((key.clone(), output));
                false
            }
            std::task::Poll::Pending => true,
        });
        match futures.is_empty() {
            true => std::task::Poll::Ready(std::mem::take(&mut done)),
            false => std::task::Poll::Pending,
        }
    })
    .await
}

pub(super) async fn writes_and_reads_back(rt: NativeRt, dir: Arc<Dir>) {
    let path = dir.path("written");
    let file = rt.create(&path).await.unwrap();
    let bytes: Vec<u8> = (0..50_000).map(byte_at).collect();
    file.write_all_at(&bytes[..20_000], 0).await.unwrap();
    let (result, _) = file
        .write_all_buf_at(bytes[20_000..].to_vec(), 20_000)
        .await;
    result.unwrap();
    let mut back = vec![0; 50_000];
    file.read_exact_at(&mut back, 0).await.unwrap();
    assert!(back == bytes);
    drop(file);
    assert!(std::fs::read(&path).unwrap() == bytes);

    let options = OpenOptions::new().append(true).read(true);
    let appended = rt.open(&path, &options).await.unwrap();
    appended.write_all_at(b"end", 0).await.unwrap();
    assert_eq!(appended.len().await.unwrap(), 50_003);
    assert_eq!(&std::fs::read(&path).unwrap()[50_000..], b"end");
}

pub(super) async fn reads_past_the_end(rt: NativeRt, dir: Arc<Dir>) {
    let path = dir.file("short", 1000);
    let file = rt.open_read(&path).await.unwrap();
    let mut bytes = [0; 600];
    let error = file.read_exact_at(&mut bytes, 700).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    assert_eq!(error.get_offset(), Some(700));
    assert_eq!(file.read_at(&mut bytes, 700).await.unwrap(), 300);
    assert_bytes(&bytes[..300], 700);
    assert_eq!(file.read_at(&mut bytes, 1000).await.unwrap(), 0);
    assert_eq!(file.read_at(&mut bytes, 1 << 40).await.unwrap(), 0);
    let ended = file.read_packet_at(Packet::new(vec![0; 200]), 900).await;
    assert_eq!(ended.outcome.good_prefix(), 100);
    let failures: Vec<_> = ended.outcome.failures().collect();
    assert_eq!(
        (failures.len(), failures[0].offset, failures[0].len),
        (1, 100, 100)
    );
    assert_eq!(file.read_vec_at(990, 100).await.unwrap().len(), 10);
}

pub(super) async fn reads_nothing(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.open_read(dir.file("nothing", 10)).await.unwrap();
    file.read_exact_at(&mut [], 0).await.unwrap();
    file.read_exact_at(&mut [], u64::MAX).await.unwrap();
    assert_eq!(file.read_at(&mut [], 5).await.unwrap(), 0);
    let empty = rt.create(dir.path("empty")).await.unwrap();
    empty.write_all_at(&[], 0).await.unwrap();
    assert_eq!(empty.len().await.unwrap(), 0);
    assert_eq!(
        empty.read_exact_at(&mut [0], 0).await.unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
}

pub(super) async fn positions_without_meaning(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.create(dir.path("positions")).await.unwrap();
    for pos in [u64::MAX, 1 << 63, i64::MAX as u64] {
        let error = file.read_exact_at(&mut [0; 4096], pos).await.unwrap_err();
        let expected = [ErrorKind::InvalidInput, ErrorKind::UnexpectedEof];
        assert!(expected.contains(&error.kind()), "{error}");
        assert!(
            error.to_string().contains(&format!("at offset {pos}")),
            "{error}"
        );
        let error = file.write_all_at(&[0; 4096], pos).await.unwrap_err();
        assert!(error.errno().is_some(), "{error}");
    }
    let error = file.read_exact_at(&mut [0; 8], u64::MAX).await.unwrap_err();
    assert_eq!(error.errno(), Some(libc::EINVAL));
    // Position -1 means "where the file stands" to the kernel: it must not get through.
    assert_eq!(file.len().await.unwrap(), 0);
}

/// More than a pipe, a page list or a small queue takes in one go.
pub(super) async fn large_transfers(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.create(dir.path("large")).await.unwrap();
    let bytes: Vec<u8> = (0..5_000_000).map(byte_at).collect();
    let (result, bytes) = file.write_all_buf_at(bytes, 3).await;
    result.unwrap();
    let (result, back) = file.read_exact_buf_at(vec![0; 5_000_000], 3).await;
    result.unwrap();
    assert!(back == bytes);
    std::fs::remove_file(dir.path("large")).unwrap();
}

pub(super) async fn in_memory_files(rt: NativeRt, _: Arc<Dir>) {
    let Some(dir) = Dir::in_memory() else {
        return println!("no /dev/shm here");
    };
    let file = rt.create(dir.path("memory")).await.unwrap();
    let bytes: Vec<u8> = (0..100_000).map(byte_at).collect();
    file.write_all_at(&bytes, 0).await.unwrap();
    for n in 0..300 {
        let mut back = [0; 300];
        file.read_exact_at(&mut back, n * 300).await.unwrap();
        assert_bytes(&back, n * 300);
    }
}

pub(super) async fn typed_values(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.create(dir.path("typed")).await.unwrap();
    file.write_value_at(&0x0102_0304_u32, 8).await.unwrap();
    assert_eq!(file.read_value_at::<u32>(8).await.unwrap(), 0x0102_0304);
    assert_eq!(
        file.read_value_at::<[u64; 2]>(0).await.unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
}
