//! Event objects, on which threads of Windows wait to be woken, and the plain waker that sets one.
//!
//! [`EventWaker`](super::handle::EventWaker) in [`handle`](super::handle) is the better waker for a
//! backend: it can be closed, and it shares wake flags with the poll loop. The one here sets its
//! event on every wake.
#![allow(unsafe_code)]

use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::{RawWaker, Waker};
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use windows_sys::Win32::System::Threading::{CreateEventW, ResetEvent, SetEvent};

/// Creates an event without a name, not set, which stays set until it is reset.
pub(super) fn create_event() -> io::Result<OwnedHandle> {
    // SAFETY: null is allowed for the security attributes and for the name; nothing else is a
    // pointer.
    let handle = unsafe { CreateEventW(core::ptr::null(), 1, 0, core::ptr::null()) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made this handle, it is not null, and no other code knows it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Sets an event, which ends the waits on it.
pub(super) fn set_event(event: BorrowedHandle<'_>) -> io::Result<()> {
    // SAFETY: the call takes a handle by value, open for the call because it is borrowed, and no
    // memory.
    succeeded(unsafe { SetEvent(event.as_raw_handle()) })
}

/// Resets an event, so that waits on it block again.
pub(super) fn reset_event(event: BorrowedHandle<'_>) -> io::Result<()> {
    // SAFETY: as in `set_event`.
    succeeded(unsafe { ResetEvent(event.as_raw_handle()) })
}

fn succeeded(outcome: i32) -> io::Result<()> {
    if outcome == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// A waker that sets an event object, which stays open while the waker or a clone of it lives.
///
/// The waiting thread resets the event.
#[derive(Clone, Debug)]
pub struct EventWaker(Arc<EventObject>);

#[derive(Debug)]
struct EventObject(Arc<OwnedHandle>);

impl From<Arc<OwnedHandle>> for EventWaker {
    /// Converts an event object. With another kind of object, wakes do nothing.
    fn from(event: Arc<OwnedHandle>) -> Self {
        Self(Arc::new(EventObject(event)))
    }
}

impl EventWaker {
    /// Sets the event. It never panics: a waker has no caller to report to.
    pub fn wake_by_ref(&self) {
        self.0.set();
    }

    /// Converts this waker to a [`Waker`], without an allocation.
    #[must_use]
    pub fn into_waker(self) -> Waker {
        Waker::from(self.0)
    }

    /// Converts this waker to a [`RawWaker`], which owns one clone: turn it into a [`Waker`] once,
    /// or leak it.
    #[must_use]
    pub fn into_raw_waker(self) -> RawWaker {
        RawWaker::from(self.0)
    }
}

impl EventObject {
    fn set(&self) {
        use std::os::windows::io::AsHandle;
        let _ = set_event(self.0.as_handle());
    }
}

impl Wake for EventObject {
    fn wake(self: Arc<Self>) {
        self.set();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set();
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;
    use crate::backend::{Pollable, PollingFlags};

    #[test]
    fn a_wake_ends_the_wait() {
        let event = Arc::new(create_event().unwrap());
        let waker = EventWaker::from(event.clone()).into_waker();
        waker.wake_by_ref();
        event.as_raw_handle().poll(&PollingFlags::new());
        waker.wake();
        assert_eq!(Arc::strong_count(&event), 1);
    }
}
