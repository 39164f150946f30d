//! Ends the wait of a thread for a stream, from outside.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A descriptor that any thread makes readable, and that one thread waits for.
#[derive(Debug)]
pub(super) struct Notifier {
    sender: UnixStream,
    receiver: UnixStream,
    /// The descriptor is readable already, or about to be.
    notified: AtomicBool,
}

impl Notifier {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        Ok(Arc::new(Self {
            sender,
            receiver,
            notified: AtomicBool::new(false),
        }))
    }

    /// Returns the descriptor that becomes readable.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    /// Makes the descriptor readable.
    pub(super) fn notify(&self) {
        if !self.notified.swap(true, Ordering::AcqRel) {
            // It can only be full, and so readable.
            let _ = (&self.sender).write(&[1]);
        }
    }

    /// Makes the descriptor unreadable. After this, writes made before the last
    /// [`notify`](Self::notify) are visible.
    pub(super) fn reset(&self) {
        let mut bytes = [0; 8];
        // Drained first: a notification in between writes nothing, but the swap sees it.
        let _ = (&self.receiver).read(&mut bytes);
        self.notified.swap(false, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::Notifier;
    use crate::native::sys;
    use std::time::Duration;

    #[test]
    fn it_is_heard_until_it_is_hushed() {
        let notifier = Notifier::new().unwrap();
        let readable = || {
            let fd = notifier.fd();
            sys::poll(fd, libc::POLLIN, None, Some(Duration::ZERO)).unwrap()
        };
        assert!(!readable());
        (0..3).for_each(|_| notifier.notify());
        assert!(readable() && readable());
        notifier.reset();
        assert!(!readable());
        notifier.notify();
        assert!(readable());
    }
}
