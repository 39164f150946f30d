//! Chunks of transfers, and their ends.

use crate::error::Error;
use crate::io::Alignment;
use core::fmt;
use core::ops::ControlFlow;

/// The size and number of the chunks of a transfer: several are in flight while one is consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// Maximum length of a chunk, in bytes; rounded up to whole blocks if the object has
    /// [blocks](crate::io::IoObject::alignment). 0 is taken for 1.
    pub size: usize,
    /// Number of chunks in flight: 1 to [`MOST`](Self::MOST), and 1 if an object takes requests in
    /// order.
    pub window: usize,
}

impl Chunks {
    /// Maximum number of chunks in flight.
    pub const MOST: usize = 8;

    pub(super) fn window(self, alignment: Alignment) -> usize {
        match alignment.is_in_order() {
            true => 1,
            false => self.window.clamp(1, Self::MOST),
        }
    }
}

impl Default for Chunks {
    /// Returns four chunks of 64 KiB, the largest size that pools keep.
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

/// The return type of a consumer: `()`, or a [`ControlFlow`] that can stop the transfer.
pub trait Verdict: sealed::Sealed {
    /// Whether the consumer wants more bytes.
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

/// A failure, and the number of bytes moved before it.
#[derive(Clone, Debug)]
pub struct Partial {
    /// Number of bytes moved from the start without a gap.
    pub good: u64,
    /// The failure, with the offset of the first byte that was not moved.
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

/// Number of chunks that one poll handles before it yields to other tasks.
pub(super) const BUDGET: usize = 32;
