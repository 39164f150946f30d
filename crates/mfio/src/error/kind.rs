//! [`ErrorKind`], and the kinds of errnos.

/// Lists the kinds once: name, text, and `std::io::ErrorKind` where std has it.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident, $text:literal, $std:ident;)*) => {
        /// The kind of a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)*
        }

        impl ErrorKind {
            /// Returns a short description in lower case.
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
    /// The caller lacks permission.
    PermissionDenied, "permission denied", PermissionDenied;
    /// The object exists already.
    AlreadyExists, "already exists", AlreadyExists;
    /// A parameter is wrong.
    InvalidInput, "invalid input", InvalidInput;
    /// The data is malformed.
    InvalidData, "invalid data", InvalidData;
    /// End of file before the last byte asked for.
    UnexpectedEof, "unexpected end of data", UnexpectedEof;
    /// A write took no bytes.
    WriteZero, "the write took no bytes", WriteZero;
    /// An allocation failed.
    OutOfMemory, "out of memory", OutOfMemory;
    /// No space is left on the device, or a quota is reached.
    StorageFull, "no space left", StorageFull;
    /// The object is read-only.
    ReadOnly, "read-only", ReadOnlyFilesystem;
    /// The object or the platform does not support the operation.
    NotSupported, "not supported", Unsupported;
    /// The operation was interrupted by a signal and can be retried.
    Interrupted, "interrupted", Interrupted;
    /// The operation would block. On a stream: the read ended with the bytes available.
    WouldBlock, "would block", WouldBlock;
    /// A time-out expired.
    TimedOut, "timed out", TimedOut;
    /// The object is in use.
    Busy, "busy", ResourceBusy;
    /// A limit of the process or of this crate is reached.
    LimitReached, "limit reached", QuotaExceeded;
    /// The operation was cancelled.
    Cancelled, "cancelled", Other;
    /// A view was dropped before it was completed.
    Dropped, "dropped without being resolved", Other;
    /// The backend was dropped or has panicked.
    BackendGone, "the backend has gone", Other;
    /// No thread polls the backend, and this call must not poll it.
    NotDriven, "nobody drives the runtime", Other;
    /// The object is a directory.
    IsADirectory, "is a directory", IsADirectory;
    /// The object is not a directory.
    NotADirectory, "is not a directory", NotADirectory;
    /// The other end of the pipe or connection is closed.
    BrokenPipe, "broken pipe", BrokenPipe;
    /// Any other failure; see the errno, if there is one.
    Other, "input/output error", Other;
}

/// Returns the kind of an errno.
#[cfg(feature = "std")]
pub(super) fn kind_of_errno(errno: i32) -> ErrorKind {
    #[cfg(any(unix, target_os = "wasi"))]
    match errno {
        libc::ECANCELED => return ErrorKind::Cancelled,
        libc::EMFILE | libc::ENFILE | libc::ENOBUFS => return ErrorKind::LimitReached,
        libc::EBADF => return ErrorKind::InvalidInput,
        _ => {}
    }
    kind_of_std(std::io::Error::from_raw_os_error(errno).kind())
}

/// Returns the kind of a kind of std.
#[cfg(feature = "std")]
pub(super) fn kind_of_std(kind: std::io::ErrorKind) -> ErrorKind {
    use ErrorKind as K;
    use std::io;
    match kind {
        io::ErrorKind::NotFound => K::NotFound,
        io::ErrorKind::PermissionDenied => K::PermissionDenied,
        io::ErrorKind::AlreadyExists => K::AlreadyExists,
        io::ErrorKind::InvalidInput => K::InvalidInput,
        io::ErrorKind::InvalidData => K::InvalidData,
        io::ErrorKind::UnexpectedEof => K::UnexpectedEof,
        io::ErrorKind::WriteZero => K::WriteZero,
        io::ErrorKind::OutOfMemory => K::OutOfMemory,
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge => K::StorageFull,
        io::ErrorKind::ReadOnlyFilesystem => K::ReadOnly,
        io::ErrorKind::Unsupported => K::NotSupported,
        io::ErrorKind::Interrupted => K::Interrupted,
        io::ErrorKind::WouldBlock => K::WouldBlock,
        io::ErrorKind::TimedOut => K::TimedOut,
        io::ErrorKind::ResourceBusy | io::ErrorKind::ExecutableFileBusy => K::Busy,
        io::ErrorKind::QuotaExceeded => K::LimitReached,
        io::ErrorKind::IsADirectory => K::IsADirectory,
        io::ErrorKind::NotADirectory => K::NotADirectory,
        io::ErrorKind::BrokenPipe => K::BrokenPipe,
        _ => K::Other,
    }
}
