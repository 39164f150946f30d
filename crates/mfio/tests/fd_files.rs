//! Wakers on descriptors, and waits on descriptors, with files and one thread: WASI has no other
//! kind.
#![cfg(any(unix, target_os = "wasi"))]

use mfio::backend::fd::{FdWaker, FdWakerOwner};
use mfio::backend::{
    BackendContainer, BackendHandle, DynBackend, IoBackend, IoBackendExt, Pollable, PollingFlags,
    PollingHandle,
};
use std::fs::File;
use std::future::{pending, poll_fn};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;
use std::time::Duration;

/// Tells processes apart that run the tests at the same time; WASI has only one.
fn process_id() -> u32 {
    if cfg!(unix) { std::process::id() } else { 0 }
}

/// A file with a waker on it.
struct Written {
    path: PathBuf,
    file: Arc<File>,
    owner: FdWakerOwner<Arc<File>>,
}

impl Written {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(format!("/tmp/mfio-fd-{}-{test}", process_id()));
        // WASI lets only descriptors be polled for reading that can be read.
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true);
        let file = Arc::new(options.open(&path).unwrap());
        let owner = FdWakerOwner::from(file.clone());
        Self { path, file, owner }
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[test]
fn many_wakes_make_one_write_of_8_bytes() {
    let written = Written::new("wakes");
    let waker = FdWaker::clone(&written.owner).into_waker();
    (0..100).for_each(|_| waker.wake_by_ref());
    let second = waker.clone();
    second.wake();
    assert_eq!(written.bytes(), 1u64.to_ne_bytes());
    written.owner.flags().store(0, SeqCst);
    waker.wake();
    assert_eq!(written.bytes().len(), 16, "one for each round");
}

#[test]
fn a_closed_waker_writes_nothing() {
    let written = Written::new("closed");
    let waker = FdWaker::clone(&written.owner).into_waker();
    written.owner.close();
    waker.wake_by_ref();
    written.owner.flags().store(0, SeqCst);
    waker.wake();
    assert_eq!(written.bytes(), []);
}

#[test]
fn a_ready_descriptor_ends_the_wait() {
    let written = Written::new("ready");
    let fd = written.file.as_raw_fd();
    for flags in [PollingFlags::new().read(true), PollingFlags::all()] {
        fd.poll(&flags);
        fd.poll_timeout(&flags, Some(Duration::from_secs(3600)));
        fd.poll_timeout(&flags, Some(Duration::ZERO));
    }
}

/// An exclusive object with a descriptor.
struct Object {
    container: BackendContainer<DynBackend>,
    written: Written,
}

impl IoBackend for Object {
    type Backend = DynBackend;

    fn polling_handle(&self) -> Option<PollingHandle<'_>> {
        static READ: PollingFlags = PollingFlags::new().read(true);
        Some(PollingHandle {
            handle: self.written.file.as_raw_fd(),
            cur_flags: &READ,
            max_flags: READ.clone(),
            waker: FdWaker::clone(&self.written.owner).into_waker(),
        })
    }

    fn get_backend(&self) -> BackendHandle<'_, DynBackend> {
        self.container.acquire(Some(self.written.owner.flags()))
    }
}

#[test]
fn block_on_waits_on_the_descriptor_and_hears_its_waker() {
    let object = Object {
        container: BackendContainer::new_dyn(pending()),
        written: Written::new("block_on"),
    };
    let mut polls = 0;
    let polls = object.block_on(poll_fn(|cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        match polls {
            10 => Poll::Ready(polls),
            _ => Poll::Pending,
        }
    }));
    assert_eq!(polls, 10);
    assert_eq!(
        object.written.bytes(),
        [],
        "wakes within a round are only recorded"
    );
}
