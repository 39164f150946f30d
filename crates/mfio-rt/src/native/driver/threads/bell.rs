//! What ends the wait of a thread for a stream, from outside.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One thread hears it; anybody rings it.
#[derive(Debug)]
pub(super) struct Bell {
    rope: UnixStream,
    clapper: UnixStream,
    /// Rung, and not heard yet: ringing again would tell nothing more.
    rung: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let (rope, clapper) = UnixStream::pair()?;
        rope.set_nonblocking(true)?;
        clapper.set_nonblocking(true)?;
        let rung = AtomicBool::new(false);
        Ok(Arc::new(Self {
            rope,
            clapper,
            rung,
        }))
    }

    /// What becomes readable.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.clapper.as_fd()
    }

    /// Makes it readable.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // It can only be full, which is as good.
            let _ = (&self.rope).write(&[1]);
        }
    }

    /// Makes it silent. What was done before the last ring can be seen after this.
    pub(super) fn hush(&self) {
        let mut bytes = [0; 8];
        // Emptied first: who rings in between writes nothing, but is seen by the swap.
        let _ = (&self.clapper).read(&mut bytes);
        self.rung.swap(false, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::Bell;
    use crate::native::sys;
    use std::time::Duration;

    #[test]
    fn it_is_heard_until_it_is_hushed() {
        let bell = Bell::new().unwrap();
        let heard = || sys::poll(bell.fd(), libc::POLLIN, None, Some(Duration::ZERO)).unwrap();
        assert!(!heard());
        (0..3).for_each(|_| bell.ring());
        assert!(heard() && heard());
        bell.hush();
        assert!(!heard());
        bell.ring();
        assert!(heard());
    }
}
