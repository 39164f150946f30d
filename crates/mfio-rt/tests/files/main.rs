//! Files, on every driver that can be had, under every executor.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod handles;
mod page_cache;
mod transfers;

use std::sync::Arc;

use common::*;
use handles::{
    adopts_and_releases, closes, directories, lengths, open_errors_name_path_and_flags,
    open_options, read_only, syncs,
};
use mfio::error::Result;
use mfio::traits::IoRead;
use mfio_rt::fs::{Fs, OpenOptions};
use mfio_rt::native::{DriverKind, NativeRt};
use page_cache::past_the_page_cache;
use transfers::{
    in_memory_files, large_transfers, positions_without_meaning, reads_many_at_once, reads_nothing,
    reads_past_the_end, reads_what_is_there, typed_values, writes_and_reads_back,
};

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
