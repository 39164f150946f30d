//! Opening and reading FIFOs that have one end only.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::{builders, settle, start};
use crate::common::asleep::spawn_watched;
use crate::common::*;
use mfio::backend::IoBackendExt;
use mfio::traits::{BlockingIo, IoWrite};
use mfio_rt::fs::OpenOptions;

/// A FIFO that nobody else has opened yet.
fn fifo(dir: &Dir, name: &str) -> PathBuf {
    let path = dir.path(name);
    let bytes = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a C string that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(bytes.as_ptr(), 0o600) }, 0);
    path
}

/// Opening a FIFO to write waits for a reader, also where the path is in the system's caches; and
/// waits for nobody where that is what was asked for.
#[test]
fn a_fifo_is_not_opened_before_somebody_reads() {
    let dir = Dir::new();
    for (number, builder) in builders().enumerate() {
        let rt = builder.build().unwrap();
        let path = fifo(&dir, &format!("written{number}"));
        let options = OpenOptions::new().write(true);
        let at_once = options.custom_flags(libc::O_NONBLOCK);
        let error = rt.block_on(rt.open(&path, &at_once)).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENXIO));

        let mut opened = rt.open(&path, &options);
        assert!(start(&rt, &mut opened).is_pending());
        settle(&rt);
        assert!(start(&rt, &mut opened).is_pending());
        let reader = std::thread::spawn(move || std::fs::read(path));
        let file = within("a FIFO that is read", move || {
            let rt = rt;
            let file = rt.block_on(opened)?;
            file.block_on(file.write_all_at(b"for you", 0))
        });
        file.unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), b"for you");
    }
}

/// A FIFO that has had no writer yet is not at its end.
#[test]
fn a_fifo_has_not_ended_before_somebody_writes() {
    let dir = Dir::new();
    for (number, builder) in builders().enumerate() {
        let rt = builder.build().unwrap();
        let path = fifo(&dir, &format!("read{number}"));
        let from = path.clone();
        let (reader, watched) = spawn_watched(move || {
            // Some drivers wait for the writer here.
            let file = rt.block_on(rt.open_read(from))?;
            let mut bytes = [0; 8];
            let first = file.blocking().read_at(&mut bytes, 0)?;
            let then = file.blocking().read_at(&mut [0], 0)?;
            Ok::<_, mfio::error::Error>((bytes[..first].to_vec(), then))
        });
        watched.until_asleep();
        std::thread::spawn(move || std::fs::write(path, b"at last"));
        let read = within("a FIFO", move || reader.join().unwrap());
        assert_eq!(read.unwrap(), (b"at last".to_vec(), 0));
    }
}
