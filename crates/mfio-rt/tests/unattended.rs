//! Operations that nobody drives: the runtime does, on a thread of its own, or refuses them in
//! words.

mod common;

use common::*;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::{ForeignLoop, Integration, IoBackend, IoBackendExt};
use mfio::error::ErrorKind;
use mfio::traits::{IoRead, IoWrite};
use mfio_rt::native::{DriverKind, File, NativeRt};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// An executor that knows nothing of mfio.
fn stranger<F: Future>(future: F) -> F::Output {
    mfio::poller::block_on(future)
}

/// A file that only the driver can read: nothing of it is cached.
fn uncached(rt: &NativeRt, name: &str) -> File {
    // Driven by this thread, so that no other one is there yet.
    let file = rt.block_on(rt.create(temp(name))).unwrap();
    rt.block_on(file.write_all_at(&[7; 4096], 0)).unwrap();
    file
}

fn temp(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("mfio-unattended-{name}-{}", std::process::id()))
}

fn remove(name: &str) {
    std::fs::remove_file(temp(name)).unwrap();
}

#[test]
fn operations_end_under_an_executor_that_drives_nothing() {
    for rt in runtimes() {
        let file = uncached(&rt, "stranger");
        stranger(file.sync_all()).unwrap();
        assert_eq!(stranger(file.len()), Ok(4096));
        assert_eq!(stranger(file.read_value_at::<u8>(17)), Ok(7));
        remove("stranger");
    }
}

#[test]
fn a_task_needs_no_drive() {
    for rt in runtimes() {
        tokio_runtime().block_on(async {
            let file = rt.open_read("/proc/version").await.unwrap();
            let task = tokio::spawn(async move { file.read_vec_at(0, 5).await });
            assert_eq!(task.await.unwrap().unwrap(), b"Linux");
        });
    }
}

#[test]
fn a_driver_that_ends_leaves_no_operation_behind() {
    for rt in runtimes() {
        for _ in 0..3 {
            let executor = tokio_runtime();
            executor.block_on(async {
                let driver = tokio::spawn(Tokio::drive(rt.clone()));
                let file = rt.create(temp("ended")).await.unwrap();
                let bytes = file.clone();
                // On its way, or not even sent, when its driver ends.
                let write = tokio::spawn(async move { bytes.write_all_at(b"bytes", 0).await });
                driver.abort();
                let _ = driver.await;
                write.await.unwrap().unwrap();
                file.sync_all().await.unwrap();
            });
        }
        remove("ended");
    }
}

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn operations_left_by_block_on_go_on() {
    for rt in runtimes() {
        let file = uncached(&rt, "left");
        let mut sync = Box::pin(file.sync_all());
        let mut len = Box::pin(file.len());
        // They are sent within the call, and its thread ends before they do.
        rt.block_on(async {
            assert!(poll_once(sync.as_mut()).is_pending());
            assert!(poll_once(len.as_mut()).is_pending());
        });
        stranger(sync).unwrap();
        assert_eq!(stranger(len), Ok(4096));
        remove("left");
    }
}

#[test]
fn a_thread_that_blocks_within_its_future_stalls_no_other_executor() {
    for rt in runtimes() {
        let file = uncached(&rt, "within");
        rt.block_on(async {
            let other = std::thread::spawn(move || stranger(file.sync_all()));
            other.join().unwrap().unwrap();
        });
        remove("within");
    }
}

#[test]
fn an_exclusive_handle_that_is_released_leaves_no_operation_behind() {
    for rt in runtimes() {
        let file = uncached(&rt, "raw");
        let raw = rt.get_backend();
        let mut sync = Box::pin(file.sync_all());
        assert!(poll_once(sync.as_mut()).is_pending());
        drop(raw);
        stranger(sync).unwrap();
        remove("raw");
    }
}

#[test]
fn an_exclusive_handle_can_be_acquired_while_the_runtime_drives_itself() {
    for rt in runtimes() {
        let file = uncached(&rt, "acquired");
        for _ in 0..1000 {
            stranger(file.sync_data()).unwrap();
            drop(rt.get_backend());
        }
        remove("acquired");
    }
}

#[test]
fn a_dropped_foreign_loop_leaves_no_operation_behind() {
    for rt in runtimes() {
        let file = uncached(&rt, "foreign");
        let driver = ForeignLoop::with_waker(&rt, Waker::noop().clone());
        let mut sync = Box::pin(file.sync_all());
        assert!(poll_once(sync.as_mut()).is_pending());
        drop(driver);
        stranger(sync).unwrap();
        remove("foreign");
    }
}

/// Runs `test`, which is the test `name`, again in a process of its own: the threads there are its
/// own.
#[cfg(target_os = "linux")]
fn in_a_process_of_its_own(name: &str, test: impl FnOnce()) {
    const MARK: &str = "MFIO_UNATTENDED_CHILD";
    if std::env::var_os(MARK).is_some() {
        return test();
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child
        .args(["--exact", name])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn the_thread_leaves_when_it_is_not_needed() {
    let Some(rt) = runtime(DriverKind::IoUring) else {
        return;
    };
    in_a_process_of_its_own("the_thread_leaves_when_it_is_not_needed", || {
        let file = uncached(&rt, "leaves");
        rt.block_on(file.sync_all()).unwrap();
        stranger(file.sync_all()).unwrap();
        assert_eq!(fallback_threads(), 1);
        while fallback_threads() > 0 {
            std::thread::yield_now();
        }
        stranger(file.sync_all()).unwrap();
        assert_eq!(fallback_threads(), 1);
        drop((file, rt));
        while fallback_threads() > 0 {
            std::thread::yield_now();
        }
        remove("leaves");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn block_on_starts_no_thread() {
    let Some(rt) = runtime(DriverKind::IoUring) else {
        return;
    };
    in_a_process_of_its_own("block_on_starts_no_thread", || {
        let file = rt.block_on(rt.create(temp("none"))).unwrap();
        rt.block_on(async {
            file.write_all_at(b"bytes", 0).await?;
            file.sync_all().await?;
            file.len().await
        })
        .unwrap();
        tokio_runtime().block_on(async {
            let sync = async |_: &NativeRt| file.sync_all().await;
            Tokio::run_with(rt.clone(), sync).await.unwrap();
        });
        assert_eq!(fallback_threads(), 0);
        remove("none");
    });
}

#[test]
fn a_runtime_that_must_not_drive_itself_says_so() {
    let builder = NativeRt::builder().require(DriverKind::IoUring);
    let Ok(rt) = builder.self_driving(false).build() else {
        return skip(DriverKind::IoUring, "there is none");
    };
    let error = stranger(rt.open_read("/proc/version")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotDriven);
    let text = error.to_string();
    assert!(
        text.contains("Tokio::drive") && text.contains("self_driving"),
        "{text}"
    );
    let file = rt.block_on(rt.open_read("/proc/version")).unwrap();
    assert_eq!(
        stranger(file.sync_all()).unwrap_err().kind(),
        ErrorKind::NotDriven
    );
    tokio_runtime().block_on(async {
        // It drives from its first poll on; what is sent before is not refused.
        let driver = tokio::spawn(Tokio::drive(rt.clone()));
        assert_eq!(file.read_vec_at(0, 5).await.unwrap(), b"Linux");
        driver.abort();
        let _ = driver.await;
    });
    assert_eq!(
        stranger(file.len()).unwrap_err().kind(),
        ErrorKind::NotDriven
    );
}

/// Has another thread send a sync within a poll, and waits for it.
async fn sync_sent_by_another_thread(file: &File) {
    let mut sync = Box::pin(file.sync_all());
    std::thread::scope(|threads| {
        let sends = threads.spawn(|| poll_once(sync.as_mut()).map(Result::unwrap));
        assert!(sends.join().unwrap().is_pending());
    });
    sync.await.unwrap();
}

#[test]
fn a_driver_that_polls_its_future_has_nothing_refused_that_others_send() {
    let builder = NativeRt::builder().require(DriverKind::IoUring);
    let Ok(rt) = builder.self_driving(false).build() else {
        return skip(DriverKind::IoUring, "there is none");
    };
    let file = uncached(&rt, "polls");
    rt.block_on(sync_sent_by_another_thread(&file));
    tokio_runtime().block_on(Tokio::run_with(rt.clone(), async |_: &NativeRt| {
        sync_sent_by_another_thread(&file).await;
    }));
    let refused = stranger(file.sync_all()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotDriven);
    remove("polls");
}
