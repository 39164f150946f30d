//! A waker on an event object of Windows, for objects of tests.
#![allow(unsafe_code)]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use mfio::backend::handle::{EventWaker, EventWakerOwner};
use mfio::backend::{DefaultHandle, ExportedHandle, PollingFlags};
use std::os::windows::io::AsRawHandle;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::task::Waker;

#[link(name = "kernel32")]
unsafe extern "system" {
    fn WaitForSingleObject(handle: DefaultHandle, millis: u32) -> u32;
    fn SetEvent(handle: DefaultHandle) -> i32;
}

/// A waker on an event object. On Unix there are two kinds of it, here both are the same.
pub(crate) struct Bell {
    owner: Arc<EventWakerOwner>,
    /// The interests of the object. Wakes arrive whatever it is.
    pub(crate) interests: PollingFlags,
}

impl Bell {
    pub(crate) fn eventfd() -> Self {
        Self {
            owner: Arc::new(EventWakerOwner::new().unwrap()),
            interests: PollingFlags::new().read(true),
        }
    }

    pub(crate) fn socket_pair() -> Self {
        Self::eventfd()
    }

    pub(crate) fn waker(&self) -> Waker {
        EventWaker::clone(&self.owner).into_waker()
    }

    /// The handle of a shared backend.
    pub(crate) fn export(&self) -> ExportedHandle {
        ExportedHandle::new(self.fd(), EventWaker::clone(&self.owner))
    }

    pub(crate) fn flags(&self) -> Arc<AtomicU8> {
        self.owner.flags()
    }

    pub(crate) fn close(&self) {
        self.owner.close();
    }

    pub(crate) fn fd(&self) -> DefaultHandle {
        self.owner.as_raw_handle()
    }

    /// Resets the event. Returns what one wake writes to a descriptor if it was set, which an event
    /// does not count.
    pub(crate) fn drain(&self) -> Vec<u8> {
        let is_set = is_ready(self.fd());
        self.owner.clear();
        let one = 1u64.to_ne_bytes();
        if is_set { one.to_vec() } else { Vec::new() }
    }

    /// Sets the event as a kernel does, past the wake flags.
    pub(crate) fn signals(&self) -> impl Fn() + Send + 'static {
        let owner = self.owner.clone();
        move || {
            // SAFETY: the call takes a handle by value, which the owner keeps open.
            unsafe { SetEvent(owner.as_raw_handle()) };
        }
    }

    pub(crate) fn drains(&self) -> impl FnMut() + Send + 'static {
        let owner = self.owner.clone();
        move || {
            owner.clear();
        }
    }
}

/// Returns whether a handle is signalled.
pub(crate) fn is_ready(handle: DefaultHandle) -> bool {
    // SAFETY: the call takes a handle by value, and refuses what is none.
    unsafe { WaitForSingleObject(handle, 0) == 0 }
}
