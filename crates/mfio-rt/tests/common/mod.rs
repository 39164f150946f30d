//! The parts that the tests share: drivers that may be missing, executors, and places for files.
#![allow(
    dead_code,
    unreachable_pub,
    unsafe_code,
    reason = "each test binary uses a part of it"
)]

pub mod asleep;

use std::fs::File;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use mfio::backend::integrations::async_io::AsyncIo;
use mfio::backend::integrations::tokio::Tokio;
use mfio::backend::{Integration, IoBackendExt};
use mfio_rt::native::{DriverKind, NativeRt};

/// Every driver that a runtime may be made of.
pub const DRIVERS: &[DriverKind] = DriverKind::ALL;

/// A runtime on this driver; says that the test is skipped where the driver cannot be had.
pub fn runtime(kind: DriverKind) -> Option<NativeRt> {
    match NativeRt::builder().require(kind).build() {
        Ok(rt) => Some(rt),
        Err(error) => {
            skip(kind, &error.to_string());
            None
        }
    }
}

/// Prints a line that scripts can count.
pub fn skip(kind: DriverKind, why: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_string();
    eprintln!("SKIPPED {test}: {kind}: {why}");
}

/// The runtimes of all drivers that can be had.
pub fn runtimes() -> impl Iterator<Item = NativeRt> {
    DRIVERS.iter().filter_map(|kind| runtime(*kind))
}

/// How a future is run.
#[derive(Clone, Copy, Debug)]
pub enum Executor {
    BlockOn,
    TokioDrive,
    TokioRunWith,
    SmolDrive,
    SmolRunWith,
}

pub const EXECUTORS: &[Executor] = &[
    Executor::BlockOn,
    Executor::TokioDrive,
    Executor::TokioRunWith,
    Executor::SmolDrive,
    Executor::SmolRunWith,
];

pub type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Executor {
    /// Runs a future that uses `rt`, which drives it in this executor's way.
    pub fn run<T: Send + 'static>(self, rt: &NativeRt, future: Task<T>) -> T {
        match self {
            Self::BlockOn => rt.block_on(future),
            Self::TokioDrive => {
                let rt = rt.clone();
                tokio_runtime().block_on(async move {
                    let driver = tokio::spawn(Tokio::drive(rt));
                    let output = tokio::spawn(future).await.expect("the task");
                    driver.abort();
                    output
                })
            }
            Self::TokioRunWith => {
                let task = Tokio::run_with(rt.clone(), async move |_: &NativeRt| future.await);
                tokio_runtime().block_on(async { tokio::spawn(task).await.expect("the task") })
            }
            Self::SmolDrive => {
                let driver = smol::spawn(AsyncIo::drive(rt.clone()));
                let output = smol::block_on(smol::spawn(future));
                smol::block_on(driver.cancel());
                output
            }
            Self::SmolRunWith => smol::block_on(smol::spawn(AsyncIo::run_with(
                rt.clone(),
                async move |_: &NativeRt| future.await,
            ))),
        }
    }
}

pub fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a tokio runtime")
}

/// A directory that goes with the test.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir()).expect("a directory for the test")
    }

    /// A directory of files that are in memory only; `None` where there are no such files.
    pub fn in_memory() -> Option<Self> {
        let parent = Path::new("/dev/shm");
        parent.is_dir().then(|| Self::within(parent).ok())?
    }

    fn within(parent: &Path) -> std::io::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "mfio-rt-test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = parent.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file of this many bytes, each of which tells its position (see [`byte_at`]).
    pub fn file(&self, name: &str, len: usize) -> PathBuf {
        let path = self.path(name);
        let bytes: Vec<u8> = (0..len as u64).map(byte_at).collect();
        std::fs::write(&path, bytes).expect("a file for the test");
        path
    }

    pub fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        let c = std::ffi::CString::new(path.to_str().expect("a plain path")).expect("a plain path");
        // SAFETY: a C string that lives through the call.
        assert_eq!(unsafe { libc::mkfifo(c.as_ptr(), 0o600) }, 0, "mkfifo");
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the byte of a test file at a position: no two nearby positions alike, and no period of a
/// power of two.
pub fn byte_at(pos: u64) -> u8 {
    (pos.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 29) as u8
}

pub fn assert_bytes(bytes: &[u8], pos: u64) {
    for (n, byte) in bytes.iter().enumerate() {
        assert_eq!(
            *byte,
            byte_at(pos + n as u64),
            "byte {n} of a read at {pos}"
        );
    }
}

/// The descriptors of this process, with what they are.
pub fn descriptors() -> Vec<(i32, String)> {
    let all = std::fs::read_dir("/proc/self/fd").expect("/proc");
    let number =
        |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let numbers: Vec<i32> = all.filter_map(number).collect();
    let name = |fd: i32| {
        std::fs::read_link(format!("/proc/self/fd/{fd}"))
            .ok()
            .map(|path| (fd, path.display().to_string()))
    };
    // The directory that was just read is gone again.
    numbers
        .into_iter()
        .filter_map(name)
        .filter(|(_, name)| !name.ends_with("/fd"))
        .collect()
}

/// A numbers source for tests that want the same numbers each time.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * u128::from(limit)) >> 64) as u64
    }
}

/// How many threads of the process drive a runtime that nobody else drives.
pub fn fallback_threads() -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0;
    };
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "mfio-fallback").count()
}

/// Waits for something that another thread brings about.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Only a hang takes as long.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs something with a limit of time, for what would hang when it goes wrong.
pub fn within<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(run()));
    receiver
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// A path that is not there.
pub fn missing(dir: &Dir) -> PathBuf {
    dir.path("missing").join(Path::new("file"))
}

/// A pipe's reading end, to be used by a runtime, and its writing end.
pub fn pipe() -> (OwnedFd, File) {
    let (reader, writer) = std::io::pipe().unwrap();
    (reader.into(), OwnedFd::from(writer).into())
}

/// Runs something when it is woken.
pub struct Does(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Does {
    pub fn new(what: impl FnOnce() + Send + 'static) -> Self {
        Self(Mutex::new(Some(Box::new(what))))
    }
}

impl Wake for Does {
    fn wake(self: Arc<Self>) {
        let what = self.0.lock().unwrap().take();
        if let Some(what) = what {
            what();
        }
    }
}
