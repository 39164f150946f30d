//! [`Cause`]: the eight bytes that record a failure in a packet.

use super::kind::ErrorKind;
use core::fmt;

/// The reason why a range of a packet failed: a kind, and the errno if there is one.
///
/// ```
/// use mfio::error::{Cause, ErrorKind};
///
/// let cause = Cause::new(ErrorKind::TimedOut);
/// assert_eq!(cause.kind(), ErrorKind::TimedOut);
/// assert_eq!(cause.errno(), None);
/// assert_eq!(size_of::<Cause>(), 8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cause {
    kind: ErrorKind,
    /// 0 if there is none: no system uses 0 for an error.
    errno: i32,
}

impl Cause {
    /// Creates a cause without an errno.
    pub const fn new(kind: ErrorKind) -> Self {
        Self { kind, errno: 0 }
    }

    /// Creates a cause with a kind that is more specific than the errno.
    pub const fn with_errno(kind: ErrorKind, errno: i32) -> Self {
        Self { kind, errno }
    }

    /// Creates a cause from an errno. Without std its kind is [`ErrorKind::Other`].
    #[cold]
    pub fn from_errno(errno: i32) -> Self {
        #[cfg(feature = "std")]
        let kind = super::kind::kind_of_errno(errno);
        #[cfg(not(feature = "std"))]
        let kind = ErrorKind::Other;
        Self { kind, errno }
    }

    /// Returns the kind.
    pub const fn kind(self) -> ErrorKind {
        self.kind
    }

    /// Returns the errno, if the failure came from the operating system.
    pub const fn errno(self) -> Option<i32> {
        match self.errno {
            0 => None,
            n => Some(n),
        }
    }
}

impl From<ErrorKind> for Cause {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno() {
            None => f.write_str(self.kind.description()),
            #[cfg(feature = "std")]
            Some(errno) => fmt::Display::fmt(&std::io::Error::from_raw_os_error(errno), f),
            #[cfg(not(feature = "std"))]
            Some(errno) => write!(f, "{} (os error {errno})", self.kind.description()),
        }
    }
}

impl core::error::Error for Cause {}
