//! `Send` and `Sync` of wakers and handles: exactly as wide as their contents allow.
#![cfg(unix)]

use mfio::backend::PollingHandle;
use mfio::backend::fd::{FdWaker, FdWakerOwner};
use std::cell::Cell;
use std::fs::File;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::MutexGuard;

/// (`Send`, `Sync`) of a concrete type: the inherent constants win where they apply.
macro_rules! send_and_sync {
    ($type:ty) => {{
        #[allow(dead_code)]
        struct Probe<T>(PhantomData<T>);
        #[allow(dead_code)]
        trait Otherwise {
            const SEND: bool = false;
            const SYNC: bool = false;
        }
        impl<T> Otherwise for Probe<T> {}
        #[allow(dead_code)]
        impl<T: Send> Probe<T> {
            const SEND: bool = true;
        }
        #[allow(dead_code)]
        impl<T: Sync> Probe<T> {
            const SYNC: bool = true;
        }
        (<Probe<$type>>::SEND, <Probe<$type>>::SYNC)
    }};
}

/// A descriptor with `T` in it, which decides what may be done to it.
struct With<T>(PhantomData<T>);

impl<T> AsRawFd for With<T> {
    fn as_raw_fd(&self) -> RawFd {
        -1
    }
}

type SendNotSync = With<Cell<u8>>;
type SyncNotSend = With<MutexGuard<'static, u8>>;
type Neither = With<Rc<u8>>;

#[test]
fn wider_than_the_contents() {
    // The last user of a descriptor drops it, and several threads use it at once: a waker shares
    // its descriptor.
    assert_eq!(send_and_sync!(FdWaker<File>), (true, true));
    assert_eq!(send_and_sync!(FdWaker<SendNotSync>), (false, false));
    assert_eq!(send_and_sync!(FdWaker<SyncNotSend>), (false, false));
    assert_eq!(send_and_sync!(FdWaker<Neither>), (false, false));
    assert_eq!(send_and_sync!(FdWakerOwner<File>), (true, true));
    assert_eq!(send_and_sync!(FdWakerOwner<SendNotSync>), (false, false));
    assert_eq!(send_and_sync!(FdWakerOwner<SyncNotSend>), (false, false));
    assert_eq!(send_and_sync!(PollingHandle<'static>), (true, true));
    assert_eq!(
        send_and_sync!(PollingHandle<'static, Rc<u8>>),
        (false, false)
    );
}

#[test]
fn the_probe_tells_them_apart() {
    assert_eq!(send_and_sync!(SendNotSync), (true, false));
    assert_eq!(send_and_sync!(SyncNotSend), (false, true));
    assert_eq!(send_and_sync!(Neither), (false, false));
}
