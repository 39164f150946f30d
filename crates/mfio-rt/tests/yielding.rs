//! Reads that are answered at once (tmpfs, the page cache, hits of a `Cache`) leave the executor
//! its turn, on each driver.

mod common;

use mfio::backend::{Integration, IoBackendExt, integrations::tokio::Tokio};
use mfio::traits::IoRead;
use mfio_rt::native::NativeRt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Turns of its neighbour after which the loop of reads ends. Without them it would not end.
const TURNS: usize = 16;

fn leaves_a_neighbour_its_turns(rt: NativeRt, path: &Path, through_a_cache: bool) {
    let file = rt.block_on(rt.open_read(path)).unwrap();
    let cache = mfio_layers::Cache::new(file.clone(), 1 << 20, 4096).unwrap();
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    executor.block_on(async {
        tokio::spawn(Tokio::drive(rt));
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = turns.clone();
        tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        while turns.load(Ordering::Relaxed) < TURNS {
            let byte: u8 = match through_a_cache {
                true => cache.read_value_at(0).await.unwrap(),
                false => file.read_value_at(0).await.unwrap(),
            };
            assert_eq!(byte, 1);
        }
    });
}

fn on_each_driver(dir: &Path, name: &str, through_a_cache: bool) {
    let path = dir.join(format!("mfio-yielding-{name}-{}", std::process::id()));
    std::fs::write(&path, [1; 4096]).unwrap();
    for rt in common::runtimes() {
        leaves_a_neighbour_its_turns(rt, &path, through_a_cache);
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn reads_of_the_page_cache_yield() {
    on_each_driver(&std::env::temp_dir(), "cached", false);
}

#[test]
fn hits_of_a_cache_yield() {
    on_each_driver(&std::env::temp_dir(), "hits", true);
}

#[test]
#[cfg(target_os = "linux")]
fn reads_of_tmpfs_yield() {
    on_each_driver(Path::new("/dev/shm"), "tmpfs", false);
}
