//! The processor time of this process, to the nanosecond.

use std::time::Duration;

/// Returns the time used by all live threads. No measurement ends a thread meanwhile.
///
/// `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub(super) fn used() -> Option<Duration> {
    let mut total = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let path = thread.ok()?.path().join("schedstat");
        // A thread that has just ended is not there any more.
        if let Ok(text) = std::fs::read_to_string(path) {
            total += text.split_whitespace().next()?.parse::<u64>().ok()?;
        }
    }
    Some(Duration::from_nanos(total))
}

/// Elsewhere it is not known.
#[cfg(not(target_os = "linux"))]
pub(super) fn used() -> Option<Duration> {
    None
}
