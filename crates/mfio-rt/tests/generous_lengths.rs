//! Reads of files whose length is an upper bound, or the end of the data, on every driver.
#![cfg(target_os = "linux")]

mod common;

use common::*;
use mfio::backend::IoBackendExt;
use mfio::traits::{BlockingIo, IoRead};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};
use std::io::Write;

/// How many bytes of memory the process had at most, in KiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

/// How much the maximum has grown, in KiB. The kernel counts by processor and adds up roughly
/// (`percpu_counter`), so it may seem to fall by a few pages.
fn growth_since(before: u64) -> u64 {
    most_memory().saturating_sub(before)
}

#[test]
fn a_generous_length_of_a_short_file_touches_little_memory() {
    let dir = Dir::new();
    for rt in runtimes() {
        let file = rt.block_on(rt.open_read(dir.file("short", 10))).unwrap();
        let before = most_memory();
        for len in [1 << 30, usize::MAX] {
            let read = rt.block_on(file.read_vec_at(0, len)).unwrap();
            assert_eq!(read.len(), 10);
            assert_bytes(&read, 0);
        }
        // Other tests of this process may run at the same time; the lengths are far beyond what
        // they take.
        let more = growth_since(before);
        assert!(more < 512 << 10, "{more} KiB");
    }
}

/// Reads a file by all the forms that need no exact length.
fn reads_all(rt: &NativeRt, file: &File, len: usize) {
    let read = rt.block_on(file.read_vec_at(0, usize::MAX)).unwrap();
    assert_eq!(read.len(), len);
    assert_bytes(&read, 0);
    reads_to_the_end(rt, file, len);
}

fn reads_to_the_end(rt: &NativeRt, file: &File, len: usize) {
    let mut bytes = Vec::new();
    assert_eq!(
        rt.block_on(file.read_to_end_at(&mut bytes, 0)).unwrap(),
        len
    );
    assert_bytes(&bytes, 0);
    bytes.clear();
    assert_eq!(file.blocking().read_to_end_at(&mut bytes, 0).unwrap(), len);
    assert_bytes(&bytes, 0);
}

#[test]
fn files_of_any_length_are_read_to_their_end() {
    let dir = Dir::new();
    for rt in runtimes() {
        for len in [0, 1, 65_536, (3 << 20) + 5] {
            let path = dir.file("any", len);
            let file = rt.block_on(rt.open_read(&path)).unwrap();
            reads_all(&rt, &file, len);
        }
    }
}

#[test]
fn files_that_bypass_the_page_cache_are_read_to_their_end() {
    let dir = Dir::new();
    for rt in runtimes() {
        let path = dir.file("direct", (1 << 20) + 77);
        let options = OpenOptions::new().read(true).direct(true);
        match rt.block_on(rt.open(&path, &options)) {
            Ok(file) => reads_to_the_end(&rt, &file, (1 << 20) + 77),
            Err(error) => println!("no O_DIRECT here: {error}"),
        }
    }
}

#[test]
fn a_pipe_returns_available_bytes_for_a_generous_length_and_all_to_its_end() {
    for rt in runtimes() {
        for blocking in [false, true] {
            let (read, mut write) = std::io::pipe().unwrap();
            let file = File::from_std(&rt, std::fs::File::from(std::os::fd::OwnedFd::from(read)));
            write.write_all(b"abc").unwrap();
            // The other end is open: more may come, and nobody waits for it.
            let some = rt.block_on(file.read_vec_at(0, usize::MAX)).unwrap();
            assert_eq!(some, b"abc");
            let writer = std::thread::spawn(move || {
                let bytes: Vec<u8> = (0..300_000).map(byte_at).collect();
                bytes
                    .chunks(7_777)
                    .for_each(|piece| write.write_all(piece).unwrap());
            });
            let mut bytes = Vec::new();
            let read = match blocking {
                true => file.blocking().read_to_end_at(&mut bytes, 0),
                false => rt.block_on(file.read_to_end_at(&mut bytes, 0)),
            };
            assert_eq!(read.unwrap(), 300_000);
            assert_bytes(&bytes, 0);
            writer.join().unwrap();
        }
    }
}

#[test]
fn a_generous_range_of_a_short_file_touches_little_memory() {
    let dir = Dir::new();
    for rt in runtimes() {
        let file = rt.block_on(rt.open_read(dir.file("short", 10))).unwrap();
        let before = most_memory();
        let ended = rt.block_on(file.read_ranges([0..1 << 29, 5..1 << 29]));
        let more = growth_since(before);
        for (from, result) in [0, 5].into_iter().zip(ended.iter()) {
            let failed = result.unwrap_err();
            assert_eq!(failed.error.kind(), mfio::error::ErrorKind::UnexpectedEof);
            assert_eq!(failed.good.len(), 10 - from);
            assert_bytes(failed.good, from as u64);
        }
        assert!(more < 256 << 10, "{more} KiB");
    }
}
