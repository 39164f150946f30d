//! Wakers that use an event object: a wake sets it, which ends the waits on it.
//!
//! Make an [`EventWakerOwner`], and export its handle with a clone of the [`EventWaker`] as the
//! [`ExportedHandle`](super::ExportedHandle) of a shared backend. The backend
//! [clears](EventWakerOwner::clear) the event when it is polled, before it looks for work.
//!
//! An object that is not shared exports a [`PollingHandle`](super::PollingHandle) with
//! [`EventWaker::into_waker`] as its waker, and passes [`EventWaker::flags`] to
//! [`BackendContainer::acquire`](super::BackendContainer::acquire).

use super::closing::Closing;
use super::{wake_flags, windows};
use alloc::sync::Arc;
use alloc::task::Wake;
use core::ops::Deref;
use core::sync::atomic::AtomicU8;
use core::task::{RawWaker, Waker};
use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle, RawHandle};

/// The owner of an event object, of an [`EventWaker`] and of its clones: when it is dropped, the
/// waker is closed, and the event with it (once, and never while a wake is setting it).
///
/// ```
/// use mfio::backend::handle::{EventWaker, EventWakerOwner};
/// use mfio::backend::{Pollable, PollingFlags};
/// use std::os::windows::io::AsRawHandle;
///
/// let owner = EventWakerOwner::new().expect("the system can make an event");
/// let waker = EventWaker::clone(&owner).into_waker();
/// waker.wake();
/// owner.as_raw_handle().poll(&PollingFlags::new());
/// owner.clear().expect("the owner is not closed");
/// ```
#[derive(Debug)]
pub struct EventWakerOwner(EventWaker);

impl EventWakerOwner {
    /// Creates an event that is not set. Returns `None` if the system refuses;
    /// [`last_os_error`](std::io::Error::last_os_error) is the reason.
    #[must_use]
    pub fn new() -> Option<Self> {
        let event = windows::create_event().ok()?;
        Some(Self(EventWaker(Arc::new(EventState {
            flags: Arc::default(),
            event: Closing::new(event),
        }))))
    }

    /// Resets the event, so that waits block again. Returns `None` if this waker is closed.
    pub fn clear(&self) -> Option<()> {
        let event = &self.0.0.event;
        event
            .with(|event| windows::reset_event(event.as_handle()))?
            .ok()
    }
}

impl Deref for EventWakerOwner {
    type Target = EventWaker;

    fn deref(&self) -> &EventWaker {
        &self.0
    }
}

impl Drop for EventWakerOwner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl AsRawHandle for EventWakerOwner {
    /// Returns the event, open until this owner is dropped or the waker closed; null once it is
    /// closed.
    fn as_raw_handle(&self) -> RawHandle {
        let event = self.0.0.event.with(|event| event.as_raw_handle());
        event.unwrap_or(core::ptr::null_mut())
    }
}

/// Sets an event. A clone sets the same one; dropping clones closes nothing.
#[derive(Clone, Debug)]
pub struct EventWaker(Arc<EventState>);

#[derive(Debug)]
struct EventState {
    /// Advisory: safe code may store anything here.
    flags: Arc<AtomicU8>,
    /// Decides when the event may be set, and when it is closed.
    event: Closing<OwnedHandle>,
}

impl EventWaker {
    /// Returns the wake flags, for [`BackendContainer::acquire`](super::BackendContainer::acquire).
    ///
    /// They are advice that saves calls. A wrong value costs a lost wake at worst.
    #[must_use]
    pub fn flags(&self) -> Arc<AtomicU8> {
        self.0.flags.clone()
    }

    /// Sets the event, unless an earlier wake has not been seen yet or a round is under way that
    /// will see this one.
    ///
    /// It never panics and never fails.
    pub fn wake_by_ref(&self) {
        self.0.set_event();
    }

    /// Closes this waker and all its clones: later wakes do nothing, and the event is closed.
    ///
    /// It may be called at any time, from any thread, any number of times. It does not wait: if a
    /// wake is setting the event on another thread, that wake closes it when it is done.
    pub fn close(&self) {
        wake_flags::close(&*self.0.flags);
        self.0.event.close();
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

impl EventState {
    fn set_event(&self) {
        if wake_flags::wake(&*self.flags) {
            // An open event can be set, and a waker has no caller to report to.
            let _ = self
                .event
                .with(|event| windows::set_event(event.as_handle()));
        }
    }
}

impl Wake for EventState {
    fn wake(self: Arc<Self>) {
        self.set_event();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set_event();
    }
}

#[cfg(all(test, not(mfio_loom)))]
mod tests {
    use super::*;
    use crate::backend::{Pollable, PollingFlags};
    use core::sync::atomic::Ordering;
    use core::time::Duration;
    use std::time::Instant;

    /// Whether a wait on the event ends at once.
    fn is_set(owner: &EventWakerOwner) -> bool {
        let start = Instant::now();
        let limit = Duration::from_millis(50);
        owner
            .as_raw_handle()
            .poll_timeout(&PollingFlags::new(), Some(limit));
        start.elapsed() < limit / 2
    }

    #[test]
    fn a_wake_sets_the_event_until_it_is_cleared() {
        let owner = EventWakerOwner::new().unwrap();
        assert!(!is_set(&owner));
        owner.wake_by_ref();
        assert!(is_set(&owner) && is_set(&owner));
        owner.clear().unwrap();
        owner.wake_by_ref();
        assert!(!is_set(&owner), "the first wake has not been seen");
        owner.flags().store(0, Ordering::Relaxed);
        EventWaker::clone(&owner).into_waker().wake();
        assert!(is_set(&owner));
    }

    #[test]
    fn a_wake_after_the_close_touches_no_handle_whatever_the_flags_say() {
        let owner = EventWakerOwner::new().unwrap();
        let waker = EventWaker::clone(&owner);
        waker.close();
        waker.close();
        waker.flags().store(0, Ordering::Relaxed);
        waker.wake_by_ref();
        assert!(owner.as_raw_handle().is_null());
        assert!(owner.clear().is_none());
    }

    #[test]
    #[should_panic(expected = "WaitForSingleObject on handle")]
    fn a_wait_on_a_bad_handle_is_refused() {
        let bad: RawHandle = core::ptr::without_provenance_mut(0xfff0);
        bad.poll(&PollingFlags::new());
    }
}
