//! Limits of the process.
#![allow(unsafe_code)]

/// Returns the limits (soft, hard) of a resource, in its own unit.
pub(crate) fn limit(resource: Resource) -> Option<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let which = match resource {
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
        Resource::OpenFiles => libc::RLIMIT_NOFILE,
    };
    // SAFETY: `limit` is as large as the call wants.
    match unsafe { libc::getrlimit(which, &raw mut limit) } {
        #[allow(clippy::unnecessary_cast, reason = "the type differs among systems")]
        0 => Some((limit.rlim_cur as u64, limit.rlim_max as u64)),
        _ => None,
    }
}

/// A limited resource of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `RLIMIT_MEMLOCK`, bytes.
    LockedMemory,
    /// `RLIMIT_NOFILE`.
    OpenFiles,
}
