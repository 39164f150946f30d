//! The behaviour that docs/durability.md relies on.
#![cfg(unix)]
#![allow(unsafe_code)]

mod common;

use common::{Dir, runtimes};
use mfio_rt::prelude::*;

/// A new name is durable when its directory was synced: that needs no other crate.
#[test]
fn directories_can_be_synced_on_every_driver() {
    let dir = Dir::new();
    for rt in runtimes() {
        rt.block_on(async {
            let file = rt.create(dir.path("new")).await.unwrap();
            file.write_all_at(b"bytes", 0).await.unwrap();
            file.sync_all().await.unwrap();
            let parent = dir.path("new").parent().unwrap().to_path_buf();
            let parent = rt.open_read(parent).await.unwrap();
            parent.sync_all().await.unwrap();
            parent.sync_data().await.unwrap();
        });
    }
}

/// Syncs, as seen by the page cache: a page that was written is dirty until it is with the device.
#[cfg(target_os = "linux")]
mod page_cache {
    use super::common::{DRIVERS, Dir, runtime, skip};
    use mfio::control::ControlOp;
    use mfio_rt::native::DriverKind;
    use mfio_rt::prelude::*;
    use std::io::{BufRead, BufReader};
    use std::os::fd::AsRawFd;
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::{Command, Stdio};

    static BYTES: [u8; 100_000] = [7; 100_000];

    /// Returns the number of pages of a file that are dirty, or being written: `cachestat(2)`, from
    /// Linux 6.5 on. `None` if the system cannot tell.
    fn unwritten_pages(path: &Path) -> Option<u64> {
        const CACHESTAT: libc::c_long = 451;
        let file = std::fs::File::open(path).unwrap();
        // Offset and length; a length of 0 is up to the end.
        let range = [0_u64; 2];
        // Pages that are cached, dirty, in writeback, evicted, recently evicted.
        let mut counts = [0_u64; 5];
        // SAFETY: a descriptor that is open; the call reads two u64 and writes five.
        let failed = unsafe {
            libc::syscall(
                CACHESTAT,
                file.as_raw_fd(),
                range.as_ptr(),
                counts.as_mut_ptr(),
                0,
            )
        };
        (failed == 0).then(|| counts[1] + counts[2])
    }

    /// Whether a file has dirty pages, where those of another, which was written at the same time
    /// and never synced, are seen. `None` where they are not.
    fn is_dirty(synced: &Path, never_synced: &Path) -> Option<bool> {
        let seen = unwritten_pages(never_synced).is_some_and(|pages| pages > 0);
        seen.then(|| unwritten_pages(synced) != Some(0))
    }

    const SYNCS: [ControlOp; 2] = [ControlOp::SyncData, ControlOp::SyncAll];

    /// Writes two files, syncs one, and tells so on the standard error. Never returns.
    fn write_and_wait(dir: &Path, kind: DriverKind, op: ControlOp) -> ! {
        let rt = runtime(kind).expect("the parent has one");
        rt.block_on(async {
            let synced = rt.create(dir.join("synced")).await.unwrap();
            let never_synced = rt.create(dir.join("never-synced")).await.unwrap();
            synced.write_all_at(&BYTES, 0).await.unwrap();
            synced.control(op).await.unwrap();
            never_synced.write_all_at(&BYTES, 0).await.unwrap();
        });
        eprintln!("synced");
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn a_process_killed_after_a_sync_leaves_its_bytes_and_no_dirty_page() {
        const CHILD: &str = "MFIO_KILLED";
        const NAME: &str =
            "page_cache::a_process_killed_after_a_sync_leaves_its_bytes_and_no_dirty_page";
        if let Ok(child) = std::env::var(CHILD) {
            let mut parts = child.splitn(3, ' ');
            let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
            let (kind, op) = (DRIVERS[number()], SYNCS[number()]);
            write_and_wait(Path::new(parts.next().unwrap()), kind, op);
        }
        for (kind_number, kind) in DRIVERS.iter().enumerate() {
            if runtime(*kind).is_none() {
                continue;
            }
            for (op_number, op) in SYNCS.iter().enumerate() {
                let dir = Dir::new();
                let path = dir.path("");
                let mut child = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
                    .env(
                        CHILD,
                        format!("{kind_number} {op_number} {}", path.display()),
                    )
                    .stdout(Stdio::null())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let lines = BufReader::new(child.stderr.take().unwrap()).lines();
                let mut before = lines
                    .map(Result::unwrap)
                    .take_while(|line| line != "synced");
                let output: Vec<_> = before.by_ref().collect();
                child.kill().unwrap();
                let status = child.wait().unwrap();
                assert_eq!(status.signal(), Some(libc::SIGKILL), "{output:?}");
                let read = std::fs::read(dir.path("synced")).unwrap();
                assert!(read == BYTES, "{kind} {op:?}");
                match is_dirty(&dir.path("synced"), &dir.path("never-synced")) {
                    Some(dirty) => assert!(!dirty, "{kind} {op:?}"),
                    None => skip(*kind, "this system does not tell dirty pages"),
                }
            }
        }
    }

    #[test]
    fn a_sync_of_a_cursor_leaves_no_dirty_page() {
        let dir = Dir::new();
        for kind in DRIVERS {
            let Some(rt) = runtime(*kind) else { continue };
            for form in ["data", "all", "blocking"] {
                let (synced, never_synced) = (dir.path(form), dir.path(&format!("{form}-not")));
                let file = rt.block_on(rt.create(&synced)).unwrap();
                let mut cursor = Cursor::new(file);
                let accepted =
                    rt.block_on(std::future::poll_fn(|cx| cursor.poll_write(cx, &BYTES)));
                let len = accepted.unwrap();
                assert_ne!(len, 0);
                match form {
                    "data" => rt.block_on(cursor.sync_data()).unwrap(),
                    "all" => rt.block_on(cursor.sync_all()).unwrap(),
                    _ => cursor.clone().into_blocking().sync_all().unwrap(),
                }
                std::fs::write(&never_synced, BYTES).unwrap();
                assert!(std::fs::read(&synced).unwrap() == BYTES[..len]);
                match is_dirty(&synced, &never_synced) {
                    Some(dirty) => assert!(!dirty, "{kind} {form}"),
                    None => skip(*kind, "this system does not tell dirty pages"),
                }
            }
        }
    }
}
