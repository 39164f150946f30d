//! [`Cause`]: eight bytes that say why, small enough to live in every packet.

use core::fmt;

/// Lists the kinds once: name, text, and `std::io::ErrorKind` where std has it.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $std:ident;)*) => {
        /// What went wrong, in the terms of this crate.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)*
        }

        impl ErrorKind {
            /// A short description in lower case.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            #[cfg(feature = "std")]
            pub(super) const fn to_std(self) -> std::io::ErrorKind {
                match self {
                    $(Self::$name => std::io::ErrorKind::$std,)*
                }
            }

            #[cfg(test)]
            pub(super) const ALL: &'static [ErrorKind] = &[$(Self::$name,)*];
        }
    };
}

kinds! {
    /// The object does not exist.
    NotFound, "not found", NotFound;
    /// Permission is missing.
    PermissionDenied, "permission denied", PermissionDenied;
    /// The object exists already.
    AlreadyExists, "already exists", AlreadyExists;
    /// A parameter is wrong.
    InvalidInput, "invalid input", InvalidInput;
    /// The data is not what it must be.
    InvalidData, "invalid data", InvalidData;
    /// The data ends before the bytes that were asked for.
    UnexpectedEof, "unexpected end of data", UnexpectedEof;
    /// A write took no bytes.
    WriteZero, "the write took no bytes", WriteZero;
    /// Memory is missing.
    OutOfMemory, "out of memory", OutOfMemory;
    /// The storage is full, or a quota is reached.
    StorageFull, "no space left", StorageFull;
    /// The object can be read only.
    ReadOnly, "read-only", ReadOnlyFilesystem;
    /// The operation does not exist here.
    NotSupported, "not supported", Unsupported;
    /// The operation was interrupted; try again.
    Interrupted, "interrupted", Interrupted;
    /// The operation would have to wait, and must not.
    WouldBlock, "would block", WouldBlock;
    /// The time allowed has passed.
    TimedOut, "timed out", TimedOut;
    /// Somebody else is using the object.
    Busy, "busy", ResourceBusy;
    /// A limit of this process or of this crate is reached.
    LimitReached, "limit reached", QuotaExceeded;
    /// The operation was cancelled.
    Cancelled, "cancelled", Other;
    /// A view was dropped without being resolved: whoever was in charge gave up.
    Dropped, "dropped without being resolved", Other;
    /// The backend in charge has gone.
    BackendGone, "the backend has gone", Other;
    /// Nobody drives the backend that would end the operation, and it must not drive itself.
    NotDriven, "nobody drives the runtime", Other;
    /// The object is a directory.
    IsADirectory, "is a directory", IsADirectory;
    /// The object is not a directory.
    NotADirectory, "is not a directory", NotADirectory;
    /// The connection was closed or broken by the other side.
    BrokenPipe, "broken pipe", BrokenPipe;
    /// Anything else; the errno says more where there is one.
    Other, "input/output error", Other;
}

/// Why a range of a packet failed: a kind, and the operating system's number where there is one.
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
    /// 0 where there is none: no system uses it for an error.
    errno: i32,
}

impl Cause {
    /// A cause of this crate's own.
    pub const fn new(kind: ErrorKind) -> Self {
        Self { kind, errno: 0 }
    }

    /// A cause of which the kind is known better than the operating system's number tells.
    pub const fn with_errno(kind: ErrorKind, errno: i32) -> Self {
        Self { kind, errno }
    }

    /// A cause that the operating system reported by number. Without std the kind is [`ErrorKind::Other`].
    #[cold]
    pub fn from_errno(errno: i32) -> Self {
        #[cfg(feature = "std")]
        let kind = super::std_io::kind_of_errno(errno);
        #[cfg(not(feature = "std"))]
        let kind = ErrorKind::Other;
        Self { kind, errno }
    }

    /// The kind.
    pub const fn kind(self) -> ErrorKind {
        self.kind
    }

    /// The operating system's number.
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
