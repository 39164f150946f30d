//! Files, on every driver that can be had, under every executor.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use common::*;
use mfio::error::{ErrorKind, Result};
use mfio::io::{PacketIo, Read};
use mfio::packet::{AlignedBuf, Packet};
use mfio::traits::{IoRead, IoWrite, forward};
use mfio_rt::fs::{Fs, OpenOptions};
use mfio_rt::native::{DriverKind, File, NativeRt};

type Case = (&'static str, fn(NativeRt, Arc<Dir>) -> Task<()>);

macro_rules! cases {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), |rt, dir| Box::pin($name(rt, dir)))),*] };
}

const CASES: &[Case] = cases![
    reads_what_is_there,
    reads_many_at_once,
    writes_and_reads_back,
    reads_past_the_end,
    reads_nothing,
    positions_without_meaning,
    open_options,
    open_errors_name_path_and_flags,
    directories,
    read_only,
    lengths,
    syncs,
    closes,
    adopts_and_releases,
    large_transfers,
    past_the_page_cache,
    in_memory_files,
    typed_values,
];

fn run(kind: DriverKind, executor: Executor) {
    let Some(rt) = runtime(kind) else { return };
    let dir = Arc::new(Dir::new());
    for (name, case) in CASES {
        println!("{kind}, {executor:?}: {name}");
        executor.run(&rt, case(rt.clone(), dir.clone()));
    }
}

macro_rules! matrix {
    ($($name:ident: $kind:ident, $executor:ident;)*) => {$(
        #[test]
        fn $name() {
            run(DriverKind::$kind, Executor::$executor);
        }
    )*};
}

matrix! {
    uring_block_on: IoUring, BlockOn;
    uring_tokio_drive: IoUring, TokioDrive;
    uring_tokio_run_with: IoUring, TokioRunWith;
    uring_smol_drive: IoUring, SmolDrive;
    uring_smol_run_with: IoUring, SmolRunWith;
    threads_block_on: Threads, BlockOn;
    threads_tokio_drive: Threads, TokioDrive;
    threads_tokio_run_with: Threads, TokioRunWith;
    threads_smol_drive: Threads, SmolDrive;
    threads_smol_run_with: Threads, SmolRunWith;
}

async fn reads_what_is_there(rt: NativeRt, dir: Arc<Dir>) {
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
async fn reads_many_at_once(rt: NativeRt, dir: Arc<Dir>) {
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
async fn all<K: Clone, F: Future + Unpin>(mut futures: Vec<(K, F)>) -> Vec<(K, F::Output)> {
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

async fn writes_and_reads_back(rt: NativeRt, dir: Arc<Dir>) {
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

async fn reads_past_the_end(rt: NativeRt, dir: Arc<Dir>) {
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

async fn reads_nothing(rt: NativeRt, dir: Arc<Dir>) {
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

async fn positions_without_meaning(rt: NativeRt, dir: Arc<Dir>) {
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

async fn open_options(rt: NativeRt, dir: Arc<Dir>) {
    let path = dir.path("options");
    let new = OpenOptions::new().write(true).create_new(true).mode(0o640);
    rt.open(&path, &new)
        .await
        .unwrap()
        .write_all_at(b"12345", 0)
        .await
        .unwrap();
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777 & !0o022, 0o640 & !0o022);
    assert_eq!(
        rt.open(&path, &new).await.unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    let truncated = rt
        .open(&path, &OpenOptions::new().write(true).truncate(true))
        .await
        .unwrap();
    assert_eq!(truncated.len().await.unwrap(), 0);
    for senseless in [
        OpenOptions::new(),
        OpenOptions::new().read(true).create(true),
        OpenOptions::new().read(true).truncate(true),
        OpenOptions::new().append(true).truncate(true),
    ] {
        let error = rt.open(&path, &senseless).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let error = rt
        .open("a\0b", &OpenOptions::new().read(true))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("zero byte"), "{error}");
    // The flags are the platform's, access mode and close-on-exec are ours.
    let no_follow = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_WRONLY);
    std::os::unix::fs::symlink(&path, dir.path("link")).ok();
    assert_eq!(
        rt.open(dir.path("link"), &no_follow)
            .await
            .unwrap_err()
            .errno(),
        Some(libc::ELOOP)
    );
    let file = rt.open(&path, &no_follow).await.unwrap();
    assert!(is_cloexec(file.as_fd().as_raw_fd()));
    std::fs::remove_file(dir.path("link")).unwrap();
    std::fs::remove_file(&path).unwrap();
}

async fn open_errors_name_path_and_flags(rt: NativeRt, dir: Arc<Dir>) {
    let path = missing(&dir);
    let error = rt
        .open(&path, &OpenOptions::new().read(true).write(true))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.errno()),
        (ErrorKind::NotFound, Some(libc::ENOENT))
    );
    let text = error.to_string();
    for part in [
        path.to_str().unwrap(),
        "read, write",
        "os error 2",
        rt.report().chosen().name(),
    ] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert_eq!(
        std::io::Error::from(error).kind(),
        std::io::ErrorKind::NotFound
    );
}

async fn directories(rt: NativeRt, dir: Arc<Dir>) {
    let path = dir.path("");
    let opened = rt.open_read(&path).await.unwrap();
    assert_eq!(
        opened.read_exact_at(&mut [0], 0).await.unwrap_err().errno(),
        Some(libc::EISDIR)
    );
    assert_eq!(
        rt.create(&path).await.unwrap_err().errno(),
        Some(libc::EISDIR)
    );
}

async fn read_only(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.open_read(dir.file("readonly", 10)).await.unwrap();
    let error = file.write_all_at(b"x", 0).await.unwrap_err();
    assert_eq!(error.errno(), Some(libc::EBADF));
    assert!(error.to_string().contains("readonly"), "{error}");
    assert!(error.to_string().contains("OpenOptions"), "{error}");
    let file = rt
        .open(dir.path("readonly"), &OpenOptions::new().write(true))
        .await
        .unwrap();
    assert_eq!(
        file.read_exact_at(&mut [0], 0).await.unwrap_err().errno(),
        Some(libc::EBADF)
    );
}

async fn lengths(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.create(dir.path("length")).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 0);
    file.write_all_at(b"far", 1 << 33).await.unwrap();
    assert_eq!(file.len().await.unwrap(), (1 << 33) + 3);
    file.read_exact_at(&mut [1; 100], 12_345).await.unwrap();
    std::fs::remove_file(dir.path("length")).unwrap();
}

async fn syncs(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.create(dir.path("sync")).await.unwrap();
    file.write_all_at(b"safe", 0).await.unwrap();
    file.sync_data().await.unwrap();
    file.sync_all().await.unwrap();
    let null = rt
        .open("/dev/null", &OpenOptions::new().write(true))
        .await
        .unwrap();
    let error = null.sync_all().await.unwrap_err();
    assert_eq!(error.errno(), Some(libc::EINVAL));
    assert!(error.to_string().contains("/dev/null"), "{error}");
}

async fn closes(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.open_read(dir.file("close", 10)).await.unwrap();
    let clone = file.clone();
    let error = file.close().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    clone.read_exact_at(&mut [0; 10], 0).await.unwrap();
    clone.close().await.unwrap();
    // Neither polled nor awaited to the end: closed all the same.
    let unpolled = rt.open_read(dir.path("close")).await.unwrap();
    drop(unpolled.close());
    let open: Vec<_> = descriptors()
        .into_iter()
        .filter(|(_, name)| name.ends_with("/close"))
        .collect();
    // Other tests of this process have directories of their own, so the name tells.
    let mine = dir.path("close").display().to_string();
    assert!(!open.iter().any(|(_, name)| *name == mine), "{open:?}");
}

async fn adopts_and_releases(rt: NativeRt, dir: Arc<Dir>) {
    let path = dir.file("adopted", 100);
    let std = std::fs::File::open(&path).unwrap();
    let number = std.as_raw_fd();
    let adopted = File::try_clone_from(&rt, &std).unwrap();
    assert_ne!(adopted.as_fd().as_raw_fd(), number);
    assert!(is_cloexec(adopted.as_fd().as_raw_fd()));
    let taken = File::from_std(&rt, std);
    assert_eq!(taken.as_fd().as_raw_fd(), number);
    let mut bytes = [0; 100];
    taken.read_exact_at(&mut bytes, 0).await.unwrap();
    assert_bytes(&bytes, 0);
    let clone = taken.clone();
    let taken = taken.try_into_std().unwrap_err();
    drop(clone);
    let std = taken.try_into_std().unwrap();
    assert_eq!(std.as_raw_fd(), number);
    let again = File::from_owned_fd(&rt, std.into());
    assert_eq!(again.into_owned_fd().unwrap().as_raw_fd(), number);
    adopted.read_exact_at(&mut bytes[..50], 50).await.unwrap();
    assert_bytes(&bytes[..50], 50);
}

/// More than a pipe, a page list or a small queue takes in one go.
async fn large_transfers(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.create(dir.path("large")).await.unwrap();
    let bytes: Vec<u8> = (0..5_000_000).map(byte_at).collect();
    let (result, bytes) = file.write_all_buf_at(bytes, 3).await;
    result.unwrap();
    let (result, back) = file.read_exact_buf_at(vec![0; 5_000_000], 3).await;
    result.unwrap();
    assert!(back == bytes);
    std::fs::remove_file(dir.path("large")).unwrap();
}

async fn past_the_page_cache(rt: NativeRt, dir: Arc<Dir>) {
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
    let alignment = PacketIo::<Read>::alignment(&file);
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

async fn in_memory_files(rt: NativeRt, _: Arc<Dir>) {
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

async fn typed_values(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.create(dir.path("typed")).await.unwrap();
    file.write_value_at(&0x0102_0304_u32, 8).await.unwrap();
    assert_eq!(file.read_value_at::<u32>(8).await.unwrap(), 0x0102_0304);
    assert_eq!(
        file.read_value_at::<[u64; 2]>(0).await.unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
}

fn is_cloexec(fd: i32) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::fcntl(fd, libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
}

/// The futures are `Send` where nothing is known but the traits.
#[test]
fn generic_code_spawns() {
    async fn first_byte<R: Fs>(rt: &R, path: &std::path::Path) -> Result<u8>
    where
        R::File: IoRead,
    {
        let file = rt.open(path, &OpenOptions::new().read(true)).await?;
        file.read_value_at::<u8>(0).await
    }
    fn spawn<R: Fs + Send + Sync + 'static>(
        rt: R,
        path: std::path::PathBuf,
    ) -> tokio::task::JoinHandle<Result<u8>> {
        tokio::spawn(async move { first_byte(&rt, &path).await })
    }
    fn assert_send_sync<T: Send + Sync>(_: &T) {}
    let dir = Dir::new();
    let path = dir.file("generic", 10);
    for rt in runtimes() {
        assert_send_sync(&rt);
        let path = path.clone();
        let found = Executor::TokioDrive.run(
            &rt.clone(),
            Box::pin(async move {
                let file = rt.open_read(&path).await.unwrap();
                assert_send_sync(&file);
                assert_send_sync(&file.len());
                assert_send_sync(&file.sync_all());
                spawn(rt, path).await.expect("the task")
            }),
        );
        assert_eq!(found.unwrap(), byte_at(0));
    }
}

/// Every descriptor that the runtime has made, its own ones included, is close-on-exec.
#[test]
fn no_descriptor_is_inherited() {
    for rt in runtimes() {
        let before = descriptors();
        let dir = Dir::new();
        let second = NativeRt::builder()
            .require(rt.report().chosen())
            .build()
            .unwrap();
        let path = dir.file("inherited", 10);
        let file = Executor::BlockOn.run(&second, {
            let second = second.clone();
            Box::pin(async move { second.open_read(path).await.unwrap() })
        });
        let adopted = File::try_clone_from(&second, &file).unwrap();
        let fresh: Vec<_> = descriptors()
            .into_iter()
            .filter(|new| !before.contains(new))
            .collect();
        let ours = |name: &str| {
            name.contains("io_uring") || name.contains("eventfd") || name.ends_with("inherited")
        };
        let fresh: Vec<_> = fresh.into_iter().filter(|(_, name)| ours(name)).collect();
        assert!(
            fresh
                .iter()
                .filter(|(_, name)| name.ends_with("inherited"))
                .count()
                >= 2,
            "{fresh:?}"
        );
        for (fd, name) in &fresh {
            let info =
                std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
            let flags = info
                .lines()
                .find_map(|line| line.strip_prefix("flags:"))
                .map(|flags| i32::from_str_radix(flags.trim(), 8).unwrap());
            // Other tests of this process may have closed theirs meanwhile.
            if let Some(flags) = flags {
                assert!(
                    flags & libc::O_CLOEXEC != 0,
                    "{name} is inherited by children"
                );
            }
        }
        drop((file, adopted));
    }
}

#[test]
fn the_report_says_what_was_chosen_and_why_not_better() {
    let rt = NativeRt::new().unwrap();
    let report = rt.report();
    println!("{report}");
    assert!(
        report
            .to_string()
            .contains(&format!("{}: chosen", report.chosen()))
    );
    for (kind, _) in report
        .drivers()
        .take_while(|(kind, _)| *kind != report.chosen())
    {
        let refusal = report.rejected(kind).expect("a better driver was refused");
        assert!(!refusal.why().is_empty() && !refusal.step().is_empty());
    }
    let threads = NativeRt::builder()
        .prefer(DriverKind::Threads)
        .build()
        .unwrap();
    assert_eq!(threads.report().chosen(), DriverKind::Threads);
}

/// A runtime that requires io_uring fails if it is refused.
#[test]
fn require_refuses_to_fall_back() {
    match NativeRt::builder().require(DriverKind::IoUring).build() {
        Ok(rt) => assert_eq!(rt.report().chosen(), DriverKind::IoUring),
        Err(error) => {
            let (kind, refusal) = error.rejected().next().expect("a reason");
            assert_eq!(kind, DriverKind::IoUring);
            assert!(error.to_string().contains(refusal.why()), "{error}");
            assert!(std::io::Error::from(error).to_string().contains("io_uring"));
        }
    }
}
