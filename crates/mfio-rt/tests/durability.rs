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
    use super::common::{DRIVERS, Dir, runtime};
    use mfio::control::ControlOp;
    use mfio_layers::{Cache, Limit, Limits, Mirror, Overlay, Stripe};
    use mfio_rt::prelude::*;
    use mfio_rt::{File, OpenOptions};
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

    /// Writes and syncs in a process of its own, which is killed after that; checks in this one
    /// what is left. Once for each driver and each case.
    fn killed_after(
        test: &str,
        cases: usize,
        write: impl FnOnce(&NativeRt, &Path, usize),
        check: impl Fn(&NativeRt, &Path, usize),
    ) {
        const CHILD: &str = "MFIO_KILLED";
        if let Ok(child) = std::env::var(CHILD) {
            let mut parts = child.splitn(3, ' ');
            let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
            let (kind, case) = (DRIVERS[number()], number());
            let rt = runtime(kind).expect("the parent has one");
            write(&rt, Path::new(parts.next().unwrap()), case);
            eprintln!("synced");
            loop {
                std::thread::park();
            }
        }
        for (number, kind) in DRIVERS.iter().enumerate() {
            let Some(rt) = runtime(*kind) else { continue };
            for case in 0..cases {
                let dir = Dir::new();
                let path = dir.path("");
                let mut child = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", test, "--nocapture", "--test-threads=1"])
                    .env(CHILD, format!("{number} {case} {}", path.display()))
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
                check(&rt, &path, case);
            }
        }
    }

    /// Writes a file that is never synced.
    fn write_unsynced(dir: &Path) {
        std::fs::write(dir.join("never-synced"), BYTES).unwrap();
    }

    fn assert_not_dirty(dir: &Path, name: &str) {
        match is_dirty(&dir.join(name), &dir.join("never-synced")) {
            Some(dirty) => assert!(!dirty, "{name}"),
            None => eprintln!("SKIPPED: this system does not tell dirty pages"),
        }
    }

    #[test]
    fn a_process_killed_after_a_sync_leaves_its_bytes_and_no_dirty_page() {
        let write = |rt: &NativeRt, dir: &Path, case| {
            let op = [ControlOp::SyncData, ControlOp::SyncAll][case];
            rt.block_on(async {
                let file = rt.create(dir.join("synced")).await.unwrap();
                file.write_all_at(&BYTES, 0).await.unwrap();
                file.control(op).await.unwrap();
            });
            write_unsynced(dir);
        };
        let check = |_: &NativeRt, dir: &Path, _| {
            assert!(std::fs::read(dir.join("synced")).unwrap() == BYTES);
            assert_not_dirty(dir, "synced");
        };
        killed_after(
            "page_cache::a_process_killed_after_a_sync_leaves_its_bytes_and_no_dirty_page",
            2,
            write,
            check,
        );
    }

    /// The files of [`volume`].
    const MEMBERS: [&str; 4] = ["left-0", "left-1", "right-0", "right-1"];

    fn volume(rt: &NativeRt, dir: &Path) -> Stripe<Mirror<File>> {
        let options = OpenOptions::new().read(true).write(true).create(true);
        let open = |name: &str| rt.block_on(rt.open(dir.join(name), &options)).unwrap();
        let [left, right] = [[0, 1], [2, 3]].map(|files| {
            let replicas = files.map(|n| open(MEMBERS[n]));
            Mirror::new(replicas).unwrap()
        });
        Stripe::new([left, right], 4096).unwrap()
    }

    /// A cache over a limit over an overlay, whose top is striped over mirrors.
    #[test]
    fn a_process_killed_after_a_sync_of_layers_leaves_no_dirty_page_in_any_file() {
        let write = |rt: &NativeRt, dir: &Path, _| {
            std::fs::write(dir.join("base"), [1; 1 << 17]).unwrap();
            let base = rt.block_on(rt.open_read(dir.join("base"))).unwrap();
            let disk = Overlay::new(base, volume(rt, dir), 1 << 17, 4096).unwrap();
            let disk = Limit::new(disk, Limits::default());
            let disk = Cache::new(disk, 1 << 16, 4096).unwrap();
            rt.block_on(async {
                disk.write_all_at(&BYTES, 0).await.unwrap();
                disk.sync_data().await.unwrap();
            });
            write_unsynced(dir);
        };
        let check = |rt: &NativeRt, dir: &Path, _| {
            let volume = volume(rt, dir);
            let read = rt.block_on(volume.read_vec_at(0, BYTES.len()));
            assert!(read.unwrap() == BYTES);
            for name in MEMBERS {
                assert_not_dirty(dir, name);
            }
        };
        killed_after(
            "page_cache::a_process_killed_after_a_sync_of_layers_leaves_no_dirty_page_in_any_file",
            1,
            write,
            check,
        );
    }

    #[test]
    fn a_sync_of_a_cursor_leaves_no_dirty_page() {
        for kind in DRIVERS {
            let Some(rt) = runtime(*kind) else { continue };
            for form in ["data", "all", "blocking"] {
                let dir = Dir::new();
                let file = rt.block_on(rt.create(dir.path("synced"))).unwrap();
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
                write_unsynced(&dir.path(""));
                assert!(std::fs::read(dir.path("synced")).unwrap() == BYTES[..len]);
                assert_not_dirty(&dir.path(""), "synced");
            }
        }
    }
}
