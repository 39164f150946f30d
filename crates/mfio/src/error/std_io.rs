//! Conversions to and from `std::io::Error`; the errno survives both ways.

use super::kind::kind_of_std;
use super::{Cause, Error};
use std::io;

impl From<&io::Error> for Cause {
    /// Finds the errno also in a wrapped [`Error`] or [`Cause`] of this crate.
    #[cold]
    fn from(error: &io::Error) -> Self {
        if let Some(errno) = error.raw_os_error() {
            return Self::from_errno(errno);
        }
        if let Some(inner) = error.get_ref() {
            if let Some(ours) = inner.downcast_ref::<Error>() {
                return ours.cause();
            }
            if let Some(cause) = inner.downcast_ref::<Cause>() {
                return *cause;
            }
        }
        Self::new(kind_of_std(error.kind()))
    }
}

impl From<io::Error> for Cause {
    #[cold]
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

impl From<Cause> for io::Error {
    /// Returns the plain error of the system if there is an errno, otherwise an error that wraps
    /// the cause.
    #[cold]
    fn from(cause: Cause) -> Self {
        match cause.errno() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::new(cause.kind().to_std(), cause),
        }
    }
}

impl From<Error> for io::Error {
    /// Returns the plain error of the system if there is an errno, so that `raw_os_error` returns
    /// it as programs written for std expect; the context is lost. Otherwise the result wraps this
    /// error, and [`Cause::from`] and [`io::Error::downcast`] recover it.
    ///
    /// To keep the context in either case, wrap the error: `io::Error::new(kind, error)`, or
    /// `io::Error::other(error)`.
    #[cold]
    fn from(error: Error) -> Self {
        match error.errno() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::new(error.kind().to_std(), error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorKind;
    use super::*;

    #[test]
    fn the_errno_survives_a_round_trip_through_std() {
        for errno in 1..134 {
            let cause = Cause::from_errno(errno);
            assert_eq!(io::Error::from(cause).raw_os_error(), Some(errno));
            let bare = io::Error::from(Error::new(cause, "read"));
            assert_eq!(bare.raw_os_error(), Some(errno));
            let full = io::Error::from(Error::new(cause, "read").object("/tmp/x").offset(3));
            assert_eq!(full.raw_os_error(), Some(errno));
            assert_eq!(Cause::from(&full), cause);
            let kept = io::Error::other(Error::new(cause, "read").offset(3));
            assert_eq!(Cause::from(&kept), cause);
            assert_eq!(
                full.kind(),
                io::Error::from_raw_os_error(errno).kind(),
                "errno {errno}"
            );
        }
    }

    #[test]
    fn kinds_survive_a_round_trip_through_std() {
        for &kind in ErrorKind::ALL {
            let cause = Cause::new(kind);
            assert_eq!(Cause::from(io::Error::from(cause)), cause);
            let through_kind = kind_of_std(kind.to_std());
            assert!(through_kind == kind || through_kind == ErrorKind::Other);
        }
    }

    #[cfg(unix)]
    #[test]
    fn numbers_that_std_does_not_tell_apart_have_kinds() {
        assert_eq!(
            Cause::from_errno(libc::ECANCELED).kind(),
            ErrorKind::Cancelled
        );
        assert_eq!(
            Cause::from_errno(libc::EMFILE).kind(),
            ErrorKind::LimitReached
        );
        assert_eq!(
            Cause::from_errno(libc::EINTR).kind(),
            ErrorKind::Interrupted
        );
        assert_eq!(Cause::from_errno(libc::EIO).kind(), ErrorKind::Other);
    }
}
