//! Handles that a thread can wait on, their interests, and the waits.
//!
//! The waits here end when the handle becomes *readable*, whatever the interests are, because a
//! backend's own waker makes it readable (see `fd` and `handle`): a wake must reach a backend that
//! is interested in nothing, or only in writing.
#![cfg_attr(
    all(feature = "std", any(unix, target_os = "wasi", windows)),
    allow(unsafe_code)
)]

use crate::poller::ParkHandle;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::Waker;
use core::time::Duration;

/// The type that this platform's operating system waits on: a descriptor on Unix and WASI, a
/// `HANDLE` on Windows.
///
/// Without the feature `std`, and on other platforms, it is
/// [`Infallible`](core::convert::Infallible): a backend then exports no handle, or one of its own
/// type that implements [`Pollable`].
#[cfg(all(feature = "std", any(unix, target_os = "wasi")))]
pub type DefaultHandle = std::os::fd::RawFd;

/// The type that this platform's operating system waits on: a `HANDLE`.
#[cfg(all(feature = "std", windows))]
pub type DefaultHandle = std::os::windows::io::RawHandle;

/// The default without an operating system: there is nothing to wait on.
#[cfg(not(all(feature = "std", any(unix, target_os = "wasi", windows))))]
pub type DefaultHandle = core::convert::Infallible;

/// Readiness that a backend is interested in: reading, writing, both or none.
///
/// The interests can change while other threads read them, through [`set_read`](Self::set_read) and
/// [`set_write`](Self::set_write). They are advice about readiness and synchronise nothing else.
///
/// ```
/// use mfio::backend::PollingFlags;
///
/// static READ: PollingFlags = PollingFlags::new().read(true);
/// assert_eq!(READ.get(), (true, false));
/// let flags = PollingFlags::all();
/// flags.set_read(false);
/// assert_eq!(flags.get(), (false, true));
/// ```
#[derive(Debug, Default)]
// Core's atomic even under loom: the flags synchronise nothing, and `new` has to be const.
pub struct PollingFlags(AtomicU8);

impl PollingFlags {
    const READ: u8 = 0b01;
    const WRITE: u8 = 0b10;

    /// Creates flags without interests.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// Creates flags with interest in reading and writing.
    #[must_use]
    pub const fn all() -> Self {
        Self(AtomicU8::new(Self::READ | Self::WRITE))
    }

    /// Sets the interest in reading, and returns the flags.
    #[must_use]
    pub const fn read(self, interested: bool) -> Self {
        self.with(Self::READ, interested)
    }

    /// Sets the interest in writing, and returns the flags.
    #[must_use]
    pub const fn write(self, interested: bool) -> Self {
        self.with(Self::WRITE, interested)
    }

    /// Changes the interest in reading.
    pub fn set_read(&self, interested: bool) {
        self.set(Self::READ, interested);
    }

    /// Changes the interest in writing.
    pub fn set_write(&self, interested: bool) {
        self.set(Self::WRITE, interested);
    }

    /// Returns the interests: (read, write).
    #[must_use]
    pub fn get(&self) -> (bool, bool) {
        let bits = self.0.load(Ordering::Relaxed);
        (bits & Self::READ != 0, bits & Self::WRITE != 0)
    }

    /// Returns the interests as bits of poll(2): `POLLIN` for reading, `POLLOUT` for writing.
    #[cfg(all(feature = "std", any(unix, target_os = "wasi")))]
    #[must_use]
    pub fn to_posix(&self) -> core::ffi::c_short {
        let (read, write) = self.get();
        let on = |interested, bit| if interested { bit } else { 0 };
        on(read, libc::POLLIN) | on(write, libc::POLLOUT)
    }

    const fn with(self, bit: u8, interested: bool) -> Self {
        let bits = self.0.into_inner();
        Self(AtomicU8::new(if interested {
            bits | bit
        } else {
            bits & !bit
        }))
    }

    fn set(&self, bit: u8, interested: bool) {
        if interested {
            self.0.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

impl Clone for PollingFlags {
    fn clone(&self) -> Self {
        Self(AtomicU8::new(self.0.load(Ordering::Relaxed)))
    }
}

/// The handle that a backend exports, on which its drivers wait.
///
/// It is a [`ParkHandle`]: parking waits on the handle, unparking wakes the waker.
///
/// It is `Send` and `Sync` where `Handle` is. On Windows it is both with [`DefaultHandle`], though
/// that is a raw pointer to Rust, and neither with any other type.
#[derive(Debug)]
pub struct PollingHandle<'a, Handle = DefaultHandle> {
    /// The handle to wait on. It stays valid while the backend that exported it lives.
    pub handle: Handle,
    /// The interests of the backend at the moment; they may change between waits.
    pub cur_flags: &'a PollingFlags,
    /// All interests that `cur_flags` will ever have, for reactors that register once.
    pub max_flags: PollingFlags,
    /// Makes the handle ready, from any thread. Futures driven by a thread that waits on the handle
    /// are polled with it.
    pub waker: Waker,
}

// SAFETY: `RawHandle` is an opaque number of the process, though its type is a pointer: it is never
// dereferenced, and the calls that take it may be made on any thread. The other fields are `Send`.
#[cfg(all(feature = "std", windows))]
unsafe impl Send for PollingHandle<'_, DefaultHandle> {}
// SAFETY: as above; a shared handle gives out copies of that number. The other fields are `Sync`.
#[cfg(all(feature = "std", windows))]
unsafe impl Sync for PollingHandle<'_, DefaultHandle> {}

impl<Handle: Pollable> ParkHandle for PollingHandle<'_, Handle> {
    fn park(&self) {
        self.handle.poll(self.cur_flags);
    }

    fn unpark(&self) {
        self.waker.wake_by_ref();
    }
}

/// A primitive that a thread can wait on.
///
/// It is implemented for [`DefaultHandle`]; implement it for a wait primitive of your own to use
/// that instead. A shared backend keeps its handle, so a handle borrows nothing.
pub trait Pollable: 'static {
    /// Waits until the handle is ready for one of `flags`, or its backend's waker has made it
    /// readable.
    ///
    /// It may return early: callers check and wait again.
    ///
    /// # Panics
    ///
    /// When the handle cannot be waited on: returning would make the caller spin.
    fn poll(&self, flags: &PollingFlags);

    /// Like [`poll`](Self::poll), but ends, too, when `timeout` is over. `None` waits without
    /// limit.
    ///
    /// The provided implementation **ignores the time-out**: it is correct only for callers that
    /// need none. [`DefaultHandle`] implements it properly: it rounds up to the system's resolution
    /// (milliseconds), and ends a time-out longer than the system can express (24 days at least)
    /// early.
    fn poll_timeout(&self, flags: &PollingFlags, timeout: Option<Duration>) {
        let _ = timeout;
        self.poll(flags);
    }
}

#[cfg(not(all(feature = "std", any(unix, target_os = "wasi", windows))))]
impl Pollable for core::convert::Infallible {
    fn poll(&self, _: &PollingFlags) {
        match *self {}
    }
}

/// Returns the milliseconds, rounded up (so that the time-out is over when the wait is), at most
/// `max`.
#[cfg(all(feature = "std", any(unix, target_os = "wasi", windows)))]
fn millis(timeout: Duration, max: u32) -> u32 {
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    u32::try_from(millis).map_or(max, |millis| millis.min(max))
}

#[cfg(all(feature = "std", any(unix, target_os = "wasi")))]
mod posix {
    use super::{Pollable, PollingFlags, millis};
    use core::ffi::{c_int, c_short};
    use core::time::Duration;
    use std::io;
    use std::os::fd::RawFd;

    impl Pollable for RawFd {
        /// Waits with poll(2). Also ends when the descriptor is in error or hung up.
        ///
        /// # Panics
        ///
        /// If this is not an open descriptor.
        fn poll(&self, flags: &PollingFlags) {
            self.poll_timeout(flags, None);
        }

        fn poll_timeout(&self, flags: &PollingFlags, timeout: Option<Duration>) {
            // A wake makes the descriptor readable.
            let events = flags.to_posix() | libc::POLLIN;
            let timeout = timeout.map_or(-1, |t| millis(t, i32::MAX as u32) as c_int);
            wait(*self, events, timeout);
        }
    }

    fn wait(fd: RawFd, events: c_short, timeout: c_int) {
        // poll(2) skips negative descriptors, which would be a wait without end.
        if fd < 0 {
            refuse(fd, &io::Error::from_raw_os_error(libc::EBADF));
        }
        let mut entry = libc::pollfd {
            fd,
            events,
            revents: 0,
        };
        // SAFETY: `entry` is a valid array of one `pollfd`, exclusively borrowed for the call,
        // which keeps no reference.
        let n = unsafe { libc::poll(&mut entry, 1, timeout) };
        if n < 0 {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                // The system is out of memory for the moment: come back, but not in a spin.
                Some(libc::EAGAIN | libc::ENOMEM) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                _ => refuse(fd, &error),
            }
        } else if entry.revents & libc::POLLNVAL != 0 {
            refuse(fd, &io::Error::from_raw_os_error(libc::EBADF));
        }
    }

    #[cold]
    fn refuse(fd: RawFd, error: &io::Error) -> ! {
        panic!(
            "poll(2) on descriptor {fd}: {error}: cannot wait for the backend; \
             keep the descriptor of its polling handle open for as long as the backend is used"
        );
    }
}

#[cfg(all(feature = "std", windows))]
mod win {
    use super::{Pollable, PollingFlags, millis};
    use core::time::Duration;
    use std::io;
    use std::os::windows::io::RawHandle;
    use windows_sys::Win32::Foundation::WAIT_FAILED;
    use windows_sys::Win32::System::Threading::{INFINITE, WaitForSingleObject};

    impl Pollable for RawHandle {
        /// Waits until the object is signalled; interests do not matter.
        ///
        /// # Panics
        ///
        /// If this is not a handle that can be waited on.
        fn poll(&self, flags: &PollingFlags) {
            self.poll_timeout(flags, None);
        }

        fn poll_timeout(&self, _: &PollingFlags, timeout: Option<Duration>) {
            let timeout = timeout.map_or(INFINITE, |timeout| millis(timeout, INFINITE - 1));
            // SAFETY: the call takes a handle by value and no memory; a value that is no handle is
            // an error it returns.
            let outcome = unsafe { WaitForSingleObject(*self, timeout) };
            if outcome == WAIT_FAILED {
                let error = io::Error::last_os_error();
                panic!(
                    "WaitForSingleObject on handle {self:?}: {error}: cannot wait for the backend; \
                     keep the handle that it exports open for as long as the backend is used"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interests_are_independent_and_const() {
        static READ: PollingFlags = PollingFlags::new().read(true);
        assert_eq!(READ.get(), (true, false));
        assert_eq!(PollingFlags::new().get(), (false, false));
        assert_eq!(PollingFlags::all().get(), (true, true));
        assert_eq!(PollingFlags::all().read(false).get(), (false, true));
        assert_eq!(PollingFlags::all().write(false).get(), (true, false));
        let flags = READ.clone();
        flags.set_write(true);
        flags.set_read(false);
        assert_eq!((flags.get(), READ.get()), ((false, true), (true, false)));
    }

    #[cfg(all(feature = "std", any(unix, target_os = "wasi", windows)))]
    #[test]
    fn timeouts_round_up_and_never_overflow() {
        let max = i32::MAX as u32;
        assert_eq!(millis(Duration::ZERO, max), 0);
        assert_eq!(millis(Duration::from_nanos(1), max), 1);
        assert_eq!(millis(Duration::from_micros(1001), max), 2);
        assert_eq!(millis(Duration::from_millis(u64::from(max)), max), max);
        assert_eq!(
            millis(Duration::from_millis(u64::from(u32::MAX) + 1), max),
            max
        );
        assert_eq!(millis(Duration::MAX, max), max);
    }
}
