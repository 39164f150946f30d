//! Opening, closing, taking over and describing files.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use crate::common::*;
use mfio::error::ErrorKind;
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};

pub(super) async fn open_options(rt: NativeRt, dir: Arc<Dir>) {
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

pub(super) async fn open_errors_name_path_and_flags(rt: NativeRt, dir: Arc<Dir>) {
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

pub(super) async fn directories(rt: NativeRt, dir: Arc<Dir>) {
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

pub(super) async fn read_only(rt: NativeRt, dir: Arc<Dir>) {
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

pub(super) async fn lengths(rt: NativeRt, dir: Arc<Dir>) {
    let file = rt.create(dir.path("length")).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 0);
    file.write_all_at(b"far", 1 << 33).await.unwrap();
    assert_eq!(file.len().await.unwrap(), (1 << 33) + 3);
    file.read_exact_at(&mut [1; 100], 12_345).await.unwrap();
    std::fs::remove_file(dir.path("length")).unwrap();
}

pub(super) async fn syncs(rt: NativeRt, dir: Arc<Dir>) {
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

pub(super) async fn closes(rt: NativeRt, dir: Arc<Dir>) {
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

pub(super) async fn adopts_and_releases(rt: NativeRt, dir: Arc<Dir>) {
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

fn is_cloexec(fd: i32) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::fcntl(fd, libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
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
