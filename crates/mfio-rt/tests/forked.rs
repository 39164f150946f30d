//! A forked child has the runtime of its parent in its memory, and must be refused by all of it.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::fs::File as StdFile;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::*;
use mfio::backend::{IoBackend, IoBackendExt};
use mfio::error::{Error, ErrorKind};
use mfio::scope::scope;
use mfio::traits::{BlockingIo, IoRead, IoWrite};
use mfio_rt::fs::OpenOptions;
use mfio_rt::native::{DriverKind, File, NativeRt};

/// The locks of std (of the panic hook, of the captured output) must not be held by another test
/// when a child is made.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `child` in a forked child, which has ten seconds; 0 is what it is to return.
fn in_child(child: impl FnOnce() -> i32) {
    // SAFETY: the child leaves by `_exit`; malloc may be used there, glibc sees to that.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: takes a number only. What hangs is ended by the signal.
            unsafe { libc::alarm(10) };
            std::panic::set_hook(Box::new(|_| {}));
            let code = catch_unwind(AssertUnwindSafe(child)).unwrap_or(99);
            // SAFETY: ends the child.
            unsafe { libc::_exit(code) }
        }
        pid => {
            assert!(pid > 0);
            let mut status = 0;
            // SAFETY: `status` is as large as the call wants.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert!(
                libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
                "the child ended with {status:#x}"
            );
        }
    }
}

fn is_refused<T>(result: Result<T, Error>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::BackendGone && error.get_help().is_some())
}

/// Numbers of those that were not refused.
fn first_accepted(refused: impl IntoIterator<Item = bool>) -> i32 {
    let accepted = refused.into_iter().position(|refused| !refused);
    accepted.map_or(0, |n| n as i32 + 1)
}

/// Every blocking form of every operation.
fn blocking_forms(rt: &NativeRt, file: &File, stream: &File) -> i32 {
    let (blocking, mut bytes) = (file.blocking(), [0; 8]);
    let lent = scope(file, async |scope| {
        let large = vec![0; 1 << 20].leak();
        file.read_exact_buf_at(scope.lend(large), 0).await.0
    });
    first_accepted([
        is_refused(blocking.read_exact_at(&mut bytes, 0)),
        is_refused(blocking.read_at(&mut bytes, 0)),
        is_refused(blocking.read_value_at::<u64>(0)),
        is_refused(blocking.write_all_at(b"child", 0)),
        is_refused(blocking.write_value_at(&7_u64, 0)),
        is_refused(stream.blocking().read_at(&mut bytes, 0)),
        is_refused(lent),
        is_refused(rt.block_on(file.len())),
        is_refused(rt.block_on(file.sync_all())),
        is_refused(file.block_on(file.sync_data())),
        is_refused(rt.block_on(rt.open_read("/dev/null"))),
        is_refused(rt.block_on(file.write_all_at(b"child", 0))),
    ])
}

fn open(rt: &NativeRt, dir: &Dir) -> File {
    let path = dir.file(rt.report().chosen().name(), 100);
    let options = OpenOptions::new().read(true).write(true);
    rt.block_on(rt.open(path, &options)).unwrap()
}

/// A pipe with something to read, and its other end.
fn fed(rt: &NativeRt) -> (File, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"for the parent").unwrap();
    (File::from_owned_fd(rt, reader.into()), writer)
}

#[test]
fn blocking_forms_are_refused_in_a_child() {
    let (_alone, dir) = (alone(), Dir::new());
    for rt in runtimes() {
        let (file, (stream, _writer)) = (open(&rt, &dir), fed(&rt));
        in_child(|| blocking_forms(&rt, &file, &stream));
        let mut taken = [0; 14];
        stream.blocking().read_exact_at(&mut taken, 0).unwrap();
        assert_eq!(&taken, b"for the parent", "the child took some of it");
        let content = std::fs::read(file.path().unwrap()).unwrap();
        assert_bytes(&content, 0);
    }
}

/// A thread of the parent waits, with the turn, when the child is made. In the child there is no
/// such thread.
#[test]
fn a_child_does_not_wait_for_a_thread_of_its_parent() {
    let (_alone, dir) = (alone(), Dir::new());
    for rt in runtimes() {
        let (file, (stream, _writer)) = (open(&rt, &dir), fed(&rt));
        let (never, open_end) = std::io::pipe().unwrap();
        let waits = File::from_owned_fd(&rt, never.into());
        let waiter =
            std::thread::spawn(move || waits.block_on(waits.read_exact_buf_at(vec![0; 1], 0)).0);
        // Another thread that asks for the raw turn panics as long as the first waits with it.
        eventually("the thread waits with the turn", || {
            rt.report().chosen() == DriverKind::Threads || is_held(&rt)
        });
        in_child(move || {
            let forever = std::future::pending::<()>();
            match catch_unwind(AssertUnwindSafe(|| rt.block_on(forever))) {
                Ok(()) => 98,
                Err(_) => blocking_forms(&rt, &file, &stream),
            }
        });
        // It ends by the end of what it reads.
        drop(open_end);
        assert!(waiter.join().unwrap().is_err());
    }
}

/// Whether somebody has the turn.
fn is_held(rt: &NativeRt) -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(rt.get_backend()))).is_err()
}

/// Nothing could ever end a wait in a child.
#[test]
fn a_wait_in_a_child_panics_instead() {
    let _alone = alone();
    for rt in runtimes() {
        in_child(|| {
            let forever = std::future::pending::<()>();
            let waited = catch_unwind(AssertUnwindSafe(|| rt.block_on(forever)));
            i32::from(waited.is_ok())
        });
    }
}

/// A child drops its own copy of the descriptor, and nothing of the runtime.
#[test]
fn a_child_drops_its_own_descriptors() {
    let (_alone, dir) = (alone(), Dir::new());
    for rt in runtimes() {
        let file = open(&rt, &dir);
        // Registered with the ring, which the child shares.
        (0..1000).for_each(|n| {
            rt.block_on(file.write_value_at(&byte_at(n % 8), n % 8))
                .unwrap()
        });
        let (other, again) = (file.clone(), rt.clone());
        in_child(move || {
            let pending = other.read_exact_buf_at(vec![0; 8], 0);
            drop((pending, other.len(), other.sync_all()));
            drop(other.close());
            drop(again);
            0
        });
        assert_eq!(
            rt.block_on(file.read_value_at::<u8>(9)).unwrap(),
            byte_at(9)
        );
        let _: StdFile = StdFile::open(file.path().unwrap()).unwrap();
    }
}
