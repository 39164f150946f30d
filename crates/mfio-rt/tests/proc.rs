//! Files that are none of a disk.
#![cfg(target_os = "linux")]

mod common;

use common::*;
use mfio::backend::IoBackendExt;
use mfio::traits::{BlockingIo, IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;

/// They can be read at positions, and refuse `pwrite`.
#[test]
fn files_of_proc_are_written_by_every_driver_and_form() {
    const PATH: &str = "/proc/self/comm";
    for rt in runtimes() {
        let options = OpenOptions::new().read(true).write(true);
        let file = rt.block_on(rt.open(PATH, &options)).unwrap();
        rt.block_on(file.write_all_at(b"awaited", 0)).unwrap();
        assert_eq!(rt.block_on(file.read_vec_at(0, 7)).unwrap(), b"awaited");
        file.blocking().write_all_at(b"blocking", 0).unwrap();
        assert_eq!(std::fs::read(PATH).unwrap(), b"blocking\n");
    }
}
