//! Requests without a buffer of the user's: bytes are consumed, produced or passed on in chunks, as
//! they come.
//!
//! Closures of the user run in the poll of the future (or on the blocked thread), never on a
//! driver's thread, and without a lock: they may take their time, panic, and use the same object.

mod forward;
mod read_with;
mod ring;
mod sink;
mod source;
mod write_with;

pub use forward::{Forward, forward};
pub use read_with::ReadWith;
pub(super) use read_with::blocking as read_with_blocking;
pub use write_with::WriteWith;
pub(super) use write_with::blocking as write_with_blocking;

use crate::error::Error;
use crate::io::Alignment;
use core::fmt;
use core::ops::ControlFlow;

/// How bytes are cut that go by: a few chunks are on their way while one is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// How long a chunk is at most, in bytes; rounded up to whole blocks where the object has such
    /// ([`PacketIo::alignment`](crate::io::PacketIo::alignment)). 0 is taken for 1.
    pub size: usize,
    /// How many chunks are on their way at once: from 1 to [`MOST`](Self::MOST), and 1 where an
    /// object wants them one after another.
    pub window: usize,
}

impl Chunks {
    /// How many chunks there are at once at most.
    pub const MOST: usize = 8;

    fn window(self, alignment: Alignment) -> usize {
        match alignment.is_in_order() {
            true => 1,
            false => self.window.clamp(1, Self::MOST),
        }
    }
}

impl Default for Chunks {
    /// Four chunks of 64 KiB, which are what an object's pool keeps.
    fn default() -> Self {
        Self {
            size: 64 << 10,
            window: 4,
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl Sealed for core::ops::ControlFlow<()> {}
}

/// What a consumer of bytes returns: nothing, or a [`ControlFlow`], with which it may say that it
/// has seen enough.
pub trait Verdict: sealed::Sealed {
    /// Whether it wants more.
    fn goes_on(self) -> bool;
}

impl Verdict for () {
    fn goes_on(self) -> bool {
        true
    }
}

impl Verdict for ControlFlow<()> {
    fn goes_on(self) -> bool {
        self.is_continue()
    }
}

/// Why not all bytes went by, and how many did.
#[derive(Clone, Debug)]
pub struct Partial {
    /// How many bytes from the start were moved without a gap.
    pub good: u64,
    /// What failed, at the offset of the first byte that did.
    pub error: Error,
}

impl fmt::Display for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (after {} bytes)", self.error, self.good)
    }
}

impl core::error::Error for Partial {}

impl From<Partial> for Error {
    /// Drops the number of bytes.
    fn from(partial: Partial) -> Self {
        partial.error
    }
}

/// How many chunks one poll handles where nothing has to be waited for; then others have their
/// turn.
const BUDGET: usize = 32;
