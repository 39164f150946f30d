//! Limits of the process. Lowered for all of it, so nothing else is tested here.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::fs::File as StdFile;
use std::os::fd::AsRawFd;

use common::*;
use mfio::backend::IoBackendExt;
use mfio_rt::native::File;

/// A limit of the process is named, with what to do about it.
#[test]
fn too_many_open_files_says_so() {
    let dir = Dir::new();
    let path = dir.file("limit", 1);
    for rt in runtimes() {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` is as large as the calls want.
        unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
        let low = libc::rlimit {
            rlim_cur: 600,
            rlim_max: limit.rlim_max,
        };
        // SAFETY: as above.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const low) };
        let mut held = Vec::new();
        let error = loop {
            match StdFile::open(&path) {
                Ok(file) => held.push(file),
                Err(_) => match rt.block_on(rt.open_read(&path)) {
                    Ok(_) => {}
                    Err(error) => break error,
                },
            }
        };
        let adopting = File::try_clone_from(&rt, &held[0]).unwrap_err();
        // SAFETY: as above.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        for error in [&error, &adopting] {
            assert_eq!(error.errno(), Some(libc::EMFILE));
            assert!(error.to_string().contains("RLIMIT_NOFILE"), "{error}");
        }
        assert!(held.iter().all(|file| file.as_raw_fd() < 600));
    }
}
