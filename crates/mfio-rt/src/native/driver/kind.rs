//! The kinds of drivers.

use std::fmt;

/// A kind of driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DriverKind {
    /// Linux's io_uring.
    IoUring,
    /// Blocking calls on a bounded pool of threads. Works everywhere.
    Threads,
}

impl DriverKind {
    /// Every kind, in the order in which they are tried: best first.
    #[doc(alias = "LADDER")]
    pub const ALL: &'static [Self] = &[Self::IoUring, Self::Threads];

    /// Returns the name that reports and errors use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IoUring => "io_uring",
            Self::Threads => "threads",
        }
    }
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
