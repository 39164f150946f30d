//! The names of files in errors. Has one test: while that has a descriptor closed, no other may
//! open one.
#![cfg(unix)]
#![allow(unsafe_code)]

mod common;

use std::os::fd::{AsFd, AsRawFd};

use mfio::backend::IoBackendExt;
use mfio::error::Error;
use mfio::traits::*;
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{File, NativeRt};

use common::{Dir, runtimes};

/// Returns the error of each operation on a file whose descriptor the program has closed.
fn errors(rt: &NativeRt, file: &File) -> Vec<Error> {
    let saved = file.as_fd().try_clone_to_owned().expect("a duplicate");
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: takes a number only. Nothing opens a file before the descriptor is back.
    assert_eq!(unsafe { libc::close(fd) }, 0);
    let results = [
        rt.block_on(file.len()).map(drop),
        rt.block_on(file.io_len()).map(drop),
        file.io_len_blocking().map(drop),
        rt.block_on(file.sync_all()),
        rt.block_on(file.sync_data()),
        rt.block_on(file.clone().close()),
        rt.block_on(file.read_value_at::<u8>(0)).map(drop),
        rt.block_on(file.write_all_at(b"byte", 0)),
    ];
    // SAFETY: takes numbers only; `fd` is closed, and `saved` is open.
    assert_eq!(unsafe { libc::dup2(saved.as_raw_fd(), fd) }, fd);
    let failed = results.map(|result| result.expect_err("its descriptor is closed"));
    failed.into()
}

/// A file that was opened by path has it in the errors of every operation, also as a stream; one
/// that was taken over has the number of its descriptor.
#[test]
fn every_operation_names_the_file_by_its_path() {
    for rt in runtimes() {
        let dir = Dir::new();
        let options = OpenOptions::new().read(true).write(true);
        let path = dir.file("file", 10);
        let file = rt.block_on(rt.open(&path, &options)).expect("it is there");
        for error in errors(&rt, &file) {
            assert!(
                error.to_string().contains(&*path.to_string_lossy()),
                "{error}"
            );
        }
        let adopted = File::try_clone_from(&rt, &file).expect("a duplicate");
        let number = format!("descriptor {}", adopted.as_fd().as_raw_fd());
        for error in errors(&rt, &adopted) {
            assert!(error.to_string().contains(&number), "{error}");
        }
        let path = dir.fifo("fifo");
        let fifo = rt.block_on(rt.open(&path, &options)).expect("it is there");
        let fifo = fifo.into_stream().expect("it is a stream").into_file();
        for result in [rt.block_on(fifo.sync_all()), rt.block_on(fifo.sync_data())] {
            let error = result.expect_err("nothing to sync");
            assert!(
                error.to_string().contains(&*path.to_string_lossy()),
                "{error}"
            );
        }
    }
}
